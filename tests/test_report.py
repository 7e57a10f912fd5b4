"""Groupings, sorting and totals against a plain computation over random records (SEMANTICS R2, C6, C7)."""

import csv as stdlib_csv
import io
import ipaddress
import json as stdlib_json
import struct
from collections import defaultdict
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpft import core
from bpft.report.answer import Answer, Question
from bpft.report.completeness import Completeness
from bpft.report.coverage import Coverage
from bpft.report.dimension import grouping
from bpft.report.group import Tally, remainder
from bpft.report.render import csv, json, table
from bpft.report.rows import Ranking

GROUPINGS = ("key", "src", "dst", "host", "pair", "port", "proto")
ADDRESSES = {
    4: [b"\x0a\0\0\1", b"\x0a\0\0\2", bytes(4), b"\xff\xff\xff\xff"],
    6: [b"\xfd" + bytes(14) + b"\1", bytes(16), bytes(10) + b"\xff\xff\x0a\0\0\1"],
}
NOT_KNOWN = core.NO_PORTS | core.NO_PROTO


class Plain(NamedTuple):
    """A record as the test sees it; ports and proto None: absent."""

    version: int
    src: bytes
    dst: bytes
    sport: int | None
    dport: int | None
    proto: int | None
    direction: int
    other: bool
    packets: int
    all: int
    data: int

    def dense(self) -> bytes:
        flags = self.direction | (core.OTHER if self.other else 0)
        flags |= core.NO_PORTS * (self.sport is None) | core.NO_PROTO * (self.proto is None)
        size = 4 if self.version == 4 else 16
        return (
            struct.pack(f"{size}s{size}s", self.src, self.dst)
            + struct.pack(">HH", self.sport or 0, self.dport or 0)
            + struct.pack("=BBHQQQ", self.proto or 0, flags, 0, self.packets, self.all, self.data)
        )

    def addresses(self) -> tuple[str, str]:
        if self.other:
            return ("0.0.0.0/0",) * 2 if self.version == 4 else ("::/0",) * 2
        return text(self.src), text(self.dst)


