"""What may stand behind a key of the configuration: each function takes a TOML value and returns what is meant.

They raise Wrong, whose text says what to write instead.
"""

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from bpft.errors import BadName, UsageError
from bpft.paths import check_name
from bpft.rotation import rotation, size_of, zone
from bpft.span import age_h, interval_s

_LEAST, _MOST_BUFFER = 1_000_000, 1 << 30
_GLOB = re.compile(r"(?:[\w.:@+*?-]|\[!?[\w.:@+-]+\])+\Z", re.ASCII)
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z", re.ASCII)

Convert = Callable[[Any], Any]


class Wrong(Exception):
    """What is wrong with a value, and what to write instead."""


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(f"is {_kind(value)}; write a text in quotes")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"is {_kind(value)}; write true or false")
    return value


def whole(value: Any) -> int:
    """A number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong(f"is {_kind(value)}; write a whole number")
    if not 0 <= value < 1 << 63:
        raise Wrong(f"is {value}; write a number from 0 on")
    return value


def size(value: Any) -> int:
    """Bytes of a number or of a size as "10MB"."""
    if isinstance(value, int):
        return whole(value)
    found = size_of(text(value))
    if not found and value != "0":
        raise Wrong(f'is "{value}"; write a size as "10MB", "64M" or "512KiB"')
    return found


def budget(value: Any) -> int:
    """Bytes that a log may have; 0 for "off"."""
    return 0 if value == "off" else memory(value)


def memory(value: Any) -> int:
    """Bytes of what has to be of some size."""
    if (found := size(value)) < _LEAST:
        raise Wrong('is too little; write at least "1M"')
    return found


def buffer(value: Any) -> int:
    """Bytes of a buffer of the kernel."""
    if (found := memory(value)) > _MOST_BUFFER:
        raise Wrong('is too much; write at most "1GiB"')
    return found


def interval(value: Any) -> int:
    """Seconds between two boundaries of the local day; 0 for "off"."""
    seconds = interval_s(value) if isinstance(value, str) else 0
    if not seconds and value != "off":
        raise Wrong(f'is {_shown(value)}; write a part of a day as "30s", "5min", "1h" or "1d", or "off"')
    return seconds


def age(value: Any) -> int | None:
    """Hours; None for "off": for ever."""
    if value == "off":
        return None
    hours = age_h(value) if isinstance(value, str) else None
    if not hours:
        raise Wrong(f'is {_shown(value)}; write an age as "31d", "12h", "4w" or "2y", or "off" to keep it for ever')
    return hours


def one_of(*words: str) -> Convert:
    """A converter that takes these words."""

    def convert(value: Any) -> str:
        if value not in words:
            raise Wrong(f"is {_shown(value)}; write one of " + ", ".join(f'"{word}"' for word in words))
        return str(value)

    return convert


def prefix_len(value: Any) -> tuple[int, int] | None:
    """Bits of IPv4 and IPv6 addresses, as [24, 48]; None for all of them."""
    whole_numbers = isinstance(value, list) and all(type(bits) is int for bits in value)
    if not whole_numbers or len(value) != 2 or not (0 <= value[0] <= 32 and 0 <= value[1] <= 128):
        raise Wrong(f"is {_shown(value)}; write two numbers, up to 32 and up to 128, as [24, 48]")
    return None if value == [32, 128] else (value[0], value[1])


def is_glob(name: str) -> bool:
    return any(char in "*?[" for char in name)


def glob(value: Any) -> str:
    """The name of an interface, or a pattern of names."""
    name = text(value)
    if not is_glob(name):
        try:
            return check_name("interface", name)
        except BadName as why:
            raise Wrong(f'holds "{name}": {str(why).partition(": ")[2]}') from None
    if not _GLOB.match(name):
        raise Wrong(f'holds "{name}", which matches no interface; a pattern is as "ppp*", "eth?" or "en[op]*"')
    return name


def globs(value: Any) -> tuple[str, ...]:
    """Names and patterns, each once."""
    return tuple(dict.fromkeys(glob(item) for item in _items(value, '["eth0", "ppp*"]')))


def ext(value: Any) -> str:
    """EXT, which becomes a part of file names."""
    try:
        return check_name("EXT", text(value))
    except BadName as why:
        raise Wrong(f'is "{value}": {str(why).partition(": ")[2]}') from None


def rotate(value: Any) -> str:
    try:
        rotation(text(value))
    except UsageError:
        raise Wrong(f'is "{value}"; write "daily", "monthly" or a size as "10MB"') from None
    return str(value)


def time_zone(value: Any) -> str:
    try:
        zone(text(value))
    except UsageError:
        raise Wrong(f'is "{value}", a time zone that is not known here; write one as "Europe/Rome" or "UTC"') from None
    return str(value)


def path(value: Any) -> str:
    """An absolute path."""
    if not text(value).startswith("/") or "\0" in value:
        raise Wrong(f'is "{value}"; write a path that begins with /')
    return str(value)


def files(value: Any) -> tuple[str, ...]:
    """Absolute paths, one or a list."""
    return tuple(path(item) for item in ([value] if isinstance(value, str) else _items(value, '["/etc/hosts"]')))


def account(value: Any) -> str:
    """The name of a user."""
    if not text(value) or not value.isprintable() or set(value) & set(" :/"):
        raise Wrong(f'is "{value}"; write the name of an account')
    return str(value)


def label(name: str) -> None:
    """The name of a scope."""
    if not _LABEL.match(name):
        raise Wrong("is no name of a scope; write lower-case letters, digits, - and _, a letter first")


def prefixes(value: Any) -> tuple[str, ...]:
    """Networks, each once, in their canonical form."""
    found = []
    for item in _items(value, '["10.0.0.0/8", "2001:db8::/32"]'):
        try:
            found.append(str(ip_network(text(item))))
        except ValueError as why:
            raise Wrong(f'holds "{item}": {_reason(str(why))}') from None
    return tuple(dict.fromkeys(found))


def _reason(why: str) -> str:
    return 'it has bits behind its length; write as "10.0.0.0/8"' if "host bits" in why else 'write as "10.0.0.0/8"'


def _items(value: Any, sample: str) -> list[Any]:
    if not isinstance(value, list):
        raise Wrong(f"is {_kind(value)}; write a list as {sample}")
    return value


def _shown(value: Any) -> str:
    """A value that is short enough to be repeated, else what it is."""
    return f'"{value}"' if isinstance(value, str) else str(value) if type(value) is int else _kind(value)


def _kind(value: Any) -> str:
    """What a TOML value is, for people."""
    if isinstance(value, bool):
        return f"the word {str(value).lower()}"
    if isinstance(value, str):
        return f'the text "{value}"'
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a date"
