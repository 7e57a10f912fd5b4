"""Tables of the page: each sorts by any of its columns, by the exact figure behind what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from bpft.messages import one_line
from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.render import svg, whole_sums
from bpft.report.render.table import Style
from bpft.report.render.words import TITLES, Words
from bpft.report.rows import Row

WAYS = (("in", "in"), ("out", "out"), ("way", "neither"))  #: class and name of each part of a sum
_FIGURES = {"in": "In", "out": "Out", "all": "All", "packets": "Packets"}  # what everybody looks for comes first
_ADDRESSES = ("src", "dst", "host")  # columns that may have a name in front


def escaped(text: str) -> str:
    """Names of files and hosts may hold anything."""
    return escape(one_line(text))


def exact(figure: int | None) -> str:
    """The exact figure behind a rounded one: for sorting, and for who rests a pointer on it."""
    return "" if figure is None else f' data-v="{figure}" title="{figure:,}"'


def scrolled(title: str, table: str) -> str:
    """What is too wide is moved sideways, also from the keyboard."""
    return f'<div class="scroll" role="region" aria-label="{escaped(title)}" tabindex="0">\n{table}</div>\n'


def ways_of(row: Row) -> tuple[int, int, int]:
    """Bytes in, out and neither, of a row that has both ways; what went both ways at once is in."""
    _, all_, _, into, out = row.sums
    if row.other:  # it stands on both sides
        return 0, 0, all_
    return into, min(out, all_ - min(into, all_)), max(0, all_ - into - out)


class Table:
    """The rows of an answer, the largest first, with what those sum to that have no row here."""

    def __init__(self, answer: Answer, style: Style, title: str) -> None:
        self.answer, self.style, self.title = answer, style, title
        self.grouping = answer.ranking.grouping
        self.words = Words(answer, style.numeric, style.names)
        self.figures = [name for name in _FIGURES if name in self.grouping.sums]

    def parts(self) -> Iterator[str]:
        rows = list(self.answer.rows())
        yield f"<section>\n<h3>{escaped(self.title)}</h3>\n"
        self.words.learn(self.grouping.columns, (row.key for row in rows if not row.other))
        most = max(row.sums[1] for row in rows)
        body = "".join(self._row(row, most) for row in rows)
        yield scrolled(
            self.title,
            f'<table class="sortable" data-by="{escaped(self.answer.question.by)}">\n'
            f"<thead><tr>{self._heads()}</tr></thead>\n"
            f"<tbody>\n{body}</tbody>\n<tfoot>\n{self._foot(rows)}</tfoot>\n</table>\n",
        )
        yield "</section>\n"

    def _heads(self) -> str:
        sort = self.answer.question.sort or ("" if self.grouping.bucket else "all")
        titles = [f'<th scope="col">{TITLES[column]}</th>' for column in self.grouping.columns]
        for name in self.figures:
            turned = "ascending" if self.answer.question.reverse else "descending"
            order = f' aria-sort="{turned}"' if name == sort else ""
            titles.append(f'<th scope="col" class="figure {name}"{order}>{_FIGURES[name]}</th>')
        return "".join(titles) + '<th scope="col" class="figure share">Share</th><td class="bars"></td>'

    def _row(self, row: Row, most: int) -> str:
        words = zip(self.grouping.columns, row.key, self.words.of(row), strict=True)
        cells = "".join(self._word(*one, head=not place) for place, one in enumerate(words))
        parts = ways_of(row) if "in" in self.grouping.sums else (0, 0, row.sums[1])
        bar = svg.bar(parts, most, [way for way, _ in WAYS])
        share = f'<td class="figure share"{exact(row.sums[1])}>{units.share(row.sums[1], self.answer.totals[1])}</td>'
        return f'<tr>{cells}{self._sums(row.sums)}{share}<td class="bars">{bar}</td></tr>\n'

    def _word(self, column: str, cell: object, word: str, head: bool) -> str:
        """A cell, with the address behind a name."""
        told, kind = escaped(word), ""
        if len(word) > 1:  # else it is the sign for none
            told = told.replace(".", ".<wbr>").replace("-", "-<wbr>")
        if column in _ADDRESSES:
            kind = ' class="name"'
            if word not in (str(cell), "other", "-"):
                told += f'&ensp;<span class="address">{escaped(str(cell))}</span>'
        return f'<th scope="row"{kind}>{told}</th>' if head else f"<td{kind}>{told}</td>"

    def _sums(self, sums: tuple[int, ...]) -> str:
        known = whole_sums(sums, None)
        cells = []
        for name in self.figures:
            place = self.grouping.sums.index(name)
            value = known[place] if place < len(known) else None
            shown = "-" if place < len(known) else ""  # a total has no in and out
            if value is not None:
                shown = (units.size if place else units.count)(value, self.style.units)
            cells.append(f'<td class="figure {name}"{exact(value)}>{shown}</td>')
        return "".join(cells)

    def _foot(self, rows: list[Row]) -> str:
        span = f' colspan="{len(self.grouping.columns)}"' if len(self.grouping.columns) > 1 else ""
        left, foot = len(self.answer.ranking) - len(rows), ""
        none = '<td class="share"></td><td class="bars"></td>'
        if left:
            rest = self.answer.rest(map(sum, zip(*(row.sums for row in rows), strict=True)))
            name = f"{units.grouped(left)} other row{'s' * (left != 1)}"
            foot = f'<tr class="rest"><th scope="row"{span}>{name}</th>{self._sums(rest)}{none}</tr>\n'
        total = f'<th scope="row"{span}>Total</th>{self._sums(self.answer.totals)}'
        return f'{foot}<tr class="all">{total}{none}</tr>\n'
