"""The codec of columns: what goes in comes out, in few bytes, and no bytes can harm it."""

import random
from collections.abc import Iterator

import blocks
import pytest
from blocks import NO_PORTS, NO_PROTO, OTHER, WORD, dense, record, split, traffic
from hypothesis import given
from hypothesis import strategies as st

from bpft import core
from bpft.blocklayout import COLUMNS

_PLAIN, _SORTED, _PER_PACKET, _PREDICTED = range(4)
_CONSTANT, _PLANES, _VARINT, _DICTIONARY, _RUNS = range(5)


def encode(version: int, records: bytes) -> list[tuple[int, bool, dict[str, tuple[int, bytes]]]]:
    """Row groups with their columns by name: (encoding, bytes)."""
    names = {number: name for name, number in COLUMNS.items()}
    return [
        (rows, other, {names[column]: (encoding, b"".join(parts)) for column, encoding, parts in columns})
        for rows, other, columns in core.encode_columns(version, records)
    ]


def decode(version: int, rows: int, columns: dict[str, tuple[int, bytes]], other: bool = False) -> bytes:
    given = [(COLUMNS[name], encoding, data) for name, (encoding, data) in columns.items()]
    return core.decode_columns(version, rows, given, other)


def knows(one: bytes) -> tuple[int, bool, bool, bool]:
    """What a record knows, which decides whom it shares a row group with."""
    *_, flags, vlan, packets, _, _ = blocks.FORMAT[4 if len(one) == 40 else 6].unpack(one)
    return flags & (NO_PORTS | NO_PROTO | OTHER), bool(flags & core.DIR_MASK), bool(vlan), bool(packets)


@given(st.data(), blocks.versions, st.booleans())
def test_what_goes_in_comes_out(data: st.DataObject, version: int, in_order: bool) -> None:
    records = split(version, data.draw(dense(version)))
    if in_order:
        records.sort()
    back: dict[tuple[int, bool, bool, bool], list[bytes]] = {}
    for rows, other, columns in encode(version, b"".join(records)):
        found = split(version, decode(version, rows, columns, other))
        assert len(found) == rows
        assert {knows(one) for one in found} == {knows(found[0])}
        assert knows(found[0]) not in back
        back[knows(found[0])] = found
    for kind in {knows(one) for one in records}:
        assert back.pop(kind) == [one for one in records if knows(one) == kind]
    assert not back


GROUPINGS = ("raw", "key", "src", "dst", "self", "pair", "port", "service", "proto", "direction", "vlan", "total")


