"""Timers at round times of the local clock (issue: timed dumps and saves), through every thing a clock can do."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft.daemon.schedule import LOOK_EVERY_S, Offset, Schedule, interval, next_boundary, offset_in
from bpft.errors import UsageError

SECOND = 1_000_000_000
MIN, HOUR, DAY = 60, 3600, 86400
ZONES = ["UTC", "Europe/Rome", "Australia/Lord_Howe", "Asia/Kolkata", "America/Havana", "America/Sao_Paulo"]
OFFSETS = {name: offset_in(ZoneInfo(name)) for name in ZONES}


def instant(text: str, zone: str) -> int:
    """UTC seconds of a local time; "2026-10-25T02:00+01:00" for one that comes twice."""
    when = datetime.fromisoformat(text)
    return int((when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone))).timestamp())


def boundaries(first: str, last: str, every: int, zone: str) -> list[str]:
    """What the local clock shows at each boundary between two times, both outside."""
    at, end, shown = instant(first, zone), instant(last, zone), []
    while (at := next_boundary(at, every, OFFSETS[zone])) < end:
        shown.append(f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%d %H:%M %z}")
    return shown


# ---- the wall clock ----


@pytest.mark.parametrize(("text", "seconds"), [("5min", 300), ("1h", HOUR), ("1d", DAY), ("2s", 2), ("off", 0)])
def test_intervals(text: str, seconds: int) -> None:
    assert interval("--save-every", text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "5", "7min", "2d", "5m", "-1h", "1h ", "1.5h", "99999s", "daily", "٥min"])
def test_no_intervals(text: str) -> None:
    with pytest.raises(UsageError, match=r"--save-every .*: use a part of a day as"):
        interval("--save-every", text)


def test_an_hour_is_lost_in_rome() -> None:
    assert boundaries("2026-03-29T00:30", "2026-03-29T05:30", HOUR, "Europe/Rome") == [
        "29 01:00 +0100",
        "29 03:00 +0200",
        "29 04:00 +0200",
        "29 05:00 +0200",
    ]


def test_an_hour_comes_twice_in_rome() -> None:
    assert boundaries("2026-10-25T00:30", "2026-10-25T04:30", HOUR, "Europe/Rome") == [
        "25 01:00 +0200",
        "25 02:00 +0200",
        "25 02:00 +0100",
        "25 03:00 +0100",
        "25 04:00 +0100",
    ]


def test_days_of_23_and_25_hours_have_one_boundary() -> None:
    assert boundaries("2026-03-28T12:00", "2026-03-31T12:00", DAY, "Europe/Rome") == [
        "29 00:00 +0100",
        "30 00:00 +0200",
        "31 00:00 +0200",
    ]
    assert boundaries("2026-10-24T12:00", "2026-10-26T12:00", DAY, "Europe/Rome") == [
        "25 00:00 +0200",
        "26 00:00 +0100",
    ]


def test_half_an_hour_is_lost_and_found_on_lord_howe() -> None:
    assert boundaries("2026-10-04T00:30", "2026-10-04T04:30", HOUR, "Australia/Lord_Howe") == [
        "04 01:00 +1030",
        "04 02:30 +1100",  # What would have been 02:00.
        "04 03:00 +1100",
        "04 04:00 +1100",
    ]
    assert boundaries("2026-04-05T00:30", "2026-04-05T04:30", HOUR, "Australia/Lord_Howe") == [
        "05 01:00 +1100",
        "05 02:00 +1030",
        "05 03:00 +1030",
        "05 04:00 +1030",
    ]
    quarters = boundaries("2026-04-05T01:29", "2026-04-05T02:01", 15 * MIN, "Australia/Lord_Howe")
    assert quarters == ["05 01:30 +1100", "05 01:45 +1100", "05 01:30 +1030", "05 01:45 +1030", "05 02:00 +1030"]


def test_a_midnight_that_comes_twice_counts_once() -> None:
    """Havana sets its clocks back from 01:00 to 00:00."""
    assert boundaries("2026-10-31T12:00", "2026-11-02T12:00", DAY, "America/Havana") == [
        "01 00:00 -0400",
        "02 00:00 -0500",
    ]
    assert boundaries("2026-10-31T20:00", "2026-11-01T13:00", 6 * HOUR, "America/Havana") == [
        "01 00:00 -0400",
        "01 06:00 -0500",
        "01 12:00 -0500",
    ]


def test_a_midnight_that_there_was_not() -> None:
    """São Paulo set its clocks forward at midnight, and back at midnight to 23:00."""
    assert boundaries("2018-11-03T12:00", "2018-11-05T12:00", DAY, "America/Sao_Paulo") == [
        "04 01:00 -0200",
        "05 00:00 -0200",
    ]
    assert boundaries("2018-02-17T12:00", "2018-02-18T12:00", DAY, "America/Sao_Paulo") == ["18 00:00 -0300"]


@given(st.sampled_from(ZONES), st.sampled_from([2, MIN, 5 * MIN, HOUR, 6 * HOUR, DAY]), st.integers(0, 2_000_000_000))
def test_boundaries_lie_an_interval_apart(zone: str, every: int, at: int) -> None:
    offset = OFFSETS[zone]
    found = next_boundary(at, every, offset)
    changed = offset(found) != offset(at) or offset(found) != offset(found - 1)
    assert at < found <= at + every + (2 * HOUR if changed else 0)
    if offset(found) == offset(found - 1):
        assert (found + offset(found)) % every == 0
    assert next_boundary(found - 1, every, offset) == found or every > HOUR


def test_the_machines_own_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    assert offset_in(None)(1_790_000_000) == 19800
    monkeypatch.undo()
    time.tzset()


# ---- a timer ----


class Clock:
    """A machine's two clocks, in seconds."""

    def __init__(self, utc: float, boot: float = 10.0) -> None:
        self.utc, self.boot = utc, boot

    def schedule(self, every: int, zone: str = "UTC", since: float | None = None) -> Schedule:
        since_ns = None if since is None else int(since * SECOND)
        return Schedule(every, OFFSETS[zone], int(self.utc * SECOND), since_ns)

    def pass_(self, seconds: float) -> None:
        self.utc += seconds
        self.boot += seconds

    def due(self, schedule: Schedule) -> bool:
        return schedule.due(int(self.utc * SECOND), int(self.boot * SECOND))

    def run(self, schedule: Schedule, seconds: float) -> list[float]:
        """As the loop does it; the times (UTC) at which it was due."""
        end, found = self.boot + seconds, []
        while self.boot < end:
            if self.due(schedule):
                found.append(self.utc)
            wait = schedule.wait_s(int(self.utc * SECOND))
            assert 0 < wait <= LOOK_EVERY_S
            self.pass_(min(wait + 0.001, end - self.boot))
        return found


