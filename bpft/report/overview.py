"""The overview: what passed each interface today, yesterday and this month, who used most, and whether it adds up."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from itertools import pairwise

from bpft.block import Block
from bpft.core import Table
from bpft.errors import BpftError
from bpft.paths import Paths
from bpft.record import Header
from bpft.report.busiest import Host, busiest, sum_block
from bpft.report.completeness import Account
from bpft.report.coverage import union, without
from bpft.report.period import SECOND, Period
from bpft.report.recent import recent
from bpft.series import STEP_NS, Series

HOUR_NS = 3600 * SECOND
#: No estimate where less of a period than its fiftieth was watched.
_WORTH = 50


class NothingYet(BpftError):
    """nothing is recorded yet; this starts it: {0}"""


class NotRecorded(BpftError):
    """nothing is recorded of {0}; there is {1}"""


@dataclass(slots=True)
class Flow:
    """Bytes of frames as on the wire."""

    into: int = 0  #: received by the interface
    out: int = 0  #: sent by it
    unknown: int = 0  #: direction not known

    @property
    def total(self) -> int:
        return self.into + self.out + self.unknown

    def add(self, other: Flow, sign: int = 1) -> None:
        self.into += sign * other.into
        self.out += sign * other.out
        self.unknown += sign * other.unknown


@dataclass(slots=True)
class Stretch:
    """What passed in one period, of what was watched of it."""

    name: str
    period: Period
    flow: Flow = field(default_factory=Flow)
    watched: list[tuple[int, int]] = field(default_factory=list)  #: UTC nanoseconds; may overlap

    @property
    def watched_ns(self) -> int:
        return union(self.watched)

    def estimate(self, now_ns: int) -> int | None:
        """Bytes when the period is over: those so far, and the rest of it at the average of what was watched.

        None: it is over, or too little was watched to tell.
        """
        begin, end = _ends(self.period)
        rest, watched = end - now_ns, self.watched_ns
        if rest <= 0 or watched * _WORTH < end - begin:
            return None
        return self.flow.total + self.flow.total * rest // watched


@dataclass(slots=True)
class Overview:
    """One interface."""

    interface: str
    host: str  #: that runs the probe
    running: bool  #: a trafd counts it now
    stretches: list[Stretch] = field(default_factory=list)  #: today, yesterday, this month
    hours: list[int | None] = field(default_factory=list)  #: bytes in each hour of today; None: not watched
    hosts: list[Host] = field(default_factory=list)  #: the largest
    hosts_begin_ns: int = 0  #: the interval that they are of
    hosts_end_ns: int = 0
    saved_ns: int = 0  #: the end of the last save; 0: none
    seen_ns: int = 0  #: how far anything is known
    account: Account = field(default_factory=lambda: Account(""))  #: of this month
    lost_frames: int = 0  #: of this month: seen, and neither counted nor skipped (SEMANTICS C3)


def overviews(
    where: Paths, periods: dict[str, Period], interfaces: tuple[str, ...], troubles: list[str]
) -> list[Overview]:
    """One for each interface that anything was recorded of, by name.

    periods: today first, each closed.  Raises NothingYet and NotRecorded.  troubles: as recent(); where nothing but
    those is found, there is no overview.
    """
    blocks, counted = recent(where, min(_ends(period)[0] for period in periods.values()), troubles)
    if not blocks:
        if troubles:
            return []
        raise NothingYet("trafstart" if os.geteuid() == 0 else "sudo trafstart")
    found: dict[tuple[str, str], list[Block]] = {}
    for block in blocks:
        found.setdefault((block.header.interface or block.header.source_name, block.header.host), []).append(block)
    if missing := set(interfaces) - {interface for interface, _ in found}:
        raise NotRecorded(", ".join(sorted(missing)), ", ".join(sorted({interface for interface, _ in found})))
    return [
        _overview(Overview(interface, host, (interface, host) in counted), blocks, periods, troubles)
        for (interface, host), blocks in sorted(found.items())
        if not interfaces or interface in interfaces
    ]


def _overview(one: Overview, blocks: list[Block], periods: dict[str, Period], troubles: list[str]) -> Overview:
    one.stretches = [Stretch(name, period) for name, period in periods.items()]
    one.account = Account(one.interface)
    today, month = one.stretches[0], one.stretches[-1]
    hours = _Hours(today.period)
    dated = [block for block in blocks if not block.header.is_undated]
    for block in dated:
        header = block.header
        one.seen_ns = max(one.seen_ns, header.end_ns)
        if header.role == "save":
            one.saved_ns = max(one.saved_ns, header.end_ns)
        passed = _Passed(block, troubles)
        for stretch in one.stretches:
            passed.add_to(stretch)
        hours.add(passed)
        if month.period.takes(header) and _was_live(header):
            one.account.add(header)
            one.lost_frames += header.counters.seen - header.counters.counted - sum(header.counters.skipped.values())
    one.hours = hours.totals()
    of_today = [block for block in dated if today.period.takes(block.header)]
    if not of_today:  # a table that began days ago lies in no day; else the last hours there are
        of_today = [max(dated, key=lambda block: block.header.end_ns)] if dated else []
    one.hosts = busiest(of_today, troubles)
    one.hosts_begin_ns = min((block.header.begin_ns for block in of_today), default=0)
    one.hosts_end_ns = max((block.header.end_ns for block in of_today), default=0)
    return one


# ---- when it passed ----


class _Passed:
    """What a block counted, up to any instant of its interval."""

    def __init__(self, block: Block, troubles: list[str]) -> None:
        self.header = block.header
        self._all = _counted(block, troubles)

    def add_to(self, stretch: Stretch) -> None:
        begin, end = _ends(stretch.period)
        if begin < self.header.end_ns and self.header.begin_ns < end:
            stretch.flow.add(self.until(end))
            stretch.flow.add(self.until(begin), -1)
            stretch.watched += self.watched(begin, end)

    def watched(self, begin: int, end: int) -> list[tuple[int, int]]:
        """The parts of an interval that it watched."""
        header = self.header
        spans = without(header.begin_ns, header.end_ns, header.gaps)
        return [(max(first, begin), min(last, end)) for first, last in spans if first < end and begin < last]

    def until(self, instant: int) -> Flow:
        """Inside its interval, in proportion to what the interface's own counters tell of it every five minutes.

        Without those the block is not divided: it belongs where its middle is (SEMANTICS R4).
        """
        begin, end = self.header.begin_ns, self.header.end_ns
        if instant <= begin or (instant < end and not self._points and instant <= begin + (end - begin) // 2):
            return Flow()
        if instant >= end or not self._points:
            return self._all
        return Flow(
            _part(self._all.into, self._points, instant, (1, 0)),
            _part(self._all.out, self._points, instant, (0, 1)),
            _part(self._all.unknown, self._points, instant, (1, 1)),
        )

    @functools.cached_property
    def _points(self) -> list[tuple[int, int, int]]:
        """(begin, bytes received, bytes sent) of each five minutes."""
        return [(point.begin_ns, point.rx_bytes, point.tx_bytes) for point in Series.unpack(self.header.series)]


def _part(whole: int, points: list[tuple[int, int, int]], instant: int, weigh: tuple[int, int]) -> int:
    """The part of a sum that falls before an instant; a point counts where its middle is."""
    weights = [(begin, weigh[0] * received + weigh[1] * sent) for begin, received, sent in points]
    every = sum(weight for _, weight in weights)
    if not every:
        weights, every = [(begin, 1) for begin, _ in weights], len(weights)
    before = sum(weight for begin, weight in weights if begin + STEP_NS // 2 < instant)
    return whole * before // every


def _counted(block: Block, troubles: list[str]) -> Flow:
    """By the counters of its header; of a block that has none, as imported ones, by its records."""
    directions = block.header.counters.direction
    received, sent, unknown = (directions.get(name, (0, 0, 0, 0))[3] for name in ("rx", "tx", "unknown"))
    if not (received or sent or unknown) and block.rows:
        table = Table()
        sum_block(block, [(table, "src")], troubles)
        unknown = table.totals()[1]
    return Flow(received, sent, unknown)


class _Hours:
    """The hours of a day."""

    def __init__(self, day: Period) -> None:
        begin, end = _ends(day)
        self._cuts = [*range(begin, end, HOUR_NS), end]
        self._flows = [Flow() for _ in self._cuts[1:]]
        self._watched = [False for _ in self._flows]

    def add(self, passed: _Passed) -> None:
        if passed.header.end_ns <= self._cuts[0] or self._cuts[-1] <= passed.header.begin_ns:
            return
        for place, (begin, end) in enumerate(pairwise(self._cuts)):
            self._flows[place].add(passed.until(end))
            self._flows[place].add(passed.until(begin), -1)
            self._watched[place] |= bool(passed.watched(begin, end))

    def totals(self) -> list[int | None]:
        return [flow.total if seen else None for flow, seen in zip(self._flows, self._watched, strict=True)]


def _was_live(header: Header) -> bool:
    """Whether an interface can be asked what became of its frames: not in captures, nor where an old BPFT counted."""
    return header.source not in ("file", "import") and not (header.made_of("import") and not header.counters.seen)


def _ends(period: Period) -> tuple[int, int]:
    assert period.begin is not None and period.end is not None
    return period.begin, period.end
