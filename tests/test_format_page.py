"""bpft(5) says what the code does: its tables, and its worked example to the byte."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from blocks import FORMAT, record, table

from bpft import blockdef
from bpft.block import END_SIZE, read_block, write_block
from bpft.blockref import decode_block
from bpft.record import Counters, CountingMode, Header, Role, SourceKind
from bpft.source import Source

PAGE = (Path(__file__).parents[1] / "man" / "bpft.5").read_text()

RECORDS = b"".join(
    (
        record(src=0x0A000001, dst=0xC0000201, sport=40001, dport=443, proto=6, packets=5, all=300, data=40),
        record(src=0x0A000001, dst=0xC0000201, sport=40002, dport=443, proto=6, packets=2, all=112, data=8),
        record(src=0x0A000002, dst=0xC0000235, sport=5353, dport=53, proto=17, packets=1, all=76, data=48),
    )
)
HEADER = Header(
    epoch=bytes(range(16)),
    begin_ns=1_700_000_000_000_000_000,
    end_ns=1_700_000_300_000_000_000,
    interface="eth0",
    counters=Counters(
        seen=9,
        counted=8,
        skipped={"non-ip": 1},
        received=9,
        first_ns=1_700_000_000_500_000_000,
        last_ns=1_700_000_299_000_000_000,
    ),
)


def example() -> list[tuple[bytes, str]]:
    """(bytes, meaning) of each line of the worked example."""
    [literal] = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", PAGE, re.M | re.S)
    lines = []
    for line in literal.splitlines():
        hexadecimal, _, meaning = line.partition("  ")
        lines.append((bytes.fromhex(hexadecimal), meaning.strip()))
    return lines


def test_the_example_is_a_block_of_what_it_says(tmp_path: Path) -> None:
    data = b"".join(part for part, _ in example())
    assert f"A block of three records, {len(data)} bytes:" in PAGE
    (tmp_path / "example").write_bytes(data)
    block = read_block(Source(tmp_path / "example"), 0)
    block.verify()
    assert block.header == HEADER
    assert [group.records() for group in block.groups()] == [RECORDS]
    assert decode_block(data).groups[0].columns["data"] == [row[-1] for row in FORMAT[4].iter_unpack(RECORDS)]
    assert b"".join(write_block(HEADER, table((4, RECORDS)))) == data


def test_the_remarks_of_the_example_are_right() -> None:
    fields = {field.number: field for field in blockdef.FIELDS}
    lines = example()
    for data, meaning in lines:
        if found := re.fullmatch(r"field (\d+) \((\w+)\), (\d+) bytes", meaning):
            field = fields[int(found[1])]
            assert (field.name, field.type) == (found[2], int.from_bytes(data[:2], "little"))
            assert int.from_bytes(data[2:], "little") == int(found[3])
        elif found := re.fullmatch(r"section type (\d+), (\d+) bytes", meaning):
            assert [int(n) for n in found.groups()] == [
                int.from_bytes(data[:2], "little"),
                int.from_bytes(data[2:], "little"),
            ]
        elif found := re.fullmatch(r"column (\d+): encoding (\d+), stored, (\d+) bytes", meaning):
            entry = blockdef.column.parse(data)
            assert [entry.id, entry.encoding, entry.length] == [int(n) for n in found.groups()]
    assert sum(bool(re.match(r"(field|section|column \d+:|id|CRC-32|magic)", meaning)) for _, meaning in lines) > 25
    assert f"the last {END_SIZE} bytes of a file" in PAGE


def test_every_field_is_on_the_page() -> None:
    listed = re.findall(r"^\.It (\d+) Ta (\w+) Ta (yes|no) Ta (yes|no) Ta \S", PAGE, re.M)
    assert listed == [
        (str(field.number), field.name, "yes" if field.mandatory else "no", "yes" if field.many else "no")
        for field in blockdef.FIELDS
    ]


def test_every_value_of_a_field_is_on_the_page() -> None:
    for name, values in (("source", SourceKind), ("counting", CountingMode), ("role", Role)):
        [line] = re.findall(rf"^\.It \d+ Ta {name} Ta \w+ Ta \w+ Ta (.*)", PAGE, re.M)
        line = re.sub(r"\(.*?\)", "", line)
        assert re.split(r",\s+|\s+or\s+", line.strip()) == list(get_args(values))


def test_every_column_section_and_compression_is_on_the_page() -> None:
    table_of_columns = PAGE.split(".It Sy id Ta Sy value of a row\n")[1].split(".El")[0]
    listed = [int(number) for number in re.findall(r"^\.It (\d+) Ta", table_of_columns, re.M)]
    assert sorted(listed) == sorted(blockdef.COLUMNS.values())
    assert f"type: {blockdef.HEADER} header, {blockdef.ROWS} row group, {blockdef.END} end" in PAGE
    assert f"compression: {blockdef.STORED} none, {blockdef.ZLIB} zlib, {blockdef.ZSTD} zstd" in PAGE
    assert f"magic: {blockdef.MAGIC.hex(' ')} (hexadecimal)" in PAGE
    assert f"{blockdef.IGNORABLE} is added if a reader may ignore it" in PAGE


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc")
def test_the_page_is_clean() -> None:
    command = ["mandoc", "-T", "lint", "-W", "warning", str(Path(__file__).parents[1] / "man" / "bpft.5")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")
