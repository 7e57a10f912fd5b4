"""Amounts and times for people: three significant digits and a unit, or exact numbers on request."""

from datetime import datetime
from typing import Literal

from bpft.report.period import SECOND

Units = Literal["si", "iec", "bytes"]

_PREFIXES = {"si": (1000, ("", "k", "M", "G", "T", "P", "E")), "iec": (1024, ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
_SPANS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def size(value: int, units: Units = "si") -> str:
    """Bytes: "1.21 GB", "1.13 GiB" or "1,210,000,000 B"."""
    if units == "bytes":
        return f"{value:,} B"
    return _scaled(value, *_PREFIXES[units]) + "B"


def count(value: int, units: Units = "si") -> str:
    """Things: exact up to 99999, then "1.23 M" (always in thousands, never in 1024)."""
    if units == "bytes" or value < 100_000:
        return str(value)
    return _scaled(value, *_PREFIXES["si"])


def rate(value: int, ns: int) -> str:
    """Bytes in a time as bit/s; empty where no time passed, or next to nothing did in it."""
    bits = value * 8 * SECOND // ns if ns > 0 else 0
    return pace(bits) if bits else ""


def pace(bps: int) -> str:
    """bit/s: "12.3 Mbit/s"."""
    return _scaled(bps, *_PREFIXES["si"]) + "bit/s"


def share(part: int, whole: int) -> str:
    """ "99.98 %"; what is not all is never rounded up to it."""
    if whole == 0 or part == whole:
        return "100 %"
    hundredths = part * 10000 // whole
    return f"{hundredths // 100}.{hundredths % 100:02d} %"


def span(ns: int) -> str:
    """A duration in its two largest units: "1 d 2 h", "5 min 12 s", "0.43 s"."""
    if ns < 10 * SECOND:
        return f"{ns / SECOND:.3g} s"
    seconds = (ns + SECOND // 2) // SECOND
    for large, large_name, small, small_name in _SPANS:
        if seconds >= large:
            rest = seconds % large // small
            return f"{seconds // large} {large_name}" + (f" {rest} {small_name}" if rest else "")
    return f"{seconds} s"


def moment(ns: int) -> str:
    """UTC nanoseconds as a local time with its zone: "2026-11-21 10:00:00 CET"."""
    return f"{_local(ns):%Y-%m-%d %H:%M:%S %Z}"


def interval(begin_ns: int, end_ns: int) -> str:
    """Two local times; the date once where it is the same day, the zone once where it is the same."""
    begin, end = _local(begin_ns), _local(end_ns)
    first = f"{begin:%Y-%m-%d %H:%M:%S}" + ("" if begin.tzname() == end.tzname() else f" {begin:%Z}")
    last = f"{end:%H:%M:%S %Z}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S %Z}"
    return f"{first} to {last}"


def grouped(value: int) -> str:
    """Exact, in groups of three digits: "1,234,567"."""
    return f"{value:,}"


def _local(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // SECOND).astimezone()


def _scaled(value: int, base: int, prefixes: tuple[str, ...]) -> str:
    """value in the prefix that leaves it below base, three significant digits, then a space and the prefix."""
    scaled, place = float(value), 0
    while place + 1 < len(prefixes) and float(_three(scaled)) >= base:
        scaled, place = scaled / base, place + 1
    return f"{value if place == 0 else _three(scaled)} {prefixes[place]}"


def _three(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
