"""The interface's own counters every five minutes: exact, small, and the same in the definition and the fast path."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft import blockdef
from bpft.daemon.epoch import Cut, Epoch
from bpft.host.interface import InterfaceInfo, LinkCounters
from bpft.record import Header
from bpft.series import MAX_POINTS, STEP_NS, Point, Series, joined

SECOND = 1_000_000_000
BEGIN = 5_666_667 * STEP_NS  #: some step's begin


def series(*rises: tuple[int, int, tuple[int, int, int, int]]) -> Series:
    made = Series()
    for begin, end, sums in rises:
        made.add(begin, end, sums)
    return made


def test_what_was_read_within_a_step_is_its_point() -> None:
    made = series(
        (BEGIN, BEGIN + 100 * SECOND, (10, 20, 1, 2)),
        (BEGIN + 100 * SECOND, BEGIN + STEP_NS, (5, 6, 7, 8)),
        (BEGIN + 3 * STEP_NS, BEGIN + 4 * STEP_NS, (1, 0, 0, 0)),
    )
    assert list(made) == [
        Point(BEGIN, 300_000, 15, 26, 8, 10),
        Point(BEGIN + 3 * STEP_NS, 300_000, 1, 0, 0, 0),
    ]


def test_what_was_read_late_is_spread_and_its_sum_stays() -> None:
    made = list(series((BEGIN + STEP_NS // 2, BEGIN + 3 * STEP_NS, (1000, 7, 3, 0))))
    assert [point.rx_bytes for point in made] == [200, 400, 400]
    assert [
        sum(numbers) for numbers in zip(*[(p.tx_bytes, p.rx_packets, p.covered_ms) for p in made], strict=True)
    ] == [
        7,
        3,
        750_000,
    ]


def test_sums_wrap_around_as_those_of_records() -> None:
    [point] = series(*[(BEGIN, BEGIN + SECOND, (1 << 62, 1 << 63, 0, (1 << 64) - 1))] * 4)
    assert (point.rx_bytes, point.tx_bytes, point.tx_packets) == (0, 0, (1 << 64) - 4)


def test_it_is_bounded_however_far_clocks_jump() -> None:
    made = series((0, BEGIN, (1 << 60, 0, 0, 0)))
    assert len(made) == MAX_POINTS
    assert max(point.begin_ns for point in made) == BEGIN - STEP_NS


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**18), 2 * 10**18),
            st.integers(1, 3 * STEP_NS),
            st.tuples(*[st.integers(0, (1 << 62))] * 4),
        ),
        max_size=8,
    )
)
def test_packed_and_back_and_as_defined(rises: list[tuple[int, int, tuple[int, int, int, int]]]) -> None:
    made = series(*[(begin, begin + length, sums) for begin, length, sums in rises])
    value = made.pack()
    assert list(Series.unpack(value)) == list(made)
    if not value:
        return
    found = blockdef.series.parse(value)
    assert (found.step_s, found.points) == (300, len(made))
    columns = [[int.from_bytes(bytes(row), "little") for row in zip(*planes, strict=True)] for planes in found.columns]
    points = list(made)
    assert columns[1:] == [
        [getattr(point, name) for point in points]
        for name in ("covered_ms", "rx_bytes", "tx_bytes", "rx_packets", "tx_packets")
    ]


def test_a_day_is_small() -> None:
    """About 2.6 kB where each point is random; 69 bytes where nothing happens."""
    draw = random.Random(1)
    busy, idle = Series(), Series()
    for step in range(288):
        begin = BEGIN + step * STEP_NS
        load = 1e6 * (1 + 0.8 * math.sin(step / 45)) * math.exp(draw.gauss(0, 0.3))
        busy.add(begin, begin + STEP_NS, (int(load), int(load / 10), int(load / 900), int(load / 1200)))
        idle.add(begin, begin + STEP_NS, (0, 0, 0, 0))
    assert len(busy.pack()) < 2900
    assert len(idle.pack()) < 100


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\x00", "cut short"),
        (b"\x2c\x01\x00\x00" + b"\x00" * 4, "0 points"),
        (b"\x3c\x00\x00\x00" + b"\x01\x00\x00\x00", "60 seconds"),
        (b"\x2c\x01\x00\x00" + b"\x01\x00\x00\x00what", "decompressed"),
        (series((BEGIN, BEGIN + STEP_NS, (1, 2, 3, 4))).pack()[:-9], "length"),
    ],
)
def test_what_makes_no_sense_is_refused(value: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Series.unpack(value)


def test_series_are_joined() -> None:
    one, other = (series((BEGIN + at * SECOND, BEGIN + at * SECOND + SECOND, (at + 1, 0, 0, 0))) for at in (0, 400))
    assert list(Series.unpack(joined(one.pack(), b"", other.pack()))) == [
        Point(BEGIN, 1000, 1, 0, 0, 0),
        Point(BEGIN + STEP_NS, 1000, 401, 0, 0, 0),
    ]


def at(seconds: int, rx_bytes: int) -> Cut:
    counters = LinkCounters(rx_bytes=rx_bytes)
    info = InterfaceInfo(name="eth0", index=2, counters=counters)
    return Cut(BEGIN + seconds * SECOND, 77 + seconds * SECOND, (0, 0, 0), info)


def test_an_epoch_keeps_it_across_a_dump_and_a_resumption() -> None:
    from bpft.core import Table

    epoch = Epoch.begin(at(0, 1000))
    epoch.observe(at(300, 1500))
    epoch.observe(at(450, 1600))
    header = epoch.header(Header(), at(450, 1600), Table())
    resumed = Epoch.resume(header, at(1000, 5000))
    resumed.observe(at(1100, 5007))
    found = list(Series.unpack(resumed.header(Header(), at(1100, 5007), Table()).series))
    assert [(p.begin_ns - BEGIN, p.covered_ms, p.rx_bytes) for p in found] == [
        (0, 300_000, 500),
        (STEP_NS, 150_000, 100),
        (3 * STEP_NS, 100_000, 7),
    ]
    assert list(resumed.successor(at(1100, 5007)).series) == []
