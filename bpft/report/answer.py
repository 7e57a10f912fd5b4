"""The question a report puts and the answer it gets; renderers only read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpft.errors import BlockDamaged, BpftError
from bpft.report import units
from bpft.report.ahead import ahead
from bpft.report.completeness import Completeness
from bpft.report.coverage import Coverage
from bpft.report.group import GROUPINGS, Tally, remainder
from bpft.report.period import Period
from bpft.report.rows import Ranking, Row
from bpft.report.source import Columns, Part, Piece, Sources
from bpft.report.where import Where

if TYPE_CHECKING:
    from bpft.core import Sort

Totals = tuple[int, int, int]  #: packets, all, data


class NothingInPeriod(BpftError):
    """nothing lies in that period (the middle of a block decides); what is recorded reaches from {0} to {1}"""


class NothingDated(BpftError):
    """everything was recorded before the clock was set, and lies in no period: leave -b and -e away"""


class NoIntactBlock(BpftError):
    """no block is intact: nothing to report"""


class NotRecorded(BpftError):
    """nothing of {0} is in what was read, which is of {1}"""


@dataclass(slots=True)
class Question:
    """What is asked of the sources."""

    by: str = "key"
    sort: Sort = "all"
    top: int = 0  #: 0: all rows
    where: str = ""
    period: Period = field(default_factory=Period)
    interfaces: tuple[str, ...] = ()  #: empty: all


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

    def rows(self) -> Iterator[Row]:
        """The rows asked for."""
        return self.ranking.rows(self.question.sort, self.question.top)


class _Reading:
    """Parts on their way into tables."""

    def __init__(self, question: Question) -> None:
        self.where = Where(question.where) if question.where else None
        self.tally = Tally(GROUPINGS[question.by])
        self.everything = Tally(GROUPINGS["proto"]) if self.where else self.tally
        self.remainder: Totals = (0, 0, 0)
        self.coverage = Coverage()
        self.completeness = Completeness()

    def add(self, part: Part) -> None:
        """Raises BlockDamaged, and BadExpression where the part does not hold what --where asks for."""
        pieces: Iterator[Piece | Columns] = part.pieces() if self.where else part.columns(self.tally.grouping.needed)
        with ahead(pieces) if part.is_long else nullcontext(pieces) as pieces:
            part.verify()
            self.coverage.add(part.header, part.origin)
            self.completeness.add(part.header)
            for piece in pieces:
                piece.add_to(self.everything)
                if isinstance(piece, Piece):
                    self._note(part, piece)

    def _note(self, part: Part, piece: Piece) -> None:
        """What is "other" of a piece, and with --where what is asked for."""
        packets, all_, data = remainder(piece.records)
        self.remainder = (self.remainder[0] + packets, self.remainder[1] + all_, self.remainder[2] + data)
        if self.where:
            if not piece.other:
                self.where.refuse_unknown(part.origin, piece.has_ports, piece.has_proto)
            self.tally.add(piece.version, self.where.select(piece.version, piece.records))


def answer(question: Question, sources: Sources) -> Answer:
    """Sum the records of the sources that lie in the period.  Raises BpftError."""
    reading, left_out = _Reading(question), Coverage()
    for part in sources.parts():
        header = part.header
        wanted = not question.interfaces or header.interface in question.interfaces
        if not wanted or not question.period.takes(header):
            left_out.add(header, part.origin)
            if wanted:
                reading.completeness.leave_out(header)
            continue
        try:
            reading.add(part)
        except BlockDamaged as error:
            sources.troubles.append(str(error))
    if not reading.coverage.blocks:
        raise _nothing(question, left_out)
    everything = reading.everything.totals()
    reading.completeness.packets = everything[0]
    if not reading.completeness.adds_up:
        sources.troubles.append("the figures do not add up: frames seen are not frames counted and skipped; see below")
    return Answer(
        question,
        Ranking(reading.tally),
        reading.tally.totals(),
        everything,
        reading.remainder,
        reading.coverage,
        reading.completeness,
        sources.troubles,
    )


def _nothing(question: Question, left_out: Coverage) -> BpftError:
    """Why nothing is left to report."""
    if not left_out.blocks:
        return NoIntactBlock()
    known = left_out.interfaces + left_out.captures
    if question.interfaces and not set(question.interfaces) & set(known):
        return NotRecorded(", ".join(question.interfaces), ", ".join(known) or "nothing")
    if left_out.undated_ns and not left_out.end_ns:
        return NothingDated()
    return NothingInPeriod(units.moment(left_out.begin_ns), units.moment(left_out.end_ns))
