"""Rows: the records of finished tallies as cells and sums, streamed in the order asked for."""

from __future__ import annotations

import heapq
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton, ntohs  # importing socket takes 4 ms more
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from bpft import core
from bpft.errors import UsageError
from bpft.report.dimension import ADDRESSES, BUCKETS, Grouping
from bpft.report.group import RECORD_SIZE, VERSIONS, WRAP, Tally, added, chunks
from bpft.report.group import SUMS as RECORD_SUMS

if TYPE_CHECKING:
    from bpft.core import Sort, Version
    from bpft.report.bucket import Bucket

Cell: TypeAlias = str | int | None  #: an address or a name as text, a port, protocol or VLAN as number; None: absent

_RECORD: dict[Version, Struct] = {4: Struct("=4s4sHHBBHQQQ"), 6: Struct("=16s16sHHBBHQQQ")}
_FAMILY = {4: AF_INET, 6: AF_INET6}
_ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}  # the addresses of "other" (C7)
_DIRECTION = (None, "rx", "tx", None)
_SUM_PLACE = {"packets": 0, "all": 1, "data": 2, "in": 3, "out": 4}
_VIEW: dict[str, Sort] = {"key": "key", "packets": "packets", "all": "all", "data": "data"}  # what a table sorts by
_STORED_ORDER = (0, 2, 1, 3, 4, 5, 6)  # of a record's cells in a key: both addresses come first
_KEY_CELLS = 5  # of a record: those of its key, behind which come direction and VLAN
_IN_MEMORY = 4096  # records of all sections together that are taken from their views at once
_LEAST = 64


class BadSort(UsageError):
    """--sort {0!r}: these rows have {1}; or key, for the order of all key columns"""


def check_sort(grouping: Grouping, sort: str) -> None:
    """Raise BadSort where rows cannot be ordered like that."""
    if sort not in ("", "key", *grouping.sums, *grouping.columns):
        raise BadSort(sort, ", ".join((*grouping.columns, *grouping.sums)))


class Row(NamedTuple):
    """One row: key cells in the grouping's order; sums (packets, all, data; where it has them also in, out)."""

    key: tuple[Cell, ...]
    sums: tuple[int, ...]
    other: bool  #: the remainder
    bucket: Bucket | None = None  #: where rows are of time buckets; None there: recorded before the clock was set


