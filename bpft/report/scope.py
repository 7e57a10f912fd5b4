"""Scopes: how far the other side of a record is, from what its block says of the interface (bpft-report(1), SCOPES)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_interface, ip_network
from itertools import compress
from struct import Struct
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from bpft import core

if TYPE_CHECKING:
    from bpft.core import RecordFilter, Version
    from bpft.record import Address, Header

Network: TypeAlias = IPv4Network | IPv6Network
#: (name, networks): the first of several that holds an address decides
_Groups: TypeAlias = list[tuple[str, list[Network]]]
_Seen: TypeAlias = tuple[
    tuple[str, ...], bool, tuple[int, int]
]  # prefixes, is a tunnel, bits of addresses that are kept
Way = Literal["in", "out", ""]

THIS_HOST, LAN, VPN, INTERNET, MULTICAST = "this host", "LAN", "VPN", "Internet", "multicast"
UNKNOWN = "unknown"  #: where the addresses were not kept
OTHER = "other"  #: the remainder, which has no addresses (SEMANTICS C7)

_BUILT_IN = {name.lower().replace(" ", "-"): name for name in (THIS_HOST, LAN, VPN, INTERNET, MULTICAST)}
_TUNNELS = {
    12,
    14,
    101,
    228,
    229,
}  # DLT_RAW as systems number it, and LINKTYPE_RAW, IPV4, IPV6: no frames around packets
_BITS: dict[Version, int] = {4: 32, 6: 128}
_ITEM: dict[Version, Struct] = {4: Struct("40s"), 6: Struct("64s")}
_FLAGS_FROM_END = 27  # of a dense record

_LOOPBACK = tuple(map(ip_network, ("127.0.0.0/8", "::1/128")))
_TO_MANY = tuple(map(ip_network, ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8")))
#: RFC 1918, ULA, link-local, and what stands for an address that a host does not have yet (R5).
_PRIVATE = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)


class Share(NamedTuple):
    """Records of one scope that went the same way."""

    scope: str
    way: Way  #: seen from the local side; "": neither end is nearer, and nothing tells which one received
    records: bytes  #: dense


class Scopes:
    """The scopes of one report."""

    def __init__(self, named: Iterable[tuple[str, Iterable[str]]] = ()) -> None:
        """named: [scopes] of the configuration (bpft.config.model.Config.scopes)."""
        own = [(_BUILT_IN.get(name, name), networks) for name, networks in named]
        self._named = tuple((name, network) for name, networks in own for network in map(ip_network, networks))
        middle = [name for name, _ in own if name not in _BUILT_IN.values()]
        #: Every scope there may be, the nearest first.
        self.names = (THIS_HOST, LAN, *middle, VPN, INTERNET, MULTICAST)
        self._places: dict[_Seen, Place] = {}  # filters are compiled once for blocks that saw the same networks

    def at(self, header: Header) -> Place:
        """The scopes as seen from the interface of a block, in the time of that block."""
        tunnel = bool(_TUNNELS.intersection(header.link_types)) and not header.hardware and not header.loopback
        seen = (header.prefixes, tunnel, header.prefix_len or (32, 128))
        if seen not in self._places:
            prefixes, tunnel, bits = seen
            self._places[seen] = Place(self.names, _groups(self._named, prefixes, tunnel), bits)
        return self._places[seen]


class Place:
    """Where records were counted: which networks are near."""

    def __init__(self, names: tuple[str, ...], groups: _Groups, bits: tuple[int, int]) -> None:
        """groups: the first one that holds an address decides; bits: of IPv4 and IPv6 addresses that were kept.

        A network longer than what was kept of addresses cannot be told any more.
        """
        self._rank = {name: place for place, name in enumerate(names)}
        self._kept: dict[Version, int] = {4: bits[0], 6: bits[1]}
        self._steps: dict[Version, list[_Step]] = {
            version: [
                _Step(name, nets)
                for name, networks in groups
                if (nets := [net for net in networks if net.version == version and net.prefixlen <= kept])
            ]
            for version, kept in self._kept.items()
        }
        self._near = {
            version: _Step("", [n for s in steps for n in s.networks]) for version, steps in self._steps.items()
        }

    def of(self, address: Address) -> str:
        """The scope of one address."""
        version: Version = 4 if address.version == 4 else 6
        if not self._kept[version]:
            return UNKNOWN
        holds = (step.name for step in self._steps[version] if any(address in net for net in step.networks))
        return next(holds, INTERNET)

    def split(self, version: Version, records: bytes) -> Iterator[Share]:
        """Dense records by scope and way; each is in exactly one share, and empty shares do not come.

        A record belongs to the scope of its farther end.  It went in where that is its source, and out where that is
        its destination; where both ends are as far, in if it was received, and out if it was sent.
        """
        records, others = _apart(version, records, core.OTHER)
        if others:
            yield Share(OTHER, "", others)
        if not self._kept[version]:
            yield from _by_direction(version, UNKNOWN, records)
            return
        for source, sent in self._classes(version, records, "src"):
            for target, part in self._classes(version, sent, "dst"):
                if self._rank[source] == self._rank[target]:
                    yield from _by_direction(version, source, part)
                elif self._rank[source] > self._rank[target]:
                    yield Share(source, "in", part)
                else:
                    yield Share(target, "out", part)

    def _classes(self, version: Version, records: bytes, end: str) -> Iterator[tuple[str, bytes]]:
        """Records by the scope of one end.  The many far ones go first, so that few are looked at more than once."""
        records, far = self._near[version].part(version, records, end)
        if far:
            yield INTERNET, far
        for step in self._steps[version]:
            inside, records = step.part(version, records, end)
            if inside:
                yield step.name, inside


class _Step:
    """Networks of one scope, as filters over records."""

    def __init__(self, name: str, networks: list[Network]) -> None:
        self.name = name
        self.networks: list[Network] = list(collapse_addresses(networks))  # type: ignore[type-var]  # all of one version
        self._filters: dict[str, RecordFilter] = {}

    def part(self, version: Version, records: bytes, end: str) -> tuple[bytes, bytes]:
        """(records whose end lies in the networks, all others)."""
        if not records or not self.networks:
            return b"", records
        nets = " or ".join(f"{end} net {network}" for network in self.networks)
        inside = self._filter(nets).select(version, records)
        if not inside or len(inside) == len(records):
            return inside, b"" if inside else records
        return inside, self._filter(f"not ({nets})").select(version, records)

    def _filter(self, expression: str) -> RecordFilter:
        if expression not in self._filters:
            self._filters[expression] = core.RecordFilter(expression)
        return self._filters[expression]


def _groups(named: tuple[tuple[str, Network], ...], prefixes: tuple[str, ...], tunnel: bool) -> _Groups:
    """This host first, then named networks, the longest prefix before all, then what every host knows."""
    taken = {network for _, network in named}
    interfaces = [ip_interface(prefix) for prefix in prefixes]
    own = [ip_network(interface.ip) for interface in interfaces]
    groups: _Groups = [(THIS_HOST, [net for net in (*own, *_LOOPBACK) if net not in taken])]
    for name, network in sorted(named, key=lambda one: -one[1].prefixlen):
        _place(groups, name, network)
    connected = [interface.network for interface in interfaces if interface.network.prefixlen]
    broadcast = [ip_network(net.broadcast_address) for net in connected if net.version == 4 and net.prefixlen < 31]
    groups.append((MULTICAST, [*_TO_MANY, *broadcast]))
    groups.append((VPN if tunnel else LAN, [*connected, *_PRIVATE]))
    return groups


def _place(groups: _Groups, name: str, network: Network) -> None:
    """As far in front as no other name holds a part of the network, so that the groups, each a filter, stay few."""
    for scope, networks in reversed(groups):
        if scope == name:
            networks.append(network)
            return
        if any(other.version == network.version and other.overlaps(network) for other in networks):
            break
    groups.append((name, [network]))


def _by_direction(version: Version, scope: str, records: bytes) -> Iterator[Share]:
    """Records whose ends are equally far, by what the interface did with them (SEMANTICS C5)."""
    records, received = _apart(version, records, core.DIR_RX)
    records, sent = _apart(version, records, core.DIR_TX)
    for way, part in (("in", received), ("out", sent), ("", records)):
        if part:
            yield Share(scope, way, part)  # type: ignore[arg-type]


def _apart(version: Version, records: bytes, flag: int) -> tuple[bytes, bytes]:
    """(records without that flag, records with it)."""
    size = _ITEM[version].size
    flags = bytes(records[size - _FLAGS_FROM_END :: size])
    having = flags.translate(bytes(value & flag for value in range(256)))
    if not any(having):
        return records, b""
    if all(having):
        return b"", records
    lacking = having.translate(bytes([1]) + bytes(255))
    items = [item for (item,) in _ITEM[version].iter_unpack(records)]
    return b"".join(compress(items, lacking)), b"".join(compress(items, having))
