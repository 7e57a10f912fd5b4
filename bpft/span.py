"""Spans of time as people write them: 5min, 1h; 31d, 2y."""

import re

DAY_S = 86_400
_SPAN = re.compile(r"([0-9]{1,10})\s*([a-z]{1,3})\Z")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": DAY_S}
_HOURS = {"h": 1, "d": 24, "w": 7 * 24, "y": 8766}
_MOST_HOURS = 10**10  # a million years, which a timedelta can hold


def interval_s(text: str) -> int:
    """Seconds of an interval that divides a day, as 30s, 5min, 1h or 1d; 0: it is none."""
    seconds = _span(text, _SECONDS)
    return seconds if seconds and DAY_S % seconds == 0 else 0


def age_h(text: str) -> int | None:
    """Hours of an age as 31d, 12h, 4w or 2y; None: it is none."""
    hours = _span(text, _HOURS)
    return hours if hours is not None and hours <= _MOST_HOURS else None


def _span(text: str, units: dict[str, int]) -> int | None:
    found = _SPAN.match(text)
    return int(found[1]) * units[found[2]] if found and found[2] in units else None
