"""Locks for life (SEMANTICS E8): the lock decides, whatever the file says."""

import os
from pathlib import Path

import pytest

from bpft.daemon.pidfile import HeldFile
from bpft.errors import AlreadyCounted, CannotWrite, Held


def test_one_holder(tmp_path: Path) -> None:
    first = HeldFile(tmp_path / "x.pid", AlreadyCounted, "eth0")
    first.write_pid()
    with pytest.raises(AlreadyCounted, match=f"eth0 is already counted .*pid {os.getpid()}"):
        HeldFile(tmp_path / "x.pid", AlreadyCounted, "eth0")
    first.release(remove=True)
    assert not (tmp_path / "x.pid").exists()
    HeldFile(tmp_path / "x.pid", AlreadyCounted, "eth0").release(remove=False)


@pytest.mark.parametrize("content", [f"{os.getpid()}\n", "1\n", "not a number", ""])
def test_what_a_crash_left_is_taken(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.pid").write_text(content)
    held = HeldFile(tmp_path / "x.pid", AlreadyCounted, "eth0")
    held.write_pid()
    assert (tmp_path / "x.pid").read_text() == f"{os.getpid()}\n"
    held.release(remove=True)


def test_a_holder_that_has_not_told_its_pid(tmp_path: Path) -> None:
    held = HeldFile(tmp_path / "x.lock", Held, "EXT x")
    with pytest.raises(Held, match="yet unknown"):
        HeldFile(tmp_path / "x.lock", Held, "EXT x")
    held.release(remove=False)


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
    held.release(remove=False)
    with pytest.raises(Held):
        HeldFile(tmp_path / "x.lock", Held, "EXT x")
    os.close(write_end)
    os.waitpid(child, 0)
    HeldFile(tmp_path / "x.lock", Held, "EXT x").release(remove=False)


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.pid").symlink_to(tmp_path / "victim")
    with pytest.raises(CannotWrite):
        HeldFile(tmp_path / "x.pid", AlreadyCounted, "eth0")
    assert not (tmp_path / "victim").exists()


def test_a_file_removed_while_it_was_waited_for_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The former holder unlinks its file just before it lets go: the lock of an unlinked file protects nothing."""
    path = tmp_path / "x.pid"
    import fcntl

    real = fcntl.flock
    removed = []

    def flock(fd: int, operation: int) -> None:
        real(fd, operation)
        if not removed:
            removed.append(path.unlink())

    monkeypatch.setattr(fcntl, "flock", flock)
    held = HeldFile(path, AlreadyCounted, "eth0")
    assert os.path.samestat(os.fstat(held.fileno()), path.stat())
    held.release(remove=True)
