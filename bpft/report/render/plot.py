"""Pictures made of letters, for a terminal: a bar a row, a line of time, a small one for each of several groups."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TextIO

from bpft.errors import BpftError
from bpft.messages import one_line
from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.render import scale
from bpft.report.render.grid import Grid
from bpft.report.render.table import Style
from bpft.report.render.words import TITLES, Words, closing, heading

if TYPE_CHECKING:
    from bpft.report.rates import GroupRate
    from bpft.report.rows import Row

Span = tuple[int, int, int]  #: begin and end in UTC nanoseconds, bit/s

_GAP = 2
_LEAST_BAR, _LEAST_LINE = 16, 24  # letters
_ROWS = 10  # groups, unless more were asked for
_LINE_ROWS = (6, 16)  # a line is at least and at most so high
_FRAME = 6  # lines around a line of time: blank ones, its unit and axis, and where the shell asks again

_NO_DOTS = "\u2800"
_EIGHTHS, _HEIGHTS = " ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█"
_COARSE = " .:-=+*#%"
_UNWATCHED = ("·", "?")
#: The parts of a bar: in, out, and neither of both.
_PARTS, _ASCII_PARTS = ("█", "▒", "░"), ("#", "=", "-")


class NoLibrary(BpftError):
    """--plot --by {0} needs plotille: pip install 'bpft[plot]'; without it there is --plot --by {0},interface"""


def write(answer: Answer, out: TextIO, style: Style, height: int = 24) -> None:
    """An answer as a picture with what a table says above and below it.  Raises NoLibrary.

    height: lines of the terminal, which a line of time fits; others have a line a row.
    """
    above, below = heading(answer, style.units), closing(answer, style.units)
    if not len(answer.ranking):
        picture = ["no records match" if answer.question.where else "no records"]
    elif answer.buckets:
        picture = _Times(answer, style, _is_fine(out)).lines(height - len(above) - len(below) - _FRAME)
    else:
        picture = _Bars(answer, style, _is_fine(out)).lines()
    out.write("".join(one_line(line) + "\n" for line in [*above, "", *picture, "", *below]))


def _is_fine(out: TextIO) -> bool:
    """Whether blocks and dots can be written; else plain ASCII is."""
    try:
        (_EIGHTHS + _HEIGHTS + "⣿░▒").encode(out.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


class _Bars:
    """A bar a row, as long as the sum that rows are sorted by."""

    def __init__(self, answer: Answer, style: Style, fine: bool) -> None:
        self.answer, self.style, self.fine = answer, style, fine
        self.grouping = answer.ranking.grouping
        self.sum = answer.question.sort if answer.question.sort in self.grouping.sums else "all"
        self.place = self.grouping.sums.index(self.sum)
        #: in and out are told apart where the bar is both of them.
        self.ways = self.sum == "all" and "in" in self.grouping.sums

    def lines(self) -> list[str]:
        rows = list(self.answer.rows())
        words = Words(self.answer, self.style.numeric, self.style.names)
        words.learn(self.grouping.columns, (row.key for row in rows if not row.other))
        told = [(*words.of(row), *self._figures(row.sums)) for row in rows]
        titles = (*(TITLES[column] for column in self.grouping.columns), self.sum.capitalize(), "Share")
        left = len(self.answer.ranking) - len(rows)
        label = f"{left} other row{'s' * (left != 1)}" if left else "total"
        grid = Grid(titles, len(self.grouping.columns), told, label, self.style.width - _LEAST_BAR - _GAP)
        lines = [grid.line(cells) for cells in told]
        start = max(map(len, lines)) + _GAP
        most = max((row.sums[self.place] for row in rows), default=0)
        room = max(_LEAST_BAR, self.style.width - start)
        picture = [f"{line.ljust(start)}{self._bar(row, most, room)}" for line, row in zip(lines, rows, strict=True)]
        head = grid.line(titles).ljust(start) + self._legend(rows)
        if left:
            rest = self.answer.rest(map(sum, zip(*(row.sums for row in rows), strict=True)))
            picture.append(grid.total(label, (self._amount(rest[self.place]), "")))
        if self.place < len(self.answer.totals):
            picture.append(grid.total("total", (self._amount(self.answer.totals[self.place]), "")))
        return [line.rstrip() for line in (head, *picture)]

    def _figures(self, sums: tuple[int, ...]) -> tuple[str, str]:
        whole = self.answer.totals[self.place if self.place < len(self.answer.totals) else 1]
        share = units.share(sums[self.place], whole)
        return self._amount(sums[self.place]), share

    def _amount(self, value: int) -> str:
        return (units.size if self.place else units.count)(value, self.style.units)

    def _split(self, row: Row) -> tuple[int, ...]:
        """What a bar is made of: in, out, neither; or all of it."""
        value = row.sums[self.place]
        if not self.ways:
            return (value,)
        if row.other:  # it stands on both sides
            return 0, 0, value
        into, out = row.sums[-2:]
        return into, min(out, value - min(into, value)), max(0, value - into - out)

    def _legend(self, rows: list[Row]) -> str:
        """What the parts of the bars are."""
        if not self.ways:
            return ""
        parts = (sum(part) for part in zip(*map(self._split, rows), strict=True))
        letters = _PARTS if self.fine else _ASCII_PARTS
        named = zip(letters, ("in", "out", "neither"), parts, strict=True)
        return "  ".join(f"{letter} {name}" for letter, name, part in named if part)

    def _bar(self, row: Row, most: int, room: int) -> str:
        parts = self._split(row)
        if not self.ways and self.fine:
            eighths = -(-parts[0] * room * 8 // most) if most else 0
            return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
        bar, done, ends = "", 0, 0
        for letter, part in zip(_PARTS if self.fine else _ASCII_PARTS, parts, strict=False):
            ends += part
            until = (ends * room + most // 2) // most if most else 0
            bar += letter * (until - done)
            done = max(done, until)
        return bar or (_EIGHTHS[1] if self.fine else ".") * (sum(parts) > 0)


class _Times:
    """Rates over time buckets: one line for all, or a small one for each of the largest groups."""

    def __init__(self, answer: Answer, style: Style, fine: bool) -> None:
        self.answer, self.style, self.fine = answer, style, fine
        self.grouping = answer.ranking.grouping
        self.columns = tuple(column for column in self.grouping.columns if column != self.grouping.bucket)
        ends = {bucket.begin_ns: bucket.end_ns for some in answer.buckets.values() for bucket in some}
        self.ends = ends
        self.begin_ns, self.end_ns = min(ends), max(ends.values())

    def lines(self, height: int) -> list[str]:
        groups = list(self.answer.groups(self.answer.question.top or _ROWS))
        if self.columns or not self.fine:
            return self._small(groups)
        return self._line(groups[0], max(_LINE_ROWS[0], min(_LINE_ROWS[1], height)))

    def _spans(self, group: GroupRate) -> list[Span]:
        return [(begin, self.ends[begin], bps) for bps, begin in group.samples]

    # ---- one line ----

    def _line(self, group: GroupRate, rows: int) -> list[str]:
        canvas_type = _canvas(self.grouping.bucket)
        steps = scale.amounts(group.rate.peak_bps, rows // 3)
        labels = [scale.amount(step).strip() for step in steps]
        margin = max(map(len, labels)) + 2
        width = max(_LEAST_LINE, self.style.width - margin)
        # Dots have their place at the lower left of what they stand for: so the topmost step has one as well.
        top = steps[-1] * (rows * 4) / (rows * 4 - 1) or 1
        canvas = canvas_type(width, rows, self.begin_ns, 0, self.end_ns, top)
        dot = (self.end_ns - self.begin_ns) / (width * 2)
        spans = self._spans(group)
        for begin, end, bps in spans:
            canvas.line(begin, bps, max(begin, end - dot), bps)
        for (_, end, before), (begin, _, after) in pairwise(spans):
            if begin == end:
                canvas.line(begin, before, begin, after)
        axis = {rows - 1 - int(step / top * rows): label for step, label in zip(steps, labels, strict=True)}
        drawn = canvas.plot(linesep="\n").replace(_NO_DOTS, " ").split("\n")
        picture = [
            f"{axis.get(place, ''):>{margin - 2}} {'┤' if place in axis else '│'}{line}"
            for place, line in enumerate(drawn)
        ]
        return [f"{'bit/s':>{margin - 2}}", *(line.rstrip() for line in picture), *self._axis(margin, width)]

    def _axis(self, margin: int, width: int) -> list[str]:
        """The axis of time with its labels, which begin at their time and never overlap."""
        ticks = []
        line, labels = ["─"] * width, [" "] * (width + margin)
        for ns, label in scale.times(self.begin_ns, self.end_ns, max(2, width // 9)):
            at = (ns - self.begin_ns) * width // (self.end_ns - self.begin_ns)
            if at < width:
                ticks.append((at, label))
        free = 0
        for at, label in ticks:
            start = max(margin + at - len(label) // 2, 0)
            if start >= free and start + len(label) <= len(labels):
                labels[start : start + len(label)] = label
                line[at] = "┬"
                free = start + len(label) + 1
        return [" " * (margin - 1) + "└" + "".join(line), "".join(labels).rstrip()]

    # ---- small lines ----

    def _small(self, groups: list[GroupRate]) -> list[str]:
        words = Words(self.answer, self.style.numeric, self.style.names)
        words.learn(self.columns, (group.key for group in groups if not group.other))
        columns = self.columns or ("",)
        told = []
        for group in groups:
            cells = words.cells(self.columns, group.key, group.other) or ("all",)
            told.append((*cells, units.pace(group.rate.p95_bps), units.pace(group.rate.peak_bps)))
        titles = (*(TITLES.get(column, "") for column in columns), "95th", "Peak")
        grid = Grid(titles, len(columns), told, "", self.style.width - _LEAST_BAR - _GAP)
        lines = [grid.line(cells) for cells in told]
        start = max(map(len, (*lines, grid.line(titles)))) + _GAP
        room = max(_LEAST_BAR, self.style.width - start)
        picture = []
        for line, group in zip(lines, groups, strict=True):
            small, wide = self._heights(self._spans(group), group.rate.peak_bps, room)
            picture.append(line.ljust(start) + small)
        first, last = _moment(self.begin_ns), _moment(self.end_ns)
        ends = " " * start + (first if start + len(first) <= self.style.width else "")
        if room > len(first) + len(last):
            ends += last.rjust(max(wide - len(first), len(last) + 1))
        head = grid.line(titles).ljust(start) + "each to its peak"
        return [line.rstrip() for line in (head, *picture, ends)]

    def _heights(self, spans: list[Span], peak: int, room: int) -> tuple[str, int]:
        """A letter a time, or the largest of several; a dot where nothing was watched."""
        letters = _HEIGHTS if self.fine else _COARSE
        step = min(end - begin for begin, end in self.ends.items())
        slots: list[int | None] = [None] * max(1, round((self.end_ns - self.begin_ns) / step))
        for begin, _, bps in spans:
            slots[min(len(slots) - 1, round((begin - self.begin_ns) / step))] = bps
        together = -(-len(slots) // room)
        found = [
            max((value for value in slots[at : at + together] if value is not None), default=None)
            for at in range(0, len(slots), together)
        ]
        wide = max(1, min(3, room // len(found)))
        # What is not nothing is seen.
        drawn = [
            _UNWATCHED[not self.fine] if value is None else letters[max(value > 0, round(value * 8 / max(peak, 1)))]
            for value in found
        ]
        return "".join(letter * wide for letter in drawn), wide * len(found)


def _canvas(bucket: str) -> Any:
    """The drawing library.  Raises NoLibrary."""
    try:
        from plotille import Canvas
    except ImportError:
        raise NoLibrary(bucket) from None
    return Canvas


def _moment(ns: int) -> str:
    """An end of an axis."""
    return units.moment(ns)[: len("2026-11-21 10:00")]
