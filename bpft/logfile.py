"""Files of blocks: appending to a log, replacing a dump, and never losing what is there (SEMANTICS E2, E3, E6, R6)."""

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bpft import access, core, messages
from bpft.block import MAGIC, Block, read_block, write_block
from bpft.blocklayout import CRC, END_BODY, SECTION
from bpft.blockscan import Damage, is_log, last_block, scan, sniff
from bpft.errors import CannotRead, CannotWrite, NotALog
from bpft.lognames import FLAGS, MODE, claim_free, lock_log, siblings, sync_directory
from bpft.record import Header
from bpft.rotation import Rotation
from bpft.source import Source

__all__ = [
    "AppendResult",
    "Damage",
    "LogWriter",
    "is_log",
    "read_dump",
    "scan",
    "sniff",
    "write_dump",
]

_FOREIGN = "it holds no block of a log; move it away first"


class AppendResult(NamedTuple):
    """A block that is on the disk (SEMANTICS E3: acknowledged)."""

    id: bytes
    offset: int
    length: int
    rows: int  #: records, those that were summed into a remainder counted as one


class _Full(Exception):
    """The log had to make way: once more, into what bears its name now."""


class LogWriter:
    """Appends blocks to one log; the daemon that owns it holds the lock of its EXT (SEMANTICS E8)."""

    def __init__(self, path: str | os.PathLike[str], rotation: Rotation | None = None) -> None:
        """Check that appending could work, without making the file.  Raises CannotWrite, CannotRead."""
        self.path = Path(path).absolute()  # a daemon may change its directory
        self._rotation = rotation or Rotation()
        self._head: tuple[int, bytes] | None = None  # sequence and id of the block that we appended last
        #: (device, inode, length to cut it back to, length we left it at) after an append that could not be undone
        self._unfinished: tuple[int, int, int, int] | None = None
        try:
            if not os.path.lexists(self.path):
                if not os.access(self.path.parent, os.W_OK | os.X_OK, effective_ids=True):
                    raise CannotWrite(str(self.path), f"no file can be made in {self.path.parent}")
                return
            os.close(os.open(self.path, FLAGS))
            found = self.path.stat()
        except OSError as error:
            raise CannotWrite(str(self.path), access.writing(self.path, error)) from None
        if not stat.S_ISREG(found.st_mode):
            raise CannotWrite(str(self.path), "is no regular file; move it away first")
        if found.st_size and not is_log(self.path):
            raise CannotWrite(str(self.path), _FOREIGN)

    def append(self, header: Header, table: core.Table, min_all: int = 0) -> AppendResult:
        """Append one block; when this returns it survives a power cut (SEMANTICS E3).

        header's role and sequence are set here.  On any failure the file is cut back to what it was, and CannotWrite
        is raised.  Where even that fails, nothing is appended until it is back at that length.  Bytes behind the last
        block that are not ours to judge stay as they are: the block goes behind them, and a warning names them.
        A log that has to make way for the block is renamed first; where that fails, the block still goes into it.
        """
        try:
            return self._try(header, table, min_all, rotate=True)
        except _Full:
            return self._try(header, table, min_all, rotate=False)

    def _try(self, header: Header, table: core.Table, min_all: int, rotate: bool) -> AppendResult:
        """append(); _Full where the log was renamed, or could not be, and the block is not written yet."""
        try:
            fd = lock_log(self.path, os.O_CREAT)
        except OSError as error:
            raise CannotWrite(str(self.path), access.writing(self.path, error)) from error
        try:
            self._cut_back_unfinished(fd)
            last = self._checked_tail(fd)
            if rotate and last and self._rotation.is_due(last.header, header):
                self._make_way(last)
                raise _Full
            sequence, previous = (last.header.sequence, last.id) if last else self._head_elsewhere(header)
            header = header._replace(role="save", sequence=sequence + 1)
            pieces = write_block(header, table, previous=previous, min_all=min_all)
            try:
                done = self._append(fd, pieces, self._rotation.size if rotate and last else 0)
            except _Full:
                if last and self._unfinished is None:
                    self._make_way(last)
                raise
            self._head = header.sequence, done.id
            return done
        except OSError as error:
            raise CannotWrite(str(self.path), error.strerror) from error
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _make_way(self, last: Block) -> None:
        """Rename the log, which is locked and ends with last, to a name that is free."""
        name = aside = self._rotation.name(self.path, last.header)
        number = 1
        try:
            while (taken := claim_free(aside)) is None:
                number += 1
                aside = name.with_name(f"{name.name}.{number}")
            try:
                os.rename(self.path, aside)  # noqa: PTH104 - as os.X, so that a test can make it fail
            except OSError:
                os.unlink(aside)  # noqa: PTH108
                raise
            finally:
                os.close(taken)
            sync_directory(self.path.parent)
        except OSError as error:
            messages.warning(f"{self.path}: cannot be renamed to {aside}: {error.strerror}; it grows on")
        else:
            messages.notice(f"{self.path}: is now {aside}")

    def _head_elsewhere(self, header: Header) -> tuple[int, bytes]:
        """(sequence, id) of the block that a new file goes on from; (-1, b"") where there is none.

        It is the one that we appended last, else the latest at the end of a rotated sibling, of the same interface
        because trafd.eth0.5 may be the log of another one.
        """
        if self._head is not None:
            return self._head
        ends = (_end_of(path) for path in siblings(self.path))
        fitting = [last for last in ends if last is not None and last.header.interface == header.interface]
        newest = max(fitting, key=lambda last: last.header.end_ns, default=None)
        return (newest.header.sequence, newest.id) if newest else (-1, b"")

    def _append(self, fd: int, pieces: Iterator[bytes], limit: int) -> AppendResult:
        """limit: bytes that the file must not exceed, else _Full; 0: none."""
        length = end = os.fstat(fd).st_size
        piece = b""
        try:
            for piece in pieces:
                if limit and end + len(piece) > limit:
                    raise _Full
                at = 0
                while at < len(piece):
                    written = os.write(fd, memoryview(piece)[at:])
                    at += written
                    end += written
            os.fsync(fd)
            sync_directory(self.path.parent)  # Always: who made the file may have died before he could.
        except BaseException:
            self._cut_back(fd, length, end)
            raise
        _, rows, block_id = END_BODY.unpack(piece[SECTION.size : -CRC.size])  # of the end section, which comes last
        return AppendResult(block_id, length, end - length, rows)

    def _cut_back(self, fd: int, length: int, end: int) -> None:
        """Make the file what it was before a failed append; where that fails, remember to try again."""
        try:
            os.ftruncate(fd, length)
            os.fsync(fd)
        except OSError as error:
            found = os.fstat(fd)
            self._unfinished = found.st_dev, found.st_ino, length, end
            messages.error(f"{self.path}: cannot be cut back to byte {length} after a failed save: {error.strerror}")
        else:
            self._unfinished = None

    def _cut_back_unfinished(self, fd: int) -> None:
        """Finish what _cut_back() could not, unless the file is another one or somebody appended meanwhile."""
        if self._unfinished is None:
            return
        device, inode, length, end = self._unfinished
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) == (device, inode) and found.st_size <= end:
            if found.st_size > length:
                os.ftruncate(fd, length)
            os.fsync(fd)
        self._unfinished = None

    def _checked_tail(self, fd: int) -> Block | None:
        """The last block of the log, verified; warns of what lies behind it."""
        source = Source(self.path, fd)
        last, damage = last_block(source)
        if damage is not None:
            end = damage.offset + damage.length
            if last is None and not sniff(source.read(0, len(MAGIC))):
                raise CannotWrite(str(self.path), _FOREIGN)
            messages.warning(
                f"{self.path}: bytes {damage.offset} to {end} hold no whole block ({damage.reason}); "
                "they stay, and the new block goes behind them"
            )
        return last


