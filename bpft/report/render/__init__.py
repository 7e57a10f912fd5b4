"""One file a format."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from bpft.report.rows import Row

Absent = TypeVar("Absent")


def batches(rows: Iterator[Row], size: int = 1000) -> Iterator[list[Row]]:
    """Rows in lists, so that a long report is written in few calls and held in little memory."""
    while batch := list(islice(rows, size)):
        yield batch


def whole_sums(sums: tuple[int, ...], absent: Absent) -> tuple[int | Absent, ...]:
    """Sums with what stands for packets that are not known: no bytes are moved without a packet."""
    return (absent, *sums[1:]) if not sums[0] and sums[1] else sums
