"""When the next timed dump and save are due: at round times of the local wall clock, whatever happens to that clock.

A boundary is an instant at which the local clock shows a multiple of the interval, counted from midnight; where the
clock is set forward past one, the instant of that.  In the night in which clocks are set back, times of day come twice:
both count for intervals of up to an hour, the first alone for longer ones, so that a day is saved once.
"""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from bpft import host
from bpft.errors import UsageError
from bpft.rotation import zone
from bpft.span import DAY_S, interval_s

#: Seconds: nobody tells us that the clock was set or that the machine slept, so it is looked at this often.
LOOK_EVERY_S = 30.0

_SECOND = 1_000_000_000
_HOUR = 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Seconds that the local clock is ahead of UTC at an instant (UTC seconds).
Offset = Callable[[int], int]


def interval(option: str, text: str) -> int:
    """Seconds of an interval as 5min, 1h, 1d; 0 for off.  Raises UsageError."""
    seconds = interval_s(text)
    if not seconds and text != "off":
        raise UsageError(f"{option} {text!r}: use a part of a day as 30s, 5min, 1h, 6h or 1d, or off")
    return seconds


def offset_in(tz: tzinfo | None) -> Offset:
    """How far a zone is ahead of UTC; None: the machine's own."""
    if tz is None:
        return lambda second: time.localtime(second).tm_gmtoff

    def offset(second: int) -> int:
        ahead = tz.utcoffset((_EPOCH + timedelta(seconds=second)).astimezone(tz))
        return int(ahead.total_seconds()) if ahead is not None else 0

    return offset


def next_boundary(after: int, every: int, offset: Offset) -> int:
    """The first boundary behind an instant; UTC seconds."""
    ahead = offset(after)
    found = after + every - (after + ahead) % every
    if offset(found) != ahead:
        found = _across(after, found, every, offset)
    if every > _HOUR and _came_before(found, offset):
        return next_boundary(found, every, offset)
    return found


def _across(after: int, found: int, every: int, offset: Offset) -> int:
    """next_boundary() where the clock is changed between an instant and what would be next without that."""
    was = offset(after)
    low, high = after, found  # before the change, and not before it
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == was else (low, middle)
    shown = high + offset(high)
    if shown >= found + was:
        return high  # The clock skipped it.
    return high + -shown % every


def _came_before(instant: int, offset: Offset) -> bool:
    """Whether the local clock showed the same before it was set back."""
    shown = instant + offset(instant)
    first = shown - offset(instant - DAY_S)
    return first < instant and first + offset(first) == shown


class Schedule:
    """One timer.  Of instants it is told both clocks: the wall's, which may be set, and the one since boot."""

    def __init__(self, every: int, offset: Offset, utc_ns: int, since_ns: int | None = None) -> None:
        """every: seconds.  since_ns: UTC begin of what waits: a boundary between it and now is due at once."""
        self._every, self._offset = every, offset
        self._looked_ns = utc_ns if since_ns is None else min(since_ns, utc_ns)
        self.next_ns = self._behind(self._looked_ns)  #: UTC: the first boundary behind the last look
        self._unserved_ns = self.next_ns  # the first boundary that was never served
        self._served_boot_ns: int | None = None  # when the last one was

    def due(self, utc_ns: int, boot_ns: int) -> bool:
        """Whether a boundary was passed since this was last asked: once, however many were and whatever passed them."""
        boundary_ns = self.next_ns
        if self._looked_ns <= utc_ns < boundary_ns:
            self._looked_ns = utc_ns
            return False
        was_set_back = utc_ns < self._looked_ns
        self._looked_ns, self.next_ns = utc_ns, self._behind(utc_ns)
        if was_set_back or (boundary_ns < self._unserved_ns and self._has_just_served(boot_ns)):
            return False
        self._unserved_ns, self._served_boot_ns = self.next_ns, boot_ns
        return True

    def wait_s(self, utc_ns: int) -> float:
        """Seconds until due() is worth asking again."""
        if utc_ns < self._looked_ns:
            return 0.0  # Set back since the last look, and what comes next is no more what it was.
        return min(max((self.next_ns - utc_ns) / _SECOND, 0.0), LOOK_EVERY_S)

    def _has_just_served(self, boot_ns: int) -> bool:
        """A time that comes again, because the clock was set back a little, is not served again."""
        return self._served_boot_ns is not None and boot_ns - self._served_boot_ns < self._every * _SECOND // 2

    def _behind(self, utc_ns: int) -> int:
        return next_boundary(utc_ns // _SECOND, self._every, self._offset) * _SECOND


class Timers:
    """Those of one daemon."""

    def __init__(self, dump_every_s: int, save_every_s: int, zone_name: str, begin_ns: int) -> None:
        """Intervals of 0 are off.  begin_ns: of the table, which may have been resumed.  Raises UsageError."""
        offset, now = offset_in(zone(zone_name)), host.utc_ns()
        self._schedules = {}
        if save_every_s:
            self._schedules["save"] = Schedule(save_every_s, offset, now, begin_ns)
        if dump_every_s:
            self._schedules["dump"] = Schedule(dump_every_s, offset, now)

    def due(self) -> set[str]:
        """What is to be done now: save, dump."""
        utc_ns, boot_ns = host.utc_ns(), host.boottime_ns()
        return {name for name, schedule in self._schedules.items() if schedule.due(utc_ns, boot_ns)}

    def wait_s(self) -> float:
        """Seconds until due() is worth asking again."""
        now = host.utc_ns()
        return min((schedule.wait_s(now) for schedule in self._schedules.values()), default=math.inf)

    def next_ns(self, name: str) -> int | None:
        """UTC nanoseconds of the next save or dump; None: it is off."""
        schedule = self._schedules.get(name)
        return schedule.next_ns if schedule else None
