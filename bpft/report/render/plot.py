"""Pictures made of letters, for a terminal: a bar a row, or rates over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from bpft.messages import one_line
from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.render.curve import Times
from bpft.report.render.grid import Grid
from bpft.report.render.letters import EIGHTHS, is_fine
from bpft.report.render.table import Style
from bpft.report.render.words import TITLES, Words, closing, heading

if TYPE_CHECKING:
    from bpft.report.rows import Row

_GAP = 2
_LEAST_BAR = 16  # letters
_NARROW = 60  # columns: below, shares are left away, and bars are as long as there is room
_FRAME = 6  # lines around a line of time: blank ones, its unit and axis, and where the shell asks again

#: The parts of a bar: in, out, and neither of both.
_PARTS, _ASCII_PARTS = ("█", "▒", "░"), ("#", "=", "-")


def write(answer: Answer, out: TextIO, style: Style, height: int = 24) -> None:
    """An answer as a picture with what a table says above and below it.

    height: lines of the terminal, which a line of time fits; others have a line a row.
    """
    above, below = heading(answer, style.units), closing(answer, style.units)
    if not len(answer.ranking):
        picture = ["no records match" if answer.question.where else "no records"]
    elif answer.buckets:
        picture = Times(answer, style, is_fine(out)).lines(height - len(above) - len(below) - _FRAME)
    else:
        picture = _Bars(answer, style, is_fine(out)).lines()
    out.write("".join(one_line(line) + "\n" for line in [*above, "", *picture, "", *below]))


class _Bars:
    """A bar a row, as long as the sum that rows are sorted by."""

    def __init__(self, answer: Answer, style: Style, fine: bool) -> None:
        self.answer, self.style, self.fine = answer, style, fine
        self.grouping = answer.ranking.grouping
        self.sum = answer.question.sort if answer.question.sort in self.grouping.sums else "all"
        self.place = self.grouping.sums.index(self.sum)
        #: in and out are told apart where the bar is both of them.
        self.ways = self.sum == "all" and "in" in self.grouping.sums
        self._least = _LEAST_BAR if style.width >= _NARROW else 4

    def lines(self) -> list[str]:
        rows = list(self.answer.rows())
        words = Words(self.answer, self.style.numeric, self.style.names)
        words.learn(self.grouping.columns, (row.key for row in rows if not row.other))
        told = [(*words.of(row), *self._figures(row.sums)) for row in rows]
        titles = (*(TITLES[column] for column in self.grouping.columns), *self._whole((self.sum.capitalize(), "Share")))
        left = len(self.answer.ranking) - len(rows)
        label = f"{left} other row{'s' * (left != 1)}" if left else "total"
        grid = Grid(titles, len(self.grouping.columns), told, label, self.style.width - self._least - _GAP)
        lines = [grid.line(cells) for cells in told]
        start = max(map(len, lines)) + _GAP
        most = max((row.sums[self.place] for row in rows), default=0)
        room = max(self._least, self.style.width - start)
        picture = [f"{line.ljust(start)}{self._bar(row, most, room)}" for line, row in zip(lines, rows, strict=True)]
        head = grid.line(titles).ljust(start) + self._legend(rows)
        if left:
            rest = self.answer.rest(map(sum, zip(*(row.sums for row in rows), strict=True)))
            picture.append(grid.total(label, self._whole((self._amount(rest[self.place]), ""))))
        if self.place < len(self.answer.totals):
            total = self._amount(self.answer.totals[self.place])
            picture.append(grid.total("total", self._whole((total, ""))))
        return [line.rstrip() for line in (head, *picture)]

    def _figures(self, sums: tuple[int, ...]) -> tuple[str, ...]:
        whole = self.answer.totals[self.place if self.place < len(self.answer.totals) else 1]
        share = units.share(sums[self.place], whole)
        return self._whole((self._amount(sums[self.place]), share))

    def _whole(self, figures: tuple[str, str]) -> tuple[str, ...]:
        """An amount, and its share where there is room for it."""
        return figures if self.style.width >= _NARROW else figures[:1]

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
            return EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8].strip()
        bar, done, ends = "", 0, 0
        for letter, part in zip(_PARTS if self.fine else _ASCII_PARTS, parts, strict=False):
            ends += part
            until = (ends * room + most // 2) // most if most else 0
            bar += letter * (until - done)
            done = max(done, until)
        return bar or (EIGHTHS[1] if self.fine else ".") * (sum(parts) > 0)
