"""Files that are locked for life and tell the holder's process id (E8).

The lock is flock(2)'s: it survives the forks of detaching and dies with its holder, so a file left by a crash, even
one whose process id runs something else by now, is simply taken.
"""

import fcntl
import os
from pathlib import Path

from bpft.errors import BpftError, CannotWrite


class HeldFile:
    """path, locked exclusively until release() or the end of the process."""

    def __init__(self, path: Path, refusal: type[BpftError], name: str) -> None:
        """Raises refusal(name, pid of the holder), CannotWrite."""
        self.path = path
        while True:
            try:
                self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            except OSError as why:
                raise CannotWrite(path, why.strerror) from None
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pid = _pid(self._fd)
                os.close(self._fd)
                raise refusal(name, pid) from None
            if self._still_there():
                return
            os.close(self._fd)  # Its holder removed it while we waited for the lock.

    def _still_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), self.path.stat())
        except FileNotFoundError:
            return False

    def fileno(self) -> int:
        return self._fd

    def write_pid(self) -> None:
        """The id of this process, as the file's one line."""
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError as why:
            raise CannotWrite(self.path, why.strerror) from None

    def release(self, remove: bool) -> None:
        """Give it up; remove the file first where it means "running"."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)


def _pid(fd: int) -> str:
    text = os.pread(fd, 32, 0).strip()
    return text.decode("ascii") if text.isdigit() else "yet unknown"