def text(address: bytes) -> str:
    plain = ipaddress.ip_address(address)
    mapped = plain.ipv4_mapped if isinstance(plain, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(plain)


@st.composite
def records(draw: st.DrawFn) -> Plain:
    version = draw(st.sampled_from([4, 6]))
    kind = draw(st.sampled_from(["full", "full", "full", "addresses", "other"]))
    src, dst = draw(st.sampled_from(ADDRESSES[version])), draw(st.sampled_from(ADDRESSES[version]))
    ports = st.sampled_from([0, 53, 443, 65535])
    all_ = draw(st.integers(0, 2**40))
    sums = draw(st.integers(1, 5)), all_, draw(st.integers(0, all_))
    if kind == "other":
        return Plain(version, bytes(len(src)), bytes(len(src)), None, None, None, 0, True, *sums)
    if kind == "addresses":
        return Plain(version, src, dst, None, None, None, draw(st.integers(0, 2)), False, *sums)
    proto = draw(st.sampled_from([0, 6, 17]))
    return Plain(version, src, dst, draw(ports), draw(ports), proto, draw(st.integers(0, 2)), False, *sums)


def plainly(by: str, everything: list[Plain]) -> dict[tuple[object, ...], list[int]]:
    """What each key must sum to; the last of a key says whether it is the remainder."""
    sums: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for record in everything:
        src, dst = record.addresses()
        keys: set[tuple[object, ...]] = {
            "key": {(src, record.sport, dst, record.dport, record.proto)},
            "src": {(src,)},
            "dst": {(dst,)},
            "host": {(src,), (dst,)},
            "pair": {(src, dst)},
            "port": {(record.sport, record.proto), (record.dport, record.proto)},
            "proto": {(record.proto,)},
        }[by]
        for key in keys:
            into = sums[(*key, record.other)]
            for place, value in enumerate((record.packets, record.all, record.data)):
                into[place] += value
            into[3] += record.all * (key == (dst,))
            into[4] += record.all * (key == (src,))
    return dict(sums)


def answer_of(everything: list[Plain], by: str, **question: object) -> Answer:
    tally = Tally(grouping(by))
    for record in everything:
        tally.add(record.version, record.dense())
    totals = tally.totals()
    asked = Question(by, **question)  # type: ignore[arg-type]
    return Answer(asked, Ranking(tally), totals, totals, (0, 0, 0), Coverage(), Completeness(), [])


@pytest.mark.parametrize("by", GROUPINGS)
@settings(max_examples=60, deadline=None)
@given(everything=st.lists(records(), max_size=40))
def test_grouping_is_what_a_plain_sum_gives(by: str, everything: list[Plain]) -> None:
    answer = answer_of(everything, by)
    width = len(answer.ranking.grouping.sums)
    rows = list(answer.rows())
    assert {(*row.key, row.other): list(row.sums) for row in rows} == {
        key: sums[:width] for key, sums in plainly(by, everything).items()
    }
    assert len(rows) == len(answer.ranking)
    assert answer.totals == tuple(sum(record[place] for record in everything) for place in (-3, -2, -1))


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize(("sort", "place"), [("packets", 0), ("all", 1), ("data", 2)])
@settings(max_examples=20, deadline=None)
@given(everything=st.lists(records(), max_size=40), top=st.integers(0, 9))
def test_rows_come_largest_first(by: str, sort: str, place: int, everything: list[Plain], top: int) -> None:
    rows = list(answer_of(everything, by, sort=sort, top=top).rows())
    every = list(answer_of(everything, by, sort=sort).rows())
    sums = [row.sums[place] for row in every]
    assert sums == sorted(sums, reverse=True)
    assert rows == (every[:top] if top else every)


def address_order(address: str) -> tuple[int, bytes]:
    plain = ipaddress.ip_address(address)
    return plain.version, plain.packed


@settings(max_examples=60, deadline=None)
@given(everything=st.lists(records(), max_size=40))
def test_by_key_addresses_are_in_order_and_the_remainder_ends_its_version(everything: list[Plain]) -> None:
    rows = list(answer_of(everything, "src", sort="key").rows())
    order = [
        (*address_order(str(row.key[0]).removesuffix("/0")), 0)
        if not row.other
        else (4 if row.key[0] == "0.0.0.0/0" else 6, b"\xff" * 17, 1)
        for row in rows
    ]
    assert order == sorted(order)


def test_sums_past_32_bits_do_not_wrap() -> None:
    big = Plain(4, *ADDRESSES[4][:2], 1, 2, 6, 0, False, 2**33, 2**60, 2**59)
    for by in GROUPINGS:
        for row in answer_of([big, big], by).rows():
            assert row.sums[:3] == (2**34, 2**61, 2**60)


def test_a_host_that_talks_to_itself_counts_once() -> None:
    record = Plain(4, ADDRESSES[4][0], ADDRESSES[4][0], 1, 2, 6, 0, False, 3, 300, 30)
    (row,) = answer_of([record], "host").rows()
    assert (row.key, row.sums) == (("10.0.0.1",), (3, 300, 30, 300, 300))


def test_the_remainder_of_sorted_records_is_found() -> None:
    other = Plain(6, bytes(16), bytes(16), None, None, None, 0, True, 7, 70, 5)
    named = Plain(6, *ADDRESSES[6][:2], 1, 2, 6, 0, False, 3, 300, 30)
    assert remainder(named.dense() + other.dense()) == (7, 70, 5)
    assert remainder(named.dense()) == remainder(b"") == (0, 0, 0)


EXAMPLE = [
    Plain(4, ADDRESSES[4][0], ADDRESSES[4][1], 40000, 443, 6, 1, False, 3, 300, 180),
    Plain(4, ADDRESSES[4][0], ADDRESSES[4][1], 40000, 443, 6, 2, False, 1, 100, 60),
    Plain(4, ADDRESSES[4][1], ADDRESSES[4][0], None, None, None, 0, False, 1, 90, 70),
    Plain(4, bytes(4), bytes(4), None, None, None, 0, True, 2, 80, 8),
    Plain(6, ADDRESSES[6][0], ADDRESSES[6][2], 0, 0, 17, 0, False, 1, 60, 12),
    Plain(6, bytes(16), bytes(16), None, None, None, 0, True, 1, 50, 2),
]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            "key",
            "src,sport,dst,dport,proto,packets,all,data\n"
            "10.0.0.1,40000,10.0.0.2,443,6,4,400,240\n"
            "10.0.0.2,,10.0.0.1,,,1,90,70\n"
            "0.0.0.0/0,,0.0.0.0/0,,,2,80,8\n"
            "fd00::1,0,::ffff:10.0.0.1,0,17,1,60,12\n"
            "::/0,,::/0,,,1,50,2\n",
        ),
        (
            "host",
            "host,packets,all,data,in,out\n"
            "10.0.0.1,5,490,310,90,400\n"
            "10.0.0.2,5,490,310,400,90\n"
            "0.0.0.0/0,2,80,8,80,80\n"
            "::ffff:10.0.0.1,1,60,12,60,0\n"
            "fd00::1,1,60,12,0,60\n"
            "::/0,1,50,2,50,50\n",
        ),
        ("pair", None),
        (
            "port",
            "port,proto,packets,all,data\n443,6,4,400,240\n40000,6,4,400,240\n,,3,130,10\n,,1,90,70\n0,17,1,60,12\n",
        ),
        ("proto", "proto,packets,all,data\n6,4,400,240\n,3,130,10\n,1,90,70\n17,1,60,12\n"),
    ],
)
def test_csv_prints_exactly_this(by: str, expected: str | None) -> None:
    out = io.StringIO()
    csv.write(answer_of(EXAMPLE, by), out, numeric=True)
    if expected is not None:
        assert out.getvalue() == expected
    rows = list(stdlib_csv.DictReader(io.StringIO(out.getvalue())))
    assert all(row["packets"].isdecimal() and row["all"].isdecimal() for row in rows)


