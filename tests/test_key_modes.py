"""What a key keeps of a packet (--ports, --vlan, --prefix-len): each rule of trafd(8) on frames made by hand."""

import struct
from ipaddress import ip_network

import frames as f
import pytest
from cases_ip import ethernet4, ethernet6
from frames import A4, A6, B4, B6
from meters import Metered, c_meter

from bpft import core


def vlans(metered: Metered) -> set[int]:
    """The VLAN ids of the keys; a key without one has 0 for it, an id is kept with 1 added."""
    return {row[6] for row in struct.iter_unpack(core.RECORD4, metered.records[4])}


@pytest.mark.parametrize(
    ("ports", "kept"),
    [
        ((51_000, 443), (0, 443)),
        ((443, 51_000), (443, 0)),
        ((32_768, 80), (0, 80)),
        ((32_767, 80), (0, 80)),
        ((8080, 2049), (0, 2049)),
        ((2049, 8080), (2049, 0)),
        ((40_000, 50_000), (0, 0)),
        ((50_000, 40_000), (0, 0)),
        ((123, 123), (123, 123)),
        ((60_000, 60_000), (60_000, 60_000)),
        ((0, 53), (0, 53)),
        ((50_000, 0), (0, 0)),
    ],
)
def test_the_port_of_the_service(ports: tuple[int, int], kept: tuple[int, int]) -> None:
    metered = c_meter(f.pcap([ethernet4(f.ipv4(f.udp(b"x", *ports), 17))]), ports="service")
    assert metered.rows == {(A4, kept[0], B4, kept[1], 17): (1, 29, 1)}


def test_no_ports_are_not_port_0() -> None:
    metered = c_meter(f.pcap([ethernet4(f.ipv4(f.udp(b"x"), 17))]), ports="none")
    assert metered.rows == {(A4, 0, B4, 0, 17): (1, 29, 1)}
    assert set().union(*metered.flags.values()) == {core.NO_PORTS}


@pytest.mark.parametrize("addresses_only", [False, True])
def test_the_outermost_tag(addresses_only: bool) -> None:
    packet = f.ipv4(f.udp(b"x"), 17)
    frames = [
        ethernet4(packet),
        f.ether(0x8100, f.vlan(0x0800, packet, vid=7)),
        f.ether(0x88A8, f.vlan(0x8100, f.vlan(0x0800, packet, vid=9), vid=8)),
        f.ether(0x8100, f.vlan(0x0800, packet, vid=0)),
    ]
    apart = c_meter(f.pcap(frames), vlan=True, addresses_only=addresses_only)
    assert vlans(apart) == {0, 7 + 1, 8 + 1, 0 + 1}
    together = c_meter(f.pcap(frames), addresses_only=addresses_only)
    assert vlans(together) == {0}
    assert apart.rows == together.rows


@pytest.mark.parametrize("bits", [(0, 0), (1, 1), (8, 32), (13, 45), (24, 64), (31, 127), (32, 128)])
def test_bits_of_addresses(bits: tuple[int, int]) -> None:
    metered = c_meter(f.pcap([ethernet4(f.ipv4(f.udp(b"x"), 17)), ethernet6(f.ipv6(f.udp(b"x"), 17))]), prefix_len=bits)
    expected = {
        tuple(str(ip_network(f"{address}/{length}", strict=False).network_address) for address in pair)
        for pair, length in (((A4, B4), bits[0]), ((A6, B6), bits[1]))
    }
    assert {(src, dst) for src, _, dst, *_ in metered.rows} == expected


def test_groupings_sum_over_vlans() -> None:
    packet = f.ipv4(f.udp(b"x"), 17)
    frames = [f.ether(0x8100, f.vlan(0x0800, packet, vid=vid)) for vid in (1, 2, 3)]
    metered = c_meter(f.pcap(frames), vlan=True)
    table = core.Table()
    table.add_records(4, metered.records[4], "key")
    assert len(table) == 1
    assert table.totals() == (3, 87, 3)


def test_the_cap_can_be_set_while_a_table_counts() -> None:
    table = core.Table(10)
    assert table.max_flows == 10
    table.max_flows = 0
    assert table.max_flows == 0
    with pytest.raises((TypeError, ValueError, OverflowError)):
        table.max_flows = -1
