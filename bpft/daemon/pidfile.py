"""What says that a trafd runs: locks that are held for life (E8), and a pid file for people and scripts.

A lock is flock(2)'s: it survives the forks of detaching and dies with its holder, so what a crash left, even a process
id that is somebody else's by now, is simply taken.  The file of a lock is never removed: a lock on a file that lost its
name would protect nothing.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path

from bpft import access
from bpft.errors import BpftError, CannotWrite
from bpft.holder import pid_in
from bpft.lognames import is_own

TELL_WITHIN_S = 2.0  #: how long somebody that has just taken a lock may need to tell its process id
#: Who can open a file can lock it, and would keep every trafd from starting: the group may do that, others may not.
_LOCK_MODE, _PID_MODE = 0o640, 0o644
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class HeldFile:
    """path, locked exclusively until release() or the end of the process."""

    def __init__(self, path: Path, refusal: type[BpftError], name: str) -> None:
        """Raises refusal(name, pid of the holder), CannotWrite."""
        self.path = path
        self._fd = _open(path, _LOCK_MODE)
        deadline = time.monotonic() + TELL_WITHIN_S
        while not self._taken():
            pid = pid_in(self._fd)
            if pid or time.monotonic() >= deadline:
                os.close(self._fd)
                raise refusal(name, pid or "not yet told")
            time.sleep(0.02)
        self._clear()

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def fileno(self) -> int:
        return self._fd

    def write_pid(self) -> None:
        """The id of this process, as the file's one line."""
        try:
            _write_pid(self._fd)
        except OSError as why:
            raise CannotWrite(self.path, why.strerror) from None

    def release(self) -> None:
        """Give it up; nobody's process id is in the file then."""
        self._clear()
        os.close(self._fd)

    def _clear(self) -> None:
        with contextlib.suppress(OSError):  # A lock is none the worse for what its file says.
            os.truncate(self._fd, 0)


class PidFile:
    """The process id at path; it is only information, and removed only while it is ours."""

    def __init__(self, path: Path) -> None:
        """Make it, or take over what a former daemon left: call it with the interface's lock held.

        Raises CannotWrite.
        """
        self.path = path
        self._fd = _open(path, _PID_MODE)  # For life: so its inode cannot become another file's.
        self.write()

    def fileno(self) -> int:
        return self._fd

    def write(self) -> None:
        """The id of this process: again after a fork.  Raises CannotWrite."""
        try:
            _write_pid(self._fd)
        except OSError as why:
            raise CannotWrite(self.path, why.strerror) from None

    def remove(self) -> None:
        """Take it away, unless somebody did, or put another one there; a directory that is not ours keeps it empty."""
        with contextlib.suppress(OSError):
            os.truncate(self._fd, 0)
            if os.path.samestat(os.fstat(self._fd), self.path.lstat()):
                self.path.unlink()
        os.close(self._fd)


def _open(path: Path, mode: int) -> int:
    """A descriptor of path, made where it was missing: a file of its own, since its content is overwritten."""
    try:
        fd = os.open(path, _FLAGS, mode)
    except OSError as why:
        raise CannotWrite(path, access.writing(path, why)) from None
    if not is_own(fd):
        os.close(fd)
        raise CannotWrite(path, "is no file, or another one by a second name; remove it")
    return fd


def _write_pid(fd: int) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