def test_json_tells_the_same_as_csv() -> None:
    whole, lines = io.StringIO(), io.StringIO()
    json.write(answer_of(EXAMPLE, "key", top=3), whole)
    json.write_lines(answer_of(EXAMPLE, "key", top=3), lines)
    document = stdlib_json.loads(whole.getvalue())
    assert document["schema"] == "bpft-report-1"
    assert document["totals"] == {"packets": 9, "all": 680, "data": 332}
    each = [stdlib_json.loads(line) for line in lines.getvalue().splitlines()]
    assert [{name: line[name] for name in document["rows"][0]} for line in each] == document["rows"]
    assert all(line["schema"] == "bpft-report-1" and line["interfaces"] == [] for line in each)
    assert document["other_rows"] == {"rows": 2, "packets": 2, "all": 110, "data": 14}
    assert document["rows_in_all"] == 5
    assert document["rows"][1] == {
        "src": "10.0.0.2",
        "sport": None,
        "dst": "10.0.0.1",
        "dport": None,
        "proto": None,
        "packets": 1,
        "all": 90,
        "data": 70,
        "other": False,
    }


def test_json_without_rows_is_json() -> None:
    out = io.StringIO()
    json.write(answer_of([], "key"), out)
    assert stdlib_json.loads(out.getvalue())["rows"] == []


def test_table_shows_dashes_other_and_what_the_rows_sum_to() -> None:
    out = io.StringIO()
    table.write(answer_of(EXAMPLE, "key", top=4), out, table.Style(numeric=True))
    lines = out.getvalue().splitlines()
    assert lines[2].split() == ["From", "Port", "To", "Port", "Proto", "Packets", "Data", "All"]
    assert lines[4].split() == ["10.0.0.2", "-", "10.0.0.1", "-", "-", "1", "70", "B", "90", "B"]
    assert lines[5].split() == ["other", "-", "-", "-", "-", "2", "8", "B", "80", "B"]
    assert lines[7].split() == ["4", "of", "5", "rows,", "92.64", "%", "8", "330", "B", "630", "B"]
    assert lines[8].split() == ["1", "other", "row", "1", "2", "B", "50", "B"]
    assert lines[9].split() == ["total", "9", "332", "B", "680", "B"]


def test_a_table_fits_80_columns_for_ipv4() -> None:
    widest = Plain(4, b"\xff\xff\xff\xfe", b"\xff\xff\xff\xff", 65535, 65534, 255, 0, False, 10**9, 10**15, 10**15 - 1)
    out = io.StringIO()
    table.write(answer_of([widest], "key"), out, table.Style(numeric=True))
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_a_narrow_terminal_never_cuts_an_address_or_a_figure() -> None:
    out = io.StringIO()
    table.write(answer_of(EXAMPLE, "key"), out, table.Style(numeric=True, width=20, units="bytes"))
    assert "…" not in out.getvalue()
    assert "::ffff:10.0.0.1" in out.getvalue()
