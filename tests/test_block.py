"""Blocks: the fast path and the construct definition agree, and nothing damaged is ever taken for whole."""

import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import blocks
import pytest
import zstandard
from blocks import NO_PORTS, NO_PROTO, OTHER, contents, dense, headers, record, table, traffic
from construct import ConstructError
from hypothesis import given
from hypothesis import strategies as st

from bpft import blockdef, blocklayout, core
from bpft.block import Block, Refused, load_table, read_block, write_block
from bpft.blocklayout import COLUMNS, CRC, FIELD, HEADER, IGNORABLE, SECTION, START, STORED, ZLIB, ZSTD
from bpft.blockref import ReferenceGroup, decode_block
from bpft.compression import decompress
from bpft.errors import BlockDamaged
from bpft.header import pack_header, parse_header
from bpft.record import Counters, Header
from bpft.source import Source


def whole(header: Header, some: core.Table, **more: Any) -> bytes:
    return b"".join(write_block(header, some, **more))


def in_file(path: Path, data: bytes, offset: int = 0) -> Block:
    path.write_bytes(data)
    return read_block(Source(path), offset)


SMALL = table((4, record() + record(dst=9, flags=core.DIR_TX)), (6, record(6, flags=OTHER | NO_PORTS | NO_PROTO)))


# ---- fast path and definition ----


def test_the_generated_layout_is_current() -> None:
    path = Path(blocklayout.__file__)
    assert path.read_text() == blockdef.layout(), "run: python -m bpft.blockdef > bpft/blocklayout.py"


