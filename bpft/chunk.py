"""Dense records as others read them: as rows of text and numbers, as Record, as an array without copying."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from bpft import core
from bpft.record import Direction, Record

if TYPE_CHECKING:
    from bpft.core import Version

#: The columns of a row, and of everything that is exported, behind those that say when and where.
ROW = ("src", "dst", "sport", "dport", "proto", "direction", "vlan", "packets", "all", "data", "other")
#: (src, dst, sport, dport, proto, direction, vlan, packets, all, data, other): addresses are text; None: not known.
Row: TypeAlias = tuple[
    str, str, int | None, int | None, int | None, Direction | None, int | None, int | None, int, int, bool
]

_RECORD: dict[Version, Struct] = {4: Struct("=4s4sHHBBHQQQ"), 6: Struct("=16s16sHHBBHQQQ")}
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}  #: what the remainder has for addresses (SEMANTICS C7)
_DIRECTION: tuple[Direction | None, ...] = (None, "rx", "tx")

_NATIVE = "<" if sys.byteorder == "little" else ">"
_ADDRESS: dict[Version, str] = {4: ">u4", 6: "|V16"}
_FIELDS = [("sport", ">u2"), ("dport", ">u2"), ("proto", "|u1"), ("flags", "|u1"), ("vlan", f"{_NATIVE}u2")]
_FIELDS += [(name, f"{_NATIVE}u8") for name in ("packets", "all", "data")]
#: For numpy.dtype(): addresses and ports are in network order.
DTYPE: dict[Version, list[tuple[str, str]]] = {
    version: [("src", address), ("dst", address), *_FIELDS] for version, address in _ADDRESS.items()
}


class Chunk(NamedTuple):
    """Some records of one IP version: ``numpy.asarray(chunk)`` is a structured array over their bytes.

    Its fields are those of DTYPE: src and dst (IPv4 as numbers, IPv6 as 16 bytes), sport, dport, proto, flags
    (core.DIR_RX, DIR_TX, NO_PORTS, NO_PROTO, OTHER), vlan (id + 1; 0: none), packets (0: not known), all, data.
    """

    version: Version
    data: bytes  #: dense records: core.RECORD4 or RECORD6
    other: bool = False  #: the remainder, alone

    @property
    def size(self) -> int:
        """How many records."""
        return len(self.data) // _RECORD[self.version].size

    @property
    def dtype(self) -> list[tuple[str, str]]:
        """For ``numpy.frombuffer(chunk.data, chunk.dtype)``."""
        return DTYPE[self.version]

    @property
    def __array_interface__(self) -> dict[str, Any]:
        kind = f"|V{_RECORD[self.version].size}"
        return {"version": 3, "shape": (self.size,), "typestr": kind, "descr": self.dtype, "data": self.data}

    def rows(self) -> Iterator[Row]:
        """The records as exports show them."""
        text, family, order = socket.inet_ntop, _FAMILY[self.version], socket.ntohs
        anywhere = _ANYWHERE[self.version]
        for src, dst, sport, dport, proto, flags, vlan, packets, all_, data in _RECORD[self.version].iter_unpack(
            self.data
        ):
            yield (
                anywhere if self.other else text(family, src),
                anywhere if self.other else text(family, dst),
                None if flags & core.NO_PORTS else order(sport),
                None if flags & core.NO_PORTS else order(dport),
                None if flags & core.NO_PROTO else proto,
                _DIRECTION[flags & core.DIR_MASK],
                vlan - 1 if vlan else None,
                packets or None,
                all_,
                data,
                self.other,
            )

    def addresses(self) -> Iterator[tuple[bytes | None, bytes | None]]:
        """(src, dst) of each record, packed: 4 or 16 bytes."""
        for src, dst, *_ in _RECORD[self.version].iter_unpack(self.data):
            yield (None, None) if self.other else (src, dst)

    def records(self) -> Iterator[Record]:
        """The records as values."""
        address = IPv4Address if self.version == 4 else IPv6Address
        for (src, dst), row in zip(self.addresses(), self.rows(), strict=True):
            yield Record(
                None if src is None else address(src), None if dst is None else address(dst), *row[2:], self.version
            )


def chunks_of(version: Version, records: bytes) -> Iterator[Chunk]:
    """Dense records, sorted by key, as chunks: the remainder, which comes last, in one of its own."""
    size = _RECORD[version].size
    whole = len(records)
    while whole and records[whole - size :][size - 27] & core.OTHER:
        whole -= size
    if whole:
        yield Chunk(version, records[:whole] if whole < len(records) else records)
    if whole < len(records):
        yield Chunk(version, records[whole:], other=True)
