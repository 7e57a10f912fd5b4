"""The names of logs: who may write under one, which files rotation made of it, and which names are free (R6)."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from bpft import access
from bpft.blockscan import is_log
from bpft.errors import CannotRead, CannotWrite
from bpft.paths import DAMAGED

MODE = 0o640
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
#: Seconds to wait for somebody else who locks the log.
_PATIENCE = 10.0


def siblings(path: Path) -> Iterator[Path]:
    """Files that rotation may have made of path: its name, then "." or "-" and anything."""
    for entry in sorted(path.parent.iterdir()):
        if entry.name.startswith((f"{path.name}.", f"{path.name}-")) and entry.is_file():
            yield entry


def parts(log: Path) -> list[Path]:
    """A log and the files that rotation made of it, those that are there: not what another trafd appends to."""
    found = [path for path in siblings(log) if not path.with_name(f".{path.name}.lock").exists()]
    return [*found, log] if log.exists() else found


def recorded(directory: Path) -> list[Path]:
    """The logs or dumps that trafd keeps in a directory, which need not be there, sorted.  Raises CannotRead.

    Not what it could not read of a dump and set aside (Paths.damaged); a log's EXT may end like that, without "~".
    """
    try:
        found = sorted(path for path in directory.iterdir() if path.name.startswith("trafd.") and path.is_file())
    except FileNotFoundError:
        return []
    except OSError as why:
        raise CannotRead(why.filename or directory, access.reading(directory, why)) from why
    return [path for path in found if not (path.name.endswith(DAMAGED) and "~" in path.name)]


def lock_log(path: Path, more_flags: int = 0) -> int:
    """A descriptor of the file that bears the name once it is locked: it may be renamed at any moment.

    Raises OSError; CannotWrite where somebody else keeps it locked.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        fd = os.open(path, FLAGS | more_flags, MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if same_file(fd, path):
                return fd
            os.close(fd)
        except BlockingIOError:
            os.close(fd)
            if time.monotonic() > deadline:
                raise CannotWrite(str(path), "another process keeps it locked") from None
            time.sleep(0.02)
        except OSError:
            os.close(fd)
            raise


def is_any_log(path: Path) -> bool:
    """Whether a regular file is a log or dump, of this BPFT or of an old one, and not empty.  Raises CannotRead."""
    if path.stat().st_size == 0:
        return False
    from bpft.heritage import is_old  # seldom asked, and no small module

    return is_log(path) or is_old(path)


def claim(path: Path, force: bool = False) -> int:
    """A descriptor of path, locked, which held nothing: it may be replaced by a rename until the descriptor is closed.

    force: or held something that is no log.  Raises OSError; CannotWrite where a file is there already (R6).
    """
    fd = claim_free(path)
    if fd is not None:
        return fd
    if path.is_file() and is_any_log(path):
        raise CannotWrite(str(path), "it is a log, which is never overwritten; give another name")
    if not force or not path.is_file():
        raise CannotWrite(str(path), "it is there already; give another name")
    return os.open(path, FLAGS)


def claim_free(path: Path) -> int | None:
    """claim(); None where the name is taken.  A writer that appends to a new log has it locked, or will look again."""
    try:
        fd = os.open(path, FLAGS | os.O_CREAT | os.O_NONBLOCK, MODE)
    except OSError:
        if os.path.lexists(path):
            return None
        raise
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_size == 0 and path.is_file() and same_file(fd, path):
            return fd
    except BlockingIOError:
        pass
    except OSError:
        os.close(fd)
        raise
    os.close(fd)
    return None


def same_file(fd: int, path: Path) -> bool:
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    found = os.fstat(fd)
    return (found.st_dev, found.st_ino) == (named.st_dev, named.st_ino)


def is_own(fd: int) -> bool:
    """Whether a file may be overwritten: a regular one without a second name, by which it would be somebody else's."""
    found = os.fstat(fd)
    return stat.S_ISREG(found.st_mode) and found.st_nlink <= 1


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
