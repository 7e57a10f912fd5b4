"""Times as people write them, and the blocks that lie in a period (SEMANTICS R4)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft.report import units
from bpft.report.coverage import union, without
from bpft.report.period import SECOND, BadTime, EmptyPeriod, Period, read_begin, read_period

NOW = datetime(2026, 11, 22, 12, 30, 15).astimezone()


def local(*when: int) -> int:
    return int(datetime(*when).astimezone().timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", local(2026, 11, 22, 12, 30, 15)),
        ("today", local(2026, 11, 22)),
        ("yesterday", local(2026, 11, 21)),
        ("2026-11-01", local(2026, 11, 1)),
        ("2026-11-01T10:00", local(2026, 11, 1, 10)),
        ("2026-11-01 10:00:07", local(2026, 11, 1, 10, 0, 7)),
        ("2026-11-01T10:00Z", int(datetime(2026, 11, 1, 10, tzinfo=UTC).timestamp()) * SECOND),
        ("2026-11-01T10:00+02:00", int(datetime(2026, 11, 1, 8, tzinfo=UTC).timestamp()) * SECOND),
        ("10:00", local(2026, 11, 22, 10)),
        ("9:05", local(2026, 11, 22, 9, 5)),
        ("09:05:30", local(2026, 11, 22, 9, 5, 30)),
        ("-2h", local(2026, 11, 22, 10, 30, 15)),
        ("2h ago", local(2026, 11, 22, 10, 30, 15)),
        ("90 minutes ago", local(2026, 11, 22, 11, 0, 15)),
        ("1 week ago", local(2026, 11, 15, 12, 30, 15)),
    ],
)
def test_a_time_is_read(text: str, expected: int) -> None:
    assert read_begin("--begin", text, NOW, None) == expected


def test_a_date_as_end_means_its_last_instant() -> None:
    assert read_period("2026-11-01", "2026-11-30", NOW) == Period(local(2026, 11, 1), local(2026, 12, 1))
    assert read_period("yesterday", "yesterday", NOW) == Period(local(2026, 11, 21), local(2026, 11, 22))


@pytest.mark.parametrize(
    "text", ["", "x", "2h", "5", "25:00", "2026-13-01", "2026-02-30", "3 fortnights ago", "-9999999w"]
)
def test_what_is_no_time_says_what_is(text: str) -> None:
    with pytest.raises(BadTime, match="2026-11-01T10:00") as error:
        read_begin("--begin", text, NOW, None)
    assert error.value.exit_code == 127


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(EmptyPeriod):
        read_period("10:00", "09:00", NOW)


@given(begin=st.integers(0, 1000), length=st.integers(0, 1000), border=st.integers(0, 2000))
def test_adjacent_periods_share_no_block_and_miss_none(begin: int, length: int, border: int) -> None:
    before, after = Period(None, border), Period(border, None)
    assert before.holds(begin, begin + length) != after.holds(begin, begin + length)


def test_the_middle_of_a_block_decides() -> None:
    assert Period(10, 20).holds(5, 16)
    assert not Period(11, 20).holds(5, 16)
    assert not Period(0, 10).holds(5, 15)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=8))
def test_covered_time_is_counted_once(spans: list[tuple[int, int]]) -> None:
    intervals = [(begin, begin + length) for begin, length in spans]
    assert union(intervals) == len({instant for begin, end in intervals for instant in range(begin, end)})


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=5))
def test_gaps_are_taken_out(spans: list[tuple[int, int]]) -> None:
    gaps = [(begin, begin + length) for begin, length in spans]
    gone = {instant for begin, end in gaps for instant in range(begin, end)}
    assert union(without(10, 50, gaps)) == len(set(range(10, 50)) - gone)


@pytest.mark.parametrize(
    ("value", "si", "iec"),
    [
        (0, "0 B", "0 B"),
        (999, "999 B", "999 B"),
        (1000, "1.00 kB", "1000 B"),
        (1024, "1.02 kB", "1.00 KiB"),
        (9999, "10.0 kB", "9.76 KiB"),
        (999_499, "999 kB", "976 KiB"),
        (999_500, "1.00 MB", "976 KiB"),
        (1_210_000_000, "1.21 GB", "1.13 GiB"),
        (2**64 - 1, "18.4 EB", "16.0 EiB"),
    ],
)
def test_amounts_have_three_digits(value: int, si: str, iec: str) -> None:
    assert (units.size(value), units.size(value, "iec")) == (si, iec)


def test_a_share_is_never_rounded_up_to_all() -> None:
    assert units.share(999_999, 1_000_000) == "99.99 %"
    assert units.share(1_000_000, 1_000_000) == units.share(0, 0) == "100 %"
    assert units.share(10_002, 10_000) == "100.02 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.43, "0.43 s"), (59, "59 s"), (312, "5 min 12 s"), (3600, "1 h"), (266_400, "3 d 2 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert units.span(int(seconds * SECOND)) == text


def test_a_rate_is_in_bits_and_needs_time() -> None:
    assert units.rate(125, SECOND) == "1.00 kbit/s"
    assert units.rate(125, 0) == ""


def test_a_day_in_another_zone_is_its_own() -> None:
    there = datetime(2026, 11, 22, 0, 30, tzinfo=timezone(timedelta(hours=9)))
    assert read_begin("--begin", "now", there, None) == int(there.timestamp()) * SECOND
