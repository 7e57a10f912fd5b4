"""Comma-separated values: a header, then a row a line; sums are exact."""

from collections.abc import Iterator
from typing import TextIO

from bpft.report.answer import Answer
from bpft.report.dimension import OUTER
from bpft.report.names import named
from bpft.report.render import batches, whole_sums
from bpft.report.rows import Cell, Row


def write(answer: Answer, out: TextIO, numeric: bool) -> None:
    """Unless numeric, protocols and services are named; addresses always stay addresses.  Empty: not known."""
    grouping = answer.ranking.grouping
    out.write(",".join(grouping.columns + grouping.sums) + "\n")
    quoted = [place for place, column in enumerate(grouping.columns) if column in OUTER]
    for rows in batches(answer.rows()):
        if quoted:
            rows = [row._replace(key=_quoted(row.key, quoted)) for row in rows]
        out.write("".join(_numbers(rows) if numeric else _names(rows, grouping.columns)))


def _numbers(rows: list[Row]) -> Iterator[str]:
    form = ",".join(["%s"] * len(rows[0].key + rows[0].sums)) + "\n"
    for row in rows:
        key = row.key
        if None in key:
            key = tuple("" if cell is None else cell for cell in key)
        yield form % (*key, *whole_sums(row.sums, ""))


def _names(rows: list[Row], columns: tuple[str, ...]) -> Iterator[str]:
    for row in rows:
        yield f"{','.join(named(columns, row.key))},{','.join(map(str, whole_sums(row.sums, '')))}\n"


def _quoted(key: tuple[Cell, ...], places: list[int]) -> tuple[Cell, ...]:
    """Names of interfaces and scopes may hold anything, and be cells of their own all the same (RFC 4180)."""
    cells = list(key)
    for place in places:
        text = cells[place]
        if isinstance(text, str) and any(letter in text for letter in ',"\r\n'):
            doubled = text.replace('"', '""')
            cells[place] = f'"{doubled}"'
    return tuple(cells)
