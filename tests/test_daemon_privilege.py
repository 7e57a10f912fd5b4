"""Privileges: who may become whom, and in which order; that it holds is for tests/system/test_privileges.py."""

import os
import pwd
from pathlib import Path

import pytest

from bpft import access
from bpft.daemon import privilege
from bpft.daemon.places import directory, usable
from bpft.daemon.privilege import CannotDrop, NoSuchUser, NotRoot, User
from bpft.errors import CannotWrite
from bpft.host import capability

NOBODY = pwd.getpwnam("nobody")


def test_who_a_name_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(access, "group_id", lambda: None)
    assert privilege.find_user("nobody") == User("nobody", NOBODY.pw_uid, NOBODY.pw_gid)
    monkeypatch.setattr(access, "group_id", lambda: 4711)
    assert privilege.find_user("nobody") == User("nobody", NOBODY.pw_uid, 4711)
    assert privilege.find_user("") is None
    for name in ("no-such-user", "no\0user"):
        with pytest.raises(NoSuchUser, match="useradd"):
            privilege.find_user(name)


def test_root_counts_for_whom_the_logs_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owner = NOBODY.pw_uid
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(access, "group_id", lambda: None)
    monkeypatch.setattr(Path, "stat", lambda path: os.stat_result((0o40750, 0, 0, 1, owner, 0, 0, 0, 0, 0)))
    assert privilege.owner_of(tmp_path) == User("nobody", NOBODY.pw_uid, NOBODY.pw_gid)
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    assert privilege.owner_of(tmp_path) is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    owner = 0
    assert privilege.owner_of(tmp_path) is None
    owner = 4_000_000_000  # nobody's any more
    assert privilege.owner_of(tmp_path) is None
    monkeypatch.undo()
    assert privilege.owner_of(tmp_path / "none") is None


def test_who_is_not_root_stays_who_he_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid)
    assert privilege.find_user("nobody") is None
    with pytest.raises(NotRoot, match="CAP_NET_RAW"):
        privilege.find_user("root")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What would have been done, in order; nothing is."""
    done: list[tuple[object, ...]] = []
    for module, names in (
        (os, ("fchown", "setgroups", "setresgid", "setresuid")),
        (capability, ("survive_change_of_user", "keep", "never_more")),
    ):
        for name in names:
            monkeypatch.setattr(
                module, name, lambda *words, _name=name, **more: done.append((_name, *words, *more.values()))
            )
    monkeypatch.setattr(privilege, "_root_again", lambda: False)
    return done


def test_the_order(calls: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups before the user, who could not change them any more; capabilities last, as all else needs them."""
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    privilege.confine(User("bpft", 4711, 4712), True, (9,))
    assert calls == [
        ("fchown", 9, 4711, 4712),
        ("survive_change_of_user",),
        ("setgroups", []),
        ("setresgid", 4712, 4712, 4712),
        ("setresuid", 4711, 4711, 4711),
        ("keep", True),
        ("never_more",),
    ]


def test_root_that_stays_root_keeps_what_it_has(
    calls: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    privilege.confine(None, False)
    assert calls == [("never_more",)]


def test_a_way_back_to_root_is_no_start(calls: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "_root_again", lambda: True)
    with pytest.raises(CannotDrop, match="can become root again"):
        privilege.confine(User("bpft", 4711, 4712), False)


def test_what_fails_is_told(calls: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setresuid", refuse)
    with pytest.raises(CannotDrop, match="cannot be given up: Operation not permitted"):
        privilege.confine(User("bpft", 4711, 4712), False)


def test_what_is_usable(tmp_path: Path) -> None:
    """A directory may be a link; a file may not."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "directory")
    (tmp_path / "file").touch()
    (tmp_path / "other").symlink_to(tmp_path / "file")
    (tmp_path / "nowhere").symlink_to(tmp_path / "nothing")
    usable(tmp_path / "directory", tmp_path / "link", tmp_path / "file", tmp_path / "missing")
    for name in ("other", "nowhere"):
        with pytest.raises(CannotWrite, match="is a symbolic link"):
            usable(tmp_path / name)


def test_what_is_made_belongs_to_the_group(monkeypatch: pytest.MonkeyPatch, calls: list[tuple[object, ...]]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(access, "group_id", lambda: None)
    privilege.join_group()
    monkeypatch.setattr(access, "group_id", lambda: 4711)
    privilege.join_group()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    privilege.join_group()
    assert calls == [("setresgid", 4711, 4711, 4711)]


def test_a_link_that_is_put_where_a_directory_is_to_be_made_is_not_given_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Logs are the daemon's user's, and root makes the directory of dumps in it."""
    victim, wanted = tmp_path / "victim", tmp_path / "logs/tmp"
    victim.mkdir(mode=0o700)
    wanted.parent.mkdir()
    make = os.mkdir

    def late(path: Path, *mode: int) -> None:
        if Path(path) == wanted:
            wanted.symlink_to(victim)
        make(path, *mode)

    monkeypatch.setattr(os, "mkdir", late)
    with pytest.raises(CannotWrite, match="logs/tmp"):
        directory(wanted, 0o777)
    assert victim.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_another_trafd_has_just_made_is_as_good(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = tmp_path / "logs"
    make = os.mkdir

    def late(path: Path, *mode: int) -> None:
        make(path, *mode)
        make(path, *mode)

    monkeypatch.setattr(os, "mkdir", late)
    directory(wanted, 0o750)
    assert wanted.stat().st_mode & 0o777 == 0o750
