"""The directories and files of a daemon: made where they are missing, and nobody's trap."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from bpft import access
from bpft.daemon.privilege import User
from bpft.errors import CannotWrite


def directory(path: Path, mode: int, owner: User | None = None) -> None:
    """path is a directory that can be written to; made, for owner, where it was missing.  Raises CannotWrite."""
    try:
        if not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # Another trafd has just made it.
                path.mkdir()
            _give(path, mode, owner)
    except OSError as why:
        raise CannotWrite(why.filename or path, f"{why.strerror}; make it, or start trafd as root") from None
    usable(path)


def _give(path: Path, mode: int, owner: User | None) -> None:
    """To owner, if it is ours and a directory: who owns the one around it could have put a link there."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            if owner is not None:
                os.fchown(fd, owner.uid, owner.gid)
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def usable(*paths: Path) -> None:
    """None of the files and directories that are there is a link, or closed to us.  Raises CannotWrite."""
    for path in paths:
        try:
            kind = path.lstat().st_mode
        except FileNotFoundError:
            continue
        except OSError as why:
            raise CannotWrite(path, access.writing(path, why)) from None
        is_directory = path.is_dir()  # Which may be a link: it is root's to say where data lies.
        if stat.S_ISLNK(kind) and not is_directory:
            raise CannotWrite(path, access.A_LINK)
        if not os.access(path, os.R_OK | os.W_OK | (os.X_OK if is_directory else 0), effective_ids=True):
            raise CannotWrite(path, access.refused(path, path if is_directory else path.parent))
