"""Which interfaces see the same traffic, so that adding them up would count it twice: bridge and port, VLAN and parent.

By how the devices lie on each other where they are still there, else by what their blocks say of themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from bpft.errors import BpftError

if TYPE_CHECKING:
    from bpft.host.devices import Device
    from bpft.record import Header

_ANY = "any"


class SameTraffic(BpftError):
    """--sum: {0} and {1} see the same traffic ({2}), which would count twice; leave one of them away with -i"""


def refuse(interfaces: Iterable[str], headers: Iterable[Header], devices: Mapping[str, Device], host: str) -> None:
    """Raises SameTraffic for the first pair of interfaces that see the same frames.

    headers: of their blocks.  devices: those of this host, whose name is host.
    """
    told: dict[str, list[Header]] = {name: [] for name in interfaces}
    for header in headers:
        if header.interface in told:
            told[header.interface].append(header)
    for one, other in combinations(sorted(told), 2):
        if why := _why(one, other, told, devices, host):
            raise SameTraffic(one, other, why)


def _why(one: str, other: str, told: Mapping[str, list[Header]], devices: Mapping[str, Device], host: str) -> str:
    """Why two interfaces see the same frames; empty: nothing says that they do."""
    if _ANY in (one, other):
        return "any shows the frames of all"
    here = all(header.host in ("", host) for name in (one, other) for header in told[name])
    if here and one in devices and other in devices:
        if devices[one].peer == other:
            return "they are the two ends of one link"
        return _below(one, other, devices) or _below(other, one, devices)
    return _told(one, other, told[one], told[other])


def _below(top: str, name: str, devices: Mapping[str, Device]) -> str:
    """How frames of top reach name, if they do: as a port of it, or wrapped up on the way out."""
    ports: dict[str, list[str]] = {}
    for device in devices.values():
        if device.port:
            ports.setdefault(device.master, []).append(device.name)
    met, waiting = {top}, [top]
    while waiting:
        step = waiting.pop()
        if step == name:
            direct = name in ports.get(top, ())
            return f"{name} is a port of {top}" if direct else f"{top} lies on {name}"
        known = devices.get(step)
        below = [*((*known.lowers, known.peer) if known else ()), *ports.get(step, ())]
        waiting += [it for it in below if it not in met]
        met.update(below)
    return ""


def _told(one: str, other: str, first: list[Header], second: list[Header]) -> str:
    """What blocks tell of two interfaces of which one is gone, or of another host: only of the same host and time."""
    for a, (a_begin, a_end) in _identities(first).items():
        for b, (b_begin, b_end) in _identities(second).items():
            if a.host != b.host or a_end <= b_begin or b_end <= a_begin:
                continue
            if any(a.mac) and a.mac == b.mac:
                return f"they have the same address {a.mac.hex(':')}"
            if shared := a.prefixes & b.prefixes:
                return f"they have the same address {min(shared)}"
            for vlan, parent in ((one, other), (other, one)):
                if vlan.startswith(f"{parent}."):
                    return f"{vlan} is a VLAN of {parent}, by its name"
    return ""


class _Identity(NamedTuple):
    host: str
    mac: bytes
    prefixes: frozenset[str]


def _identities(headers: list[Header]) -> dict[_Identity, tuple[int, int]]:
    """What an interface was, and from when to when."""
    found: dict[_Identity, tuple[int, int]] = {}
    for header in headers:
        identity = _Identity(header.host, header.mac, frozenset(header.prefixes))
        begin, end = found.get(identity, (header.begin_ns, header.end_ns))
        found[identity] = min(begin, header.begin_ns), max(end, header.end_ns)
    return found
