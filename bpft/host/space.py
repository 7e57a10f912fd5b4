"""Room on a file system."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Space:
    """What is left on a file system."""

    device: int  #: the same for all that share the room
    free: int  #: bytes for who is not root
    files_free: int | None  #: None: it makes them as needed
    read_only: bool


def space(path: Path) -> Space:
    """The room where path is.  Raises OSError."""
    found = os.statvfs(path)
    files_free = found.f_favail if found.f_files else None
    return Space(path.stat().st_dev, found.f_bavail * found.f_frsize, files_free, bool(found.f_flag & os.ST_RDONLY))