def test_reading_and_writing_do_not_import_construct(tmp_path: Path) -> None:
    code = f"""
import sys
from bpft import core
from bpft.logfile import LogWriter, scan
from bpft.record import Header
LogWriter({str(tmp_path / "log")!r}).append(Header(), core.Table())
assert [found.rows for found in scan({str(tmp_path / "log")!r})] == [0]
assert "construct" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@given(headers, st.binary(max_size=16))
def test_headers_come_back(header: Header, previous: bytes) -> None:
    assert parse_header(pack_header(header, previous)) == (header, previous)


@given(headers, st.binary(max_size=16))
def test_definition_and_fast_path_agree_on_headers(header: Header, previous: bytes) -> None:
    data = pack_header(header, previous)
    parsed = blockdef.header.parse(data)
    assert blockdef.header.build(parsed) == data
    names = {field.number: field.name for field in blockdef.FIELDS}
    values: dict[str, list[Any]] = {}
    for field in parsed.fields:
        values.setdefault(names[field.number], []).append(field.value)
    assert tuple((gap.begin_ns, gap.end_ns) for gap in values.pop("gaps", [])) == header.gaps
    assert {s.reason: s.frames for s in values.pop("skipped", [])} == header.counters.skipped
    assert {
        ("unknown", "rx", "tx")[d.direction]: (d.frames, d.bytes, d.wire_frames, d.wire_bytes)
        for d in values.pop("direction", [])
    } == header.counters.direction
    cuts = [(cut.ipv4, cut.ipv6) for cut in values.pop("prefix_len", [])]
    assert cuts == ([header.prefix_len] if header.prefix_len else [])
    labels = {}
    for label in values.pop("labels", []):
        raw = label.name_value.encode()
        labels[raw[: label.name_bytes].decode()] = raw[label.name_bytes :].decode()
    assert labels == header.labels
    assert values.pop("kind") == ["traffic"]
    assert values.pop("previous", [b""]) == [previous]
    [interval] = values.pop("interval")
    assert (interval.begin_ns, interval.end_ns) == (header.begin_ns, header.end_ns)
    for name, values_of_one in (("counters", [header.counters]), ("delta", [header.delta] if header.delta else [])):
        for found, expected in zip(values.pop(name, []), values_of_one, strict=True):
            for part in found:
                if not part.startswith("_"):
                    assert found[part] == getattr(expected, part)
    many = {field.name for field in blockdef.FIELDS if field.many}
    for name, found_values in values.items():
        assert (tuple(found_values) if name in many else found_values[0]) == getattr(header, name)
    for name in ("zone", "host", "mac", "mtu", "hardware", "filter", "prefixes", "replaces"):
        assert name in values or getattr(header, name) in (None, "", b"", ())


def _dense(group: ReferenceGroup) -> bytes:
    """The records of a group of the reference decoder."""
    size = 4 if group.version == 4 else 16
    columns = group.columns
    out = []
    for row in range(group.rows):
        flags = OTHER if group.other else 0
        flags |= 0 if "sport" in columns else NO_PORTS
        flags |= 0 if "proto" in columns else NO_PROTO
        if "direction" in columns:
            flags |= core.DIR_TX if columns["direction"][row] else core.DIR_RX

        def value(name: str, row: int = row) -> int:
            return columns[name][row] if name in columns else 0

        vlan = columns["vlan"][row] + 1 if "vlan" in columns else 0
        src, dst = (value(f"{side}{group.version}").to_bytes(size, "big") for side in ("src", "dst"))
        ports = (value(name).to_bytes(2, "big") for name in ("sport", "dport"))
        sums = (value(name) for name in ("packets", "all", "data"))
        out.append(blocks.FORMAT[group.version].pack(src, dst, *ports, value("proto"), flags, vlan, *sums))
    return b"".join(out)


def _agree(path: Path, some: core.Table) -> None:
    data = whole(Header(), some)
    block = in_file(path, data)
    block.verify()
    reference = decode_block(data)
    assert (reference.length, reference.rows, reference.id) == (block.length, block.rows, block.id)
    fast = list(block.groups())
    assert [(g.version, g.rows, g.other) for g in fast] == [(g.version, g.rows, g.other) for g in reference.groups]
    assert [group.records() for group in fast] == [_dense(group) for group in reference.groups]
    assert contents(load_table(block)) == contents(some)


@given(dense(4), dense(6))
def test_definition_and_fast_path_agree_on_records(
    tmp_path_factory: pytest.TempPathFactory, v4: bytes, v6: bytes
) -> None:
    _agree(tmp_path_factory.getbasetemp() / "agree", table((4, v4), (6, v6)))


@pytest.mark.parametrize("rows", [1, 300, 5000])
def test_definition_and_fast_path_agree_on_traffic(tmp_path: Path, rows: int) -> None:
    _agree(tmp_path / "block", table((4, traffic(rows)), (6, traffic(rows, 6))))


# ---- what a block keeps ----


def test_a_table_comes_back_with_its_counters(tmp_path: Path) -> None:
    some = table((4, traffic(70000)))
    counted = Counters(
        seen=9, counted=7, skipped={"non-ip": 2}, direction={"rx": (9, 900, 9, 900)}, first_ns=5, last_ns=6
    )
    block = in_file(tmp_path / "block", whole(Header(counters=counted), some))
    assert [group.rows for group in block.groups()] == [65536, len(some) - 65536]
    assert block.rows == len(some)
    back = load_table(block)
    assert contents(back) == contents(some)
    counters = back.counters()
    assert {name: counters[name] for name in ("seen", "counted", "folded", "first_ns", "last_ns")} == {
        "seen": 9,
        "counted": 7,
        "folded": 0,
        "first_ns": 5,
        "last_ns": 6,
    }
    assert counters["skipped"]["non-ip"] == 2
    assert counters["dir"] == {"unknown": (0, 0, 0, 0), "rx": (9, 900, 9, 900), "tx": (0, 0, 0, 0)}


def test_small_records_are_summed_and_totals_stay(tmp_path: Path) -> None:
    some = table((4, traffic(2000)), (6, traffic(2000, 6)))
    block = in_file(tmp_path / "block", whole(Header(), some, min_all=5000))
    assert block.header.min_all == 5000
    assert [(group.version, group.rows) for group in block.groups() if group.other] == [(4, 1), (6, 1)]
    back = load_table(block)
    assert back.totals() == some.totals()
    assert len(back) < len(some)


def test_an_empty_table_makes_a_block(tmp_path: Path) -> None:
    block = in_file(tmp_path / "block", whole(Header(epoch=b"e" * 16), core.Table(), previous=b"p" * 16))
    block.verify()
    assert (block.rows, list(block.groups()), block.previous, block.header.epoch) == (0, [], b"p" * 16, b"e" * 16)


def test_addresses_only(tmp_path: Path) -> None:
    some = table((4, record(flags=NO_PORTS | NO_PROTO, packets=2, all=100, data=60)))
    block = in_file(tmp_path / "block", whole(Header(key_mode="addresses"), some))
    [group] = block.groups()
    assert (group.has_ports, group.has_proto, group.other) == (False, False, False)
    assert set(group.columns) == {COLUMNS[name] for name in ("src4", "dst4", "packets", "all", "data")}


@pytest.mark.parametrize("name", COLUMNS)
def test_one_column_can_be_read_alone(tmp_path: Path, name: str) -> None:
    block = in_file(tmp_path / "block", whole(Header(), table((4, traffic(3000)), (6, traffic(3000, 6)))))
    place = {"src": 0, "dst": 1, "sport": 2, "dport": 3, "proto": 4, "packets": 7, "all": 8, "data": 9}
    for group in block.groups():
        if COLUMNS[name] in group.columns:
            form = blocks.FORMAT[group.version]
            at = place[name.rstrip("46")]
            whole_rows = [row[at] for row in form.iter_unpack(group.records())]
            assert [row[at] for row in form.iter_unpack(group.records({COLUMNS[name]}))] == whole_rows


def test_without_zstandard_zlib_is_written_and_zstd_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = table((4, traffic(3000)))
    with_zstd = in_file(tmp_path / "zstd", whole(Header(), some))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with_zlib = in_file(tmp_path / "zlib", whole(Header(), some))
    assert ZLIB in {column[1] for group in with_zlib.groups() for column in group.columns.values()}
    assert contents(load_table(with_zlib)) == contents(some)
    assert ZSTD in {column[1] for group in with_zstd.unread_groups() for column in group.columns.values()}
    with pytest.raises(BlockDamaged, match="install python zstandard"):
        load_table(with_zstd)


def test_writing_holds_one_row_group_at_a_time() -> None:
    some = table((4, traffic(150000)))
    pieces = list(write_block(Header(), some))
    assert len(pieces) == 2 + -(-len(some) // 65536)
    assert max(map(len, pieces)) < 65536 * 12


# ---- newer blocks ----


def _with_fields(data: bytes, more: bytes) -> bytes:
    """A block with more fields in its header, as a newer version may write it."""
    _, length = SECTION.unpack_from(data, START.size)
    fields = data[START.size + SECTION.size : START.size + SECTION.size + length] + more
    return data[: START.size] + _section(HEADER, fields) + data[START.size + SECTION.size + length + CRC.size :]


def _section(kind: int, body: bytes) -> bytes:
    head = SECTION.pack(kind, len(body)) + body
    return head + CRC.pack(zlib.crc32(head))


def _ended(body: bytes) -> bytes:
    """body, which has no end section, with one."""
    from hashlib import blake2b

    head = SECTION.pack(255, 32) + (len(body) + 42).to_bytes(8, "little") + bytes(8)
    section = head + blake2b(body + head, digest_size=16).digest()
    return body + section + CRC.pack(zlib.crc32(section))


def test_an_unknown_field_is_ignored_or_refused_as_its_type_says(tmp_path: Path) -> None:
    data = whole(Header(host="h"), SMALL)[:-42]
    extra = FIELD.pack(999 | IGNORABLE, 3) + b"new"
    block = in_file(tmp_path / "a", _ended(_with_fields(data, extra)))
    block.verify()
    assert block.header == Header(host="h")
    assert contents(load_table(block)) == contents(SMALL)
    refused = _ended(_with_fields(data, FIELD.pack(999, 3) + b"new"))
    with pytest.raises(Refused, match="newer bpft: header field 999") as caught:
        in_file(tmp_path / "b", refused)
    assert caught.value.args[1] == len(refused)


def test_an_unknown_section_is_ignored_or_refused_as_its_type_says(tmp_path: Path) -> None:
    data = whole(Header(), SMALL)[:-42]
    block = in_file(tmp_path / "a", _ended(data + _section(77 | IGNORABLE, b"series to come")))
    block.verify()
    assert contents(load_table(block)) == contents(SMALL)
    with pytest.raises(Refused, match="newer bpft: a section of type 77"):
        in_file(tmp_path / "b", _ended(data + _section(77, b"cannot be left out")))


def test_an_unknown_version_or_kind_is_refused(tmp_path: Path) -> None:
    data = bytearray(whole(Header(), SMALL))
    data[9] = 2
    with pytest.raises(ValueError, match="block format 2"):
        in_file(tmp_path / "a", bytes(data))
    fields = pack_header(Header()).replace(b"traffic", b"weather")
    with pytest.raises(Refused, match="kind 'weather'"):
        in_file(tmp_path / "b", _ended(START.pack(blocklayout.MAGIC, 1, b"") + _section(HEADER, fields)))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"", "does not say its kind"),
        (b"\x01", "ends within a field"),
        (FIELD.pack(1, 99), "ends within a field"),
        (pack_header(Header()) + FIELD.pack(4, 16) + bytes(16), "interval is there twice"),
        (pack_header(Header()) + FIELD.pack(22 | IGNORABLE, 5) + bytes(5), "mtu has a wrong length"),
        (pack_header(Header()) + FIELD.pack(50 | IGNORABLE, 33) + b"\x07" + bytes(32), "no direction 7"),
    ],
)
def test_malformed_headers_are_refused(fields: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_header(fields)


# ---- damage ----


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    data = whole(Header(host="h", epoch=b"e" * 16), SMALL)
    path = tmp_path / "block"
    path.write_bytes(data)
    source = Source(path)
    with path.open("r+b", buffering=0) as file:
        for bit in range(len(data) * 8):
            byte = data[bit // 8]
            os.pwrite(file.fileno(), bytes([byte ^ 1 << bit % 8]), bit // 8)
            with pytest.raises((ValueError, BlockDamaged)):
                read_block(source, 0).verify()
            os.pwrite(file.fileno(), bytes([byte]), bit // 8)
    read_block(source, 0).verify()


def test_a_flipped_bit_in_a_row_group_is_noticed_without_verify(tmp_path: Path) -> None:
    data = whole(Header(), SMALL)
    block = in_file(tmp_path / "block", data)
    for offset, length in block.sections:
        for at in range(offset + SECTION.size, offset + length):
            damaged = bytearray(data)
            damaged[at] ^= 0x10
            with pytest.raises(BlockDamaged, match=f"row group at byte {offset}: it does not match its checksum"):
                [group.records() for group in in_file(tmp_path / "block", bytes(damaged)).groups()]


def test_a_block_cut_anywhere_is_none(tmp_path: Path) -> None:
    data = whole(Header(), SMALL)
    for end in range(len(data)):
        with pytest.raises(ValueError, match=r"\w"):
            in_file(tmp_path / "block", data[:end])


@given(st.data())
def test_row_groups_of_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Hostile bytes under a right checksum: a clear refusal, whatever they are."""
    good = whole(Header(), SMALL)
    first = in_file(tmp_path_factory.getbasetemp() / "hostile", good).sections[0]
    body = bytearray(good[first[0] + SECTION.size : first[0] + first[1] - CRC.size])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body
    hostile = _ended(good[: first[0]] + _section(2, bytes(body)))
    block = in_file(tmp_path_factory.getbasetemp() / "hostile", hostile)
    block.verify()
    try:
        for group in block.groups():
            assert len(group.records()) == group.rows * blocks.FORMAT[group.version].size
    except BlockDamaged:
        pass


