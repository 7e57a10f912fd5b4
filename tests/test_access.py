"""What is said to who may not read or write: the group to join, the owner to be, or the link that is not followed."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bpft import access
from bpft.core import Table
from bpft.errors import CannotRead, CannotWrite
from bpft.logfile import write_dump
from bpft.paths import paths
from bpft.record import Header
from bpft.source import Source

DENIED = PermissionError(errno.EACCES, "Permission denied")
ALICE, OWNER, GROUP = 4242, 4711, 4712


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is alice, in no group; there is the group bpft."""
    monkeypatch.setattr(os, "geteuid", lambda: ALICE)
    monkeypatch.setattr(os, "getuid", lambda: ALICE)
    monkeypatch.setattr(access, "user_name", {ALICE: "alice", OWNER: "trafficker", 0: "root"}.__getitem__)
    monkeypatch.setattr(access, "group_id", lambda: GROUP)


def owned(monkeypatch: pytest.MonkeyPatch, uid: int, gid: int) -> None:
    monkeypatch.setattr(access, "_nearest", lambda name: (name, SimpleNamespace(st_uid=uid, st_gid=gid)))


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("platform", "uid", "gid", "name", "said"),
    [
        (
            "linux",
            OWNER,
            GROUP,
            "/x/any name",
            "it is for root and the group bpft: usermod -aG bpft alice, then log in again",
        ),
        (
            "freebsd14",
            0,
            GROUP,
            "/x/y",
            "it is for root and the group bpft: pw groupmod bpft -m alice, then log in again",
        ),
        (
            "linux",
            0,
            0,
            "/x/trafd.eth0",
            "run as root, or have root let you read it: chgrp bpft /x/trafd.eth0; usermod -aG bpft alice; "
            "then log in again",
        ),
        ("linux", 0, 0, "/etc/shadow", "run as root"),
        ("linux", OWNER, OWNER, "/x/trafd.eth0", "run as root or as trafficker, its owner"),
        ("linux", ALICE, GROUP, "/x/y", "it is yours: chmod u+r /x/y"),
    ],
)
def test_the_remedy_of_readers(
    monkeypatch: pytest.MonkeyPatch, platform: str, uid: int, gid: int, name: str, said: str
) -> None:
    monkeypatch.setattr(access.sys, "platform", platform)
    owned(monkeypatch, uid, gid)
    assert access.reading(name, DENIED) == f"Permission denied; {said}"
    assert access.reading(name, OSError(errno.EIO, "Input/output error")) == "Input/output error"


@pytest.mark.usefixtures("alice")
def test_without_the_group_it_is_to_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "group_id", lambda: None)
    owned(monkeypatch, 0, 0)
    assert "groupadd -r bpft; chgrp bpft /x/trafd.lo; usermod -aG bpft alice" in access.reading("/x/trafd.lo", DENIED)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("closed", "name", "said"),
    [
        ("/var/lib/bpft", "/var/lib/bpft/trafd.eth0", "have root let you read it: chgrp -R bpft /var/lib/bpft; "),
        ("/var/lib/bpft", "/var/lib/bpft/tmp", "have root let you read it: chgrp -R bpft /var/lib/bpft; "),
        ("/srv/closed", "/srv/closed/trafd.eth0", "run as root"),
    ],
)
def test_a_closed_directory_is_what_has_to_be_opened(
    monkeypatch: pytest.MonkeyPatch, closed: str, name: str, said: str
) -> None:
    monkeypatch.setattr(access, "_nearest", lambda _: (closed, SimpleNamespace(st_uid=0, st_gid=0)))
    found = access.reading(name, DENIED)
    assert said in found
    assert ("chgrp" in found) == ("chgrp" in said)


@pytest.mark.usefixtures("alice")
def test_the_remedy_of_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    owned(monkeypatch, OWNER, GROUP)
    assert access.writing("/x/y", DENIED) == (
        "Permission denied for user alice; run as root or as trafficker, its owner"
    )
    assert access.refused("/x/y", "/x") == "user alice may not write it; run as root or as trafficker, its owner"
    owned(monkeypatch, 0, 0)
    assert access.refused("/x/y", "/x") == (
        "user alice may not write it; run as root, or give it away: chown -R alice /x"
    )
    for code in (errno.ELOOP, errno.EMLINK):
        assert access.writing("/x/y", OSError(code, "?")).startswith("is a symbolic link")


def test_the_nearest_that_can_be_seen(tmp_path: Path) -> None:
    nearest, found = access._nearest(str(tmp_path / "a" / "b"))
    assert (nearest, found.st_ino) == (str(tmp_path), tmp_path.stat().st_ino)
    assert access.user_name(1 << 30) == str(1 << 30)


def test_a_source_that_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert Source(tmp_path / "link").read(0, 1) == b"x"
    with pytest.raises(CannotRead):
        Source(tmp_path / "link", follow=False)


def test_who_may_not_list_the_daemons_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never "no trafd is running"."""

    def denied(_: str) -> list[str]:
        raise DENIED

    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(CannotRead, match="Permission denied"):
        paths("/x").interfaces()


def test_a_link_in_place_of_a_dump_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "trafd.x").symlink_to(victim)
    with pytest.raises(CannotWrite, match="is a symbolic link"):
        write_dump(tmp_path / "trafd.x", Header(), Table())
    assert victim.read_text() == "precious"
