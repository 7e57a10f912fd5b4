"""A plain table for people: heading, rows, what they sum to, and whether it adds up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from bpft.messages import one_line
from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.render import batches, whole_sums
from bpft.report.render.grid import Grid
from bpft.report.render.words import TITLES, Words, closing, heading
from bpft.report.rows import Row
from bpft.report.units import Units

if TYPE_CHECKING:
    from bpft.report.resolve import HostNames

_FIGURES = {"packets": "Packets", "data": "Data", "all": "All", "in": "In", "out": "Out"}  # in the manual's order
_TIMES = {"5min": "times of 5 minutes", "hour": "hours", "day": "days", "month": "months"}
_GROUPS = 10  # that are told the rates of, unless more rows were asked for


@dataclass(slots=True)
class Style:
    """How a table is to look."""

    numeric: bool = False
    units: Units = "si"
    width: int = 80
    names: HostNames | None = None  #: of the report, unless numeric; None: those that every system knows


def write(answer: Answer, out: TextIO, style: Style) -> None:
    """Everything about an answer."""
    _text(out, [*heading(answer, style.units), ""])
    if len(answer.ranking):
        _Sheet(answer, style).write(out)
    else:
        _text(out, ["no records match" if answer.question.where else "no records"])
    if answer.buckets:
        told = [*_rates(answer, style), *_own_rates(answer)]
        _text(out, ["", *told] if told else [])
    _text(out, ["", *closing(answer, style.units)])


class _Sheet:
    """The rows and the lines that sum them.

    The first batch of rows decides the widths: far down a very long table a row may stand out.
    """

    def __init__(self, answer: Answer, style: Style) -> None:
        self.answer = answer
        self.style = style
        self.grouping = answer.ranking.grouping
        self.words = Words(answer, style.numeric, style.names)
        self._rated = bool(self.grouping.bucket)
        self._picked = [self.grouping.sums.index(name) for name in _FIGURES if name in self.grouping.sums]

    def write(self, out: TextIO) -> None:
        grid: Grid | None = None
        count, shown = 0, (0,) * len(self.grouping.sums)
        for rows in batches(self.answer.rows()):
            if grid is None:
                grid = self._measure(rows)
                out.write(grid.line(self._titles()) + "\n")
            out.write("".join([grid.line(self._line(row)) + "\n" for row in rows]))
            shown = tuple(sum(column) for column in zip(shown, *(row.sums for row in rows), strict=True))
            count += len(rows)
        if grid is None:
            return
        left = len(self.answer.ranking) - count
        if left or self.grouping.twice:
            out.write(grid.total(self._label(count, shown[1]), self._figures(shown)) + "\n")
        if left:
            out.write(grid.total(_other_rows(left), self._figures(self.answer.rest(shown))) + "\n")
        out.write(grid.total("total", self._figures(self.answer.totals, self.answer.coverage.covered_ns)) + "\n")

    def _measure(self, rows: list[Row]) -> Grid:
        """Look up the names of the first rows, and fit them."""
        columns = self.grouping.columns
        self.words.learn(columns, (row.key for row in rows if not row.other))
        grid = self._fitted(rows)
        if self._rated and grid.width > self.style.width:
            self._rated = False  # of all figures the one that others tell
            grid = self._fitted(rows)
        return grid

    def _fitted(self, rows: list[Row]) -> Grid:
        columns = self.grouping.columns
        lines = [self._line(row) for row in rows]
        most = tuple(2 * value for value in self.answer.totals) if self.grouping.twice else self.answer.totals
        lines.append(("",) * len(columns) + self._figures(most))
        label = max(self._label(len(self.answer.ranking), 1), _other_rows(len(self.answer.ranking)), key=len)
        return Grid(self._titles(), len(columns), lines, label, self.style.width)

    def _label(self, count: int, shown: int) -> str:
        rows = len(self.answer.ranking)
        label = f"{count} of {rows} rows" if count < rows else f"{rows} row{'s' * (rows != 1)}"
        return label if self.grouping.twice else f"{label}, {units.share(shown, self.answer.totals[1])}"

    def _titles(self) -> tuple[str, ...]:
        figures = tuple(title for name, title in _FIGURES.items() if name in self.grouping.sums)
        rate = ("Rate",) if self._rated else ()
        return (*(TITLES[column] for column in self.grouping.columns), *figures, *rate)

    def _line(self, row: Row) -> tuple[str, ...]:
        return self.words.of(row) + self._figures(row.sums, row.bucket.covered_ns if row.bucket else 0)

    def _figures(self, sums: tuple[int, ...], ns: int = 0) -> tuple[str, ...]:
        """Amounts in the manual's order; a total has no in and out.  ns: that they took, for their rate."""
        sums_told = tuple(self._figure(sums, place) if place < len(sums) else "" for place in self._picked)
        return (*sums_told, units.rate(sums[1], ns)) if self._rated else sums_told

    def _figure(self, sums: tuple[int, ...], place: int) -> str:
        value = whole_sums(sums, None)[place]
        if value is None:
            return "-"
        if self.style.units == "bytes":
            return str(value)
        return (units.size if place else units.count)(value, self.style.units)


def _other_rows(count: int) -> str:
    return f"{count} other row{'s' * (count != 1)}"


def _rates(answer: Answer, style: Style) -> list[str]:
    """95th percentile and peak of the largest groups, where there is more than one bucket."""
    grouping = answer.ranking.grouping
    watched = {bucket.begin_ns for buckets in answer.buckets.values() for bucket in buckets}
    if len(watched) < 2:
        return []
    columns = tuple(column for column in grouping.columns if column != grouping.bucket)
    words, lines = Words(answer, style.numeric, style.names), []
    for group in answer.groups(answer.question.top or _GROUPS):
        cells = words.cells(columns, group.key, group.other) or ("all",)
        pace = (units.pace(group.rate.p95_bps), units.pace(group.rate.peak_bps))
        lines.append((*cells, units.size(group.sums[1], style.units), *pace, _when(answer, group.rate.peak_ns)))
    titles = (*(TITLES[column] for column in columns), *[""] * (not columns), "All", "95th", "Peak", "at")
    grid = Grid(titles, max(1, len(columns)), lines, "", style.width)
    told = [f"over {units.grouped(len(watched))} {_TIMES[grouping.bucket]}, averages of each:", grid.line(titles)]
    return [*told, *map(grid.line, lines)]


def _own_rates(answer: Answer) -> list[str]:
    """What interfaces say themselves, however long the blocks are."""
    told = []
    for name, rate in answer.rates().items():
        told.append(f"{name} by its own counters, 5 minutes each:")
        told += [
            f"{way:3}  95th {units.pace(one.p95_bps)}, peak {units.pace(one.peak_bps)}"
            for way, one in (("in", rate.rx), ("out", rate.tx))
        ]
    return told


def _when(answer: Answer, begin_ns: int) -> str:
    """A bucket by its beginning."""
    found = (bucket for buckets in answer.buckets.values() for bucket in buckets if bucket.begin_ns == begin_ns)
    return next((bucket.label for bucket in found), "")


def _text(out: TextIO, lines: list[str]) -> None:
    """Names of files and hosts in them may hold anything; they stay on their line."""
    out.write("".join(one_line(line) + "\n" for line in lines))
