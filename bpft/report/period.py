"""Periods of time: what -b and -e say, and which blocks lie in them (SEMANTICS R4)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from bpft.errors import UsageError
from bpft.record import Header

SECOND = 1_000_000_000  #: in nanoseconds

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_UNIT = r"(?:s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)"
_AGO = re.compile(rf"-\s*(?P<back>\d+\s*{_UNIT})|(?P<ago>\d+\s*{_UNIT})\s+ago")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_DATE = re.compile(r"[\dw-]+")
_WORDS = {"today": 0, "yesterday": 1}
_FORMS = "use 2026-11-01, 2026-11-01T10:00, 10:00, today, yesterday, now, -2h or '2h ago' (s m h d w)"


class BadTime(UsageError):
    """{0} {1!r} is no time: {2}"""


class EmptyPeriod(UsageError):
    """the period ends ({1}) before it begins ({0})"""


@dataclass(frozen=True, slots=True)
class Period:
    """UTC nanoseconds, the end outside; None: open."""

    begin: int | None = None
    end: int | None = None

    def takes(self, header: Header) -> bool:
        """Whether it holds a block.  One that was recorded before the clock was set lies in the open period alone."""
        if header.is_undated:
            return self.begin is None and self.end is None
        return self.holds(header.begin_ns, header.end_ns)

    def holds(self, begin_ns: int, end_ns: int) -> bool:
        """Whether the midpoint of a block's interval lies inside, so that adjacent periods never share a block."""
        middle = begin_ns + (end_ns - begin_ns) // 2
        return (self.begin is None or self.begin <= middle) and (self.end is None or middle < self.end)


def read_period(begin: str | None, end: str | None, now: datetime | None = None) -> Period:
    """The period between two times in local time; a date alone means its first instant as begin, its last as end.

    Raises BadTime and EmptyPeriod.
    """
    now = now or datetime.now().astimezone()
    first = read_time("--begin", begin, now, last=False) if begin is not None else None
    last = read_time("--end", end, now, last=True) if end is not None else None
    if first is not None and last is not None and first >= last:
        raise EmptyPeriod(begin, end)
    return Period(first, last)


def read_time(option: str, text: str, now: datetime, last: bool) -> int:
    """One time as UTC nanoseconds."""
    word = text.strip().lower()
    ago = _AGO.fullmatch(word)
    try:
        if word == "now":
            return _nanoseconds(now)
        if ago:
            amount, unit = re.findall(r"\d+|[a-z]", ago["back"] or ago["ago"])[:2]
            return _nanoseconds(now - timedelta(seconds=int(amount) * _UNITS[unit]))
        if word in _WORDS:
            return _day(now.replace(tzinfo=None) - timedelta(days=_WORDS[word]), last)
        if _CLOCK.fullmatch(word):
            clock = word if word[2] == ":" else f"0{word}"
            return _nanoseconds(datetime.fromisoformat(f"{now.date()}T{clock}"))
        when = datetime.fromisoformat(text.strip())
        return _day(when, last) if _DATE.fullmatch(word) else _nanoseconds(when)
    except (ValueError, OverflowError, OSError) as error:
        raise BadTime(option, text, _FORMS) from error


def _day(when: datetime, last: bool) -> int:
    midnight = when.replace(hour=0, minute=0, second=0, microsecond=0)
    return _nanoseconds(midnight + timedelta(days=1) if last else midnight)


def _nanoseconds(when: datetime) -> int:
    """Local time where when carries no zone."""
    whole = when.astimezone().replace(microsecond=0)
    return int(whole.timestamp()) * SECOND + when.microsecond * 1000
