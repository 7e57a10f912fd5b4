"""The question a report puts and the answer it gets; renderers only read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpft.errors import BlockDamaged, BpftError
from bpft.report import units
from bpft.report.ahead import ahead
from bpft.report.completeness import Completeness
from bpft.report.coverage import Coverage
from bpft.report.dimension import SUMS, grouping
from bpft.report.group import WRAP, Tally, Totals, added, remainder
from bpft.report.part import Aside, Columns, Part, Piece
from bpft.report.period import Period
from bpft.report.rows import Ranking, Row, check_sort
from bpft.report.source import Sources
from bpft.report.where import Where

if TYPE_CHECKING:
    from bpft.core import Sort
    from bpft.report.bucket import Bucket, Buckets
    from bpft.report.rates import GroupRate, InterfaceRate
    from bpft.report.scope import Scopes


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


_BY_SUM: dict[str, Sort] = {"packets": "packets", "all": "all", "data": "data"}
_ROWS_AT_ONCE = 2_500_000  # rows take 55 bytes each: of more, shares are summed one after the other


def _shares(question: Question, rows: int) -> int:
    """In how many shares rows may have to be summed: one, unless only the largest are asked for."""
    by = grouping(question.by)
    largest = question.top and question.sort in ("", *SUMS) and not question.reverse
    if not largest or question.where or by.outer or list(by.tables) != ["rows"] or not by.has_addresses:
        return 1
    return max(1, min(255, -(-rows // _ROWS_AT_ONCE)))


class _Reading:
    """Parts on their way into tables."""

    def __init__(self, question: Question, most_shares: int) -> None:
        self.grouping = grouping(question.by)
        check_sort(self.grouping, question.sort)
        self.most_shares, self.shares = most_shares, 1
        self.adds_aside = True
        self.where = Where(question.where) if question.where else None
        self.tallies: dict[tuple[str | None, ...], Tally] = {}
        self.before_where = Tally(grouping("proto"))
        self.remainder: Totals = (0, 0, 0)
        self.coverage = Coverage()
        self.completeness = Completeness(period=question.period)
        self.watched: dict[tuple[str, Bucket], Coverage] = {}
        self.series: dict[str, list[bytes]] = {}
        self.buckets: Buckets | None = None
        self.scopes: Scopes | None = None
        if self.grouping.bucket:
            from bpft.report.bucket import Buckets

            self.buckets = Buckets(self.grouping.bucket)
        if "scope" in self.grouping.outer:
            from bpft.report.scope import Scopes

            self.scopes = Scopes(question.scopes)

    def add(self, part: Part) -> None:
        """Raises BlockDamaged, and BadExpression where the part does not hold what --where asks for."""
        whole = self.where or self.scopes
        pieces: Iterator[Piece | Columns] = part.pieces() if whole else part.columns(self.grouping.needed)
        aside = Aside(Tally(self.grouping, share=(0, self.shares)))
        with ahead(pieces, aside.add if self.adds_aside else None) if part.is_long else nullcontext(pieces) as pieces:
            part.verify()
            header = part.header
            self.coverage.add(header, part.origin, part.is_live)
            self.completeness.add(header)
            if header.series:
                self.series.setdefault(header.interface, []).append(header.series)
            bucket = self.buckets.of(header) if self.buckets else None
            if bucket:
                interface = _interface(part) if "interface" in self.grouping.outer else ""
                self.watched.setdefault((interface, bucket), Coverage()).add(header, part.origin)
            if not self.scopes:
                self._tally(part, bucket)  # what was watched has its place, even where it holds nothing
            for piece in pieces:
                if isinstance(piece, Columns):
                    piece.add_to(self._tally(part, bucket))
                else:
                    self._add_piece(part, piece, bucket)
                if self.shares < self.most_shares:
                    self._share_if_many()
        if aside.records:
            self.adds_aside = aside.pays
            if self.shares > 1:
                aside.tally.take_share((0, self.shares))
            self._tally(part, bucket).join(aside.tally)

    def _add_piece(self, part: Part, piece: Piece, bucket: Bucket | None) -> None:
        """What is "other" of a piece, and with --where what is asked for; by scope, each share where it belongs."""
        version, records = piece.version, piece.records
        self.remainder = added(self.remainder, remainder(records))
        if self.where:
            piece.add_to(self.before_where)
            if not piece.other:
                self.where.refuse_unknown(part.origin, part.header.key_mode, piece.has_ports, piece.has_proto)
            records = self.where.select(version, records)
        if not self.scopes:
            self._tally(part, bucket).add(version, records)
            return
        for share in self.scopes.at(part.header).split(version, records):
            self._tally(part, bucket, share.scope).add(version, share.records, share.way)

    def _tally(self, part: Part, bucket: Bucket | None, scope: str = "") -> Tally:
        """Where its records go."""
        known = {"interface": _interface(part), "scope": scope}
        outer = tuple(known.get(name, bucket and bucket.name) for name in self.grouping.outer)
        if outer not in self.tallies:
            self.tallies[outer] = Tally(self.grouping, outer, bucket)
        return self.tallies[outer]

    def _share_if_many(self) -> None:
        (tally,) = self.tallies.values()  # rows that a block tells nothing of
        if len(tally.tables["rows"]) > _ROWS_AT_ONCE:
            self.shares = self.most_shares
            tally.take_share((0, self.shares))

    def add_shares(self, parts: list[Part], sort: Sort, top: int) -> None:
        """What is left of the rows of parts that were added, a share after the other; of each the largest stay."""
        for whole in self.tallies.values():
            whole.keep_largest(sort, top)
            for share in range(1, self.shares):
                tally = Tally(self.grouping, share=(share, self.shares))
                for part in parts:
                    pieces = part.columns(self.grouping.needed)
                    with ahead(pieces) if part.is_long else nullcontext(pieces) as some:
                        for piece in some:
                            piece.add_to(tally)
                tally.keep_largest(sort, top)
                whole.join(tally)

    def totals(self) -> Totals:
        """Of the records asked for."""
        found: Totals = (0, 0, 0)
        for tally in self.tallies.values():
            found = added(found, tally.totals())
        return found

    def timed(self) -> dict[str, list[Bucket]]:
        """The buckets of each interface, in order, with the time watched in them; the tallies are told as well."""
        covered = {place: coverage.covered_ns for place, coverage in self.watched.items()}
        found: dict[str, list[Bucket]] = {}
        for interface, bucket in sorted(covered, key=lambda place: place[1].begin_ns):
            known = bucket._replace(covered_ns=covered[interface, bucket])
            found.setdefault(interface, []).append(known)
        for tally in self.tallies.values():
            if tally.bucket:
                named = dict(zip(self.grouping.outer, tally.outer, strict=True))
                place = named.get("interface") or "", tally.bucket
                tally.bucket = tally.bucket._replace(covered_ns=covered[place])
        return found


def _interface(part: Part) -> str:
    """Where a part was counted; a capture is its file."""
    return part.header.interface or part.header.source_name or part.origin


def answer(question: Question, sources: Sources) -> Answer:
    """Sum the records of the sources that lie in the period.  Raises BpftError."""
    most_shares = _shares(question, sources.rows_of(question.period.takes))
    reading, left_out, others = _Reading(question, most_shares), Coverage(), Coverage()
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
