"""Names of protocols and services, from the files that every system keeps for them."""

import functools
from pathlib import Path

from bpft.report.rows import Cell

PROTOCOLS = Path("/etc/protocols")
SERVICES = Path("/etc/services")

#: What is named even where /etc/protocols is absent (minimal systems): IANA protocol numbers.
_KNOWN = {
    1: "icmp",
    2: "igmp",
    4: "ipencap",
    6: "tcp",
    17: "udp",
    33: "dccp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    132: "sctp",
    136: "udplite",
}


def protocol_name(number: int) -> str:
    """The name of an IP protocol, or its number as text."""
    return _protocols(PROTOCOLS).get(number) or _KNOWN.get(number) or str(number)


def service_name(port: int, proto: int | None) -> str:
    """The name of a service of that protocol, or its port as text; port 0 is no service."""
    if proto is None or port == 0:
        return str(port)
    return _services(SERVICES).get((port, protocol_name(proto)), str(port))


def named(columns: tuple[str, ...], key: tuple[Cell, ...]) -> tuple[str, ...]:
    """The key cells of a row as text, protocols and services by name; absent ones are empty."""
    proto = key[columns.index("proto")] if "proto" in columns else None
    texts = []
    for column, cell in zip(columns, key, strict=True):
        if not isinstance(cell, int):
            texts.append(cell or "")
        elif column == "proto":
            texts.append(protocol_name(cell))
        elif column == "vlan":
            texts.append(str(cell))
        else:
            texts.append(service_name(cell, proto if isinstance(proto, int) else None))
    return tuple(texts)


@functools.cache
def _protocols(path: Path) -> dict[int, str]:
    """Number to name; 0 stays a number: as a key it is hop-by-hop, not "ip"."""
    found: dict[int, str] = {}
    for name, number in _lines(path):
        if number.isdecimal() and 0 < int(number) < 256:
            found.setdefault(int(number), name)
    return found


@functools.cache
def _services(path: Path) -> dict[tuple[int, str], str]:
    """(port, protocol name) to service name."""
    found: dict[tuple[int, str], str] = {}
    for name, place in _lines(path):
        port, slash, proto = place.partition("/")
        if slash and port.isdecimal():
            found.setdefault((int(port), proto), name)
    return found


def _lines(path: Path) -> list[tuple[str, str]]:
    """The first two words of each line that has them; none where the file is absent."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    words = (line.partition("#")[0].split() for line in text.splitlines())
    return [(fields[0], fields[1]) for fields in words if len(fields) > 1]
