"""A plain table for people: heading, rows, what they sum to, and whether it adds up."""

from dataclasses import dataclass
from typing import TextIO

from bpft.messages import one_line
from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.group import ADDRESSES
from bpft.report.names import named
from bpft.report.render import batches
from bpft.report.render.grid import Grid
from bpft.report.rows import Row
from bpft.report.units import Units

_WORDS = {
    "src": "From",
    "sport": "Port",
    "dst": "To",
    "dport": "Port",
    "host": "Host",
    "port": "Port",
    "proto": "Proto",
}
_FIGURES = {"packets": "Packets", "data": "Data", "all": "All", "in": "In", "out": "Out"}  # in the manual's order

_NAMED = 4  # names in the heading


@dataclass(slots=True)
class Style:
    """How a table is to look."""

    numeric: bool = False
    units: Units = "si"
    width: int = 80


def write(answer: Answer, out: TextIO, style: Style) -> None:
    """Everything about an answer."""
    _text(out, [*_heading(answer, style), ""])
    if len(answer.ranking):
        _Sheet(answer, style).write(out)
    else:
        _text(out, ["no records match" if answer.question.where else "no records"])
    _text(out, ["", *_closing(answer, style)])


class _Sheet:
    """The rows and the lines that sum them.

    The first batch of rows decides the widths: far down a very long table a row may stand out.
    """

    def __init__(self, answer: Answer, style: Style) -> None:
        self.answer = answer
        self.style = style
        self.grouping = answer.ranking.grouping
        self.names: dict[str, str] = {}
        self.shown = [0] * len(self.grouping.sums)
        self._picked = [self.grouping.sums.index(name) for name in _FIGURES if name in self.grouping.sums]

    def write(self, out: TextIO) -> None:
        grid: Grid | None = None
        for rows in batches(self.answer.rows()):
            if grid is None:
                grid = self._measure(rows)
                out.write(grid.line(self._titles()) + "\n")
            out.write("".join([grid.line(self._line(row)) + "\n" for row in rows]))
            self.shown = [sum(column) for column in zip(self.shown, *(row.sums for row in rows), strict=True)]
        if grid is None:
            return
        if self._count() < len(self.answer.ranking) or self.grouping.twice:
            out.write(grid.total(self._label(self.shown[1]), self._figures(tuple(self.shown))) + "\n")
        out.write(grid.total("total", self._figures(self.answer.totals)) + "\n")

    def _measure(self, rows: list[Row]) -> Grid:
        """Look up the names of the first rows, and fit them."""
        columns = self.grouping.columns
        if not self.style.numeric:
            places = [place for place, column in enumerate(columns) if column in ADDRESSES]
            from bpft.report.resolve import host_names  # numbers need no network

            self.names = host_names(str(row.key[place]) for row in rows if not row.other for place in places)
        lines = [self._line(row) for row in rows]
        most = tuple(2 * value for value in self.answer.totals) if self.grouping.twice else self.answer.totals
        lines.append(("",) * len(columns) + self._figures(most))
        return Grid(self._titles(), len(columns), lines, self._label(1), self.style.width)

    def _count(self) -> int:
        return min(self.answer.question.top or len(self.answer.ranking), len(self.answer.ranking))

    def _label(self, shown: int) -> str:
        count, rows = self._count(), len(self.answer.ranking)
        label = f"{count} of {rows} rows" if count < rows else f"{rows} row{'s' * (rows != 1)}"
        return label if self.grouping.twice else f"{label}, {units.share(shown, self.answer.totals[1])}"

    def _titles(self) -> tuple[str, ...]:
        figures = (title for name, title in _FIGURES.items() if name in self.grouping.sums)
        return (*(_WORDS[column] for column in self.grouping.columns), *figures)

    def _line(self, row: Row) -> tuple[str, ...]:
        if row.other:
            words = ("other", *("-" for _ in row.key[1:]))
        elif self.style.numeric:
            words = tuple("-" if cell is None else str(cell) for cell in row.key)
        else:
            words = tuple(self.names.get(word, word) or "-" for word in named(self.grouping.columns, row.key))
        return words + self._figures(row.sums)

    def _figures(self, sums: tuple[int, ...]) -> tuple[str, ...]:
        """Amounts in the manual's order; a total has no in and out."""
        return tuple(self._figure(sums, place) if place < len(sums) else "" for place in self._picked)

    def _figure(self, sums: tuple[int, ...], place: int) -> str:
        if place == 0 and not sums[0]:
            return "-"  # no row is made without a packet: they are not known
        if self.style.units == "bytes":
            return str(sums[place])
        return (units.size if place else units.count)(sums[place], self.style.units)


def _heading(answer: Answer, style: Style) -> list[str]:
    """What, when, how fast; and what --where took of it."""
    coverage, question = answer.coverage, answer.question
    what = _some(coverage.interfaces + coverage.captures)
    lines = [f"{what} on {_some(coverage.hosts)}" if coverage.hosts else what]
    if coverage.end_ns:
        length = coverage.end_ns - coverage.begin_ns
        when = f"{units.interval(coverage.begin_ns, coverage.end_ns)}, {units.span(length)}"
        if coverage.covered_ns < length:
            when += f" ({units.span(coverage.covered_ns)} of it watched)"
        pace = units.rate(answer.everything[1], coverage.covered_ns)
        lines.append(f"{when}, {pace} on average" if pace else when)
    if question.where:
        part = units.share(answer.totals[1], answer.everything[1])
        lines.append(f"where {question.where}: {part} of {units.size(answer.everything[1], style.units)}")
    return lines


def _closing(answer: Answer, style: Style) -> list[str]:
    """What the figures leave open, and whether they add up."""
    grouping, (packets, all_, _) = answer.ranking.grouping, answer.remainder
    lines = []
    if len(answer.coverage.interfaces) > 1:
        lines.append("what passed through two of the interfaces is counted on each of them; -i IFACE shows one")
    if grouping.twice:
        lines.append(f"a packet is in the rows of both its {grouping.twice}: rows add up to more than the total")
    if all_:
        left = " and matched nothing" if answer.question.where else ""
        told = f" in {units.count(packets, style.units)} packets" if packets else ""
        lines.append(f"in other: {units.size(all_, style.units)}{told} of flows that are not kept apart{left}")
    return lines + answer.completeness.lines(style.units)


def _some(names: list[str]) -> str:
    """The first names, and how many there are besides."""
    shown = names if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} more"]
    return ", ".join(shown)


def _text(out: TextIO, lines: list[str]) -> None:
    """Names of files and hosts in them may hold anything; they stay on their line."""
    out.write("".join(one_line(line) + "\n" for line in lines))
