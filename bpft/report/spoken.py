"""Periods as people say them: today, last 7 days, this month, monday, 2026-11, 2026-11-01..2026-11-15, since 10:00.

Days are those of the local clock, from midnight to midnight also where that is 23 or 25 hours.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

SECOND = 1_000_000_000  #: in nanoseconds

#: UTC nanoseconds, the end outside; equal: an instant; None: open.
Span = tuple[int | None, int | None]

FORMS = "today, last 24 hours, last 7 days, this month, monday, 2026-11, 2026-11-01..2026-11-15, since 10:00 or all"

_SHORT = {"s": 1, "m": 60, "h": 3600}
_UNIT = r"(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?|months?|years?)"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_FIXED = ("now", "today", "yesterday", "all")
VOCABULARY = (
    *_FIXED,
    *_WEEKDAYS,
    *_MONTHS,
    *("last", "this", "since", "ago", "second", "seconds", "minute", "minutes", "hour", "hours"),
    *("day", "days", "week", "weeks", "month", "months", "year", "years"),
)
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
#: Where the nearest reading of the words would be a guess.
_HINTS = {"last day": "yesterday or last 24 hours", "last days": "last 7 days", "tomorrow": "today"}


@dataclass(frozen=True, slots=True)
class Calendar:
    """Reads periods as of an instant; months begin on billing_day, or on their last day where they are shorter."""

    now: datetime  #: aware
    billing_day: int = 1

    def span(self, text: str) -> Span:
        """What text says.  ValueError where it says nothing."""
        said = " ".join(text.lower().split())
        try:
            return self._range(said)
        except (OverflowError, OSError) as error:
            raise ValueError(f"{text!r} is too far away") from error

    def beginning(self, text: str, end: int | None) -> int | None:
        """The first instant of what text says, of a period up to end: a day or a month by its bare name is the last of
        that name before it, so that monday..wednesday is one on a Monday too.  ValueError where it says nothing."""
        first, name = self.span(text)[0], text.lower().strip()
        if first is None or end is None or first < end or not (name.removeprefix("last ") in _WEEKDAYS or _month(name)):
            return first
        try:
            there = datetime.fromtimestamp((end - 1) // SECOND).astimezone()
        except (OverflowError, OSError, ValueError):  # before there were years
            return first
        return replace(self, now=there).span(text)[0]

    def _range(self, said: str) -> Span:
        if said.startswith("since "):
            return self._one(said[6:])[0], None
        first, dots, last = said.partition("..")
        if not dots:
            return self._one(said)
        first, last = first.strip(), last.strip()
        if not first and not last:
            raise ValueError("a range without ends")
        end = self._one(last)[1] if last else None
        return self.beginning(first, end) if first else None, end

    def _one(self, said: str) -> Span:
        today = self.now.date()
        if said == "now":
            return _instant(self.now)
        if said in _FIXED:
            return (None, None) if said == "all" else _days(today - (said == "yesterday") * _DAY)
        which, _, what = said.partition(" ")
        if which in ("this", "last") and what:
            return self._relative(which == "last", what, today)
        if said in _WEEKDAYS:
            return _days(_weekday(said, today))
        if month := _month(which):
            return self._named_month(month, what)
        return self._ago(said) or self._written(said, today)

    def _relative(self, last: bool, what: str, today: date) -> Span:
        """ "this month", "last week", "last monday", "last 7 days"."""
        if last and (found := re.fullmatch(rf"(\d+) ?{_UNIT}|(minute|hour)", what)):
            return self._latest(int(found[1] or 1), found[2] or found[3], today)
        if last and what in _WEEKDAYS:
            return _days(_weekday(what, today - _DAY))
        if what == "day" and not last:
            return _days(today)
        if what == "week":
            monday = today - today.weekday() * _DAY - last * _WEEK
            return _days(monday, monday + _WEEK)
        if what == "month":
            return self._months(self._billed(today) - last)
        if what == "year":
            return _days(date(today.year - last, 1, 1), date(today.year - last + 1, 1, 1))
        raise ValueError(what)

    def _latest(self, amount: int, unit: str, today: date) -> Span:
        """Up to now: hours and less by the clock; days and more whole, the present one being the last of them."""
        if not amount:
            raise ValueError("none of them")
        if unit.startswith("month"):
            return self._months(self._billed(today) + 1 - amount, amount)
        if unit.startswith("year"):
            return _days(date(today.year + 1 - amount, 1, 1), date(today.year + 1, 1, 1))
        if unit[0] in _SHORT:
            return _ns(self.now - timedelta(seconds=amount * _SHORT[unit[0]])), None
        return _days(today - (amount * (_WEEK if unit[0] == "w" else _DAY) - _DAY), today + _DAY)

    def _ago(self, said: str) -> Span | None:
        """ "2h ago", "-2h": an instant."""
        found = re.fullmatch(rf"- ?(\d+) ?{_UNIT}|(\d+) ?{_UNIT} ago", said)
        if not found:
            return None
        amount, unit = int(found[1] or found[3]), found[2] or found[4]
        if unit.startswith(("month", "year")):
            raise ValueError("an instant is not so long ago")
        seconds = _SHORT[unit[0]] if unit[0] in _SHORT else (_WEEK if unit[0] == "w" else _DAY).total_seconds()
        return _instant(self.now - timedelta(seconds=amount * seconds))

    def _written(self, said: str, today: date) -> Span:
        """Figures: 10:00, 2026, 2026-11, 2026-11-05, 2026-w47, 2026-11-05T10:00."""
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", said):
            return _instant(datetime.fromisoformat(f"{today}T{said.zfill(len(said) + (said[1] == ':'))}"))
        if re.fullmatch(r"\d{4}", said):
            return _days(date(int(said), 1, 1), date(int(said) + 1, 1, 1))
        if found := re.fullmatch(r"(\d{4})-(\d{2})", said):
            return self._month_of(int(found[1]), int(found[2]))
        when = datetime.fromisoformat(said.upper())
        if re.fullmatch(r"\d{4}-?w\d{2}", said):
            return _days(when.date(), when.date() + _WEEK)
        return _days(when.date()) if re.fullmatch(r"[\dw-]+", said) else _instant(when)

    # ---- months ----

    def _named_month(self, month: int, year: str) -> Span:
        """ "november": the last that has begun; "november 2025"."""
        if year:
            if not re.fullmatch(r"\d{4}", year):
                raise ValueError(year)
            return self._month_of(int(year), month)
        present = self._billed(self.now.date())
        return self._months(present - (present + 1 - month) % 12)

    def _month_of(self, year: int, month: int) -> Span:
        if not 1 <= month <= 12:
            raise ValueError(f"there is no month {month}")
        return self._months(year * 12 + month - 1)

    def _billed(self, day: date) -> int:
        """The number of the month, since the year 0, that a day is billed in."""
        number = day.year * 12 + day.month - 1
        return number - (day < self._begin(number))

    def _months(self, number: int, count: int = 1) -> Span:
        return _days(self._begin(number), self._begin(number + count))

    def _begin(self, number: int) -> date:
        year, month = divmod(number, 12)
        first, after = date(year, month + 1, 1), date(year + (month == 11), (month + 1) % 12 + 1, 1)
        return first + min(self.billing_day - 1, (after - first).days - 1) * _DAY


def suggestion(text: str, calendar: Calendar) -> str:
    """What somebody may have meant who wrote text; empty: nobody knows."""
    from difflib import get_close_matches

    said = " ".join(text.lower().split())
    if said in _HINTS:
        return _HINTS[said]
    nearest = [
        word if not word.isalpha() else next(iter(get_close_matches(word, VOCABULARY, 1, 0.7)), word)
        for word in said.split()
    ]
    padded = re.sub(r"(?<![\d:])(\d)(?=-|$)", r"0\1", re.sub(r"[/.](?!\.)(?<!\.\.)", "-", said))
    for guess in (" ".join(nearest), f"last {said}", f"last {' '.join(nearest)}", padded):
        try:
            calendar.span(guess)
        except ValueError:
            continue
        if guess != said:
            return guess
    return ""


def _weekday(name: str, latest: date) -> date:
    """The last day of that name up to latest."""
    return latest - (latest.weekday() - _WEEKDAYS.index(name)) % 7 * _DAY


def _month(name: str) -> int:
    """1 to 12 of a name, or of three letters of it; 0: it is none."""
    return next((n for n, month in enumerate(_MONTHS, 1) if name in (month, month[:3])), 0)


def _days(first: date, after: date | None = None) -> Span:
    """From midnight to midnight, local; without after: one day."""
    return _ns(_midnight(first)), _ns(_midnight(after or first + _DAY))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def _instant(when: datetime) -> Span:
    at = _ns(when)
    return at, at


def _ns(when: datetime) -> int:
    """UTC; local time where when carries no zone: the first of two, and where it is skipped the instant after."""
    return int(when.replace(microsecond=0).timestamp()) * SECOND + when.microsecond * 1000
