"""Rates over time, for a terminal: a line of all, or a small one for each of several groups."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.render import scale
from bpft.report.render.grid import Grid
from bpft.report.render.letters import HEIGHTS
from bpft.report.render.table import Style
from bpft.report.render.words import TITLES, Words

if TYPE_CHECKING:
    from bpft.report.rates import GroupRate

Span = tuple[int, int, int]  #: begin and end in UTC nanoseconds, bit/s

_ASCII_HEIGHTS = " .:-=+*#%"
_GAP = 2
_LEAST_LINE, _LEAST_SMALL = 24, 16  # letters
_NARROW = 60  # columns: below, small lines have their peak beside them and no percentile
_GROUPS = 10  # unless more were asked for
_LINE_ROWS = (6, 16)  # a line is at least and at most so high
_NO_DOTS = "\u2800"
_UNWATCHED = ("·", "?")
#: A step of the axis of rates, the axis, where the axes meet, the axis of time, a step of it.
_AXES, _ASCII_AXES = ("┤", "│", "└", "─", "┬"), ("+", "|", "+", "-", "+")


class Times:
    """One line for all, or a small one for each of the largest groups."""

    def __init__(self, answer: Answer, style: Style, fine: bool) -> None:
        """fine: blocks and dots, not ASCII alone."""
        self.answer, self.style, self.fine = answer, style, fine
        self.grouping = answer.ranking.grouping
        self.columns = tuple(column for column in self.grouping.columns if column != self.grouping.bucket)
        #: Of the buckets in which anything was watched, in their order.
        self.ends = dict(sorted((it.begin_ns, it.end_ns) for some in answer.buckets.values() for it in some))
        self.begin_ns, self.end_ns = min(self.ends), max(self.ends.values())

    def lines(self, height: int) -> list[str]:
        groups = list(self.answer.groups(self.answer.question.top or _GROUPS))
        if self.columns:
            return self._small(groups)
        return self._line(groups[0], max(_LINE_ROWS[0], min(_LINE_ROWS[1], height)))

    # ---- one line ----

    def _line(self, group: GroupRate, rows: int) -> list[str]:
        spans = [(begin, self.ends[begin], bps) for bps, begin in group.samples]
        steps = scale.amounts(group.rate.peak_bps, rows // 3)
        labels = [scale.amount(step).strip() for step in steps]
        margin = max(map(len, labels)) + 2
        width = max(_LEAST_LINE, self.style.width - margin)
        if (canvas_type := _canvas() if self.fine else None) is not None:
            # Dots have their place at the lower left of what they stand for: so the topmost step has one as well.
            top = steps[-1] * (rows * 4) / (rows * 4 - 1)
            drawn = self._dots(canvas_type(width, rows, self.begin_ns, 0, self.end_ns, top), spans, width)
            places = [int(step / top * rows) for step in steps]
        else:
            drawn = self._area(spans, width, rows, steps[-1])
            places = [max(step * rows // steps[-1] - 1, 0) for step in steps]
        axis = {rows - 1 - place: label for place, label in zip(places, labels, strict=True)}
        tick, bar, *_ = _AXES if self.fine else _ASCII_AXES
        picture = [
            f"{axis.get(place, ''):>{margin - 2}} {tick if place in axis else bar}{line}".rstrip()
            for place, line in enumerate(drawn)
        ]
        return [f"{'bit/s':>{margin - 2}}", *picture, *self._axis(margin, width)]

    def _dots(self, canvas: Any, spans: list[Span], width: int) -> list[str]:
        """The outline, up or down where one time follows the other."""
        dot = (self.end_ns - self.begin_ns) / (width * 2)
        joined = [first[1] == second[0] for first, second in pairwise(spans)] + [False]
        for (begin, end, bps), goes_on in zip(spans, joined, strict=True):
            canvas.line(begin, bps, end if goes_on else max(begin, end - dot), bps)
        for (_, _, before), (begin, _, after), goes_on in zip(spans, spans[1:], joined, strict=False):
            if goes_on:
                canvas.line(begin, before, begin, after)
        drawn: str = canvas.plot(linesep="\n")
        return drawn.replace(_NO_DOTS, " ").split("\n")

    def _area(self, spans: list[Span], width: int, rows: int, most: int) -> list[str]:
        """What is below the line, each letter the most of its time."""
        letters = HEIGHTS if self.fine else " .#"
        parts, length = len(letters) - 1, self.end_ns - self.begin_ns
        heights = [0] * width
        for begin, end, bps in spans:
            first, last = ((ns - self.begin_ns) * width for ns in (begin, end))
            height = max((bps * rows * parts + most // 2) // most, bps > 0)  # What is not nothing is seen.
            for at in range(first // length, max(-(-last // length), first // length + 1)):
                heights[at] = max(heights[at], height)
        return [
            "".join(letters[min(max(height - row * parts, 0), parts)] for height in heights)
            for row in reversed(range(rows))
        ]

    def _axis(self, margin: int, width: int) -> list[str]:
        """The axis of time with its labels, which begin at their time and never overlap."""
        *_, corner, plain, tick = _AXES if self.fine else _ASCII_AXES
        line, labels, free = [plain] * width, [" "] * (width + margin), 0
        for ns, label in scale.times(self.begin_ns, self.end_ns, max(2, width // 9)):
            at = (ns - self.begin_ns) * width // (self.end_ns - self.begin_ns)
            start = max(margin + at - len(label) // 2, 0)
            if at < width and start >= free and start + len(label) <= len(labels):
                labels[start : start + len(label)] = label
                line[at] = tick
                free = start + len(label) + 1
        return [" " * (margin - 1) + corner + "".join(line), "".join(labels).rstrip()]

    # ---- small lines ----

    def _small(self, groups: list[GroupRate]) -> list[str]:
        words = Words(self.answer, self.style.numeric, self.style.names)
        words.learn(self.columns, (group.key for group in groups if not group.other))
        told = [
            (*words.cells(self.columns, group.key, group.other), *self._figures(*map(units.pace, group.rate[:2])))
            for group in groups
        ]
        titles = (*(TITLES[column] for column in self.columns), *self._figures("95th", "Peak"))
        least = _LEAST_SMALL if self.style.width >= _NARROW else 4
        grid = Grid(titles, len(self.columns), told, "", self.style.width - least - _GAP)
        lines = [grid.line(cells) for cells in told]
        start = max(map(len, (*lines, grid.line(titles)))) + _GAP
        room = max(least, self.style.width - start)
        slots = self._slots()
        wide = max(1, min(3, room // len(slots)))
        small = [self._heights(slots, group, room) for group in groups]
        picture = [
            line.ljust(start) + "".join(letter * wide for letter in letters)
            for line, letters in zip(lines, small, strict=True)
        ]
        title = grid.line(titles).ljust(start) + "each to its peak"[:room]
        return [line.rstrip() for line in (title, *picture, *self._ends(start, room, wide * len(small[0])))]

    def _figures(self, p95: str, peak: str) -> tuple[str, ...]:
        return (p95, peak) if self.style.width >= _NARROW else (peak,)

    def _slots(self) -> list[int | None]:
        """The beginnings of all buckets; None where nothing was watched.  Days and months are not equally long."""
        slots: list[int | None] = []
        at = self.begin_ns
        for begin, end in self.ends.items():
            slots += [None] * round((begin - at) / (end - begin))
            slots.append(begin)
            at = end
        return slots

    def _heights(self, slots: list[int | None], group: GroupRate, room: int) -> str:
        """A letter a time, or the largest of several; a dot where nothing was watched."""
        letters, peak = HEIGHTS if self.fine else _ASCII_HEIGHTS, max(group.rate.peak_bps, 1)
        values = {begin: bps for bps, begin in group.samples}
        together, drawn = -(-len(slots) // room), ""
        for at in range(0, len(slots), together):
            known = [values[begin] for begin in slots[at : at + together] if begin in values]
            # What is not nothing is seen.
            height = max(max(known) > 0, round(max(known) * 8 / peak)) if known else None
            drawn += _UNWATCHED[not self.fine] if height is None else letters[height]
        return drawn

    def _ends(self, start: int, room: int, wide: int) -> list[str]:
        """The first and the last moment below the small lines, as far as there is room."""
        first, last = (units.moment(ns)[: len("2026-11-21 10:00")] for ns in (self.begin_ns, self.end_ns))
        if room < len(first):
            return []
        if room <= len(first) + len(last):
            return [" " * start + first]
        return [" " * start + first + last.rjust(max(wide - len(first), len(last) + 1))]


def _canvas() -> Any:
    """The drawing library; None: it is not here, and areas do as well."""
    try:
        from plotille import Canvas
    except ImportError:
        return None
    return Canvas