class Section:
    """The rows of one tally."""

    def __init__(self, tally: Tally) -> None:
        self.outer = tally.outer
        self.bucket = tally.bucket
        self.finished = tally.finish()
        self.grouping = tally.grouping
        self._remainder = tally.is_remainder
        self._forgotten = tally.forgotten
        self.forgotten_sums = tally.forgotten_sums

    def __len__(self) -> int:
        return len(self.finished.rows) + self._forgotten

    def records(
        self, version: Version, sort: str, top: int, reverse: bool = False, size: int = _IN_MEMORY
    ) -> Iterator[bytes]:
        """Dense records by key ascending, or by a sum descending with ties by key; reverse: the other way round."""
        rows, into, out = self.finished
        if sort in _VIEW:
            yield from chunks(rows, version, _VIEW[sort], top, reverse, size)
            return
        one = into if sort == "in" else out
        assert one is not None  # the sums of its grouping have both or neither
        key = RECORD_SIZE[version] - RECORD_SUMS.size
        with_it = (
            (record[:key] + RECORD_SUMS.pack(*(rows.get(version, record[:key]) or (0, 0, 0))))
            for records in chunks(one, version, "all", top, reverse, size)
            for record in _each(version, records)
        )
        without = (
            record
            for records in chunks(rows, version, "key", 0, reverse, size)
            for record in _each(version, records)
            if one.get(version, record[:key]) is None
        )
        both = chain(without, with_it) if reverse else chain(with_it, without)
        while batch := b"".join(islice(both, size)):
            yield batch

    def stream(
        self, version: Version, sort: str = "key", top: int = 0, reverse: bool = False, size: int = _IN_MEMORY
    ) -> Iterator[Row]:
        """The rows of those records."""
        for records in self.records(version, sort, top, reverse, size):
            yield from self.read(version, records)

    def read(self, version: Version, records: bytes) -> Iterator[Row]:
        """Rows of dense records of its table."""
        rows = self._read(version, records)
        return rows if self.finished.into is None else self._with_ways(version, records, rows)

    def _read(self, version: Version, records: bytes) -> Iterator[Row]:
        cells, bits = self.grouping.cells, self.grouping.bits[version == 6]
        text, family, order, bucket = inet_ntop, _FAMILY[version], ntohs, self.bucket
        if "net" in self.grouping.columns:
            text = lambda family, packed: f"{inet_ntop(family, packed)}/{bits}"  # noqa: E731
        pick: Callable[[tuple[Cell, ...]], tuple[Cell, ...]] = itemgetter(*cells)
        if len(cells) == 1:
            pick = itemgetter(slice(cells[0], cells[0] + 1))
        short, remainder = max(cells) < _KEY_CELLS, self._remainder
        for src, dst, sport, dport, proto, flags, vlan, packets, all_, data in _RECORD[version].iter_unpack(records):
            if not flags:
                key: tuple[Cell, ...] = (text(family, src), order(sport), text(family, dst), order(dport), proto)
            elif flags & core.OTHER:
                key = (_ANYWHERE[version], None, _ANYWHERE[version], None, None)
            else:
                ports: tuple[Cell, Cell] = (None, None) if flags & core.NO_PORTS else (order(sport), order(dport))
                known = None if flags & core.NO_PROTO else proto
                key = (text(family, src), ports[0], text(family, dst), ports[1], known)
            if not short:
                key = (*key, _DIRECTION[flags & core.DIR_MASK], vlan - 1 if vlan else None, *self.outer)
            yield Row(pick(key), (packets, all_, data), remainder or flags & core.OTHER != 0, bucket)

    def _with_ways(self, version: Version, records: bytes, rows: Iterator[Row]) -> Iterator[Row]:
        """in: bytes where the end is the destination; out: where it is the source; by scope, of the local side."""
        into, out = self.finished.into, self.finished.out
        assert into is not None and out is not None
        key = RECORD_SIZE[version] - RECORD_SUMS.size
        for record, row in zip(_each(version, records), rows, strict=True):
            received, sent = into.get(version, record[:key]), out.get(version, record[:key])
            yield row._replace(sums=(*row.sums, received[1] if received else 0, sent[1] if sent else 0))


