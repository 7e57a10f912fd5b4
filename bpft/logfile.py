"""Files of blocks: appending to a log, replacing a dump, and never losing what is there (SEMANTICS E2, E3, E6, R6)."""

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bpft import core, messages
from bpft.block import MAGIC, Block, read_block, write_block
from bpft.blockscan import Damage, is_log, last_block, scan, sniff
from bpft.errors import CannotWrite, NotALog
from bpft.record import Header
from bpft.source import Source

__all__ = ["AppendResult", "Damage", "LogWriter", "is_log", "read_dump", "scan", "sniff", "write_dump"]

_MODE = 0o640
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_FOREIGN = "it holds no block of a log; move it away first"
#: Seconds to wait for somebody else who locks the log.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class AppendResult:
    """A block that is on the disk (SEMANTICS E3: acknowledged)."""

    id: bytes
    offset: int
    length: int


class LogWriter:
    """Appends blocks to one log; the daemon that owns it holds the lock of its EXT (SEMANTICS E8)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Check that appending could work, without making the file.  Raises CannotWrite, CannotRead."""
        self.path = Path(path).absolute()  # a daemon may change its directory
        #: (device, inode, length to cut it back to, length we left it at) after an append that could not be undone
        self._unfinished: tuple[int, int, int, int] | None = None
        try:
            if not os.path.lexists(self.path):
                if not os.access(self.path.parent, os.W_OK | os.X_OK, effective_ids=True):
                    raise CannotWrite(str(self.path), f"no file can be made in {self.path.parent}")
                return
            os.close(os.open(self.path, _FLAGS))
            empty = self.path.stat().st_size == 0
        except OSError as error:
            raise CannotWrite(str(self.path), error.strerror) from None
        if not empty and not is_log(self.path):
            raise CannotWrite(str(self.path), _FOREIGN)

    def append(self, header: Header, table: core.Table, min_all: int = 0) -> AppendResult:
        """Append one block; when this returns it survives a power cut (SEMANTICS E3).

        header's role and sequence are set here.  On any failure the file is cut back to what it was, and CannotWrite
        is raised.  Where even that fails, nothing is appended until it is back at that length.  Bytes behind the last
        block that are not ours to judge stay as they are: the block goes behind them, and a warning names them.
        """
        try:
            fd = self._locked()
        except OSError as error:
            raise CannotWrite(str(self.path), error.strerror) from error
        try:
            self._cut_back_unfinished(fd)
            last = self._checked_tail(fd)
            header = replace(header, role="save", sequence=last.header.sequence + 1 if last else 0)
            return self._append(fd, write_block(header, table, previous=last.id if last else b"", min_all=min_all))
        except OSError as error:
            raise CannotWrite(str(self.path), error.strerror) from error
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _append(self, fd: int, pieces: Iterator[bytes]) -> AppendResult:
        length = end = os.fstat(fd).st_size
        piece = b""
        try:
            for piece in pieces:
                at = 0
                while at < len(piece):
                    written = os.write(fd, memoryview(piece)[at:])
                    at += written
                    end += written
            os.fsync(fd)
            if length == 0:
                _sync_directory(self.path.parent)
        except BaseException:
            self._cut_back(fd, length, end)
            raise
        return AppendResult(piece[-20:-4], length, end - length)

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

    def _locked(self) -> int:
        """A descriptor of the file that bears the name once it is locked: it may be renamed at any moment.

        Raises OSError; CannotWrite where somebody else keeps it locked.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            fd = os.open(self.path, _FLAGS | os.O_CREAT, _MODE)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same_file(fd, self.path):
                    return fd
                os.close(fd)
            except BlockingIOError:
                os.close(fd)
                if time.monotonic() > deadline:
                    raise CannotWrite(str(self.path), "another process keeps it locked") from None
                time.sleep(0.02)
            except OSError:
                os.close(fd)
                raise

    # ---- what the log holds ----

    @property
    def head_id(self) -> bytes:
        """The id of the last intact block (SEMANTICS E9); empty where there is none.  Raises CannotRead."""
        last = last_block(Source(self.path))[0] if self.path.exists() else None
        return last.id if last else b""

    def epochs(self) -> Iterator[bytes]:
        """The epoch of each block in the log, and of the last block of each rotated sibling (SEMANTICS E6)."""
        if self.path.exists():
            for found in scan(self.path, check=False):
                if isinstance(found, Block):
                    yield found.header.epoch
        for sibling in _siblings(self.path):
            last, _ = last_block(Source(sibling))
            if last is not None:
                yield last.header.epoch

    def contains_epoch(self, epoch: bytes) -> bool:
        """Whether a table of this epoch was saved here.  Raises CannotRead."""
        return any(found == epoch for found in self.epochs())


def _siblings(path: Path) -> Iterator[Path]:
    """Files that rotation may have made of path: its name, then "." or "-" and anything."""
    for entry in path.parent.iterdir():
        if entry.name.startswith((f"{path.name}.", f"{path.name}-")) and entry.is_file():
            yield entry


def _same_file(fd: int, path: Path) -> bool:
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    found = os.fstat(fd)
    return (found.st_dev, found.st_ino) == (named.st_dev, named.st_ino)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# ---- dumps ----


def write_dump(path: str | os.PathLike[str], header: Header, table: core.Table) -> None:
    """Make path a file of this one block, or leave it as it is (SEMANTICS E2).

    Raises CannotWrite, also where path holds saves: no log is ever overwritten (R6); and CannotRead.
    """
    target = Path(path)
    fresh = target.with_name(f".{target.name}.new")
    try:
        if target.exists() and _holds_saves(target):
            raise CannotWrite(str(target), "it is a log, which is never overwritten; choose another -f EXT")
        fresh.unlink(missing_ok=True)
        try:
            _write_new(fresh, write_block(replace(header, role="dump"), table))
            fresh.rename(target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync_directory(target.parent)
    except OSError as error:
        raise CannotWrite(str(target), error.strerror) from error


def _holds_saves(path: Path) -> bool:
    return any(isinstance(found, Block) and found.header.role != "dump" for found in scan(path, check=False))


def _write_new(path: Path, pieces: Iterator[bytes]) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        for piece in pieces:
            at = 0
            while at < len(piece):
                at += os.write(fd, memoryview(piece)[at:])
        os.fsync(fd)
    finally:
        os.close(fd)


def read_dump(path: str | os.PathLike[str]) -> Block:
    """The one block of a dump, verified.  Raises BlockDamaged, NotALog, CannotRead."""
    source = Source(path)
    try:
        block = read_block(source, 0)
    except ValueError as error:
        raise NotALog(source.name, f"it is not a readable dump: {error.args[0]}") from None
    block.verify()
    if block.length != source.size:
        raise NotALog(source.name, f"bytes follow the block of the dump, which ends at byte {block.length}")
    return block
