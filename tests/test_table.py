"""The table: sums, groupings, views, merge and the cap, against a dict and sorted()."""

import collections
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft import core

LAYOUT = {4: core.RECORD4, 6: core.RECORD6}
KEY_SIZE = {4: 16, 6: 40}
ADDRESS = {4: 4, 6: 16}


def pack(version, rows):
    """rows: (src, dst, sport, dport, proto, flags, packets, all, data) with addresses as small integers."""
    size = ADDRESS[version]
    return b"".join(
        struct.pack(
            LAYOUT[version],
            src.to_bytes(size, "big"),
            dst.to_bytes(size, "big"),
            sport.to_bytes(2, "big"),
            dport.to_bytes(2, "big"),
            proto,
            flags,
            0,
            *sums,
        )
        for src, dst, sport, dport, proto, flags, *sums in rows
    )


def unpack(version, dense):
    return [
        (
            int.from_bytes(src, "big"),
            int.from_bytes(dst, "big"),
            int.from_bytes(sport, "big"),
            int.from_bytes(dport, "big"),
            proto,
            flags,
            packets,
            all_,
            data,
        )
        for src, dst, sport, dport, proto, flags, _, packets, all_, data in struct.iter_unpack(LAYOUT[version], dense)
    ]


def rows_of(table, version, **options):
    view = table.view(version, **options)
    return unpack(version, view.records(0, len(view)))


small = st.integers(0, 3)
records = st.lists(
    st.tuples(
        st.one_of(small, st.integers(0, 2**32 - 1)),
        small,
        st.integers(0, 65535),
        small,
        st.sampled_from([0, 6, 17]),
        st.sampled_from([0, core.DIR_RX, core.DIR_TX]),
        st.integers(1, 2**40),
        st.integers(0, 2**40),
        st.integers(0, 2**40),
    ),
    max_size=200,
)
versions = st.sampled_from([4, 6])


def summed(rows, reduce):
    """What grouping must give: {reduced key: sums}, `reduce` naming the keys one record adds to."""
    sums = collections.defaultdict(lambda: [0, 0, 0])
    for row in rows:
        for key in reduce(row):
            for i in range(3):
                sums[key][i] += row[6 + i]
    return {key: tuple(s) for key, s in sums.items()}


ABSENT = core.NO_PORTS | core.NO_PROTO
REDUCE = {
    "raw": lambda r: [r[:6]],
    "key": lambda r: [(*r[:5], r[5] & ~core.DIR_MASK)],
    "src": lambda r: [(r[0], 0, 0, 0, 0, ABSENT)],
    "dst": lambda r: [(r[1], 0, 0, 0, 0, ABSENT)],
    "self": lambda r: [(r[0], 0, 0, 0, 0, ABSENT)] if r[0] == r[1] else [],
    "pair": lambda r: [(r[0], r[1], 0, 0, 0, ABSENT)],
    "proto": lambda r: [(0, 0, 0, 0, r[4], core.NO_PORTS)],
    "port": lambda r: [(0, 0, port, 0, r[4], 0) for port in {r[2], r[3]}],
    "direction": lambda r: [(0, 0, 0, 0, 0, r[5] | ABSENT)],
    "vlan": lambda r: [(0, 0, 0, 0, 0, ABSENT)],
    "total": lambda r: [(0, 0, 0, 0, 0, ABSENT)],
    "src+proto": lambda r: [(r[0], 0, 0, 0, r[4], core.NO_PORTS)],
    "receiver:src+sport+direction": lambda r: [(r[1], 0, r[3], 0, 0, core.NO_PROTO | r[5])],
    "both:src": lambda r: [(host, 0, 0, 0, 0, ABSENT) for host in {r[0], r[1]}],
    "self:src+sport": lambda r: [(r[0], 0, r[2], 0, 0, core.NO_PROTO)] if r[0] == r[1] and r[2] == r[3] else [],
    "service+proto": lambda r: [(0, 0, service(r[2], r[3]), 0, r[4], 0)],
    "both:src+service": lambda r: [(h, 0, service(r[2], r[3]), 0, 0, core.NO_PROTO) for h in {r[0], r[1]}],
}


def service(*ports):
    """The port that names the service, by trafd(8), --ports service."""
    if ports[0] == ports[1]:
        return ports[0]
    return min((port for port in ports if 0 < port < 32768), default=0)


