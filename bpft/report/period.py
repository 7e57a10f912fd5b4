"""Periods of time: what words, -b and -e say, and which blocks lie in them (SEMANTICS R4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from bpft.errors import UsageError
from bpft.record import Header

if TYPE_CHECKING:
    from bpft.report.spoken import Calendar

SECOND = 1_000_000_000  #: in nanoseconds

_INSTANTS = "2026-11-01, 2026-11-01T10:00, 10:00, today, yesterday, monday, 2026-11, now, -2h or '2h ago' (s m h d w)"


class BadTime(UsageError):
    """{0} {1!r} is no time: {2}"""


class BadPeriod(UsageError):
    """{0!r} is {1}; {2}"""


class EmptyPeriod(UsageError):
    """the period ends ({1}) before it begins ({0})"""


class UnknownZone(UsageError):
    """time zone {0!r} is known to Python, and not to the system: install its time zones (tzdata)"""


@dataclass(frozen=True, slots=True)
class Period:
    """UTC nanoseconds, the end outside; None: open."""

    begin: int | None = None
    end: int | None = None
    said: str = field(default="", compare=False)  #: in which words; empty: by -b and -e

    def takes(self, header: Header) -> bool:
        """Whether it holds a block.  One that was recorded before the clock was set lies in the open period alone."""
        if header.is_undated:
            return self.begin is None and self.end is None
        return self.holds(header.begin_ns, header.end_ns)

    def holds(self, begin_ns: int, end_ns: int) -> bool:
        """Whether the midpoint of a block's interval lies inside, so that adjacent periods never share a block."""
        middle = begin_ns + (end_ns - begin_ns) // 2
        return (self.begin is None or self.begin <= middle) and (self.end is None or middle < self.end)


def read_period(begin: str | None, end: str | None, now: datetime | None = None, billing_day: int = 1) -> Period:
    """The period between two times in local time: the first instant of what begin says, the last of what end says.

    Raises BadTime and EmptyPeriod.
    """
    now = now or datetime.now().astimezone()
    last = read_end("--end", end, now, billing_day) if end is not None else None
    first = read_begin("--begin", begin, now, last, billing_day) if begin is not None else None
    if first is not None and last is not None and first >= last:
        raise EmptyPeriod(begin, end)
    return Period(first, last)


def read_begin(option: str, text: str, now: datetime, end: int | None, billing_day: int = 1) -> int | None:
    """The first instant of what text says, of a period up to end: UTC nanoseconds; None: open.  Raises BadTime."""
    from bpft.report.spoken import Calendar

    calendar = Calendar(now, billing_day)
    with _taught(option, text, calendar):
        return calendar.beginning(text, end)


def read_end(option: str, text: str, now: datetime, billing_day: int = 1) -> int | None:
    """The end of what text says: UTC nanoseconds; None: open.  Raises BadTime."""
    from bpft.report.spoken import Calendar

    calendar = Calendar(now, billing_day)
    with _taught(option, text, calendar):
        return calendar.span(text)[1]


def read_words(words: Sequence[str], now: datetime | None = None, billing_day: int = 1) -> Period:
    """The period that bare words say, as "last 7 days".  Raises BadPeriod and EmptyPeriod."""
    from bpft.report.spoken import FORMS, Calendar

    calendar = Calendar(now or datetime.now().astimezone(), billing_day)
    text = " ".join(words)
    try:
        begin, end = calendar.span(text)
    except ValueError as error:
        hint = _meant(text, calendar) or "an expression goes after --where; "
        raise BadPeriod(text, "neither a file nor a period", f"{hint}periods are {FORMS}") from error
    if begin is not None and end is not None and begin >= end:
        if begin == end and ".." not in text:
            raise BadPeriod(text, "an instant, no period", f"since {text} is one, and so is {text}..now")
        first, _, last = text.partition("..")
        raise EmptyPeriod(first, last or first)
    return Period(begin, end, text)


def says_period(text: str) -> bool:
    """Whether text reads as a period or a time, or as a part of what people say of one."""
    if "." in text.replace("..", ""):
        return False  # as most names of files, which need not wait for the rest
    from bpft.report.spoken import VOCABULARY, Calendar

    try:
        Calendar(datetime.now().astimezone()).span(text)
    except ValueError:
        return text.lower() in VOCABULARY
    return True


def use_zone(name: str) -> None:
    """From now on local time is that of a zone, for all of this process.  Raises UsageError."""
    import os
    import time

    from bpft.rotation import zone

    there = zone(name)
    os.environ["TZ"] = name
    time.tzset()
    year = datetime.now().year
    for month in (1, 7):  # The C library takes an unknown zone for UTC, and says nothing.
        when = datetime(year, month, 1)
        if when.astimezone().utcoffset() != when.replace(tzinfo=there).utcoffset():
            raise UnknownZone(name)


@contextmanager
def _taught(option: str, text: str, calendar: Calendar) -> Iterator[None]:
    """What says nothing is BadTime, with what it may have meant."""
    try:
        yield
    except ValueError as error:
        raise BadTime(option, text, f"{_meant(text, calendar)}use {_INSTANTS}") from error


def _meant(text: str, calendar: Calendar) -> str:
    from bpft.report.spoken import suggestion

    meant = suggestion(text, calendar)
    return f"did you mean {meant}? " if meant else ""
