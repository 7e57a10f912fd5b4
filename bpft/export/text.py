"""Comma-separated values, and a JSON object a line: streamed, nothing but the standard library."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from bpft.api import Block, context
from bpft.chunk import Chunk, Row
from bpft.export import COLUMNS
from bpft.report.period import SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = ("src", "dst")  # the columns of a row that are text wherever they are
_FORM = ", ".join(f'"{name}": "%s"' if name in _TEXT else f'"{name}": %s' for name in COLUMNS[4:])


def iso(ns: int) -> str:
    """UTC nanoseconds as 2026-11-01T00:00:00.000000000Z."""
    return f"{_EPOCH + timedelta(seconds=ns // SECOND):%Y-%m-%dT%H:%M:%S}.{ns % SECOND:09d}Z"


def csv_lines(chunks: Iterable[tuple[Block, Chunk]]) -> Iterator[bytes]:
    """A line with the names of the columns, then a line a record; what is not known is empty."""
    yield (",".join(COLUMNS) + "\n").encode()
    for block, chunk in chunks:
        begin_ns, end_ns, interface, host = context(block.header)
        head = (iso(begin_ns), iso(end_ns), interface, host)
        other = "true" if chunk.other else "false"
        for rows in _some(chunk):
            out = io.StringIO()
            csv.writer(out, lineterminator="\n").writerows((*head, *row[:-1], other) for row in rows)
            yield out.getvalue().encode()


def json_lines(chunks: Iterable[tuple[Block, Chunk]]) -> Iterator[bytes]:
    """An object a record; what is not known is null, all numbers are exact integers."""
    for block, chunk in chunks:
        begin_ns, end_ns, interface, host = context(block.header)
        head = {"begin": iso(begin_ns), "end": iso(end_ns), "interface": interface or None, "host": host or None}
        # Addresses are plain ASCII, so that a template does what an encoder would, at a third of its time.
        form = json.dumps(head).removesuffix("}").replace("%", "%%") + f", {_FORM}}}\n"
        for rows in _some(chunk):
            yield "".join(form % _cells(row) for row in rows).encode()


def _some(chunk: Chunk) -> Iterator[list[Row]]:
    """Rows that are written at once: few calls, little memory."""
    rows = chunk.rows()
    while some := list(islice(rows, 4096)):
        yield some


def _cells(row: Row) -> tuple[object, ...]:
    direction = f'"{row[5]}"' if row[5] else None
    cells = (*row[:5], direction, *row[6:-1], "true" if row[-1] else "false")
    return tuple("null" if cell is None else cell for cell in cells) if None in cells else cells
