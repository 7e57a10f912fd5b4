"""Parquet: a column each for what the rows have, and what JSON says of the whole as metadata of the file."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from bpft import arrow
from bpft.messages import valid
from bpft.report.answer import Answer
from bpft.report.dimension import Grouping
from bpft.report.render import batches, whole_sums
from bpft.report.render.json import SCHEMA, head
from bpft.report.rows import Row

_AT_ONCE = 65536  # rows of a row group


def write(answer: Answer, out: BinaryIO) -> None:
    """Numbers are unsigned, null is not known, times are UTC.  Raises NoArrow where pyarrow is not installed."""
    pa = arrow.load("--format parquet")
    metadata = {"bpft.schema": SCHEMA, "bpft.report": json.dumps(valid(head(answer)))}
    schema = _schema(pa, answer.ranking.grouping).with_metadata(metadata)
    with pa.parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in batches(answer.rows(), _AT_ONCE):
            writer.write_table(pa.Table.from_pydict(_columns(answer.ranking.grouping, rows), schema=schema))


def _schema(pa: Any, grouping: Grouping) -> Any:
    numbers = {"proto": pa.uint8(), **dict.fromkeys(("sport", "dport", "port", "service", "vlan"), pa.uint16())}
    fields = [(name, numbers.get(name, pa.string())) for name in grouping.columns]
    fields += [(name, pa.uint64()) for name in grouping.sums]
    fields.append(("other", pa.bool_()))
    if grouping.bucket:
        fields += [("begin", pa.timestamp("ns", "UTC")), ("end", pa.timestamp("ns", "UTC"))]
    return pa.schema(fields)


def _columns(grouping: Grouping, rows: list[Row]) -> dict[str, list[Any]]:
    keys = zip(*(valid(list(row.key)) for row in rows), strict=True)
    sums = zip(*(whole_sums(row.sums, None) for row in rows), strict=True)
    columns = dict(zip((*grouping.columns, *grouping.sums), map(list, (*keys, *sums)), strict=True))
    columns["other"] = [row.other for row in rows]
    if grouping.bucket:
        columns["begin"] = [row.bucket.begin_ns if row.bucket else None for row in rows]
        columns["end"] = [row.bucket.end_ns if row.bucket else None for row in rows]
    return columns