@pytest.mark.parametrize("rows", [1, 256, 257, 3000])
@given(
    blocks.versions,
    st.sampled_from(GROUPINGS),
    st.sampled_from(GROUPINGS),
    st.sampled_from([(24, 100), (0, 0), (31, 127), (1, 64)]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_columns_into_tables_are_records_into_tables(
    rows: int, version: int, one: str, two: str, some: tuple[int, int], rest: bool, seed: int
) -> None:
    records = b"".join(sorted(split(version, traffic(rows, version, seed))))
    if rest:  # remainders stay what they are
        records = b"".join(blocks.record(version, flags=OTHER | NO_PORTS | NO_PROTO, all=at) for at in range(rows))
    [(found, other, columns)] = core.encode_columns(version, records)
    assert other == rest
    given = [(column, encoding, b"".join(parts)) for column, encoding, parts in columns]
    tables = [(core.Table(), by, bits) for by, bits in ((one, (32, 128)), (two, some))]
    core.add_columns(version, found, given, tables, other)
    for table, by, bits in tables:
        expected = core.Table()
        for one_record in split(version, records):  # each alone: nothing is summed before the table is asked
            expected.add_records(version, one_record, by=by, bits=bits)
        assert table.view(version).records(0, rows) == expected.view(version).records(0, rows)


def test_columns_that_tables_refuse() -> None:
    [(rows, _, columns)] = core.encode_columns(4, record())
    given = [(column, encoding, b"".join(parts)) for column, encoding, parts in columns]
    table, whole = core.Table(), (32, 128)
    for wrong in ([(table, "colour", whole)], [(table, "src", (33, 0))], [(table, "src", whole)] * 9):
        with pytest.raises(ValueError):
            core.add_columns(4, rows, given, wrong)
    for none in ([table], [(None, "src", whole)]):
        with pytest.raises(TypeError):
            core.add_columns(4, rows, given, none)
    with pytest.raises(ValueError, match="row"):
        core.add_columns(4, 0, given, [(table, "src", whole)])
    with pytest.raises(ValueError, match="twice"):
        core.add_columns(4, rows, [*given, given[-1]], [(table, "src", whole)])
    assert len(table) == 0


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("rows", [1, 2, 3, 100, 5000, 65536])
def test_traffic_comes_out_and_is_small(version: int, rows: int) -> None:
    records = b"".join(sorted(split(version, traffic(rows, version))))
    [(found, other, columns)] = encode(version, records)
    assert (found, other) == (rows, False)
    assert decode(version, rows, columns) == records
    if rows >= 5000:
        assert sum(len(data) for _, data in columns.values()) < 12 * rows
        assert columns["all"][0] == _PER_PACKET
        assert columns["data"][0] == _PREDICTED
        assert columns["dst4" if version == 4 else "dst6"][0] in (_PLAIN, _SORTED)


#: name: (packets column of so many rows, the packing it must get)
SHAPES: dict[str, tuple[list[int], int]] = {
    "one value": ([7] * 500, _CONSTANT),
    "the largest value": ([WORD] * 3, _CONSTANT),
    "bytes": ([random.Random(i).randrange(256) for i in range(3000)], _PLANES),
    "words": ([random.Random(i).randrange(WORD) for i in range(3000)], _PLANES),
    "mostly small": ([1, 2, 3, 4, 1 << 40, 5, 6, 7] * 2, _VARINT),
    "two values": ([random.Random(i).choice([3, 1000000]) for i in range(999)], _DICTIONARY),
    "three values": ([random.Random(i).choice([0, 1 << 30, WORD]) for i in range(999)], _DICTIONARY),
    "ten values": ([random.Random(i).randrange(10) * 0x123456789 for i in range(999)], _DICTIONARY),
    "200 values": ([random.Random(i).randrange(200) * 0x123456789 for i in range(5000)], _DICTIONARY),
    "1000 values": ([random.Random(i).randrange(1000) * 0x123456789 for i in range(9001)], _DICTIONARY),
    "runs": ([i // 50 * 12345 for i in range(5000)], _RUNS),
    "runs that fall": ([WORD - i // 50 * i for i in range(5000)], _PLANES),
    "one other at the end": ([5] * 65535 + [WORD], _RUNS),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_packing(shape: str) -> None:
    values, packing = SHAPES[shape]
    values = [value or 1 for value in values]  # no packets: not known, and no column
    records = b"".join(record(packets=value, all=40, data=0) for value in values)
    [(rows, _, columns)] = encode(4, records)
    assert columns["packets"][1][0] == packing
    assert decode(4, rows, columns) == records


def test_other_has_no_key_but_its_version() -> None:
    [(rows, other, columns)] = encode(6, record(6, flags=OTHER | NO_PORTS | NO_PROTO, packets=3, all=9, data=2))
    assert (rows, other) == (1, True)
    assert columns["version"] == (_PLAIN, b"\x00\x06")
    assert set(columns) == {"version", "packets", "all", "data"}
    assert decode(6, 1, columns, True) == record(6, flags=OTHER | NO_PORTS | NO_PROTO, packets=3, all=9, data=2)
    with pytest.raises(ValueError, match="another IP version"):
        decode(4, 1, columns, True)


def test_absent_is_not_zero() -> None:
    [(_, _, columns)] = encode(4, record(flags=NO_PORTS | NO_PROTO))
    assert not {"sport", "dport", "proto", "direction", "vlan"} & set(columns)
    [(rows, _, columns)] = encode(4, record(packets=0, all=60, data=20))
    assert "packets" not in columns
    assert decode(4, rows, columns) == record(packets=0, all=60, data=20)
    [(_, _, columns)] = encode(4, record(sport=0, dport=0, proto=0, flags=core.DIR_RX, vlan=1))
    assert columns["direction"] == columns["vlan"] == (_PLAIN, b"\x00\x00")


def test_a_column_that_is_not_given_is_absent() -> None:
    records = b"".join(sorted(split(4, traffic(1000))))
    [(rows, _, columns)] = encode(4, records)
    kept = {name: columns[name] for name in ("src4", "packets", "all")}
    for was, one in zip(split(4, records), split(4, decode(4, rows, kept)), strict=True):
        src, *_, packets, all_bytes, _ = blocks.FORMAT[4].unpack(was)
        assert blocks.FORMAT[4].unpack(one) == (
            src,
            bytes(4),
            bytes(2),
            bytes(2),
            0,
            NO_PORTS | NO_PROTO,
            0,
            packets,
            all_bytes,
            0,
        )
    with pytest.raises(ValueError, match="predicted"):
        decode(4, rows, {"data": columns["data"]})


def test_unknown_columns_are_passed_over() -> None:
    [(rows, _, columns)] = encode(4, record())
    given = [(COLUMNS[name], encoding, data) for name, (encoding, data) in columns.items()]
    assert core.decode_columns(4, rows, [(16, 99, b"as numbers"), *given]) == record()


def _damaged(columns: dict[str, tuple[int, bytes]], name: str) -> Iterator[dict[str, tuple[int, bytes]]]:
    encoding, data = columns[name]
    for end in range(len(data)):
        yield columns | {name: (encoding, data[:end])}
    yield columns | {name: (encoding, data + b"\x00")}
    yield columns | {name: (9, data)}
    if encoding != _SORTED:  # that one begins with its base, not with a packing
        yield columns | {name: (encoding, b"\x09" + data[1:])}


@pytest.mark.parametrize("version", [4, 6])
def test_bytes_that_are_not_exactly_rows_values_are_refused(version: int) -> None:
    records = b"".join(sorted(split(version, traffic(40, version))))
    [(rows, _, columns)] = encode(version, records)
    for name in columns:
        for damaged in _damaged(columns, name):
            with pytest.raises(ValueError, match=r"\w"):
                decode(version, rows, damaged)
    for wrong in (0, 65537, -1):
        with pytest.raises(ValueError, match="65536"):
            decode(version, wrong, columns)
    given = [(COLUMNS[name], encoding, data) for name, (encoding, data) in columns.items()]
    with pytest.raises(ValueError, match="twice"):
        core.decode_columns(version, rows, [*given, given[-1]])


@pytest.mark.parametrize(
    ("name", "value"),
    [("src4", 1 << 32), ("sport", 65536), ("proto", 256), ("direction", 2), ("vlan", 65535)],
)
def test_values_too_large_for_their_field_are_refused(name: str, value: int) -> None:
    varint = bytearray([_CONSTANT])
    while value > 127:
        varint.append(value & 127 | 128)
        value >>= 7
    varint.append(value)
    with pytest.raises(ValueError, match="too large"):
        decode(4, 5, {name: (_PLAIN, bytes(varint))})


@given(
    blocks.versions,
    st.integers(1, 300),
    st.lists(
        st.tuples(st.sampled_from(sorted(COLUMNS.values())), st.integers(0, 4), st.binary(max_size=80)), max_size=6
    ),
)
def test_any_bytes_are_decoded_or_refused(version: int, rows: int, columns: list[tuple[int, int, bytes]]) -> None:
    try:
        records = core.decode_columns(version, rows, columns)
    except ValueError:
        return
    assert len(records) == rows * blocks.FORMAT[version].size


def test_records_that_make_no_group_are_refused() -> None:
    for bad in (b"", record()[:-1], record() * 65537):
        with pytest.raises(ValueError, match="whole records"):
            core.encode_columns(4, bad)
    for flags in (3, 16):
        with pytest.raises(ValueError, match="flags"):
            core.encode_columns(4, record(flags=flags))
    with pytest.raises(ValueError, match="version"):
        core.encode_columns(5, record())
    with pytest.raises(TypeError):
        core.decode_columns(4, 1, [b"no tuple"])
