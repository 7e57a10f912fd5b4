"""When a log is set aside for a new one, and under which name: by day, by month or by size, in a time zone."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bpft.errors import UsageError

if TYPE_CHECKING:
    from bpft.record import Header

_SECOND = 1_000_000_000
_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone(name: str) -> tzinfo | None:
    """The time zone of that name; None for "", the local one.  Raises UsageError."""
    if not name:
        return None
    from zoneinfo import ZoneInfo  # most programs of the suite start without it

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a directory, a path, no such name
        raise UsageError(f"time zone {name!r} is not known here; name one as Europe/Rome or UTC") from None


def middle(header: "Header", tz: tzinfo | None) -> datetime:
    """The instant that decides which period a block belongs to (SEMANTICS R4), on the clock of a zone."""
    # In whole seconds: a datetime knows no nanoseconds, and must not be rounded up into the next day.
    moment = _EPOCH + timedelta(seconds=(header.begin_ns + header.end_ns) // 2 // _SECOND)
    return moment.astimezone(tz)


class Rotation(NamedTuple):
    """When a log that a block is to be appended to has to make way."""

    period: str = ""  #: strftime format of what a file holds one of; "": no matter when
    size: int = 0  #: bytes that a file is not to exceed; 0: no matter how large
    zone: tzinfo | None = None  #: None: local

    def is_due(self, last: "Header", header: "Header") -> bool:
        """Whether header's block begins a new period behind last's.  A clock set back, or never set, begins none."""
        if last.is_undated or header.is_undated:
            return False
        return bool(self.period) and self._period_of(header) > self._period_of(last)

    def name(self, path: Path, last: "Header") -> Path:
        """What a log that ends with last's block is to be called, if that is free."""
        return path.with_name(f"{path.name}-{self._period_of(last)}")

    def _period_of(self, header: "Header") -> str:
        if header.is_undated:
            return "undated"
        return middle(header, self.zone).strftime(self.period or "%Y-%m-%d")


def size_of(text: str) -> int:
    """Bytes of a size as 10MB, 64M or 512KiB; 0: it is none."""
    found = re.fullmatch(r"(\d{1,12})\s*(|k|m|g|ki|mi|gi)b?", text, re.IGNORECASE)
    return int(found[1]) * _PREFIXES[found[2].lower()] if found else 0


def rotation(when: str, zone_name: str = "") -> Rotation:
    """The rotation that is asked for: daily, monthly, or a size as 10MB.  Raises UsageError."""
    tz = zone(zone_name)
    if when in ("daily", "monthly"):
        return Rotation("%Y-%m-%d" if when == "daily" else "%Y-%m", 0, tz)
    size = size_of(when)
    if not size:
        raise UsageError(f"--rotate {when!r}: use daily, monthly or a size as 10MB")
    return Rotation("", size, tz)
