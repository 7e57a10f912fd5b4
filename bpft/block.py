"""One block: a table written out with what it says about itself, and read back (bpft(5)).

What is checked when: finding a block checks its magic, its header's checksum, that its sections follow one another up
to the end section, that one's checksum and the length it gives.  ``Block.groups`` checks the checksum of each row group
before anything of it is believed.  ``Block.verify`` checks every byte, by the content hash that is the block's id.
"""

import zlib
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Literal, NamedTuple

from bpft import core
from bpft.blocklayout import (
    COLUMN,
    COLUMNS,
    CRC,
    END,
    END_BODY,
    FORMAT_VERSION,
    GROUP,
    HEADER,
    IGNORABLE,
    MAGIC,
    OTHER,
    ROWS,
    SECTION,
    START,
)
from bpft.compression import Compressor, obstacle
from bpft.digest import blake2b
from bpft.errors import BlockDamaged
from bpft.header import pack_header, parse_header
from bpft.record import Header
from bpft.rowgroup import GROUP_ROWS, NO_BYTES, Group, open_section, pack_group, pack_section
from bpft.source import Source

__all__ = [
    "END_SIZE",
    "MAGIC",
    "Block",
    "Group",
    "Refused",
    "find_end",
    "load_table",
    "read_block",
    "rewrite_block",
    "write_block",
]

ID_BYTES = 16
#: Bytes of an end section, the last of every block.
END_SIZE = SECTION.size + END_BODY.size + CRC.size
_END_HEAD = SECTION.pack(END, END_BODY.size)
#: A section that is read whole is no longer than this: ten columns of 65,536 rows take less than half of it.
_MAX_SECTION = 16 << 20
#: Column id -> encodings that it may have: plain, and sorted, per packet or predicted.
_ENCODINGS = (
    dict.fromkeys(COLUMNS.values(), (0,))
    | {COLUMNS[name]: (0, 1) for name in ("src4", "src6", "dst4", "dst6", "sport", "dport")}
    | {COLUMNS["all"]: (0, 2), COLUMNS["data"]: (0, 3)}
)
#: Bytes that hold the head of a row group with its column directory, unless it has columns of a newer writer.
_HEAD = GROUP.size + len(COLUMNS) * COLUMN.size
#: What transfers as text make of the magic: CR LF to LF or CR, LF to CR LF (all, or bare ones), LF to CR, CR to LF.
_CONVERTED = tuple(
    MAGIC[:5] + end
    for end in (b"\n\x1a\n", b"\r\x1a", b"\r\r\n\x1a\r\n", b"\r\n\x1a\r\n", b"\r\r\x1a\r", b"\n\n\x1a\n")
)


def write_block(header: Header, table: core.Table, *, previous: bytes = b"", min_all: int = 0) -> Iterator[bytes]:
    """The bytes of one block, a piece a section: no more than a row group is in memory at a time.

    previous: the id of the block before it in the log.  min_all: SEMANTICS C8.  The table must not change meanwhile.
    The last piece is the end section, END_SIZE bytes; the block's id are the 16 before its checksum.
    """
    return _sealed(header._replace(min_all=max(header.min_all, min_all)), previous, _packed(table, min_all))


def rewrite_block(block: "Block", header: Header) -> Iterator[bytes]:
    """The bytes of a block of the same records that says header of itself; its place in the chain stays.

    Raises BlockDamaged where a row group does not match its checksum.
    """
    return _sealed(header, block.previous, ((group.section, group.rows) for group in block.unread_groups()))


def _sealed(header: Header, previous: bytes, groups: Iterator[tuple[bytes, int]]) -> Iterator[bytes]:
    content = blake2b(digest_size=ID_BYTES)
    length = rows = 0
    start = START.pack(MAGIC, FORMAT_VERSION, b"") + pack_section(HEADER, pack_header(header, previous))
    for piece, piece_rows in chain([(start, 0)], groups):
        content.update(piece)
        length += len(piece)
        rows += piece_rows
        yield piece
    unhashed = _END_HEAD + END_BODY.pack(length + END_SIZE, rows, b"")[:-ID_BYTES]
    content.update(unhashed)
    end = unhashed + content.digest()
    yield end + CRC.pack(zlib.crc32(end))