NOON = float(instant("2026-11-22T12:00", "UTC"))


def test_each_boundary_once() -> None:
    clock = Clock(NOON + 5)
    found = clock.run(clock.schedule(5 * MIN), HOUR)
    assert [round(at - NOON, 1) for at in found] == [300.0 * n for n in range(1, 13)]


def test_what_waits_since_before_a_boundary_is_due_at_once() -> None:
    clock = Clock(NOON + 5)
    assert clock.due(clock.schedule(HOUR, since=NOON - 600))
    assert not clock.due(clock.schedule(HOUR, since=NOON + 1))
    assert not clock.due(clock.schedule(HOUR, since=NOON + 900))  # It is from the future.


def test_a_step_forward_over_several_is_one() -> None:
    clock = Clock(NOON + 600)
    timer = clock.schedule(HOUR)
    clock.utc += 3 * HOUR
    assert clock.due(timer)
    assert not clock.due(timer)
    assert [at - NOON for at in clock.run(timer, HOUR)] == [pytest.approx(4 * HOUR, abs=0.1)]


def test_a_step_back_over_several_goes_on_by_the_new_clock() -> None:
    clock = Clock(NOON + 5)
    timer = clock.schedule(HOUR)
    clock.run(timer, HOUR)
    clock.utc -= 3 * HOUR
    assert [round(at - NOON) for at in clock.run(timer, 2 * HOUR)] == [-HOUR, 0]


def test_a_small_step_back_does_not_serve_twice() -> None:
    clock = Clock(NOON - 5)
    timer = clock.schedule(HOUR)
    assert len(clock.run(timer, 10)) == 1
    clock.utc -= 20
    assert clock.run(timer, 3500) == []
    assert [round(at - NOON) for at in clock.run(timer, 200)] == [HOUR]


