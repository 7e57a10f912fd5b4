"""Linux: routes by rtnetlink(7), of the main table."""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from bpft.host import netlink
from bpft.host.netlink import Attributes, number, text
from bpft.host.routes import Routes

# linux/rtnetlink.h
_GETLINK, _NEWLINK, _GETROUTE, _NEWROUTE = 18, 16, 26, 24
_IFNAME = 3
_DST, _OIF, _GATEWAY, _PRIORITY, _MULTIPATH, _TABLE, _VIA = 1, 4, 5, 6, 9, 15, 18
_UNICAST, _MAIN, _CLONED = 1, 254, 0x200
#: Who enters routes by the million, and no connected ones: zebra, bird, xorp, babel, bgp, isis, ospf, rip, eigrp.
_ROUTING_DAEMONS = frozenset({11, 12, 14, 42, 186, 187, 188, 189, 192})
_REQUEST = 1
_NEXTHOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, hops, index


@dataclass(frozen=True, slots=True)
class _Route:
    prefix: str
    device: int
    gateway: bool
    metric: int


def routes() -> Routes:
    """Default and connected routes.  Raises OSError."""
    names = {
        struct.unpack_from("=i", head, 4)[0]: text(found, _IFNAME)
        for head, found in netlink.dump(_GETLINK, _NEWLINK, bytes(16))
    }
    default: list[str] = []
    connected: list[tuple[str, str]] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        found = sorted(_unicast(family), key=lambda route: route.metric)
        default += [names[it.device] for it in found if it.prefix.endswith("/0") and it.device in names]
        connected += [
            (names[it.device], it.prefix)
            for it in found
            if not it.gateway and it.device in names and not it.prefix.endswith("/0") and _wide(it.prefix)
        ]
    return Routes(tuple(dict.fromkeys(default)), tuple(dict.fromkeys(connected)))


def _wide(prefix: str) -> bool:
    network = ip_network(prefix)
    return not (network.is_link_local or network.is_multicast or network.is_loopback)


def _unicast(family: int) -> Iterator[_Route]:
    """The routes of the main table that may be default or connected ones, one for each device of a multipath one."""
    request = struct.pack("=B11x", family)
    for head, found in netlink.dump(_GETROUTE, _NEWROUTE, request, wanted=_may_be_near):
        if (number(found, _TABLE) or head[4]) != _MAIN:
            continue
        size = 4 if family == socket.AF_INET else 16
        prefix = f"{ip_address(found.get(_DST, bytes(size)))}/{head[1]}"
        for device, gateway in _hops(found):
            yield _Route(prefix, device, gateway, number(found, _PRIORITY))


def _may_be_near(head: bytes) -> bool:
    """Whether a route can be a default or a connected one, by its struct rtmsg."""
    _family, length, _src, _tos, _table, protocol, _scope, kind, flags = struct.unpack_from("=8BI", head)
    return kind == _UNICAST and not flags & _CLONED and (length == 0 or protocol not in _ROUTING_DAEMONS)


def _hops(found: Attributes) -> Iterator[tuple[int, bool]]:
    """(device, whether by a gateway) of each next hop."""
    if _OIF in found:
        yield number(found, _OIF), _GATEWAY in found or _VIA in found
    hops = found.get(_MULTIPATH, b"")
    while len(hops) >= _NEXTHOP.size:
        length, _flags, _count, device = _NEXTHOP.unpack_from(hops)
        if length < _NEXTHOP.size:
            return
        inner = netlink.attributes(hops[_NEXTHOP.size : length])
        yield device, _GATEWAY in inner or _VIA in inner
        hops = hops[(length + 3) & ~3 :]


def device_to(address: bytes) -> int:
    """The index of the device that packets to address leave through now; 0: no route."""
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    body = struct.pack("=BB10x", family, 8 * len(address)) + struct.pack("=HH", 4 + len(address), _DST) + address
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, netlink.ROUTE) as kernel:
        kernel.settimeout(5)
        kernel.send(struct.pack("=IHHII", 16 + len(body), _GETROUTE, _REQUEST, 1, 0) + body)
        data = kernel.recv(1 << 16)
    if len(data) < 28 or struct.unpack_from("=H", data, 4)[0] != _NEWROUTE:
        return 0
    return number(netlink.attributes(data[28:]), _OIF)
