"""A repaired copy of a damaged log: intact blocks byte for byte, and of damaged ones what can be proved."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bpft.block import ID_BYTES, MAGIC, Block, rewrite_block
from bpft.blocklayout import CRC, END, END_BODY, FORMAT_VERSION, HEADER, ROWS, SECTION, START
from bpft.blockscan import Damage, scan
from bpft.digest import blake2b
from bpft.errors import BlockDamaged
from bpft.header import parse_header
from bpft.newfile import write_log
from bpft.record import Header
from bpft.rowgroup import Group, open_section
from bpft.source import Source

_END_HEAD = SECTION.pack(END, END_BODY.size)
_ROWS_HEAD = ROWS.to_bytes(2, "little")


@dataclass(slots=True)
class Kept:
    """What became of one damaged place."""

    offset: int
    length: int
    what: str  #: "restored", "kept", "salvaged" or "lost"
    reason: str
    records: int = 0  #: that are in the copy
    lost_bytes: int = 0
    lost_records: int | None = 0  #: None: nobody knows


@dataclass(slots=True)
class Repaired:
    """What a repaired copy holds."""

    copy: str
    blocks: int = 0  #: intact ones, byte for byte
    records: int = 0  #: in these
    places: list[Kept] = field(default_factory=list)


def repair(name: str | os.PathLike[str], copy: str | os.PathLike[str]) -> Repaired:
    """Write the repaired copy, which must not exist.  Raises CannotRead, CannotWrite.

    Root makes it the original's owner's: it may take the place of a log that a trafd of another user appends to.
    """
    source = Source(name)
    done = Repaired(os.fspath(copy))
    found = list(scan(source))
    like = os.fstat(source.fileno()) if os.geteuid() == 0 else None
    write_log(Path(copy), _pieces(source, found, done), like=like)
    return done


def _pieces(source: Source, found: list[Block | Damage], done: Repaired) -> Iterator[bytes]:
    for place, item in enumerate(found):
        if isinstance(item, Block):
            done.blocks += 1
            done.records += item.rows
            yield from source.pieces(item.offset, item.offset + item.length)
        else:
            after = found[place + 1] if place + 1 < len(found) else None
            yield from _mended(source, item, after if isinstance(after, Block) else None, done)


def _mended(source: Source, damage: Damage, after: Block | None, done: Repaired) -> Iterator[bytes]:
    """What can be had of a damaged place, which may have held several blocks."""
    end = damage.offset + damage.length
    starts = _starts(source, damage.offset, end)
    for start, limit in zip(starts, [*starts[1:], end], strict=True):
        kept = Kept(start, limit - start, "lost", damage.reason, lost_bytes=limit - start, lost_records=None)
        done.places.append(kept)
        if damage.newer or _other_version(source, start):
            yield from _unread(source, kept)
            continue
        wreck = _Wreck(source, start, limit)
        if wreck.restored:
            kept.what, kept.lost_bytes, kept.lost_records, kept.records = "restored", 0, 0, wreck.rows or 0
            yield START.pack(MAGIC, FORMAT_VERSION, b"")
            yield from source.pieces(start + START.size, limit)
        elif wreck.block is not None:
            yield from _salvaged(wreck, after if limit == end else None, kept)


def _starts(source: Source, start: int, end: int) -> list[int]:
    """Where blocks may have begun: where the damage does, and at each magic in it."""
    data = source.read(start, end - start)
    starts, at = [start], data.find(MAGIC, 1)
    while at >= 0:
        starts.append(start + at)
        at = data.find(MAGIC, at + 1)
    return starts


def _other_version(source: Source, start: int) -> bool:
    head = source.read(start, len(MAGIC) + 1)
    return head.startswith(MAGIC) and head[-1:] != bytes([FORMAT_VERSION]) and not _Wreck.header_at(source, start)


def _unread(source: Source, kept: Kept) -> Iterator[bytes]:
    """What a newer bpft wrote may be whole: it stays, unread."""
    kept.what, kept.lost_bytes, kept.lost_records = "kept", 0, 0
    yield from source.pieces(kept.offset, kept.offset + kept.length)


def _salvaged(wreck: "_Wreck", after: Block | None, kept: Kept) -> Iterator[bytes]:
    """A block of the row groups that are intact, which says in its header what is missing."""
    block = wreck.block
    assert block is not None
    kept.what, kept.records = "salvaged", block.rows
    kept.lost_bytes = kept.length - wreck.used
    kept.lost_records = wreck.rows - block.rows if wreck.rows is not None else None
    of = "an unknown number of" if wreck.rows is None else str(wreck.rows)
    text = f"{block.rows} of {of} records; {kept.lost_bytes} of {kept.length} bytes were damaged: {kept.reason}"
    old = wreck.id or (after.previous if after and after.header.sequence == block.header.sequence + 1 else b"")
    named = (old,) if len(old) == ID_BYTES else ()
    header = block.header._replace(
        source="repaired",
        replaces=(*block.header.replaces, *named),
        epochs=block.header.epochs if block.header.epochs or block.header.epoch else named,
        labels={**block.header.labels, "repaired": text},
    )
    yield from rewrite_block(block, header)


class _Wreck:
    """What is left of a block between two offsets."""

    def __init__(self, source: Source, start: int, limit: int) -> None:
        self._source, self._start, self._limit = source, start, limit
        self.block: Block | None = None  #: its header and its intact row groups; None: the header is lost
        self.rows: int | None = None  #: that it had; None: its end is lost
        self.id = b""  #: that it had; empty: its end is lost
        self.used = 0  #: bytes that are intact
        self.restored = False  #: only its first bytes are wrong, and its id proves the rest
        if (body := self.header_at(source, start)) is not None and (parsed := _parsed(body)) is not None:
            header, previous = parsed
            groups, rows = self._sections(start + START.size + SECTION.size + len(body) + CRC.size)
            self.used += START.size + SECTION.size + len(body) + CRC.size
            self.block = Block(source, start, limit - start, b"", previous, header, rows, tuple(groups))

    @staticmethod
    def header_at(source: Source, start: int) -> bytes | None:
        """The body of the header section of a block that begins at start; None: it is damaged."""
        section = _section(source, start + START.size, source.size)
        return section[1] if section is not None and section[0] == HEADER else None

    def _sections(self, at: int) -> tuple[list[tuple[int, int]], int]:
        """(place of each intact row group, their rows)."""
        groups, rows, unbroken = [], 0, True
        while at < self._limit:
            found = _section(self._source, at, self._limit)
            if found is None:
                unbroken, at = False, self._next(at + 1)
                continue
            kind, body = found
            length = SECTION.size + len(body) + CRC.size
            self.used += length
            if kind == ROWS and (held := _rows(self._source.read(at, length))):
                groups.append((at, length))
                rows += held
            elif kind == END:
                _length, self.rows, self.id = END_BODY.unpack(body)
                self.restored = unbroken and at + length == self._limit and self._proved()
                break
            at += length
        return groups, rows

    def _proved(self) -> bool:
        content = blake2b(START.pack(MAGIC, FORMAT_VERSION, b""), digest_size=ID_BYTES)
        for data in self._source.pieces(self._start + START.size, self._limit - ID_BYTES - CRC.size):
            content.update(data)
        return content.digest() == self.id

    def _next(self, at: int) -> int:
        """Where the next row group or the end may begin: what its length was is not known any more."""
        data = self._source.read(at, self._limit - at)
        places = [place for place in (data.find(_ROWS_HEAD), data.find(_END_HEAD)) if place >= 0]
        return at + min(places) if places else self._limit


def _section(source: Source, at: int, limit: int) -> tuple[int, bytes] | None:
    """(type, body) of a section that matches its checksum and ends within limit."""
    head = source.read(at, SECTION.size)
    if len(head) < SECTION.size:
        return None
    kind, length = SECTION.unpack(head)
    whole = SECTION.size + length + CRC.size
    if at + whole > limit or (kind == END and length != END_BODY.size):
        return None
    try:
        return kind, open_section(source.read(at, whole))
    except ValueError:
        return None


def _parsed(body: bytes) -> tuple[Header, bytes] | None:
    try:
        return parse_header(body)
    except ValueError:
        return None


def _rows(section: bytes) -> int:
    """The records of a row group that can be read; 0: it cannot."""
    try:
        group = Group(section, lambda reason: BlockDamaged("", 0, reason))
        group.records()
    except (ValueError, BlockDamaged):
        return 0
    return group.rows