@given(versions, records, st.sampled_from(sorted(REDUCE)))
def test_groupings(version, rows, by):
    table = core.Table()
    table.add_records(version, pack(version, rows), by=by)
    assert {r[:6]: r[6:] for r in rows_of(table, version)} == summed(rows, REDUCE[by])


@given(versions, records, st.sampled_from(["src", "dst", "self", "pair"]), st.integers(0, 32))
def test_groupings_of_networks(version, rows, by, bits):
    """An address here is a small integer at the end of its bytes: bits counts from there on in IPv6 as well."""
    width = 8 * ADDRESS[version]
    mask = -1 << (32 - bits)
    table = core.Table()
    table.add_records(version, pack(version, rows), by=by, bits=(bits, 96 + bits) if version == 6 else (bits, 0))
    masked = [(r[0] & mask & (1 << width) - 1, r[1] & mask & (1 << width) - 1, *r[2:]) for r in rows]
    assert {r[:6]: r[6:] for r in rows_of(table, version)} == summed(masked, REDUCE[by])


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("by", sorted(REDUCE))
@pytest.mark.parametrize("in_order", [True, False])
def test_groupings_of_many(version, by, in_order):
    """Long runs of a key and none, more rows than are taken at once, remainders anywhere between them (C7)."""
    draw = random.Random(by)
    rows = [
        (draw.randrange(4), draw.choice([0, 1, 2, 700]), draw.randrange(3), draw.randrange(3), draw.choice([6, 17]), 1)
        for _ in range(1500)
    ]
    rest = (0, 0, 0, 0, 0, core.OTHER | ABSENT)
    rows = sorted(rows) if in_order else rows
    rows[300:300] = rows[800:800] = [rest]
    rows = [(*row, draw.randrange(9), draw.randrange(2**64), draw.randrange(2**64)) for row in rows]
    expected = summed(rows, lambda r: REDUCE[by](r) if r[:6] != rest else [] if by.startswith("self") else [rest])
    table = core.Table()
    table.add_records(version, pack(version, rows), by=by)
    assert {r[:6]: r[6:] for r in rows_of(table, version)} == {
        key: tuple(value % 2**64 for value in sums) for key, sums in expected.items()
    }


def test_groupings_that_are_none():
    for by in (
        "",
        "both:total",
        "total+src",
        "colour",
        "src+",
        "+src",
        "src+src+colour",
        "everybody:src",
        ":src",
        "both:",
    ):
        with pytest.raises(ValueError, match="by"):
            core.Table().add_records(4, b"", by=by)


def test_networks_of_impossible_length():
    for bits in ((33, 0), (-1, 0), (0, 129)):
        with pytest.raises(ValueError, match="bits"):
            core.Table().add_records(4, b"", by="src", bits=bits)


@given(versions, records)
def test_view_by_key_is_sorted_as_bytes(version, rows):
    table = core.Table()
    table.add_records(version, pack(version, rows))
    view = table.view(version)
    dense, size = view.records(0, len(view)), struct.calcsize(LAYOUT[version])
    keys = [dense[at : at + KEY_SIZE[version]] for at in range(0, len(dense), size)]
    assert keys == sorted(set(keys)) and len(keys) == len(view)


@given(versions, records, st.sampled_from(["packets", "all", "data"]), st.integers(0, 20))
def test_view_by_sum(version, rows, sort, limit):
    table = core.Table()
    table.add_records(version, pack(version, rows), by="key")
    column = 6 + ["packets", "all", "data"].index(sort)
    expected = sorted(rows_of(table, version), key=lambda r: (-r[column], r[:6]))
    assert rows_of(table, version, sort=sort, limit=limit) == (expected[:limit] if limit else expected)


@given(versions, records, st.integers(0, 2**40))
def test_min_all_sums_the_small_into_other_in_the_view_alone(version, rows, min_all):
    table = core.Table()
    table.add_records(version, pack(version, rows))
    before = rows_of(table, version)
    small_ones = [r for r in before if r[7] < min_all]
    seen = rows_of(table, version, min_all=min_all)
    named = [r for r in seen if not r[5] & core.OTHER]
    assert named == [r for r in before if r[7] >= min_all]
    others = [r for r in seen if r[5] & core.OTHER]
    assert [r[6:] for r in others] == (
        [tuple(map(sum, zip(*(r[6:] for r in small_ones), strict=True)))] if small_ones else []
    )
    assert seen[len(named) :] == others, "other comes last"
    assert rows_of(table, version) == before


