"""Interfaces that see the same frames are not added up: by their devices, else by what their blocks say."""

import pytest

from bpft.host.devices import Device
from bpft.record import Header
from bpft.report.overlap import SameTraffic, refuse

HOUR = 3600 * 10**9
MAC = b"\2\0\0\0\0\1"

DEVICES = {
    device.name: device
    for device in (
        Device("lo", loopback=True),
        Device("eth0", master="br0", master_kind="bridge"),
        Device("eth1", master="br0", master_kind="bridge"),
        Device("br0", kind="bridge"),
        Device("br0.7", kind="vlan", lowers=("br0",)),
        Device("wan0"),
        Device("ppp0", kind="ppp", lowers=("wan0",)),
        Device("wg0", kind="wireguard", lowers=("ppp0",)),
        Device("vrf0", kind="vrf"),
        Device("red0", master="vrf0", master_kind="vrf"),
        Device("veth0", kind="veth", master="br1", master_kind="bridge", peer="veth1"),
        Device("veth1", kind="veth", peer="veth0"),
        Device("br1", kind="bridge"),
    )
}


def head(interface: str, hour: int = 0, **fields: object) -> Header:
    made = Header(interface=interface, host="here", begin_ns=hour * HOUR, end_ns=(hour + 1) * HOUR)
    return made._replace(**fields)  # type: ignore[arg-type]


def asked(*headers: Header, devices: dict[str, Device] = DEVICES) -> None:
    refuse(dict.fromkeys(header.interface for header in headers), headers, devices, "here")


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("br0", "eth0", "eth0 is a port of br0"),
        ("eth1", "br0", "eth1 is a port of br0"),
        ("br0.7", "br0", "br0.7 lies on br0"),
        ("br0.7", "eth0", "br0.7 lies on eth0"),
        ("ppp0", "wan0", "ppp0 lies on wan0"),
        ("wg0", "wan0", "wg0 lies on wan0"),
        ("veth0", "veth1", "they are the two ends of one link"),
        ("veth1", "br1", "br1 lies on veth1"),
        ("any", "wan0", "any shows the frames of all"),
    ],
)
def test_what_lies_on_another_is_refused(one: str, other: str, why: str) -> None:
    with pytest.raises(SameTraffic, match=why) as error:
        asked(head("lo"), head(one), head(other))
    assert "-i" in str(error.value)


def test_what_shows_frames_of_its_own_is_added_up() -> None:
    asked(head("lo"), head("eth0"), head("eth1"), head("wan0"), head("red0"), head("vrf0"))
    asked(head("br0"), head("wg0"), head("lo"))
    asked(head("eth0"))
    asked(head("eth0", mac=MAC), head("eth1", mac=MAC))  # of a bond, say: the devices know better


def test_where_a_device_is_gone_the_blocks_tell() -> None:
    with pytest.raises(SameTraffic, match="same address 02:00:00:00:00:01"):
        asked(head("eth0", mac=MAC), head("eth9.5", mac=MAC))
    with pytest.raises(SameTraffic, match=r"same address 10\.0\.0\.1/24"):
        asked(head("old0", prefixes=("10.0.0.1/24", "fe80::1/64")), head("wan0", prefixes=("10.0.0.1/24",)))
    with pytest.raises(SameTraffic, match=r"old0\.5 is a VLAN of old0"):
        asked(head("old0.5"), head("old0"))
    asked(head("old0", mac=bytes(6)), head("lo", mac=bytes(6)))
    asked(head("old0", mac=MAC), head("new0", hour=1, mac=MAC))  # renamed


def test_devices_of_this_host_say_nothing_of_another() -> None:
    asked(head("br0", host="there"), head("eth0", host="there"))
    with pytest.raises(SameTraffic, match="02:00"):
        asked(head("br0", host="there", mac=MAC), head("eth0", host="there", mac=MAC))
    asked(head("br0", host="there", mac=MAC), head("eth0", host="elsewhere", mac=MAC))
