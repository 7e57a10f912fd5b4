"""The question a report puts and the answer it gets; renderers only read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpft.errors import BlockDamaged, BpftError
from bpft.report import units
from bpft.report.completeness import Completeness
from bpft.report.coverage import Coverage
from bpft.report.group import WRAP, Totals
from bpft.report.part import Part
from bpft.report.period import Period
from bpft.report.reading import Reading, shares
from bpft.report.rows import Ranking, Row
from bpft.report.source import Sources

if TYPE_CHECKING:
    from bpft.core import Sort
    from bpft.report.bucket import Bucket
    from bpft.report.rates import GroupRate, InterfaceRate


class NothingInPeriod(BpftError):
    """no block has its middle in {0}, though some reach into it; ask for more: what there is reaches from {1} to {2}"""


class NotWatched(NothingInPeriod):
    """{0} was not watched; what is recorded reaches from {1} to {2}{3}; say all for it"""


class NothingDated(BpftError):
    """everything was recorded before the clock was set, and lies in no period: leave -b and -e away"""


class NoIntactBlock(BpftError):
    """no block is intact: nothing to report"""


class NotRecorded(BpftError):
    """nothing of {0} is in what was read, which is of {1}"""


_BY_SUM: dict[str, Sort] = {"packets": "packets", "all": "all", "data": "data"}


@dataclass(slots=True)
class Question:
    """What is asked of the sources."""

    by: str = "key"  #: dimensions, joined by commas
    sort: str = ""  #: a column or "key"; empty: see Ranking.rows()
    top: int = 0  #: 0: all rows
    where: str = ""
    period: Period = field(default_factory=Period)
    interfaces: tuple[str, ...] = ()  #: empty: all
    reverse: bool = False
    scopes: Sequence[tuple[str, Sequence[str]]] = ()  #: Config.scopes, for --by scope


@dataclass(slots=True)
class Answer:
    """Rows, totals of the records behind them, and what is to be known about them."""

    question: Question
    ranking: Ranking
    totals: Totals  #: of the records asked for
    everything: Totals  #: of all records read: totals, and what --where left out
    remainder: Totals  #: "other": a part of totals, or with --where of everything alone
    coverage: Coverage
    completeness: Completeness
    troubles: list[str]  #: what could not be read, a line each
    notes: list[str] = field(default_factory=list)  #: what a reader has to know of the rows, a line each
    #: interface (empty where interfaces are not kept apart): its buckets in order; empty: none were asked for
    buckets: dict[str, list[Bucket]] = field(default_factory=dict)
    series: dict[str, list[bytes]] = field(default_factory=dict)  #: interface: the packed series of its blocks

    def rows(self) -> Iterator[Row]:
        """The rows asked for."""
        return self.ranking.rows(self.question.sort, self.question.top, self.question.reverse)

    def rest(self, shown: Iterable[int]) -> tuple[int, ...]:
        """What the rows sum to that are not shown, of what those sum to that are."""
        return tuple((all_ - part) % WRAP for all_, part in zip(self.ranking.sums, shown, strict=True))

    def groups(self, top: int = 0) -> Iterator[GroupRate]:
        """Rates over the buckets of the largest groups, none without buckets; top 0: all."""
        if not self.buckets:
            return iter(())
        from bpft.report.rates import group_rates

        return group_rates(self.ranking, self.buckets, top)

    def rates(self) -> dict[str, InterfaceRate]:
        """By interface, from the 5-minute series of all its blocks; what cannot be read of them is among troubles."""
        from bpft.report.rates import interface_rate

        found = {}
        for interface, packed in self.series.items():
            try:
                rate = interface_rate(packed)
            except ValueError as error:
                self.troubles.append(f"{interface}: its rates are left out: {error}")
                continue
            if rate:
                found[interface] = rate
        return found


def answer(question: Question, sources: Sources) -> Answer:
    """Sum the records of the sources that lie in the period.  Raises BpftError."""
    most_shares = shares(question, sources.rows_of(question.period.takes))
    reading, left_out, others = Reading(question, most_shares), Coverage(), Coverage()
    again: list[Part] = []  # parts that are read once more
    for part in sources.parts():
        header = part.header
        wanted = not question.interfaces or header.interface in question.interfaces
        if not wanted:
            others.add(header, part.origin)
            continue
        if not question.period.takes(header):
            left_out.add(header, part.origin)
            reading.completeness.leave_out(header)
            continue
        try:
            reading.add(part)
        except BlockDamaged as error:
            sources.troubles.append(str(error))
            continue
        if most_shares > 1:
            again.append(part)
    if reading.shares > 1:
        reading.add_shares(again, _BY_SUM.get(question.sort, "all"), question.top)
    if not reading.coverage.blocks:
        raise _nothing(question, left_out, others)
    notes = []
    if reading.buckets:
        reading.buckets.refuse()
        notes = [note] if (note := reading.buckets.note()) else []
    totals = reading.totals()
    everything = reading.before_where.totals() if reading.where else totals
    reading.completeness.packets = everything[0]
    if not reading.completeness.adds_up:
        sources.troubles.append("the figures do not add up: frames seen are not frames counted and skipped; see below")
    buckets = reading.timed()
    return Answer(
        question,
        Ranking(*reading.tallies.values(), grouping=reading.grouping),
        totals,
        everything,
        reading.remainder,
        reading.coverage,
        reading.completeness,
        sources.troubles,
        notes,
        buckets,
        reading.series,
    )


def _nothing(question: Question, left_out: Coverage, others: Coverage) -> BpftError:
    """Why nothing is left to report.  left_out: of other times; others: of other interfaces."""
    if not left_out.blocks:
        known = others.interfaces + others.captures
        return NotRecorded(", ".join(question.interfaces), ", ".join(known) or "nothing") if known else NoIntactBlock()
    if left_out.undated_ns and not left_out.end_ns:
        return NothingDated()
    said, period = question.period.said or "that period", question.period
    reach = units.moment(left_out.begin_ns), units.moment(left_out.end_ns)
    if left_out.reaches_into(period):
        return NothingInPeriod(said, *reach)
    within = (period.begin or 0) > left_out.begin_ns and (period.end or left_out.end_ns) < left_out.end_ns
    return NotWatched(said, *reach, ", with gaps" if within else "")
