"""Groupings: records summed again under a reduced key, in the same C table the meter uses (R2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from bpft import core
from bpft.blocklayout import COLUMNS
from bpft.core import Table

if TYPE_CHECKING:
    from bpft.core import GroupBy, Sort, Version

VERSIONS: tuple[Version, ...] = (4, 6)
ADDRESSES = ("src", "dst", "host")  #: the columns that hold addresses, which are never absent

_CHUNK = 4096  # records taken from a view at once: a report of any length needs little memory
_KEY_SIZE: dict[Version, int] = {4: 16, 6: 40}
_TAIL = 32  # what both record layouts end with: sport, dport, proto, flags, vlan, then the sums
_SUMS = Struct("=QQQ")
_WRAP = 1 << 64
_WHOLE = (32, 128)  # bits of addresses


@dataclass(frozen=True, slots=True)
class Grouping:
    """What --by names: its key columns, where a record holds them, and the tables it takes."""

    name: str
    columns: tuple[str, ...]
    cells: slice  #: of a record's (src, sport, dst, dport, proto)
    tables: tuple[GroupBy, ...]
    fields: tuple[str, ...]  #: of a record that a row depends on, sums aside
    twice: str = ""  #: where a packet is in two rows: of what; rows then add up to more than the total

    @property
    def needed(self) -> set[int]:
        """The ids of the columns of a block that a row depends on."""
        return {COLUMNS[name] for name in (*self.fields, "packets", "all", "data")}

    @property
    def sums(self) -> tuple[str, ...]:
        """The sum columns."""
        return ("packets", "all", "data", "in", "out") if self.name == "host" else ("packets", "all", "data")


_SRC, _DST = ("src4", "src6"), ("dst4", "dst6")

GROUPINGS = {
    grouping.name: grouping
    for grouping in (
        Grouping("key", ("src", "sport", "dst", "dport", "proto"), slice(0, 5), ("key",), tuple(COLUMNS)),
        Grouping("src", ("src",), slice(0, 1), ("src",), _SRC),
        Grouping("dst", ("dst",), slice(0, 1), ("dst",), _DST),
        Grouping("host", ("host",), slice(0, 1), ("src", "dst", "self"), _SRC + _DST, twice="hosts"),
        Grouping("pair", ("src", "dst"), slice(0, 4, 2), ("pair",), _SRC + _DST),
        Grouping(
            "port", ("port", "proto"), slice(1, 5, 3), ("port", "proto"), ("sport", "dport", "proto"), twice="ports"
        ),
        Grouping("proto", ("proto",), slice(4, 5), ("proto",), ("proto",)),
    )
}


class Tally:
    """Records of any number of blocks, summed under one grouping."""

    def __init__(self, grouping: Grouping) -> None:
        self.grouping = grouping
        self.tables: dict[GroupBy, Table] = {by: Table() for by in grouping.tables}

    def add(self, version: Version, records: bytes) -> None:
        """Add dense records."""
        for by, table in self.tables.items():
            table.add_records(version, records, by=by)

    def add_columns(self, version: Version, rows: int, columns: list[tuple[int, int, bytes]]) -> None:
        """Add the records of a row group, none of which is the remainder.  ValueError where they make no sense."""
        core.add_columns(version, rows, columns, [(table, by, _WHOLE) for by, table in self.tables.items()])

    def totals(self) -> tuple[int, int, int]:
        """(packets, all, data) of the records, each counted once (by port the proto table does that)."""
        return self.tables[
            self.grouping.tables[-1] if self.grouping.name == "port" else self.grouping.tables[0]
        ].totals()

    def rows(self) -> Table:
        """The table whose records are the rows; nothing may be added afterwards."""
        first = self.tables[self.grouping.tables[0]]
        if self.grouping.name == "host":
            return _hosts(first, self.tables["dst"], self.tables["self"])
        return _one_version(first) if self.grouping.name in ("port", "proto") else first


def chunks(table: Table, version: Version, sort: Sort = "key", limit: int = 0) -> Iterator[bytes]:
    """The dense records of one IP version in order, some thousand at a time."""
    view = table.view(version, sort=sort, limit=limit)
    for start in range(0, len(view), _CHUNK):
        yield view.records(start, _CHUNK)


def remainder(records: bytes) -> tuple[int, int, int]:
    """(packets, all, data) of "other" if these dense records, sorted by key, end with it."""
    if not records or not records[5 - _TAIL] & core.OTHER:
        return 0, 0, 0
    packets, all_, data = _SUMS.unpack(records[-_SUMS.size :])
    return packets, all_, data


def _hosts(src: Table, dst: Table, self_: Table) -> Table:
    """What each host sent and received, less what it sent to itself and "other", which both tables hold.

    Sums are 64-bit and wrap, so adding the two's complement subtracts.
    """
    hosts = Table()
    hosts.merge(src)
    hosts.merge(dst)
    for version in VERSIONS:
        size = _KEY_SIZE[version] + _SUMS.size
        for records in chunks(self_, version):
            for at in range(0, len(records), size):
                _subtract(hosts, version, records[at : at + size])
        other = bytes([0] * (_KEY_SIZE[version] - 3) + [core.OTHER | core.NO_PORTS | core.NO_PROTO, 0, 0])
        sums = src.get(version, other)
        if sums:
            _subtract(hosts, version, other + _SUMS.pack(*sums))
    return hosts


def _subtract(table: Table, version: Version, record: bytes) -> None:
    sums = (-value % _WRAP for value in _SUMS.unpack(record[-_SUMS.size :]))
    table.add_records(version, record[: -_SUMS.size] + _SUMS.pack(*sums))


def _one_version(table: Table) -> Table:
    """Keys without addresses are the same for IPv4 and IPv6: one table of IPv4 records."""
    merged = Table()
    for records in chunks(table, 4):
        merged.add_records(4, records)
    for records in chunks(table, 6):
        tails = (records[end - _TAIL : end] for end in range(64, len(records) + 1, 64))
        merged.add_records(4, b"".join(bytes(8) + tail for tail in tails))
    return merged
