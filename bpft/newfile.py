"""Files that appear whole or not at all: a new log, or a new content of one that a daemon may be appending to."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bpft import access
from bpft.block import Block
from bpft.blockscan import walk
from bpft.errors import CannotWrite
from bpft.lognames import FLAGS, MODE, claim, is_own, lock_log, same_file, sync_directory
from bpft.source import Source


def write_log(out: Path, pieces: Iterable[bytes], force: bool = False, like: os.stat_result | None = None) -> int:
    """Make out a file of these pieces; returns its length.  Raises CannotWrite, also where out is there already (R6).

    force: a file that is no log may be replaced.  like: whose owner and mode it gets.
    """
    try:
        there = os.path.lexists(out)
        taken = claim(out, force)
        try:
            with draft(out, like) as fd:
                length = _write(fd, pieces)
                os.fsync(fd)
                os.rename(hidden(out), out)  # noqa: PTH104 - as os.X, so that a test can make it fail
        except BaseException:
            if not there:
                os.unlink(out)  # noqa: PTH108
            raise
        finally:
            os.close(taken)
        sync_directory(out.parent)
    except OSError as error:
        raise CannotWrite(str(out), access.writing(out, error)) from error
    return length


def replace_log(source: Source, end: int, pieces: Iterable[bytes]) -> int:
    """Put pieces in place of the first end bytes of a log; whole blocks that are appended meanwhile stay behind them.

    Returns the new length.  Raises CannotWrite, and BlockDamaged from pieces: then the log is as it was.  The log is
    locked only while the last blocks are copied; who waits to append then finds the new file under the name.
    """
    path = Path(source.name)
    try:
        with draft(path, os.fstat(source.fileno())) as fd:
            _write(fd, pieces)
            os.fsync(fd)
            lock = lock_log(path)
            try:
                if not same_file(source.fileno(), path):
                    raise CannotWrite(str(path), "it was renamed meanwhile, and stays as it was; try again")
                _write(fd, _appended(source, end))
                os.fsync(fd)
                length = os.fstat(fd).st_size
                os.rename(hidden(path), path)  # noqa: PTH104
                sync_directory(path.parent)
            finally:
                os.close(lock)
    except OSError as error:
        raise CannotWrite(str(path), access.writing(path, error)) from error
    return length


def copied(block: Block) -> Iterator[bytes]:
    """The bytes of a block as they are.  Raises BlockDamaged."""
    block.verify()
    length = 0
    for data in block.source.pieces(block.offset, block.offset + block.length):
        length += len(data)
        yield data
    if length != block.length:
        raise block.damaged("the file was cut meanwhile")


def _appended(source: Source, end: int) -> Iterator[bytes]:
    for found in walk(source, end, True):
        if not isinstance(found, Block):
            raise CannotWrite(source.name, f"bytes behind {found.offset} hold no whole block, so it stays as it was")
        yield from copied(found)


def hidden(path: Path) -> Path:
    """The name that a draft of path has until it is whole."""
    return path.with_name(f".{path.name}.rewriting")


@contextmanager
def draft(path: Path, like: os.stat_result | None = None) -> Iterator[int]:
    """A descriptor of an empty hidden file beside path, with the owner and mode of like; it is gone unless renamed."""
    name = hidden(path)
    fd = os.open(name, FLAGS | os.O_CREAT, MODE)
    try:
        if not is_own(fd):
            raise CannotWrite(str(name), "is no file, or another one by a second name; remove it")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotWrite(str(path), "another bpft is rewriting it") from None
        if not same_file(fd, name):
            raise CannotWrite(str(path), "another bpft has just rewritten it; try again")
        try:
            os.ftruncate(fd, 0)
            if like is not None:
                os.fchmod(fd, like.st_mode & 0o777)
                mine = os.fstat(fd)
                if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
                    os.fchown(fd, like.st_uid, like.st_gid)
            yield fd
        finally:
            if same_file(fd, name):
                os.unlink(name)  # noqa: PTH108
    finally:
        os.close(fd)


def _write(fd: int, pieces: Iterable[bytes]) -> int:
    """Write all pieces; returns how many bytes."""
    length = 0
    for piece in pieces:
        at = 0
        while at < len(piece):
            at += os.write(fd, memoryview(piece)[at:])
        length += len(piece)
    return length
