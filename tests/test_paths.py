"""Paths and names (SEMANTICS P4, P7)."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft.errors import BadName
from bpft.paths import check_name, environment_root, paths

_ALLOWED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@+-"


def test_linux_layout_below_a_root() -> None:
    where = paths("/srv/x", "linux")
    assert [str(path) for path in (where.log("e"), where.dump("e"), where.lock("e"))] == [
        "/srv/x/var/lib/bpft/trafd.e",
        "/srv/x/var/lib/bpft/tmp/trafd.e",
        "/srv/x/var/lib/bpft/.trafd.e.lock",
    ]
    assert [str(path) for path in (where.pid("i"), where.socket("i"))] == [
        "/srv/x/run/bpft/trafd.i.pid",
        "/srv/x/run/bpft/trafd.i.sock",
    ]
    assert str(paths("", "linux").log("e")) == "/var/lib/bpft/trafd.e"


def test_bsd_layout_is_the_manuals() -> None:
    where = paths("", "freebsd14")
    assert [str(path) for path in (where.log("ed1"), where.dump("ed1"), where.pid("ed1"))] == [
        "/var/trafd/trafd.ed1",
        "/var/trafd/tmp/trafd.ed1",
        "/var/run/trafd.ed1.pid",
    ]


@pytest.mark.parametrize("name", ["", ".", "..", "-x", ".x", "a/b", "a b", "a\n", "a\0", "ü", "x" * 65, "../x"])
def test_hostile_names(name: str) -> None:
    with pytest.raises(BadName) as why:
        check_name("EXT", name)
    assert why.value.exit_code == 127
    assert str(why.value).isprintable()
    assert "begin with none of - and ." in str(why.value)


@given(st.text(_ALLOWED, min_size=1, max_size=64).filter(lambda name: name[0] not in ".-"))
def test_good_names_stay_inside_their_directory(name: str) -> None:
    assert check_name("EXT", name) == name
    assert paths("/r").log(name).parent == Path("/r/var/lib/bpft")


@given(st.text(max_size=70))
def test_a_name_is_refused_or_safe(name: str) -> None:
    try:
        check_name("EXT", name)
    except BadName:
        return
    assert 1 <= len(name) <= 64
    assert set(name) <= set(_ALLOWED)
    assert name[0] not in ".-"


def test_the_environment_is_for_ones_own_privileges_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPFT_ROOT", "/srv/x")
    assert environment_root() == "/srv/x"
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert environment_root() == ""
