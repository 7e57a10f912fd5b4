"""Linux: interfaces by rtnetlink(7).

Netlink, not /sys: it answers for the network namespace the process is in, whatever is mounted.
"""

import struct
from ipaddress import ip_address
from pathlib import Path

from bpft.host import netlink
from bpft.host.interface import InterfaceInfo, LinkCounters

SYS = Path("/sys")

# linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h
_RTM_NEWLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_GETADDR = 16, 18, 20, 22
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_IFALIAS, _IFLA_STATS64, _IFLA_PARENT_BUS = 1, 3, 4, 20, 23, 57
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8


def interfaces(name: str = "") -> list[InterfaceInfo]:
    """The interfaces of this network namespace, or the one called name.  OSError where netlink is closed to us."""
    links = [
        link
        for link in netlink.dump(_RTM_GETLINK, _RTM_NEWLINK, bytes(16))
        if not name or netlink.text(link[1], _IFLA_IFNAME) == name
    ]
    prefixes: dict[int, list[str]] = {}
    for head, attributes in netlink.dump(_RTM_GETADDR, _RTM_NEWADDR, bytes(8)) if links else ():
        _family, length, _flags, _scope, index = struct.unpack_from("=BBBBi", head)
        # On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is ours.
        address = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS, b"")
        if len(address) in (4, 16):
            prefixes.setdefault(index, []).append(f"{ip_address(address)}/{length}")
    return [_interface(head, attributes, prefixes) for head, attributes in links]


def _interface(head: bytes, attributes: dict[int, bytes], prefixes: dict[int, list[str]]) -> InterfaceInfo:
    _family, _pad, _type, index, flags, _change = struct.unpack_from("=BBHiII", head)
    name = netlink.text(attributes, _IFLA_IFNAME)
    counters = None
    if len(attributes.get(_IFLA_STATS64, b"")) >= 32:
        rx_packets, tx_packets, rx_bytes, tx_bytes = struct.unpack_from("=4Q", attributes[_IFLA_STATS64])
        counters = LinkCounters(rx_bytes, tx_bytes, rx_packets, tx_packets)
    mac = attributes.get(_IFLA_ADDRESS, b"")
    return InterfaceInfo(
        name=name,
        index=index,
        alias=netlink.text(attributes, _IFLA_IFALIAS),
        mac=mac if any(mac) else b"",
        mtu=struct.unpack("=I", attributes[_IFLA_MTU])[0] if _IFLA_MTU in attributes else None,
        up=bool(flags & _IFF_UP),
        loopback=bool(flags & _IFF_LOOPBACK),
        hardware=_hardware(name, netlink.text(attributes, _IFLA_PARENT_BUS)),
        speed_mbit=_speed(name),
        prefixes=prefixes.get(index, []),
        counters=counters,
    )


def _hardware(name: str, bus: str) -> bool:
    """Whether the interface counts frames as they are on a wire.

    A device behind it says so, but for guests' devices on the virtio and xen buses, whose host hands over merged
    frames and whose counters add them up as such.  Kernels before 5.14 do not name the bus; their /sys does.
    """
    bus = bus or (SYS / "class/net" / name / "device/subsystem").resolve().name
    return bus not in ("", "subsystem", "virtio", "xen")


def _speed(name: str) -> int | None:
    """Mbit/s; virtual interfaces refuse the question or answer -1."""
    try:
        speed = int((SYS / "class/net" / name / "speed").read_text("ascii"))
    except (OSError, ValueError):
        return None
    return speed if 0 < speed < 0xFFFFFFFF else None
