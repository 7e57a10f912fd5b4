"""An SQLite database: tables blocks and records, and a view of both with the columns of every export."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from bpft.api import Block, context
from bpft.chunk import Chunk
from bpft.errors import CannotWrite
from bpft.export.text import iso

_LARGEST = (1 << 63) - 1
_SCHEMA = """
CREATE TABLE blocks (
    block INTEGER PRIMARY KEY,
    id BLOB,
    file TEXT NOT NULL,
    begin TEXT NOT NULL,
    "end" TEXT NOT NULL,
    begin_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    interface TEXT,
    host TEXT,
    source TEXT NOT NULL,
    counting TEXT NOT NULL,
    filter TEXT
);
CREATE TABLE records (
    block INTEGER NOT NULL REFERENCES blocks,
    src TEXT NOT NULL,
    dst TEXT NOT NULL,
    sport INTEGER,
    dport INTEGER,
    proto INTEGER,
    direction TEXT,
    vlan INTEGER,
    packets INTEGER,
    "all" INTEGER NOT NULL,
    data INTEGER NOT NULL,
    other INTEGER NOT NULL,
    src_packed BLOB,
    dst_packed BLOB
);
CREATE VIEW traffic AS
    SELECT begin, "end", interface, host, src, dst, sport, dport, proto, direction, vlan, packets, "all", data, other
    FROM records JOIN blocks USING (block);
"""
_INDEXES = """
CREATE INDEX records_block ON records (block);
CREATE INDEX records_src ON records (src_packed);
CREATE INDEX records_dst ON records (dst_packed);
"""


def write(chunks: Iterable[tuple[Block, Chunk]], path: Path, name: str) -> None:
    """Make path, an empty file, such a database.  Raises CannotWrite of name, which path is to get."""
    try:
        # The file is not there under its name before it is whole: neither locks nor a journal would protect anything.
        place = f"{path.absolute().as_uri()}?nolock=1"
        with closing(sqlite3.connect(place, uri=True, isolation_level=None)) as database:
            database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
            database.execute("BEGIN")
            _fill(database, chunks)
            database.execute("COMMIT")
            database.executescript(_INDEXES)
    except sqlite3.Error as error:
        raise CannotWrite(name, str(error)) from error
    except OverflowError:
        raise CannotWrite(name, f"a sum is above {_LARGEST}, which no integer of SQLite holds") from None


def _fill(database: sqlite3.Connection, chunks: Iterable[tuple[Block, Chunk]]) -> None:
    number, last = 0, None
    for block, chunk in chunks:
        if block is not last:
            number, last = number + 1, block
            database.execute(f"INSERT INTO blocks VALUES ({_marks(12)})", _block(number, block))
        database.executemany(f"INSERT INTO records VALUES ({_marks(14)})", _records(number, chunk))


def _block(number: int, block: Block) -> tuple[object, ...]:
    header = block.header
    begin_ns, end_ns, interface, host = context(header)
    file, expression = (text.encode("utf-8", "replace").decode() for text in (block.path, header.filter))
    named = (interface or None, host or None, header.source, header.counting, expression or None)
    return (number, block.id or None, file, iso(begin_ns), iso(end_ns), begin_ns, end_ns, *named)


def _records(number: int, chunk: Chunk) -> Iterator[tuple[object, ...]]:
    for row, packed in zip(chunk.rows(), chunk.addresses(), strict=True):
        yield (number, *row, *packed)


def _marks(count: int) -> str:
    return ", ".join("?" * count)
