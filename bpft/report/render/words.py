"""What tables, plots and pages say of an answer in words: titles, keys of rows, lines above and below them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bpft.messages import one_line
from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.coverage import Coverage
from bpft.report.dimension import ADDRESSES, OUTER
from bpft.report.names import named
from bpft.report.rows import Cell, Row
from bpft.report.units import Units

if TYPE_CHECKING:
    from bpft.report.resolve import HostNames

TITLES = {
    "src": "From",
    "sport": "Port",
    "dst": "To",
    "dport": "Port",
    "host": "Host",
    "net": "Network",
    "port": "Port",
    "service": "Service",
    "proto": "Proto",
    "direction": "Direction",
    "vlan": "VLAN",
    "interface": "Interface",
    "scope": "Scope",
    "5min": "5 minutes",
    "hour": "Hour",
    "day": "Day",
    "month": "Month",
}
_NAMED = 4  # names in the heading


class Words:
    """The key cells of rows as people read them."""

    def __init__(self, answer: Answer, numeric: bool, names: HostNames | None = None) -> None:
        """names: of the report, unless numeric; None: those that every system knows."""
        self.grouping = answer.ranking.grouping
        self.numeric = numeric
        self.names: dict[str, str] = {}
        self._source = names

    def learn(self, columns: tuple[str, ...], keys: Iterable[tuple[Cell, ...]]) -> None:
        """Look up the hosts in these keys."""
        places = [place for place, column in enumerate(columns) if column in ADDRESSES]
        if not places or self.numeric:
            return
        if self._source is None:
            from bpft.report.resolve import HostNames  # numbers need no network

            self._source = HostNames()
        self.names |= self._source.of(str(key[place]) for key in keys for place in places)

    def of(self, row: Row) -> tuple[str, ...]:
        """One word a column; "-": absent."""
        words = self.cells(self.grouping.columns, row.key, row.other)
        if not row.bucket:
            return words
        place = self.grouping.columns.index(self.grouping.bucket)
        return (*words[:place], row.bucket.label, *words[place + 1 :])

    def cells(self, columns: tuple[str, ...], key: tuple[Cell, ...], other: bool) -> tuple[str, ...]:
        """Of some columns.  Names that other machines chose may hold anything; they stay on their line."""
        if other:
            # What is not the record's own is known of the remainder too.
            own = next((place for place, column in enumerate(columns) if column not in OUTER), None)
            told = [one_line(str(cell or "-")) if c in OUTER else "-" for c, cell in zip(columns, key, strict=True)]
            return tuple("other" if place == own else word for place, word in enumerate(told))
        texts = ["" if cell is None else str(cell) for cell in key] if self.numeric else named(columns, key)
        words = [self.names.get(text, text) or "-" for text in texts]
        return tuple(one_line(w) if column in OUTER else w for column, w in zip(columns, words, strict=True))


def subject(*answers: Answer) -> str:
    """Interfaces and captures, and where they were counted."""
    covered = [answer.coverage for answer in answers]
    what = _some([*dict.fromkeys(name for one in covered for name in one.interfaces + one.captures)])
    hosts = [*dict.fromkeys(name for one in covered for name in one.hosts)]
    return f"{what} on {_some(hosts)}" if hosts else what


def when(coverage: Coverage) -> str:
    """The interval that is really covered; empty: nobody knows."""
    if not coverage.end_ns:
        return ""
    length = coverage.end_ns - coverage.begin_ns
    told = f"{units.interval(coverage.begin_ns, coverage.end_ns)}, {units.span(length)}"
    watched = units.span(coverage.covered_ns)
    if coverage.covered_ns < length and watched != units.span(length):
        told += f" ({watched} of it watched)"
    return told + (f", as of {units.moment(coverage.live_ns).split()[1]}" if coverage.live_ns else "")


def heading(answer: Answer, show: Units) -> list[str]:
    """What, when, how fast; and what --where took of it."""
    said = answer.question.period.said
    lines = [f"{subject(answer)}, {said}" if said else subject(answer)]
    if told := when(answer.coverage):
        pace = units.rate(answer.everything[1], answer.coverage.covered_ns)
        lines.append(f"{told}, {pace} on average" if pace else told)
    return lines + selected(answer, show)


def selected(answer: Answer, show: Units) -> list[str]:
    """What --where took."""
    if not answer.question.where:
        return []
    part = units.share(answer.totals[1], answer.everything[1])
    return [f"where {answer.question.where}: {part} of {units.size(answer.everything[1], show)}"]


def closing(answer: Answer, show: Units) -> list[str]:
    """What the figures leave open, and whether they add up."""
    return open_points(answer, show) + answer.notes + answer.completeness.lines(show)


def open_points(answer: Answer, show: Units) -> list[str]:
    """What the figures leave open."""
    grouping, (packets, all_, _) = answer.ranking.grouping, answer.remainder
    lines = []
    if len(answer.coverage.interfaces) > 1:
        lines.append("what passed through two of the interfaces is counted on each of them; -i IFACE shows one")
    if grouping.twice:
        lines.append(f"a packet is in the rows of both its {grouping.twice}: rows add up to more than the total")
    if all_:
        left = " and matched nothing" if answer.question.where else ""
        told = f" in {units.count(packets, show)} packet{'s' * (packets != 1)}" if packets else ""
        lines.append(f"in other: {units.size(all_, show)}{told} of flows that are not kept apart{left}")
    return lines


def _some(names: list[str]) -> str:
    """The first names, and how many there are besides."""
    shown = names if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} more"]
    return ", ".join(shown)
