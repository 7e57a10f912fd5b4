"""What is said to people: on stderr while somebody can see it, else through syslog (the manual's facility and options).
Where stderr is the journal of systemd, each line carries its level (sd-daemon(3)).

Nothing here raises: a message that cannot be delivered must not cost a byte of traffic.
"""

import os
import select
import sys
from collections.abc import Callable
from io import UnsupportedOperation
from typing import Any, TextIO

IDENT = "trafd"

#: Called before a line goes to stderr, so that a table drawn on the same terminal can step aside.
before: Callable[[], None] | None = None

_syslog: Callable[[int, str], None] | None = None

_PATIENCE_MS = 1000

# The levels of syslog(3); its module is imported only once messages go there.
_ERROR, _WARNING, _NOTICE, _INFO = 3, 4, 5, 6


def error(text: str) -> None:
    """Something failed, or packets were lost."""
    _say(_ERROR, text, text)


def warning(text: str) -> None:
    """Something is not as asked, and work goes on."""
    _say(_WARNING, "warning: " + text, text)


def notice(text: str) -> None:
    """A normal event worth keeping: start, save, stop."""
    _say(_NOTICE, text, text)


def info(text: str) -> None:
    """What the daemon does, for those who ask for it."""
    _say(_INFO, text, text)


def to_syslog() -> None:
    """From now on through syslog(3): facility daemon, LOG_PID and LOG_CONS.

    Call it after detaching: the library opens its socket at the first message, so no descriptor has to survive.
    """
    import syslog

    global _syslog
    syslog.openlog(IDENT, syslog.LOG_PID | syslog.LOG_CONS, syslog.LOG_DAEMON)
    _syslog = syslog.syslog


def _say(level: int, shown: str, logged: str) -> None:
    if _syslog is not None:
        _syslog(level, one_line(logged))
        return
    try:
        if not _can_write(sys.stderr):
            return  # A terminal held with Ctrl-S, a pipe nobody reads: saving does not wait for them.
        if before is not None:
            before()
        sys.stderr.write(f"<{level}>{one_line(logged)}\n" if _journal(sys.stderr) else f"{IDENT}: {one_line(shown)}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return  # A closed or absent stderr: there is nobody to tell.


def _journal(stream: TextIO) -> bool:
    """Whether stream is the journal's own: JOURNAL_STREAM is inherited, also by what was redirected since."""
    named = os.environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        status = os.fstat(stream.fileno())
    except UnsupportedOperation:
        return False  # In memory.
    return named == f"{status.st_dev}:{status.st_ino}"


def _can_write(stream: TextIO) -> bool:
    """Whether a line can be written within a second."""
    try:
        descriptor = stream.fileno()
    except UnsupportedOperation:
        return True  # In memory.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(_PATIENCE_MS))


def one_line(text: str) -> str:
    """text with control characters and undecodable bytes made visible, so that a name cannot forge a line."""
    safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in safe)


def valid(value: Any) -> Any:
    """value, a JSON document, with the bytes made visible that are no text: names of files may hold them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {valid(key): valid(item) for key, item in value.items()}
    return [valid(item) for item in value] if isinstance(value, list | tuple) else value


def count(n: int, noun: str) -> str:
    """``count(1234, "record")`` is "1,234 records"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def size(n: int) -> str:
    """n bytes in SI units, with one decimal below 100: 999 B, 5.6 MB, 123 GB."""
    value, units = float(n), ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        del units[0]
    decimals = 0 if units[0] == "B" or value >= 99.95 else 1
    return f"{value:.{decimals}f} {units[0]}"


def duration(seconds: float) -> str:
    """seconds as people say it: 12 s, 5 min, 3 h 20 min, 4 d 3 h."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"
