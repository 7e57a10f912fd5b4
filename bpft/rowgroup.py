"""A row group: up to 65,536 records that know the same things, as one section of a block (bpft(5))."""

import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from bpft import core
from bpft.blocklayout import COLUMN, COLUMNS, CRC, GROUP, OTHER, ROWS, SECTION
from bpft.compression import Compressor, decompress
from bpft.errors import BlockDamaged

GROUP_ROWS = 65536
#: Bytes of one column before compression: more than 65,536 values ever take.
_MAX_COLUMN = 4 << 20

#: Why a group without column 1 or 32769 is refused: they would read as 0.
NO_BYTES = "it holds records without their bytes"

_KNOWN = frozenset(COLUMNS.values())
_KEY_ORDER = tuple(COLUMNS[name] for name in ("src4", "src6", "dst4", "dst6", "sport", "dport"))
_PLAIN, _SORTED, _PER_PACKET, _PREDICTED = range(4)  #: enum bpft_encoding of codec.h


def pack_section(kind: int, body: bytes) -> bytes:
    """A section: its type, length, body and checksum."""
    whole = SECTION.pack(kind, len(body)) + body
    return whole + CRC.pack(zlib.crc32(whole))


def open_section(section: bytes, what: str = "it") -> bytes:
    """The body of a whole section; ValueError where ``what`` does not match its checksum."""
    return bytes(_body(section, what))


def _body(section: bytes, what: str = "it") -> memoryview:
    whole = memoryview(section)  # nothing of a row group is copied before it is decompressed
    if CRC.pack(zlib.crc32(whole[: -CRC.size])) != whole[-CRC.size :]:
        raise ValueError(f"{what} does not match its checksum")
    return whole[SECTION.size : -CRC.size]


def pack_group(
    compressor: Compressor, rows: int, other: bool, columns: Sequence[tuple[int, int, tuple[bytes, ...]]]
) -> bytes:
    """The section of one row group, as core.encode_columns returns it."""
    entries, chunks = [], []
    for column, encoding, parts in columns:
        compression, stored = compressor.compress(parts)
        entries.append(COLUMN.pack(column, encoding, compression, sum(map(len, parts)), len(stored)))
        chunks.append(stored)
    head = GROUP.pack(rows, OTHER if other else 0, len(columns))
    return pack_section(ROWS, b"".join([head, *entries, *chunks]))


class Group:
    """What one row group's section holds."""

    section: bytes  #: all its bytes
    version: Literal[4, 6]
    rows: int
    other: bool  #: remainders (SEMANTICS C7)
    has_ports: bool
    has_proto: bool
    has_packets: bool  #: else the records hold 0

    def __init__(self, section: bytes, damaged: Callable[[str], BlockDamaged]) -> None:
        """section: all its bytes, which are checked against their checksum.  damaged: makes the error of a reason.

        ValueError, saying why, where they make no sense.
        """
        self._damaged = damaged
        self.section = section
        body = _body(section)
        if len(body) < GROUP.size:
            raise ValueError("it is too short")
        self.rows, flags, count = GROUP.unpack_from(body)
        at = GROUP.size + count * COLUMN.size
        if flags & ~OTHER or not 1 <= self.rows <= GROUP_ROWS or at > len(body):
            raise ValueError("its head makes no sense here")
        #: column id -> (encoding, compression, length, stored bytes)
        self.columns: dict[int, tuple[int, int, int, memoryview]] = {}
        for column, encoding, compression, length, stored in COLUMN.iter_unpack(body[GROUP.size : at]):
            if column in self.columns or length > _MAX_COLUMN or stored > len(body) - at:
                raise ValueError("its column directory makes no sense")
            self.columns[column] = encoding, compression, length, body[at : at + stored]
            at += stored
        if at != len(body):
            raise ValueError("it is longer than its columns")
        if COLUMNS["all"] not in self.columns or COLUMNS["data"] not in self.columns:
            raise ValueError(NO_BYTES)
        self.other = bool(flags & OTHER)
        self.version = self._version()
        self.has_ports = COLUMNS["sport"] in self.columns and COLUMNS["dport"] in self.columns
        self.has_proto = COLUMNS["proto"] in self.columns
        self.has_packets = COLUMNS["packets"] in self.columns

    def _version(self) -> Literal[4, 6]:
        """By its addresses, or, where it has none, by its ipVersion: a constant lane of 4 or 6."""
        lane = self._column(COLUMNS["version"]) if COLUMNS["version"] in self.columns else b""
        if COLUMNS["src4"] in self.columns or COLUMNS["dst4"] in self.columns or lane == b"\x00\x04":
            return 4
        if COLUMNS["src6"] in self.columns or COLUMNS["dst6"] in self.columns or lane == b"\x00\x06":
            return 6
        raise ValueError("it does not say which IP version it is about")

    def _column(self, column: int) -> bytes | memoryview:
        _, compression, length, stored = self.columns[column]
        return decompress(compression, stored, length)

    def records(self, columns: Collection[int] | None = None) -> bytes:
        """Dense records (core.RECORD4 or RECORD6).  Raises BlockDamaged.

        columns: ids of those that are needed (None: all).  Fields of others are zero, or flagged absent, unless those
        needed had to be decoded with their help.
        """
        with self.damaging():
            return core.decode_columns(self.version, self.rows, self.unpacked(columns), self.other)

    def unpacked(self, columns: Collection[int] | None = None) -> list[tuple[int, int, bytes | memoryview]]:
        """The columns needed, as core.decode_columns() and core.add_columns() take them.  Raises BlockDamaged."""
        wanted = _KNOWN if columns is None else self._with_helpers(columns)
        with self.damaging():
            return [
                (column, encoding, self._column(column))
                for column, (encoding, _, _, _) in self.columns.items()
                if column in wanted
            ]

    @contextmanager
    def damaging(self) -> Iterator[None]:
        """Within it the ValueError of bytes that make no sense is a BlockDamaged, which says where they are."""
        try:
            yield
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def _with_helpers(self, columns: Collection[int]) -> set[int]:
        wanted = set(columns)

        def encoding(column: int) -> int:
            return self.columns[column][0] if column in wanted and column in self.columns else _PLAIN

        if encoding(COLUMNS["data"]) == _PREDICTED:
            wanted |= {COLUMNS["all"], COLUMNS["packets"], COLUMNS["proto"]}
        if encoding(COLUMNS["all"]) == _PER_PACKET:
            wanted.add(COLUMNS["packets"])
        for place, column in enumerate(_KEY_ORDER):
            if encoding(column) == _SORTED:
                wanted.update(_KEY_ORDER[:place])
        return wanted
