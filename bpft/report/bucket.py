"""Time buckets: five minutes, hours, days and months of the local time, and whether blocks are small enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from bpft.errors import BpftError
from bpft.record import Header
from bpft.report.period import SECOND
from bpft.report.units import span

_STEP = {"5min": 300, "hour": 3600}  # seconds
_SETTING = {"5min": "5min", "hour": "1h", "day": "1d", "month": "1d"}
#: A block that a timer saved is a little longer than it was told.
_SLACK = 1.1


class TooFine(BpftError):
    """--by {0}: {1} of {2} blocks are longer than that, up to {3}, and a block is not divided; {4}"""


class Bucket(NamedTuple):
    """One bucket of a report."""

    name: str  #: "2026-11-21T10:00:00+01:00", "2026-11-21" or "2026-11"
    begin_ns: int  #: UTC nanoseconds
    end_ns: int
    covered_ns: int = 0  #: how much of the blocks in it was watched

    @property
    def label(self) -> str:
        """For people: a time without its zone, unless the clock is set within two hours of it."""
        if len(self.name) <= len("2026-11-21"):
            return self.name
        begin = self.begin_ns // SECOND
        here = time.localtime(begin)
        text = time.strftime("%Y-%m-%d %H:%M", here)
        turns = any(_offset(begin + away) != here.tm_gmtoff for away in (-7200, 7200))
        return f"{text} {here.tm_zone}" if turns else text


class Buckets:
    """The buckets of one report, and the blocks that are longer than theirs."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._blocks = self._long = self._captures = 0
        self._series = False
        self._watched = self._in_long = self._longest = 0  # nanoseconds

    def of(self, header: Header) -> Bucket | None:
        """The bucket that holds the midpoint of a block (SEMANTICS R4); none where nobody knows when it was."""
        if header.is_undated or not header.end_ns:
            return None
        middle = header.begin_ns + (header.end_ns - header.begin_ns) // 2
        bucket = bucket_of(self.kind, middle // SECOND)
        length = header.end_ns - header.begin_ns
        self._blocks += 1
        self._series |= bool(header.series) and self.kind in _STEP
        self._watched += length
        if length > _SLACK * (bucket.end_ns - bucket.begin_ns):
            self._long += 1
            self._captures += header.source == "file"
            self._in_long += length
            self._longest = max(self._longest, length)
        return bucket

    def refuse(self) -> None:
        """Raise TooFine where blocks longer than a bucket are most of the time."""
        if 2 * self._in_long > self._watched:
            raise TooFine(self.kind, self._long, self._blocks, span(self._longest), self._remedy())

    def note(self) -> str:
        """What is to be said of blocks that are longer than their bucket; empty: there are none."""
        if not self._long:
            return ""
        blocks = f"{self._long} of {self._blocks} blocks " + ("is" if self._long == 1 else "are")
        return f"{blocks} longer than --by {self.kind}, up to {span(self._longest)}: all of it is where its middle is"

    def _remedy(self) -> str:
        if self._captures == self._long:
            return f"a capture counts as one block; cut it with: editcap -i {_STEP.get(self.kind, 86400)} IN OUT"
        told = f"from now on smaller ones are made by: trafd --save-every {_SETTING[self.kind]}"
        # What the interface counted every five minutes needs no small blocks (SEMANTICS R4).
        return f"{told}; the interface's own rates of five minutes are told --by day" if self._series else told


def bucket_of(kind: str, second: int) -> Bucket:
    """The bucket that holds an instant (seconds since 1970), in the local time of this process."""
    here = time.localtime(second)
    if kind in _STEP:
        step, offset = _STEP[kind], here.tm_gmtoff
        begin = second - (second + offset) % step
        # Where the clock is set within it, it is cut there: both parts have the hour's name, with different offsets.
        first = begin if _offset(begin) == offset else _turn(begin, second, lambda at: _offset(at) == offset)
        last = begin + step - 1
        end = last if _offset(last) == offset else _turn(second, last, lambda at: _offset(at) != offset) - 1
        shown = datetime.fromtimestamp(begin, _zone(offset))
        return Bucket(shown.isoformat(), first * SECOND, (end + 1) * SECOND)
    if kind == "day":
        first_day = datetime(here.tm_year, here.tm_mon, here.tm_mday)
        after, name = first_day + timedelta(days=1), f"{first_day:%Y-%m-%d}"
    else:
        first_day = datetime(here.tm_year, here.tm_mon, 1)
        after, name = (first_day + timedelta(days=32)).replace(day=1), f"{first_day:%Y-%m}"
    return Bucket(name, int(first_day.timestamp()) * SECOND, int(after.timestamp()) * SECOND)


def _offset(second: int) -> int:
    """Seconds east of UTC that the local clock is then."""
    return time.localtime(second).tm_gmtoff


def _zone(offset: int) -> timezone:
    return timezone(timedelta(seconds=offset))


def _turn(low: int, high: int, after: Callable[[int], bool]) -> int:
    """The first second in (low, high] for which after holds; it does not for low, it does for high."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if after(middle) else (middle, high)
    return high
