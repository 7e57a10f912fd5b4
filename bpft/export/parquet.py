"""Parquet, through pyarrow: text dictionary-encoded, times in UTC nanoseconds, unsigned integers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

from bpft import arrow
from bpft.api import Block, context
from bpft.chunk import Chunk

#: A row group holds at least so many records, but for the last: readers want long ones, memory short ones.
_ROWS = 131072


def write(chunks: Iterable[tuple[Block, Chunk]], out: BinaryIO) -> None:
    """Write one file; memory holds a row group.  Raises NoArrow where pyarrow is not installed."""
    pa = arrow.load("--format parquet")
    waiting: list[Any] = []
    with pa.parquet.ParquetWriter(out, arrow.schema(pa), compression="zstd") as writer:
        for block, chunk in chunks:
            waiting.append(arrow.batch(pa, *context(block.header), chunk))
            if sum(batch.num_rows for batch in waiting) >= _ROWS:
                _flush(pa, writer, waiting)
        if waiting:
            _flush(pa, writer, waiting)


def _flush(pa: Any, writer: Any, waiting: list[Any]) -> None:
    table = pa.Table.from_batches(waiting).unify_dictionaries()
    waiting.clear()
    writer.write_table(table, row_group_size=table.num_rows)