@given(records, records)
def test_merge_adds(a, b):
    left, right, both = core.Table(), core.Table(), core.Table()
    for version in (4, 6):
        left.add_records(version, pack(version, a))
        right.add_records(version, pack(version, b))
        both.add_records(version, pack(version, a + b))
    left.merge(right)
    for version in (4, 6):
        assert rows_of(left, version) == rows_of(both, version)
    assert left.totals() == both.totals() and len(left) == len(both)


@given(st.integers(1, 50), records, records)
def test_the_cap_holds_and_no_byte_is_lost(cap, v4, v6):
    capped, free = core.Table(cap), core.Table()
    for table in (capped, free):
        table.add_records(4, pack(4, v4))
        table.add_records(6, pack(6, v6))
    assert capped.totals() == free.totals()
    assert len(capped) <= max(cap, 2)  # one "other" to each IP version
    for version in (4, 6):
        others = [r for r in rows_of(capped, version) if r[5] & core.OTHER]
        assert len(others) <= 1


def test_heavy_flows_stay_named_in_a_flood():
    heavy = [(host, 1, 1000 + host, 80, 6, 0, 1000, 10**6 + host, 0) for host in range(1, 11)]
    rng = random.Random(1)
    table = core.Table(4096)
    table.add_records(4, pack(4, heavy))
    for _ in range(50):
        flood = [(rng.getrandbits(32), 2, rng.getrandbits(16), 80, 6, 0, 1, 40, 0) for _ in range(2000)]
        table.add_records(4, pack(4, flood))
    assert len(table) <= 4096
    assert rows_of(table, 4, sort="all", limit=11)[1:] == sorted(heavy, key=lambda r: -r[7])
    assert table.totals()[0] == 50 * 2000 + 10 * 1000
    assert table.counters()["folded"] > 0


def test_growth_over_many_chunks_keeps_every_record():
    table = core.Table()
    n = 600_000  # more than two chunks of records
    for start in range(0, n, 100_000):
        table.add_records(4, pack(4, [(i, 7, 1, 2, 17, 0, 1, 40, 12) for i in range(start, start + 100_000)]))
    assert len(table) == n and table.totals() == (n, 40 * n, 12 * n)
    view = table.view(4)
    assert [r[0] for r in unpack(4, view.records(n - 3, 10))] == [n - 3, n - 2, n - 1]
    key = pack(4, [(123_456, 7, 1, 2, 17, 0, 0, 0, 0)])[:16]
    assert table.get(4, key) == (1, 40, 12)
    assert table.get(4, bytes(16)) is None


def test_counters_come_back():
    table = core.Table()
    counters = table.counters()
    counters.update(seen=7, counted=4, folded=2, first_ns=5, last_ns=9)
    counters["skipped"]["non-ip"] = 3
    counters["dir"]["rx"] = (7, 700, 8, 800)
    table.set_counters(counters)
    assert table.counters() == counters
    twice = core.Table()
    twice.merge(table)
    twice.merge(table)
    assert twice.counters()["seen"] == 14 and twice.counters()["dir"]["rx"] == (14, 1400, 16, 1600)


def test_misuse_is_refused():
    table = core.Table()
    with pytest.raises(ValueError, match="IP version"):
        table.add_records(5, b"")
    with pytest.raises(ValueError, match="whole number of records"):
        table.add_records(4, b"x")
    with pytest.raises(ValueError, match="by"):
        table.add_records(4, b"", by="colour")
    with pytest.raises(ValueError, match="itself"):
        table.merge(table)
    table.add_records(4, pack(4, [(1, 2, 3, 4, 6, 0, 1, 40, 0)]))
    view = table.view(4)
    table.add_records(4, pack(4, [(9, 2, 3, 4, 6, 0, 1, 40, 0)]))
    with pytest.raises(RuntimeError, match="changed"):
        view.records(0, 1)


@given(versions, records, st.sampled_from(sorted(REDUCE)), st.integers(1, 5))
def test_shares_are_the_whole(version, rows, by, shares):
    found = {}
    for share in range(shares):
        table = core.Table()
        table.add_records(version, pack(version, rows), by=by, share=(share, shares))
        part = {r[:6]: r[6:] for r in rows_of(table, version)}
        assert not found.keys() & part.keys()
        found |= part
    assert found == summed(rows, REDUCE[by])


def test_shares_that_are_none():
    for share in ((1, 1), (-1, 2), (0, 0), (0, 256)):
        with pytest.raises(ValueError, match="share"):
            core.Table().add_records(4, b"", share=share)
