"""How the interfaces of this host lie on each other: ports, their bridges and bonds, and what tunnels leave through.

One frame is seen on several of them: on a bridge and on its port, on a VLAN and on its parent.  Who counts more than
one interface, or asks why two of them agree, needs to know.
"""

import sys
from dataclasses import dataclass

#: Kinds whose frames pass one port each, so that the port shows a part of what the device itself shows.
_SWITCHES = frozenset({"bridge", "bond", "team", "openvswitch", "lagg"})
#: Kinds whose every frame is seen, wrapped up, on the device below as well.
_WRAPPED = frozenset(
    (
        "vlan",
        "macsec",
        "dsa",
        "ppp",
        "pppoe",
        "ipip",
        "sit",
        "gre",
        "gretap",
        "erspan",
        "ip6erspan",
        "ip6gre",
        "ip6gretap",
        "ip6tnl",
        "vti",
        "vti6",
        "xfrm",
        "vxlan",
        "geneve",
        "gif",
        "wireguard",
        "tun",
    )
)


@dataclass(frozen=True, slots=True)
class Device:
    """One interface among the others.  Names of devices outside this network namespace are not known: empty."""

    name: str
    up: bool = False  #: administratively (IFF_UP); whether a cable is in is `running`
    running: bool = False
    loopback: bool = False
    kind: str = ""  #: Linux's name of its kind (bridge, bond, veth, vlan, ppp, wireguard, tun ...); "": a plain device
    master: str = ""  #: the device it was made a port of
    master_kind: str = ""  #: bridge, bond, team, vrf, ...
    lowers: tuple[str, ...] = ()  #: the devices its own frames leave through; of a bridge: none, those are its ports
    peer: str = ""  #: the other end of a veth pair

    @property
    def port(self) -> bool:
        """A member of a bridge or a bond, which shows its frames as well.  A VRF's member is none."""
        return bool(self.master) and self.master_kind in _SWITCHES

    @property
    def wraps(self) -> bool:
        """A VLAN, PPPoE or a tunnel: the devices below show its frames too, with a header more."""
        return self.kind in _WRAPPED


def devices() -> dict[str, Device]:
    """Every interface of this network namespace by name, in the kernel's order.

    Raises OSError where the system does not answer.
    """
    if sys.platform.startswith("linux"):
        from bpft.host.devices_linux import devices as listed
    else:
        from bpft.host.devices_bsd import devices as listed
    return {device.name: device for device in listed()}
