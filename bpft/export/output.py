"""The file an export goes to: it appears whole or not at all, and never in place of a log (SEMANTICS R6)."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bpft.errors import CannotWrite
from bpft.lognames import is_any_log, sync_directory
from bpft.newfile import draft, hidden


@contextmanager
def new_file(path: Path, sources: Iterable[str]) -> Iterator[Path]:
    """A name to write to; at the end it takes the place of path, or is gone where something failed.

    A pipe or device is written to as it is.  Raises CannotWrite, also where path is a link to a file, a log or one of
    the sources.
    """
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            if path.is_dir():
                raise CannotWrite(str(path), "is a directory")
            yield path
            return
        _refuse(path, sources)
        with draft(path) as fd:
            yield hidden(path)
            os.fsync(fd)
            hidden(path).rename(path)
            sync_directory(path.parent)
    except OSError as error:
        raise CannotWrite(str(path), error.strerror) from error


def _refuse(path: Path, sources: Iterable[str]) -> None:
    if path.exists() and any(Path(source).exists() and path.samefile(source) for source in sources):
        raise CannotWrite(str(path), "is one of the files that are read")
    if path.is_symlink():
        raise CannotWrite(str(path), "is a link; name the file itself")
    if path.exists() and is_any_log(path):
        raise CannotWrite(str(path), "is a log, which is never overwritten; choose another name")
