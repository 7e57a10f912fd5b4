"""The file an export goes to: it appears whole or not at all, and never in place of a log (SEMANTICS R6)."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bpft.errors import CannotWrite
from bpft.lognames import is_any_log


@contextmanager
def new_file(path: Path, sources: Iterable[str]) -> Iterator[Path]:
    """A name to write to; at the end it takes the place of path, or is gone where something failed.

    A pipe or device is written to as it is.  Raises CannotWrite, also where path is a log or one of the sources.
    """
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            if path.is_dir():
                raise CannotWrite(str(path), "is a directory")
            yield path
            return
        _refuse(path, sources)
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
        try:
            yield draft
            _sync(draft)
            draft.rename(path)
            _sync(path.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotWrite(str(path), error.strerror) from error


def _refuse(path: Path, sources: Iterable[str]) -> None:
    if not path.exists():
        return
    if any(Path(source).exists() and path.samefile(source) for source in sources):
        raise CannotWrite(str(path), "is what is being exported")
    if is_any_log(path):
        raise CannotWrite(str(path), "is a log, which is never overwritten; choose another name")


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