def _packed(table: core.Table, min_all: int) -> Iterator[tuple[bytes, int]]:
    """Each row group's section, and its rows."""
    compressor = Compressor()
    version: Literal[4, 6]
    for version in (4, 6):
        view = table.view(version, sort="key", min_all=min_all)
        for at in range(0, len(view), GROUP_ROWS):
            for rows, other, columns in core.encode_columns(version, view.records(at, GROUP_ROWS)):
                yield pack_group(compressor, rows, other, columns), rows


class Block(NamedTuple):
    """A block in a file: what it says about itself, and where its row groups lie."""

    source: Source
    offset: int
    length: int
    id: bytes  #: BLAKE2b-128 of all its bytes before the id
    previous: bytes  #: id of the block before it in the log; empty: it was the first
    header: Header
    rows: int
    sections: tuple[tuple[int, int], ...]  #: (offset, length) of each row group

    def verify(self) -> None:
        """Check every byte of it by its id.  Raises BlockDamaged."""
        content = blake2b(digest_size=ID_BYTES)
        for data in self.source.pieces(self.offset, self.offset + self.length - ID_BYTES - CRC.size):
            content.update(data)
        if content.digest() != self.id:
            raise self.damaged("its bytes are not those that its id was made of")

    def groups(self) -> Iterator[Group]:
        """The row groups in order, each checked against its checksum.  Raises BlockDamaged.

        It does so before the first where any is written in a way not known here: no block counts in part.
        """
        if len(self.sections) > 1:
            for offset, length in self.sections:
                if reason := self._obstacle(offset, length):
                    self._group(offset, length)  # which says so where it is damaged
                    raise self._group_damaged(offset, reason)
        yield from self.unread_groups()

    def unread_groups(self) -> Iterator[Group]:
        """groups() for who does not ask for their records."""
        for offset, length in self.sections:
            yield self._group(offset, length)

    def _group(self, offset: int, length: int) -> Group:
        damaged = partial(self._group_damaged, offset)
        try:
            return Group(self.source.read(offset, length), damaged)
        except ValueError as error:
            raise damaged(str(error)) from None

    def _obstacle(self, offset: int, length: int) -> str:
        """Why the records of a row group's section cannot be read here, as far as its head tells; empty: they can."""
        body, size = offset + SECTION.size, length - SECTION.size - CRC.size
        head = self.source.read(body, min(size, _HEAD))
        if len(head) < GROUP.size:
            return "it is too short"
        _, flags, count = GROUP.unpack_from(head)
        end = GROUP.size + count * COLUMN.size
        if flags & ~OTHER or end > size:
            return "its head makes no sense here"
        if end > len(head):
            head = self.source.read(body, end)
        columns, compressions = set(), set()
        for column, encoding, compression, _, _ in COLUMN.iter_unpack(head[GROUP.size : end]):
            columns.add(column)
            if column in _ENCODINGS:
                if encoding not in _ENCODINGS[column]:
                    return f"written by a newer bpft: encoding {encoding} of column {column} is not known here"
                compressions.add(compression)
        if not columns >= {COLUMNS["all"], COLUMNS["data"]}:
            return NO_BYTES
        return next(filter(None, map(obstacle, compressions)), "")

    def _group_damaged(self, offset: int, reason: str) -> BlockDamaged:
        return self.damaged(f"row group at byte {offset}: {reason}")

    def damaged(self, reason: str) -> BlockDamaged:
        return BlockDamaged(self.source.name, self.offset, reason)


