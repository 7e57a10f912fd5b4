"""Rows of plain values for other programs: CSV, JSON lines or Parquet.  Every row has every column."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO

from bpft.messages import valid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Form = Literal["csv", "ndjson", "parquet"]


def write_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], out: TextIO) -> None:
    """RFC 4180, but for lines that end in a newline alone.  Empty: not known, or nothing of this row."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([valid(row[name]) for name in columns] for row in rows)


def write_lines(context: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], out: TextIO) -> None:
    """ndjson: an object a row, each with what it is part of."""
    out.write("".join(json.dumps(valid({**context, **row})) + "\n" for row in rows))


def write_parquet(
    columns: Mapping[str, str], context: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], out: BinaryIO
) -> None:
    """columns: names, and their types as pyarrow calls them; the context is metadata of the file.

    Raises NoArrow where pyarrow is not installed.
    """
    from bpft import arrow

    pa = arrow.load("--format parquet")
    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in columns.items()])
    schema = schema.with_metadata({"bpft.schema": context["schema"], "bpft.report": json.dumps(valid(dict(context)))})
    whole = pa.Table.from_pylist([valid(dict(row)) for row in rows], schema=schema)
    with pa.parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        writer.write_table(whole)
