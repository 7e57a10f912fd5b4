"""One file a format: table, csv, json."""

from collections.abc import Iterator
from itertools import islice

from bpft.report.rows import Row


def batches(rows: Iterator[Row], size: int = 1000) -> Iterator[list[Row]]:
    """Rows in lists, so that a long report is written in few calls and held in little memory."""
    while batch := list(islice(rows, size)):
        yield batch
