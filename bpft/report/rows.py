"""Rows: the records of a finished table as cells and sums, streamed in the order asked for."""

from __future__ import annotations

import heapq
from _socket import AF_INET, AF_INET6, inet_ntop, ntohs  # importing socket takes 4 ms more
from collections.abc import Iterator
from itertools import chain, islice
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from bpft import core
from bpft.report.group import VERSIONS, Grouping, Tally, chunks

if TYPE_CHECKING:
    from bpft.core import Sort, Version

Cell: TypeAlias = str | int | None  #: an address as text, a port or protocol as number; None: absent

_RECORD: dict[Version, Struct] = {4: Struct("=4s4sHHBBHQQQ"), 6: Struct("=16s16sHHBBHQQQ")}
_FAMILY = {4: AF_INET, 6: AF_INET6}
_ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}  # the addresses of "other" (C7)
_SUM_PLACE = {"packets": 0, "all": 1, "data": 2}


class Row(NamedTuple):
    """One row: key cells in the grouping's order; sums (packets, all, data; by host also in, out)."""

    key: tuple[Cell, ...]
    sums: tuple[int, ...]
    other: bool  #: the remainder


class Ranking:
    """The rows of a tally that is complete."""

    def __init__(self, tally: Tally) -> None:
        self.grouping: Grouping = tally.grouping
        self._table = tally.rows()
        self._tables = tally.tables

    def __len__(self) -> int:
        return len(self._table)

    def rows(self, sort: Sort = "all", top: int = 0) -> Iterator[Row]:
        """By key ascending, or by a sum descending with ties by key; IPv4 before IPv6 in a tie.  top 0: all."""
        if top >= len(self):
            top = 0
        streams = [self._stream(version, sort, top) for version in VERSIONS]
        if sort == "key":
            merged: Iterator[Row] = chain(*streams)
        else:
            place = _SUM_PLACE[sort]
            merged = heapq.merge(*streams, key=lambda row: -row.sums[place])
        return islice(merged, top) if top else merged

    def _stream(self, version: Version, sort: Sort, top: int) -> Iterator[Row]:
        for records in chunks(self._table, version, sort, top):
            rows = _read(version, records, self.grouping.cells)
            yield from self._with_direction(version, records, rows) if self.grouping.name == "host" else rows

    def _with_direction(self, version: Version, records: bytes, rows: Iterator[Row]) -> Iterator[Row]:
        """in: bytes where the host is the destination; out: where it is the source."""
        size = _RECORD[version].size
        sent, received = self._tables["src"], self._tables["dst"]
        for at, row in enumerate(rows):
            key = records[at * size : (at + 1) * size - 24]
            into, out = received.get(version, key), sent.get(version, key)
            yield row._replace(sums=(*row.sums, into[1] if into else 0, out[1] if out else 0))


def _read(version: Version, records: bytes, cells: slice) -> Iterator[Row]:
    """Rows of dense records."""
    text, family, order = inet_ntop, _FAMILY[version], ntohs
    for src, dst, sport, dport, proto, flags, _, packets, all_, data in _RECORD[version].iter_unpack(records):
        if not flags:
            key: tuple[Cell, ...] = (text(family, src), order(sport), text(family, dst), order(dport), proto)
        elif flags & core.OTHER:
            key = (_ANYWHERE[version], None, _ANYWHERE[version], None, None)
        else:
            ports: tuple[Cell, Cell] = (None, None) if flags & core.NO_PORTS else (order(sport), order(dport))
            known = None if flags & core.NO_PROTO else proto
            key = (text(family, src), ports[0], text(family, dst), ports[1], known)
        yield Row(key[cells], (packets, all_, data), flags & core.OTHER != 0)
