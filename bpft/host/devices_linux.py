"""Linux: kinds, masters and lower devices by rtnetlink(7); PPPoE's and routed tunnels' from /proc and the routes."""

import re
import struct
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from bpft.host import netlink
from bpft.host.devices import Device
from bpft.host.netlink import Attributes, number, text

PROC = Path("/proc")

# linux/rtnetlink.h, linux/if_link.h, linux/if_tunnel.h, linux/if.h
_GETLINK, _NEWLINK = 18, 16
_IFNAME, _LINK, _MASTER, _LINKINFO, _LINK_NETNSID = 3, 5, 10, 18, 37
_INFO_KIND, _INFO_DATA = 1, 2
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40
#: Where the data of each kind of tunnel hold the device it is bound to and the far end (0: no such attribute).
_BINDING = {
    **dict.fromkeys(("ipip", "sit", "ip6tnl"), (1, 3)),  # IFLA_IPTUN_LINK, IFLA_IPTUN_REMOTE
    **dict.fromkeys(("gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan"), (1, 7)),  # IFLA_GRE_LINK, _REMOTE
    **dict.fromkeys(("vti", "vti6"), (1, 5)),  # IFLA_VTI_LINK, _REMOTE
    "vxlan": (3, 2),  # IFLA_VXLAN_LINK, _GROUP
    "geneve": (0, 2),  # IFLA_GENEVE_REMOTE
    "xfrm": (1, 0),  # IFLA_XFRM_LINK
}
_SIX = {"vxlan": 16, "geneve": 7}  # where those two hold an IPv6 far end
_PPP = re.compile(r"ppp\d")


def devices() -> list[Device]:
    """The interfaces of this network namespace, in the kernel's order.  Raises OSError."""
    links = [(struct.unpack_from("=BBHiII", head), found) for head, found in _links()]
    names = {fields[3]: text(found, _IFNAME) for fields, found in links}
    kinds = {fields[3]: _kind(found) for fields, found in links}
    sessions = _pppoe()
    listed = []
    for (_family, _pad, _type, index, flags, _change), found in links:
        master = number(found, _MASTER)
        device = Device(
            name=names[index],
            up=bool(flags & _IFF_UP),
            running=bool(flags & _IFF_RUNNING),
            loopback=bool(flags & _IFF_LOOPBACK),
            kind=kinds[index],
            master=names.get(master, ""),
            master_kind=kinds.get(master, ""),
            peer=_peer(kinds[index], found, names),
        )
        listed.append(replace(device, lowers=_lowers(device, found, names, sessions)))
    return listed


def _links() -> list[tuple[bytes, Attributes]]:
    return list(netlink.dump(_GETLINK, _NEWLINK, bytes(16)))


def _kind(found: Attributes) -> str:
    return text(netlink.attributes(found.get(_LINKINFO, b"")), _INFO_KIND)


def _peer(kind: str, found: Attributes, names: dict[int, str]) -> str:
    """The other end of a veth pair; where that is in another namespace, its number is of that one."""
    return names.get(number(found, _LINK), "") if kind == "veth" and _LINK_NETNSID not in found else ""


def _lowers(device: Device, found: Attributes, names: dict[int, str], sessions: tuple[str, ...]) -> tuple[str, ...]:
    """What lies below: as the kernel links it, else where the route to the far end goes, else PPPoE's sessions."""
    if device.kind == "veth":
        return ()  # What it is linked to is its other end.
    if device.kind == "ppp" or (not device.kind and _PPP.match(device.name)):
        return sessions
    below = number(found, _LINK)
    data = netlink.attributes(netlink.attributes(found.get(_LINKINFO, b"")).get(_INFO_DATA, b""))
    bound, far_end = _BINDING.get(device.kind, (0, 0))
    below = below or number(data, bound)
    if _LINK_NETNSID in found or below == 0:
        below = _route_to(data.get(far_end) or data.get(_SIX.get(device.kind, 0)) or b"")
    name = names.get(below, "")
    return (name,) if name and name != device.name else ()


def _pppoe() -> tuple[str, ...]:
    """The devices that carry PPPoE sessions; which ppp device belongs to which session the kernel does not tell."""
    try:
        rows = (PROC / "net/pppoe").read_text("ascii").splitlines()[1:]
    except (OSError, ValueError):
        return ()
    return tuple(dict.fromkeys(row.split()[2] for row in rows if len(row.split()) >= 3))


def _route_to(far_end: bytes) -> int:
    """The index of the device that packets to the address leave through; 0: none, or no single address."""
    from bpft.host.routes_linux import device_to

    if len(far_end) not in (4, 16) or not any(far_end) or ip_address(far_end).is_multicast:
        return 0
    return device_to(far_end)