def load_table(block: Block, max_flows: int = 0) -> core.Table:
    """The table that a block was written from: its records and counters.  Raises BlockDamaged."""
    block.verify()
    table = core.Table(max_flows)
    for group in block.groups():
        table.add_records(group.version, group.records())
    counters = block.header.counters
    table.set_counters(
        {
            "seen": counters.seen,
            "counted": counters.counted,
            "folded": counters.folded,
            "first_ns": counters.first_ns,
            "last_ns": counters.last_ns,
            "skipped": {**dict.fromkeys(core.SKIP_REASONS, 0), **counters.skipped},
            "dir": {**dict.fromkeys(("unknown", "rx", "tx"), (0, 0, 0, 0)), **counters.direction},
        }
    )
    return table


# ---- finding one ----


class Refused(ValueError):
    """A whole block that this version cannot make sense of, so that others are read and it is not.

    args: (reason, length of the block)
    """


def read_block(source: Source, offset: int) -> Block:
    """The block that begins at offset.

    ValueError, saying why, where there is none or a damaged one; Refused for one that must not be read here.
    """
    size = source.size
    header_at = offset + START.size
    _check_start(source.read(offset, START.size))
    kind, length = _section_at(source, header_at, size)
    if kind != HEADER or length > _MAX_SECTION:
        raise ValueError("its header is missing")
    fields = open_section(source.read(header_at, length), "its header")
    groups, refused = [], ""
    at = header_at + length
    while (found := _section_at(source, at, size))[0] != END:
        kind, length = found
        if kind == ROWS and length <= _MAX_SECTION:
            groups.append((at, length))
        elif not kind & IGNORABLE:
            if length <= _MAX_SECTION:
                open_section(source.read(at, length), f"the type of its part at byte {at}, or the part,")
            refused = (
                refused or f"written by a newer bpft: a section of type {kind} and {length} bytes is not known here"
            )
        at += length
    block_length, rows, block_id = _end_at(source, at)
    if at + END_SIZE - offset != block_length:
        raise ValueError("its parts do not make up its length")
    try:
        header, previous = parse_header(fields)
    except ValueError as error:
        refused = refused or str(error)
    if refused:
        raise Refused(refused, block_length)
    return Block(source, offset, block_length, block_id, previous, header, rows, tuple(groups))


def find_end(source: Source, end: int) -> int | None:
    """Where the block begins whose end section ends at ``end``; None where no end section does."""
    if end < END_SIZE:
        return None
    try:
        length, _, _ = _end_at(source, end - END_SIZE)
    except ValueError:
        return None
    return end - length if START.size + END_SIZE <= length <= end else None


def _check_start(head: bytes) -> None:
    if len(head) < START.size and MAGIC.startswith(head[: len(MAGIC)]):
        raise ValueError("it ends within its first bytes")
    if not head.startswith(MAGIC):
        if head.startswith(_CONVERTED):
            raise ValueError("its line ends were converted: it went through a transfer as text")
        raise ValueError("its magic is damaged" if head.startswith(MAGIC[:5]) else "no block begins here")
    version = START.unpack(head)[1]
    if version != FORMAT_VERSION:
        raise ValueError(f"written by a newer bpft: block format {version} is not known here")


def _section_at(source: Source, at: int, size: int) -> tuple[int, int]:
    """(type, whole length) of the section at ``at``, which must end within the file."""
    head = source.read(at, SECTION.size)
    if len(head) == SECTION.size:
        kind, body = SECTION.unpack(head)
        length = SECTION.size + body + CRC.size
        if at + length <= size:
            return kind, length
    raise ValueError("it is cut short, or the length of a part of it is wrong")


def _end_at(source: Source, at: int) -> tuple[int, int, bytes]:
    """(block length, rows, id) from the end section at ``at``."""
    section = source.read(at, END_SIZE)
    if len(section) != END_SIZE or not section.startswith(_END_HEAD):
        raise ValueError("its end is missing")
    length, rows, block_id = END_BODY.unpack(open_section(section, "its end"))
    return length, rows, block_id
