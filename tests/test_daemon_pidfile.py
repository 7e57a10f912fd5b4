"""Locks for life (SEMANTICS E8): the lock decides, whatever the file says."""

import os
import stat
import threading
from pathlib import Path

import pytest

from bpft.daemon import pidfile
from bpft.daemon.pidfile import HeldFile, PidFile
from bpft.errors import AlreadyCounted, CannotWrite, Held


def test_one_holder(tmp_path: Path) -> None:
    """The file stays, and tells nobody's process id when it is free."""
    first = HeldFile(tmp_path / "x.lock", AlreadyCounted, "eth0")
    first.write_pid()
    with pytest.raises(AlreadyCounted, match=f"eth0 is already counted .*pid {os.getpid()}"):
        HeldFile(tmp_path / "x.lock", AlreadyCounted, "eth0")
    first.release()
    assert (tmp_path / "x.lock").read_text() == ""
    HeldFile(tmp_path / "x.lock", AlreadyCounted, "eth0").release()


@pytest.mark.parametrize("content", [f"{os.getpid()}\n", "1\n", "not a number", ""])
def test_what_a_crash_left_is_taken(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.lock").write_text(content)
    held = HeldFile(tmp_path / "x.lock", AlreadyCounted, "eth0")
    held.write_pid()
    assert (tmp_path / "x.lock").read_text() == f"{os.getpid()}\n"
    held.release()


def test_a_holder_that_has_not_told_its_pid_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that start at once; what a crash left in the file is nobody's process id."""
    (tmp_path / "x.lock").write_text("1\n")
    held = HeldFile(tmp_path / "x.lock", Held, "EXT x")
    timer = threading.Timer(0.1, held.write_pid)
    timer.start()
    with pytest.raises(Held, match=f"pid {os.getpid()}"):
        HeldFile(tmp_path / "x.lock", Held, "EXT x")
    timer.join()
    monkeypatch.setattr(pidfile, "TELL_WITHIN_S", 0.05)
    held._clear()
    with pytest.raises(Held, match="not yet told"):
        HeldFile(tmp_path / "x.lock", Held, "EXT x")
    held.release()


def test_a_pid_file_is_removed_while_it_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.pid"
    path.write_text("1\n")
    first = PidFile(path)
    first.write()
    assert path.read_text() == f"{os.getpid()}\n"
    path.unlink()
    second = PidFile(path)
    second.write()
    first.remove()
    assert path.exists()
    second.remove()
    assert not path.exists()
    third = PidFile(path)
    path.unlink()
    third.remove()


def test_a_stranger_cannot_hold_it(tmp_path: Path) -> None:
    """flock(2) asks for no more than that a file can be opened; the id of the process is for all to see."""
    mask = os.umask(0o022)
    try:
        HeldFile(tmp_path / "x.lock", Held, "EXT x").release()
        PidFile(tmp_path / "x.pid")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "x.lock").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "x.pid").stat().st_mode) == 0o644


def test_it_survives_a_fork(tmp_path: Path) -> None:
    """The child holds it on after the parent's descriptor is closed, as when detaching."""
    held = HeldFile(tmp_path / "x.lock", Held, "EXT x")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    os.close(read_end)
    held.release()
    with pytest.raises(Held):
        HeldFile(tmp_path / "x.lock", Held, "EXT x")
    os.close(write_end)
    os.waitpid(child, 0)
    HeldFile(tmp_path / "x.lock", Held, "EXT x").release()


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "victim")
    with pytest.raises(CannotWrite):
        HeldFile(tmp_path / "x", AlreadyCounted, "eth0")
    with pytest.raises(CannotWrite):
        PidFile(tmp_path / "x")
    assert not (tmp_path / "victim").exists()