def _end_of(path: Path) -> Block | None:
    """The last block of a sibling; None where it is no log, or one that cannot be read: a save must not fail by it."""
    try:
        source = Source(path)
        return last_block(source)[0] if sniff(source.read(0, len(MAGIC))) else None
    except CannotRead:
        return None


# ---- dumps ----


def write_dump(path: str | os.PathLike[str], header: Header, table: core.Table) -> None:
    """Make path a file of this one block, or leave it as it is (SEMANTICS E2).

    Raises CannotWrite, also where path holds saves: no log is ever overwritten (R6); and CannotRead.
    """
    target = Path(path)
    fresh = target.with_name(f".{target.name}.new")
    try:
        if target.is_symlink():
            raise CannotWrite(str(target), access.A_LINK)
        if target.exists() and _holds_saves(target):
            raise CannotWrite(str(target), "it is a log, which is never overwritten; choose another -f EXT")
        fresh.unlink(missing_ok=True)
        try:
            _write_new(fresh, write_block(header._replace(role="dump"), table))
            fresh.rename(target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        sync_directory(target.parent)
    except OSError as error:
        raise CannotWrite(str(target), access.writing(target, error)) from error


def _holds_saves(path: Path) -> bool:
    return any(isinstance(found, Block) and found.header.role != "dump" for found in scan(path, check=False))


def _write_new(path: Path, pieces: Iterator[bytes]) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    try:
        for piece in pieces:
            at = 0
            while at < len(piece):
                at += os.write(fd, memoryview(piece)[at:])
        os.fsync(fd)
    finally:
        os.close(fd)


def read_dump(path: str | os.PathLike[str]) -> Block:
    """The block of a dump, verified; what follows it is not looked at.  Raises BlockDamaged, NotALog, CannotRead.

    No link is followed: what a daemon takes for its own must lie there.
    """
    source = Source(path, follow=False)
    try:
        block = read_block(source, 0)
    except ValueError as error:
        raise NotALog(source.name, f"it is not a readable dump: {error.args[0]}") from None
    block.verify()
    return block
