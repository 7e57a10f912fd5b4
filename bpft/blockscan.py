"""Every intact block of a file, past any damage; streaming, and nothing believed that was not checked."""

import fcntl
import os
from collections.abc import Generator, Iterator
from typing import NamedTuple

from bpft.block import MAGIC, Block, Refused, find_end, read_block
from bpft.errors import BlockDamaged
from bpft.source import Source

_CHUNK = 1 << 20


class Damage(NamedTuple):
    """Bytes that hold no block that can be read here, and why."""

    offset: int
    length: int
    reason: str
    newer: bool = False  #: a whole block, which this version must not read


def sniff(data: bytes) -> bool:
    """Whether a file that begins with data is a log or dump, be it a damaged one."""
    return data.startswith(MAGIC[:5])


def is_log(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds a block anywhere, ends as one does, or is empty: a log of no blocks (SEMANTICS R1).

    Raises CannotRead.
    """
    source = Source(path)
    if not source.size or sniff(source.read(0, len(MAGIC))) or find_end(source, source.size) is not None:
        return True
    return any(isinstance(found, Block) for found in walk(source, 0, False))


def scan(path: str | os.PathLike[str] | Source, check: bool = True) -> Iterator[Block | Damage]:
    """Every intact block of a file, before, between and after what is damaged or must not be read here.

    check: verify every byte of each block by its id.  Else only what bpft.block says is checked when a block is found,
    which touches no row group; Block.verify() is then left to whoever believes its records.  A block that is being
    appended meanwhile is not there yet, and is no damage.  Raises CannotRead.
    """
    source = path if isinstance(path, Source) else Source(path)
    last: Damage | None = None
    for found in walk(source, 0, check):
        if last is not None:
            yield last
        last = found if isinstance(found, Damage) else None
        if last is None:
            yield found
    whole = 0 if last is None else _whole_size(source)
    if last is None or whole is None:
        return
    for found in walk(source, last.offset, check):  # it may have been appended, a moment ago
        if not isinstance(found, Damage):
            yield found
        elif found.offset < whole:
            yield found._replace(length=min(found.length, whole - found.offset))


def walk(source: Source, offset: int, check: bool) -> Iterator[Block | Damage]:
    """As scan(), from offset on, and taking a block that is being appended for damage: for who holds the lock."""
    damaged_from, reason = offset, ""
    while offset < (size := source.size):
        try:
            block = read_block(source, offset)
            if check:
                block.verify()
        except Refused as error:
            if offset > damaged_from:
                yield Damage(damaged_from, offset - damaged_from, reason)
            yield Damage(offset, error.args[1], error.args[0], newer=True)
            offset += error.args[1]
            damaged_from = offset
        except (ValueError, BlockDamaged) as error:
            if source.size != size:  # somebody appended, or cut back: look again
                continue
            if offset == damaged_from:
                reason = str(error.args[-1])
            offset = _next_magic(source, offset + 1)
        else:
            if offset > damaged_from:
                yield Damage(damaged_from, offset - damaged_from, reason)
            yield block
            offset += block.length
            damaged_from = offset
    if offset > damaged_from:
        yield Damage(damaged_from, offset - damaged_from, reason)


def _next_magic(source: Source, offset: int) -> int:
    """Where the next magic begins, or the end of the file."""
    tail = b""
    while data := source.read(offset, _CHUNK):
        found = (tail + data).find(MAGIC)
        if found >= 0:
            return offset - len(tail) + found
        tail = (tail + data)[-len(MAGIC) + 1 :]
        offset += len(data)
    return offset


def _whole_size(source: Source) -> int | None:
    """A length that no writer is at work on; None where one holds the file: what its last bytes lack is on its way."""
    try:
        fcntl.flock(source.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:
        return source.size
    size = source.size
    fcntl.flock(source.fileno(), fcntl.LOCK_UN)
    return size


def backwards(source: Source, end: int) -> Generator[Block, None, int]:
    """The blocks that end at ``end`` and before it, the last one first, up to damage; returns where it stopped."""
    while end and (start := find_end(source, end)) is not None:
        try:
            block = read_block(source, start)
        except ValueError:
            break
        yield block
        end = start
    return end


def last_block(source: Source) -> tuple[Block | None, Damage | None]:
    """The last intact block, verified, and what lies behind it."""
    start = find_end(source, source.size)
    if start is not None:
        try:
            block = read_block(source, start)
            block.verify()
        except (ValueError, BlockDamaged):
            pass
        else:
            return block, None
    last, damage = None, None
    for found in walk(source, 0, True):
        if isinstance(found, Block):
            last, damage = found, None
        else:
            damage = found
    return last, damage
