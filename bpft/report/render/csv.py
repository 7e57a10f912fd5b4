"""Comma-separated values: a header, then a row a line; sums are exact, no cell needs quoting."""

from collections.abc import Iterator
from typing import TextIO

from bpft.report.answer import Answer
from bpft.report.names import named
from bpft.report.render import batches
from bpft.report.rows import Row


def write(answer: Answer, out: TextIO, numeric: bool) -> None:
    """Unless numeric, protocols and services are named; addresses always stay addresses.  Empty: not known."""
    grouping = answer.ranking.grouping
    out.write(",".join(grouping.columns + grouping.sums) + "\n")
    for rows in batches(answer.rows()):
        out.write("".join(_numbers(rows) if numeric else _names(rows, grouping.columns)))


def _numbers(rows: list[Row]) -> Iterator[str]:
    form = ",".join(["%s"] * len(rows[0].key + rows[0].sums)) + "\n"
    for key, sums, _ in rows:
        if None in key:
            key = tuple("" if cell is None else cell for cell in key)
        yield form % (key + (sums if sums[0] else ("", *sums[1:])))


def _names(rows: list[Row], columns: tuple[str, ...]) -> Iterator[str]:
    for key, sums, _ in rows:
        yield f"{','.join(named(columns, key))},{','.join(map(str, sums if sums[0] else ('', *sums[1:])))}\n"
