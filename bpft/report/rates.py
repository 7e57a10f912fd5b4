"""Rates: 95th percentile and peak, of groups over time buckets and of interfaces from their 5-minute series (R4)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from bpft.core import Table
from bpft.report.group import RECORD_SIZE, SUMS, VERSIONS, chunks
from bpft.report.period import SECOND
from bpft.report.rows import Cell, Ranking, Section
from bpft.series import STEP_NS, Point, Series

if TYPE_CHECKING:
    from bpft.core import Version
    from bpft.report.bucket import Bucket

_PERCENT = 95
#: Five minutes of which less was watched tell no rate, unless there are no others.
_ENOUGH_MS = STEP_NS // 1_000_000 // 2


class Rate(NamedTuple):
    """Of bit/s over equal times."""

    p95_bps: int  #: 95 % of the times were no faster
    peak_bps: int
    peak_ns: int  #: when the fastest began, UTC nanoseconds


class GroupRate(NamedTuple):
    """A row without its bucket: what it was in all buckets that were watched."""

    key: tuple[Cell, ...]  #: of the columns without the bucket
    sums: tuple[int, ...]  #: packets, all, data
    other: bool  #: the remainder
    buckets: int  #: that were watched
    rate: Rate
    samples: list[tuple[int, int]]  #: (bit/s, begin in UTC ns) of each of those buckets


class InterfaceRate(NamedTuple):
    """An interface by its own counters, so by frames; received and sent are as the interface sees it."""

    points: list[Point]
    rx: Rate
    tx: Rate


def rate_of(samples: Iterable[tuple[int, int]]) -> Rate:
    """Of (bit/s, begin in UTC ns) each; the percentile is the smallest sample that 95 % of all do not exceed."""
    ordered = sorted(samples, key=lambda sample: sample[0])
    if not ordered:
        return Rate(0, 0, 0)
    at = (len(ordered) * _PERCENT + 99) // 100 - 1
    peak, _ = ordered[-1]
    return Rate(ordered[at][0], peak, min(begin for value, begin in ordered if value == peak))


def interface_rate(packed: Iterable[bytes]) -> InterfaceRate | None:
    """Of the series of an interface's blocks (Header.series); none where they hold no point.

    ValueError where one makes no sense.
    """
    series = Series()
    for value in packed:
        series.merge(Series.unpack(value))
    points = [point for point in series if point.covered_ms]
    if not points:
        return None
    long = [point for point in points if point.covered_ms >= _ENOUGH_MS] or points
    return InterfaceRate(
        points,
        rate_of((point.rx_bytes * 8000 // point.covered_ms, point.begin_ns) for point in long),
        rate_of((point.tx_bytes * 8000 // point.covered_ms, point.begin_ns) for point in long),
    )


def group_rates(ranking: Ranking, watched: Mapping[str, list[Bucket]], top: int = 0) -> Iterator[GroupRate]:
    """The largest groups over all buckets, each interface and scope apart; top 0: all.

    watched: the buckets of each interface, or under "" those of all.  In one that holds nothing of a group, its rate
    was 0.
    """
    outer = ranking.grouping.outer
    place = outer.index(ranking.grouping.bucket)
    apart = outer.index("interface") if "interface" in outer else None

    def rest(section: Section) -> tuple[str, ...]:
        return tuple(cell or "" for at, cell in enumerate(section.outer) if at != place)

    timed = sorted((section for section in ranking.sections if section.bucket), key=rest)
    streams = []
    for _, some in groupby(timed, rest):
        sections = list(some)
        interface = "" if apart is None else sections[0].outer[apart] or ""
        times = [bucket for bucket in watched[interface] if bucket.covered_ns]
        streams.append(_ranked(sections, times, top))
    merged = heapq.merge(*streams, key=lambda one: -one.sums[1])
    return islice(merged, top) if top else merged


def _ranked(sections: list[Section], times: list[Bucket], top: int) -> Iterator[GroupRate]:
    whole, by_bucket = Table(), {section.bucket: section.finished.rows for section in sections}
    for rows in by_bucket.values():
        whole.merge(rows)
    grouping = sections[0].grouping
    place = grouping.columns.index(grouping.bucket)

    def groups(version: Version) -> Iterator[GroupRate]:
        size = RECORD_SIZE[version]
        for records in chunks(whole, version, "all", top):
            for at, row in enumerate(sections[0].read(version, records)):
                key = records[at * size : (at + 1) * size - SUMS.size]
                found = [
                    (bucket, by_bucket[bucket].get(version, key) if bucket in by_bucket else None) for bucket in times
                ]
                samples = [(sums[1] * 8 * SECOND // one.covered_ns if sums else 0, one.begin_ns) for one, sums in found]
                cells = row.key[:place] + row.key[place + 1 :]
                yield GroupRate(cells, row.sums[:3], row.other, len(times), rate_of(samples), samples)

    yield from heapq.merge(*map(groups, VERSIONS), key=lambda one: -one.sums[1])
