"""Golden logs are read for ever: each byte means what the files beside it say (bpft(5), format 1)."""

import csv
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from bpft import blockdef
from bpft.block import Block
from bpft.blockref import decode_block
from bpft.blockscan import scan
from bpft.record import Header
from bpft.verify import verify

GOLDEN = Path(__file__).with_name("golden")
MAKE = runpy.run_path(str(GOLDEN / "make.py"))
NAMES = sorted(path.stem for path in GOLDEN.glob("*.bpft"))


def blocks(name: str) -> list[Block]:
    found = list(scan(GOLDEN / f"{name}.bpft"))
    assert all(isinstance(one, Block) for one in found)
    return found  # type: ignore[return-value]


def test_all_are_there() -> None:
    assert set(NAMES) == set(MAKE["MAKERS"])


@pytest.mark.parametrize("name", NAMES)
def test_headers_mean_what_they_meant(name: str) -> None:
    defaults: dict[str, Any] = MAKE["meaning"]([_Empty])[0]["header"]
    expected = json.loads((GOLDEN / f"{name}.json").read_text())
    found = MAKE["meaning"](blocks(name))
    assert len(found) == len(expected)
    for now, then in zip(found, expected, strict=True):
        # What headers learn to say later, these do not say.
        assert now["header"] == defaults | then["header"]
        assert {key: now[key] for key in then if key != "header"} == {k: v for k, v in then.items() if k != "header"}


class _Empty:
    offset = length = rows = 0
    id = previous = b""
    header = Header()


@pytest.mark.parametrize("name", NAMES)
def test_records_mean_what_they_meant(name: str) -> None:
    with (GOLDEN / f"{name}.csv").open(newline="") as file:
        columns, *expected = list(csv.reader(file))
    assert columns == MAKE["COLUMNS"]
    assert list(MAKE["cells"](blocks(name))) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_definition_reads_them_too(name: str) -> None:
    data = (GOLDEN / f"{name}.bpft").read_bytes()
    for block in blocks(name):
        slow = decode_block(data[block.offset :])
        assert (slow.id, slow.length, slow.rows) == (block.id, block.length, block.rows)


def test_they_are_whole() -> None:
    for file in verify(GOLDEN / f"{name}.bpft" for name in NAMES):
        assert [finding.reason for finding in file.findings] == []


def test_they_use_all_there_is_in_the_format() -> None:
    """Every field, column, encoding, packing and compression of the definition occurs."""
    fields: set[int] = set()
    entries: set[tuple[str, int]] = set()
    for name in NAMES:
        data = (GOLDEN / f"{name}.bpft").read_bytes()
        for block in blocks(name):
            for section in blockdef.block.parse(data[block.offset :]).sections:
                body = section.checked.value.body
                if section.checked.value.type == blockdef.HEADER:
                    fields |= {field.number for field in body.fields}
                elif section.checked.value.type == blockdef.ROWS:
                    for entry, chunk in zip(body.columns, body.chunks, strict=True):
                        entries |= {("column", entry.id), ("encoding", entry.encoding)}
                        entries |= {("compression", entry.compression), ("packing", _packing(entry, chunk))}
    assert fields == {field.number for field in blockdef.FIELDS}
    assert entries >= {("column", number) for number in blockdef.COLUMNS.values()}
    assert entries >= {("encoding", number) for number in range(4)}
    assert entries >= {("compression", number) for number in (blockdef.STORED, blockdef.ZLIB, blockdef.ZSTD)}
    assert entries >= {("packing", number) for number in range(5)}


def _packing(entry: Any, chunk: bytes) -> int:
    """Of the column's first lane."""
    from bpft.compression import decompress

    data = decompress(entry.compression, chunk, entry.length)
    at = 0
    if entry.encoding == 1:  # sorted: a varint stands before the lane
        while data[at] & 0x80:
            at += 1
        at += 1
    return data[at]
