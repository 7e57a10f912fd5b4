"""Round steps for the axes of pictures: amounts, and local times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from bpft.report.period import SECOND

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_CLOCK = (1, *(_MINUTE * n for n in (1, 5, 15, 30)), *(_HOUR * n for n in (1, 2, 3, 6, 12)))  # seconds
_DAYS = (1, 2, 7, 14)  # weeks begin on Mondays
_MONTHS = (1, 3, 12, 60, 240)


def amounts(most: int, count: int) -> list[int]:
    """From 0 in at most count round steps to one that is not below most."""
    step = 1
    while step * count < most:
        digits = 10 ** (len(str(step)) - 1)
        step = {1: 2, 2: 5, 5: 10}[step // digits] * digits
    return list(range(0, max(most, 1) + step, step))[: -(-max(most, 1) // step) + 1]


def amount(step: int) -> str:
    """A round step with its prefix, to put a unit behind: "2 M", "500 k", "0 "."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (1000, "k")):
        if step >= size:
            return f"{step / size:g} {letter}"
    return f"{step} "


def times(begin_ns: int, end_ns: int, count: int) -> list[tuple[int, str]]:
    """At most about count round local times within, UTC nanoseconds, each with its label."""
    length = max(1, (end_ns - begin_ns) // SECOND)
    first = datetime.fromtimestamp(begin_ns // SECOND)
    last = datetime.fromtimestamp(-(-end_ns // SECOND))
    for step in _CLOCK:
        if 2 * length <= step * (2 * count + 1):  # A day of 25 hours has the steps of any day.
            found = [(when, _clock(when, step, length)) for when in _within_days(first, last, step)]
            break
    else:
        for days in _DAYS:
            if length <= days * _DAY * count:
                found = [(when, f"{when:%m-%d}") for when in _days(first, last, days)]
                break
        else:
            months = next((n for n in _MONTHS if length <= n * 30 * _DAY * count), _MONTHS[-1])
            found = [(when, f"{when:%Y-%m}") for when in _months(first, last, months)]
    at = [(round(when.timestamp()), when, label) for when, label in found]
    return [
        (second * SECOND, label)
        for second, when, label in at
        # What the clock never shows, since it is set forward over it, is no time.
        if begin_ns <= second * SECOND <= end_ns and datetime.fromtimestamp(second) == when
    ]


def _clock(when: datetime, step: int, length: int) -> str:
    if length > _DAY + _HOUR and not when.hour and not when.minute:
        return f"{when:%m-%d}"
    return f"{when:%H:%M:%S}" if step < _MINUTE else f"{when:%H:%M}"


def _within_days(first: datetime, last: datetime, step: int) -> Iterator[datetime]:
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    at = day + timedelta(seconds=int((first - day).total_seconds()) // step * step)
    while at <= last:
        yield at
        at += timedelta(seconds=step)


def _days(first: datetime, last: datetime, step: int) -> Iterator[datetime]:
    at = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while at <= last:
        if at.toordinal() % step == (1 if step > 2 else 0):
            yield at
        at += timedelta(days=1)


def _months(first: datetime, last: datetime, step: int) -> Iterator[datetime]:
    month = first.year * 12 + first.month - 1
    while (at := datetime(month // 12, month % 12 + 1, 1)) <= last:
        if month % step == 0:
            yield at
        month += 1