class Ranking:
    """The rows of tallies that are complete."""

    def __init__(self, *tallies: Tally, grouping: Grouping | None = None) -> None:
        """tallies: all of one grouping, which has to be told where there is none of them."""
        self.grouping = grouping or tallies[0].grouping
        self.sections = sorted(map(Section, tallies), key=_outer_order)

    def __len__(self) -> int:
        return sum(map(len, self.sections))

    @property
    def sums(self) -> tuple[int, ...]:
        """What all rows sum to: more than the totals where a packet is in two rows."""
        found = [0] * len(self.grouping.sums)
        for section in self.sections:
            rows, into, out = section.finished
            parts = [
                *added(rows.totals(), section.forgotten_sums),
                *(table.totals()[1] for table in (into, out) if table is not None),
            ]
            found = [(one + more) % WRAP for one, more in zip(found, parts, strict=True)]
        return tuple(found)

    def rows(self, sort: str = "", top: int = 0, reverse: bool = False) -> Iterator[Row]:
        """In order; top: so many rows, 0: all.  BadSort.

        sort: a sum, largest first, ties by key, IPv4 before IPv6 in a tie; a key column; "key", all of them.  Nothing:
        by what leads of bucket, interface and scope, for each of those the largest first (and so many); else by all.
        reverse: the other way round.
        """
        grouping = self.grouping
        check_sort(grouping, sort)
        if not sort and (depth := self._in_their_order):
            groups = [list(some) for _, some in groupby(self.sections, lambda one: _outer_order(one)[:depth])]
            if reverse:
                groups.reverse()
            return chain.from_iterable(_largest(some, "all", top) for some in groups)
        if not sort or sort in grouping.sums:
            return _largest(self.sections, sort or "all", top, reverse)
        return self._by_key(sort, top, reverse)

    @property
    def _in_their_order(self) -> int:
        """By how many of the leading columns rows come section by section unless asked otherwise: the last by size."""
        grouping = self.grouping
        by_size = grouping.lead == len(grouping.columns) and grouping.columns[-1] not in BUCKETS
        return grouping.lead - by_size

    def _by_key(self, sort: str, top: int, reverse: bool) -> Iterator[Row]:
        grouping = self.grouping
        sections = self.sections
        first = grouping.columns[grouping.lead] if grouping.lead < len(grouping.columns) else ""
        in_order = grouping.lead == len(grouping.outer) and _is_stored_order(grouping)
        if sort in grouping.outer:
            place = grouping.outer.index(sort)
            sections = sorted(sections, key=lambda one: _outer_order(one)[place])
        if in_order and (sort in ("key", *grouping.outer) or (sort == first and not grouping.outer)):
            size = _share(sections)
            streams = [(section, version) for section in sections for version in VERSIONS]
            if reverse:
                streams.reverse()
            rows = chain.from_iterable(one.stream(version, "key", top, reverse, size) for one, version in streams)
            return islice(rows, top) if top else rows
        places = range(len(grouping.columns)) if sort == "key" else [grouping.columns.index(sort)]
        columns = [(place, grouping.columns[place]) for place in places]
        every = chain.from_iterable(one.stream(version) for one in self.sections for version in VERSIONS)
        order = lambda row: [_cell_order(column, row.key[place], row) for place, column in columns]  # noqa: E731
        if top:
            return iter((heapq.nlargest if reverse else heapq.nsmallest)(top, every, key=order))
        return iter(sorted(every, key=order, reverse=reverse))


def _largest(sections: list[Section], sort: str, top: int, reverse: bool = False) -> Iterator[Row]:
    if top >= sum(map(len, sections)):
        top = 0
    size = _share(sections)
    streams = [one.stream(version, sort, top, reverse, size) for one in sections for version in VERSIONS]
    if reverse:
        streams.reverse()
    place, sign = _SUM_PLACE[sort], 1 if reverse else -1
    merged = heapq.merge(*streams, key=lambda row: sign * row.sums[place])
    return islice(merged, top) if top else merged


def _share(sections: Iterable[Section]) -> int:
    """Records that each section may take at once."""
    return max(_LEAST, _IN_MEMORY // max(1, sum(1 for _ in sections)))


def _each(version: Version, records: bytes) -> Iterator[bytes]:
    size = RECORD_SIZE[version]
    return (records[at : at + size] for at in range(0, len(records), size))


def _is_stored_order(grouping: Grouping) -> bool:
    """Whether keys in a table are in the order of the columns; whole keys are taken as they lie there."""
    order = [_STORED_ORDER[cell] for cell in grouping.cells if cell < len(_STORED_ORDER)]
    return order == sorted(order) or "key" in grouping.name.split(",")


def _outer_order(section: Section) -> list[Any]:
    """Its place by bucket, interface and scope, each in the order they were asked for; the unknown comes first."""
    order: list[Any] = []
    for name, cell in zip(section.grouping.outer, section.outer, strict=True):
        known = section.bucket.begin_ns if section.bucket and name in BUCKETS else cell
        order.append((known is not None, known))
    return order


def _cell_order(column: str, cell: Cell, row: Row) -> tuple[Any, ...]:
    """What is absent comes first, the remainder behind all addresses of its version of IP."""
    if cell is None:
        return (0,)
    if row.bucket and cell == row.bucket.name:
        return 1, row.bucket.begin_ns
    if isinstance(cell, int):
        return 1, cell
    if column in ADDRESSES or column == "net":
        address, _, length = cell.partition("/")
        family = AF_INET6 if ":" in address else AF_INET
        return 1, family == AF_INET6, row.other, inet_pton(family, address), length
    return 1, cell
