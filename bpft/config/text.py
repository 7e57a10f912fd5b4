"""A configuration as the text that says it: whole, with what it leaves open."""

import json
from collections.abc import Iterator
from typing import Any

from bpft.config.model import Config, Interface


def text(config: Config) -> str:
    """TOML that reads as config."""
    return "\n".join(_lines(config)) + "\n"


def _lines(config: Config) -> Iterator[str]:
    interfaces, times, log, retention = config.interfaces, config.times, config.log, config.retention
    directories = config.directories
    choice = {"names": interfaces.names, "exclude": interfaces.exclude}
    yield from _section("interfaces", choice | _interface(interfaces.others, ""))
    for name, how in interfaces.settings:
        yield from _section(f"interfaces.{_string(name)}", _interface(how, interfaces.others.filter))
    yield from _section("times", {"dump": interval(times.dump), "save": interval(times.save)})
    budget = size(log.budget) if log.budget else "off"
    yield from _section("log", {"budget": budget, "rotate": log.rotate or None, "zone": log.zone or None})
    yield from _section("retention", {"full": age(retention.full), "daily": age(retention.daily)})
    yield from _section("directories", {"logs": directories.logs or None, "dumps": directories.dumps or None})
    yield from _section("user", {"name": config.user.name or None})
    yield from _section("names", {"hosts": config.names.hosts, "leases": config.names.leases})
    yield from _section("scopes", dict(config.scopes), empty=True)


def _interface(how: Interface, common_filter: str) -> dict[str, Any]:
    return {
        "filter": how.filter if how.filter != common_filter else None,
        "ext": how.ext or None,
        "addresses-only": how.addresses_only,
        "ports": how.ports,
        "vlan": how.vlan,
        "prefix-len": how.prefix_len or (32, 128),
        "promiscuous": how.promiscuous,
        "min-size": how.min_size,
        "max-flows": how.max_flows,
        "max-memory": None if how.max_memory is None else size(how.max_memory),
        "buffer": None if how.buffer is None else size(how.buffer),
        "engine": how.engine,
    }


def _section(name: str, values: dict[str, Any], empty: bool = False) -> Iterator[str]:
    """A table with the values that say something; lists that hold nothing are said where they may be empty."""
    said = {key: value for key, value in values.items() if value is not None and (value != () or empty)}
    if not said:
        return
    yield f"[{name}]"
    yield from (f"{key} = {_value(value)}" for key, value in said.items())
    yield ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _string(value) if isinstance(value, str) else str(value)


def _string(value: str) -> str:
    """A basic string of TOML: JSON's, but for a character that JSON leaves alone."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def interval(seconds: int) -> str:
    """As "5min"."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    return next((f"{seconds // unit}{name}" for name, unit in units if seconds and seconds % unit == 0), "off")


def age(hours: int | None) -> str:
    """As "31d"."""
    if hours is None:
        return "off"
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"


def size(count: int) -> str | int:
    """As "200MB" where it is so many, else bytes."""
    return count if count % 10**6 or not count else f"{count // 10**6}MB"
