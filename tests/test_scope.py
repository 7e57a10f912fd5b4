"""Scopes of addresses and records, against the same rule in plain Python."""

from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft import core
from bpft.record import Header
from bpft.report.scope import Scopes

DENSE = {4: Struct("=4s4sHHBBHQQQ"), 6: Struct("=16s16sHHBBHQQQ")}
PRIVATE = ("0.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "::/128", "fc00::/7")
#: Addresses that lie around the edges of every rule.
EDGES = [
    "0.0.0.0", "9.255.255.255", "10.0.0.0", "10.1.2.3", "10.1.2.255", "10.255.255.255", "11.0.0.0", "100.64.0.1",
    "127.0.0.1", "169.254.1.1", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0", "192.168.1.1",
    "192.168.1.2", "192.168.1.255", "192.168.2.255", "198.51.100.7", "198.51.100.8", "203.0.113.9", "223.255.255.255",
    "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::2", "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "fbff::1", "fc00::1", "fdff::1", "fe80::1",
    "fe80::2", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PREFIXES = ["192.168.1.1/24", "198.51.100.7/29", "10.1.2.3/32", "203.0.113.9/31", "2001:db8::1/64", "fe80::1/64"]
NAMED = [
    ("office", ["192.168.0.0/16", "2001:db8:1::/48"]),
    ("servers", ["192.168.1.0/25", "198.51.100.8/32", "10.0.0.0/8"]),
    ("lan", ["100.64.0.0/10"]),
    ("internet", ["10.1.0.0/16", "fd00::/8"]),
    ("iptv", ["239.0.0.0/8"]),
    ("this-host", ["11.0.0.0/32"]),
]
SPELT = {"lan": "LAN", "internet": "Internet", "this-host": "this host"}


def expected(address, prefixes, named, tunnel, bits):
    """The rule of bpft-report(1), for one address."""
    kept = bits[0] if address.version == 4 else bits[1]
    if not kept:
        return "unknown"

    def inside(network):
        network = ip_network(network)
        return network.version == address.version and address in network and network.prefixlen <= kept

    own = [ip_interface(prefix) for prefix in prefixes]
    chosen = [(ip_network(net), SPELT.get(name, name)) for name, nets in named for net in nets if inside(net)]
    chosen.sort(key=lambda one: one[0].prefixlen)
    if (any(inside(one.ip) and address == one.ip for one in own)) and (
        not chosen or chosen[-1][0].prefixlen < address.max_prefixlen
    ):
        return "this host"
    if inside("127.0.0.0/8") or inside("::1/128"):
        return "this host"
    if chosen:
        return chosen[-1][1]
    broadcasts = [one.network.broadcast_address for one in own if one.version == 4 and one.network.prefixlen < 31]
    if address.is_multicast or (kept == 32 and address in [IPv4Address("255.255.255.255"), *broadcasts]):
        return "multicast"
    if any(inside(one.network) for one in own) or any(inside(net) for net in (*PRIVATE, "fe80::/10")):
        return "VPN" if tunnel else "LAN"
    return "Internet"


def cut(address, bits):
    return ip_network((address, bits[0] if address.version == 4 else bits[1]), strict=False).network_address


addresses = st.sampled_from([ip_address(text) for text in EDGES]) | st.ip_addresses()
headers = st.builds(
    Header,
    prefixes=st.lists(st.sampled_from(PREFIXES), unique=True).map(tuple),
    link_types=st.sampled_from([(1,), (101,), (12,), (1, 101)]),
    hardware=st.sampled_from([None, False, True]),
    loopback=st.booleans(),
    prefix_len=st.sampled_from([None, (24, 64), (16, 48), (32, 0), (0, 128)]),
)
names = st.lists(st.sampled_from(NAMED), unique_by=lambda one: one[0])
flags = st.sampled_from([0, core.DIR_RX, core.DIR_TX, core.NO_PORTS, core.DIR_RX | core.NO_PORTS])


@given(headers, names, st.lists(st.tuples(addresses, addresses, flags), max_size=40))
def test_each_record_is_in_the_scope_of_its_farther_end(header, named, ends) -> None:
    bits = header.prefix_len or (32, 128)
    tunnel = not header.hardware and not header.loopback and bool({101, 12} & set(header.link_types))
    scopes = Scopes(named)
    place = scopes.at(header)
    rank = {name: number for number, name in enumerate(scopes.names)}
    for version in (4, 6):
        records, wanted = [], Counter()
        for size, (src, dst, flag) in enumerate(ends, 1):
            if src.version != version or dst.version != version:
                continue
            src, dst = cut(src, bits), cut(dst, bits)
            records.append(DENSE[version].pack(src.packed, dst.packed, 0, 0, 6, flag, 0, 1, size, 0))
            near, far = (expected(one, header.prefixes, named, tunnel, bits) for one in (dst, src))
            assert place.of(src) == far and place.of(dst) == near
            if rank.get(near) == rank.get(far):
                way = {core.DIR_RX: "in", core.DIR_TX: "out"}.get(flag & core.DIR_MASK, "")
                wanted[near, way] += size
            else:
                wanted[(far, "in") if rank[far] > rank[near] else (near, "out")] += size
        got = Counter()
        for share in place.split(version, b"".join(records)):
            assert share.records
            got[share.scope, share.way] += sum(row[8] for row in DENSE[version].iter_unpack(share.records))
        assert got == wanted


def test_the_remainder_has_no_scope() -> None:
    place = Scopes().at(Header())
    other = DENSE[4].pack(bytes(4), bytes(4), 0, 0, 0, core.OTHER | core.NO_PORTS | core.NO_PROTO, 0, 5, 500, 0)
    plain = DENSE[4].pack(IPv4Address("10.0.0.1").packed, IPv4Address("10.0.0.2").packed, 0, 0, 6, 0, 0, 1, 40, 0)
    assert [(share.scope, share.way, share.records) for share in place.split(4, plain + other)] == [
        ("other", "", other),
        ("LAN", "", plain),
    ]
    assert [*place.split(6, b"")] == []


@pytest.mark.parametrize(
    ("prefixes", "link_types", "scope"),
    [
        ((), (1,), {"192.168.7.7": "LAN", "10.1.1.1": "LAN", "8.8.8.8": "Internet", "fe80::5": "LAN",
          "fd00::1": "LAN"}),
        (("203.0.113.5/24",), (1,), {"203.0.113.5": "this host", "203.0.113.6": "LAN", "203.0.113.255": "multicast"}),
        (("10.8.0.1/24",), (101,), {"10.8.0.1": "this host", "10.8.0.2": "VPN",
          "192.168.1.1": "VPN", "9.9.9.9": "Internet"}),
    ],
)  # fmt: skip
def test_the_interface_tells_what_is_near(prefixes: list[str], link_types: list[int], scope: dict[str, str]) -> None:
    place = Scopes().at(Header(prefixes=prefixes, link_types=link_types))
    assert {text: place.of(ip_address(text)) for text in scope} == scope


def test_a_named_network_of_one_address_takes_it_from_this_host() -> None:
    header = Header(prefixes=("192.0.2.5/24", "2001:db8::5/64"))
    place = Scopes([("web", ["192.0.2.5/32"]), ("office", ["2001:db8::/64"])]).at(header)
    assert place.of(IPv4Address("192.0.2.5")) == "web"
    assert place.of(IPv6Address("2001:db8::5")) == "this host"
    assert place.of(IPv6Address("2001:db8::6")) == "office"


def test_scopes_are_told_the_nearest_first_and_once() -> None:
    names = Scopes([("vpn", ["10.8.0.0/16"]), ("office", ["10.9.0.0/16"])]).names
    assert names == ("this host", "LAN", "office", "VPN", "Internet", "multicast")