@pytest.mark.parametrize(
    ("compression", "data", "reason"),
    [
        (STORED, b"x" * 99, "not the length"),
        (ZLIB, zlib.compress(b"x" * 99), "not the length"),
        (ZLIB, zlib.compress(b"x" * (64 << 20)), "not the length"),
        (ZLIB, zlib.compress(b"x" * 101), "not the length"),
        (ZLIB, b"no such stream", "cannot be decompressed"),
        (ZSTD, zstandard.compress(b"x" * (64 << 20)), "not the length"),
        (ZSTD, zstandard.compress(b"x" * 99), "not the length"),
        (ZSTD, zstandard.compress(b"x" * 100)[:-1], "cannot be decompressed"),
        (ZSTD, b"no such frame", "cannot be decompressed"),
        (ZSTD, b"", "cannot be decompressed"),
        (7, b"x" * 100, "compression 7 is not known"),
    ],
)
def test_bytes_that_do_not_decompress_to_their_length_are_refused(compression: int, data: bytes, reason: str) -> None:
    assert decompress(ZLIB, zlib.compress(b"x" * 100), 100) == decompress(STORED, b"x" * 100, 100)
    with pytest.raises(ValueError, match=reason):
        decompress(compression, data, 100)


def test_the_definition_refuses_damage_too() -> None:
    data = whole(Header(), SMALL)
    for at in (0, 9, 20, len(data) // 2, len(data) - 1):
        damaged = bytearray(data)
        damaged[at] ^= 1
        with pytest.raises((ConstructError, ValueError)):
            decode_block(bytes(damaged))


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "block"
    block = in_file(path, whole(Header(), SMALL))
    path.write_bytes(whole(Header()._replace(host="x"), SMALL))
    with pytest.raises(BlockDamaged):
        block.verify()