def test_a_step_back_between_a_look_and_the_wait_is_looked_at_at_once() -> None:
    clock = Clock(NOON + 5)
    timer = clock.schedule(HOUR)
    clock.due(timer)
    clock.utc -= DAY
    assert timer.wait_s(int(clock.utc * SECOND)) == 0
    assert not clock.due(timer)
    assert timer.wait_s(int(clock.utc * SECOND)) == LOOK_EVERY_S


def test_a_suspended_machine_catches_up_once() -> None:
    clock = Clock(NOON + 600)
    timer = clock.schedule(HOUR)
    clock.pass_(8 * HOUR)
    assert clock.due(timer)
    assert [round(at - NOON) for at in clock.run(timer, HOUR)] == [9 * HOUR]


def test_a_machine_that_boots_in_1970() -> None:
    clock = Clock(20)
    timer = clock.schedule(HOUR)
    assert clock.run(timer, 40) == []
    clock.utc = NOON + 1234
    assert clock.due(timer)  # What was counted until then gets a block of its own.
    assert [round(at - NOON) for at in clock.run(timer, HOUR)] == [HOUR]


STEPS = st.one_of(
    st.just(0.0),
    st.floats(-2, 2),
    st.floats(-3 * HOUR, 3 * HOUR),
    st.sampled_from([-40 * DAY, -HOUR, HOUR, DAY, 20000.0 * DAY]),
)


@given(
    st.sampled_from(ZONES),
    st.sampled_from([5 * MIN, HOUR, 6 * HOUR]),
    st.sampled_from([0.0, NOON, float(instant("2026-10-24T22:00", "UTC")), float(instant("2026-04-04T14:10", "UTC"))]),
    st.lists(st.tuples(STEPS, st.floats(0, 5 * HOUR), st.booleans()), max_size=12),
)
def test_whatever_the_clock_does(zone: str, every: int, start: float, events: list[tuple[float, float, bool]]) -> None:
    """Never twice for one boundary, never silent for longer than a boundary takes to come, never in a hurry."""
    clock = Clock(start)
    timer = clock.schedule(every, zone)
    offset: Offset = OFFSETS[zone]
    served: list[tuple[float, float, int]] = []  # boot and wall time, and the first boundary that is not served then
    looks = 0
    for step, seconds, asleep in events:
        clock.utc = max(clock.utc + step, 0.0)
        if asleep:
            clock.pass_(seconds)
        end = clock.boot + (1 if asleep else seconds)
        while clock.boot < end:
            last_wall, last_boot = clock.utc, clock.boot
            looks += 1
            if clock.due(timer):
                served.append((clock.boot, clock.utc, next_boundary(int(clock.utc), every, offset)))
            assert not clock.due(timer)
            # Who looks at the clock now would see no boundary behind the last look that was not served.
            assert next_boundary(int(last_wall), every, offset) * SECOND == timer.next_ns
            clock.pass_(min(timer.wait_s(int(clock.utc * SECOND)) + 0.001, end - clock.boot))
            assert clock.boot > last_boot
    total = sum(1.0 if asleep else seconds for _, seconds, asleep in events)
    assert looks <= total / LOOK_EVERY_S + total / every + 3 * len(events) + 1
    for (boot, _, ahead), (next_boot, wall, _) in pairwise(served):
        # The same boundary again only when the clock was set back for real: half an interval has passed.
        assert wall >= ahead or next_boot - boot >= every / 2


@given(st.sampled_from(ZONES), st.sampled_from([MIN, 5 * MIN, HOUR]), st.integers(0, 2_000_000_000), st.data())
def test_every_boundary_that_the_clock_walks_over_is_served(
    zone: str, every: int, start: int, data: st.DataObject
) -> None:
    """Without steps back the timer is due exactly once between any two looks that have a boundary between them."""
    clock, offset = Clock(start), OFFSETS[zone]
    timer = clock.schedule(every, zone)
    for seconds in data.draw(st.lists(st.floats(0.001, 2 * HOUR), max_size=20)):
        before = clock.utc
        clock.pass_(seconds)
        assert clock.due(timer) == (next_boundary(int(before), every, offset) <= clock.utc)
