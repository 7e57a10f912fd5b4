"""Cases of IP and transport: which bytes and which key (rules I1..I5, B1..B8, K1..K7, P1..P3)."""

import frames as f
from cases import P4, P6, ROW4, ROW6, Case
from frames import A4, A6, B4, B6, Captured


def ethernet4(packet: bytes, wire: int | None = None) -> bytes | Captured:
    """An Ethernet frame with an IPv4 packet; wire: of the whole frame."""
    return Captured(f.ether(f.IP4, packet), wire)


def ethernet6(packet: bytes, wire: int | None = None) -> bytes | Captured:
    return Captured(f.ether(f.IP6, packet), wire)


def row4(proto: int, all_: int, data: int, sport: int = 0, dport: int = 0) -> tuple:
    return A4, sport, B4, dport, proto, all_, data


def row6(proto: int, all_: int, data: int, sport: int = 0, dport: int = 0) -> tuple:
    return A6, sport, B6, dport, proto, all_, data


def _ip() -> list[Case]:
    vxlan = f.udp(bytes(8) + f.ether(f.IP4, P4), 4444, 4789)
    quoted = f.icmp(P4, 3)
    return [
        *(
            Case(f"I1 protocol {proto}", 1, ethernet4(f.ipv4(P6, proto)), row4(proto, 20 + len(P6), len(P6)))
            for proto in (4, 41, 47, 50, 97, 115)
        ),
        Case("I1 VXLAN", 1, ethernet4(f.ipv4(vxlan)), row4(17, 20 + len(vxlan), len(vxlan) - 8, 4444, 4789)),
        Case("I1 quoted in ICMP", 1, ethernet4(f.ipv4(quoted, 1)), row4(1, 66, 38)),
        Case("I2 ethertype IPv4, version 6", 1, ethernet4(P6), "bad-version"),
        Case("I2 ethertype IPv6, version 4", 1, ethernet6(P4), "bad-version"),
        Case("I2 version 0", 1, ethernet4(f.ipv4(version=0)), "bad-version"),
        Case("I3 no IP byte", 1, ethernet4(b""), "short-ip"),
        Case("I3 19 bytes", 1, ethernet4(P4[:19]), "short-ip"),
        Case("I3 19 bytes captured", 1, ethernet4(P4[:19], 52), "short-ip"),
        Case("I3 39 bytes", 1, ethernet6(P6[:39]), "short-ip"),
        Case("I3 IPv6 header alone", 1, ethernet6(f.ipv6(following=59)), row6(59, 40, 0)),
        Case("I4 IHL 4", 1, ethernet4(f.ipv4(ihl=4)), "bad-ihl"),
        Case("I4 total length 19", 1, ethernet4(f.ipv4(total=19)), "bad-length"),
        Case("I4 total length below IHL", 1, ethernet4(f.ipv4(b"xxxx", options=bytes(8), total=27)), "bad-length"),
        Case("I5 checksum and TTL", 1, ethernet4(P4[:8] + b"\0" + P4[9:10] + b"\xff\xff" + P4[12:]), ROW4),
    ]


def _bytes() -> list[Case]:
    big = b"\0" * 70000
    jumbo = f.ipv6(f.jumbo(f.UDP, f.udp(b"x" * 64), 70000), f.HOP_BY_HOP, length=0)
    return [
        Case("B1 B7 padding is not counted", 1, ethernet4(f.ipv4(f.udp()) + bytes(18)), row4(17, 28, 0, 1000, 53)),
        Case("B4 B7 trailer is not counted", 1, ethernet6(P6 + bytes(30)), ROW6),
        Case("B2 length 0: room", 1, ethernet4(f.ipv4(f.tcp(b"x" * 100), f.TCP, total=0)), row4(6, 140, 100, 1000, 80)),
        Case(
            "B2 length 0: room on the wire",
            1,
            ethernet4(f.ipv4(f.tcp(), 6, total=0), 60014),
            row4(6, 60000, 59960, 1000, 80),
        ),
        Case("B2 length 0: any protocol", 1, ethernet4(f.ipv4(b"x" * 9, 99, total=0)), row4(99, 29, 9)),
        Case("B2 length 0, room below IHL", 1, ethernet4(f.ipv4(total=0, ihl=6)), "bad-length"),
        Case("B3 length above the room", 1, ethernet4(f.ipv4(f.udp(b"xx"), total=999)), row4(17, 30, 2, 1000, 53)),
        Case("B3 room below IHL", 1, ethernet4(f.ipv4(total=24, ihl=6)), "bad-length"),
        Case("B3 IPv6", 1, ethernet6(f.ipv6(f.udp(b"xx"), length=999)), row6(17, 50, 2, 1000, 53)),
        Case("B4 payload length", 1, ethernet6(P6), ROW6),
        Case("B5 jumbogram", 1, ethernet6(jumbo, 80000), row6(17, 70040, 69984, 1000, 53)),
        Case("B5 jumbogram clamped", 1, ethernet6(jumbo, 1014), row6(17, 1000, 944, 1000, 53)),
        Case(
            "B5 after Pad1 and PadN",
            1,
            ethernet6(f.ipv6(f.jumbo(6, f.tcp(), 65536, b"\0\1\2\0\0\0"), 0, length=0), 70000),
            row6(6, 65576, 65500, 1000, 80),
        ),
        Case(
            "B5 length that needs 33 bits",
            1,
            ethernet6(f.ipv6(f.jumbo(17, f.udp(), 0xFFFFFFFF), 0, length=0), 1014),
            row6(17, 1000, 944, 1000, 53),
        ),
        Case(
            "B5 jumbo of 65535 is none",
            1,
            ethernet6(f.ipv6(f.jumbo(17, b"", 65535), 0, length=0), 70000),
            row6(0, 40, 0),
        ),
        Case("B6 BIG TCP", 1, ethernet6(f.ipv6(f.tcp(big), f.TCP, length=0)), row6(6, 70060, 70000, 1000, 80)),
        Case("B6 room of 65575", 1, ethernet6(f.ipv6(f.tcp(), f.TCP, length=0), 14 + 65575), row6(6, 40, 0)),
        Case(
            "B6 room of 65576",
            1,
            ethernet6(f.ipv6(f.tcp(), f.TCP, length=0), 14 + 65576),
            row6(6, 65576, 65516, 1000, 80),
        ),
        Case(
            "B8 cut by the snaplen", 1, ethernet4(f.ipv4(f.tcp(), 6, total=1500), 1514), row4(6, 1500, 1460, 1000, 80)
        ),
        Case("B8 cut after the IP header", 1, ethernet4(f.ipv4(proto=6, total=1500), 1514), row4(6, 1500, 1460)),
        Case("B8 IPv6", 1, ethernet6(f.ipv6(f.udp(), length=1460), 1514), row6(17, 1500, 1452, 1000, 53)),
    ]


def _keys() -> list[Case]:
    chain = f.extension(f.ROUTING, f.extension(f.DESTINATION, f.extension(f.UDP, f.udp(b"x"))))
    long = f.extension(f.TCP, f.tcp(b"x"), bytes(6 + 8 * 4))
    return [
        *(
            Case(
                f"K1 ports of {proto}",
                1,
                ethernet4(f.ipv4(b"\1\2\3\4".ljust(32, b"\0"), proto)),
                row4(proto, 52, d, 258, 772),
            )
            for proto, d in ((f.TCP, 12), (f.UDP, 24), (f.DCCP, 20), (f.SCTP, 20), (f.UDPLITE, 24))
        ),
        Case("K1 ICMP has none", 1, ethernet4(f.ipv4(f.icmp(b"x" * 4), 1)), row4(1, 32, 4)),
        Case("K1 ICMPv6 has none", 1, ethernet6(f.ipv6(f.icmp(b"x" * 4, 128), 58)), row6(58, 52, 4)),
        Case("K2 first fragment", 1, ethernet4(f.ipv4(f.udp(b"x" * 8), more=True)), row4(17, 36, 8, 1000, 53)),
        Case("K2 P2 later fragment", 1, ethernet4(f.ipv4(f.udp(b"x" * 8), offset=185)), row4(17, 36, 16)),
        Case("K2 P2 later fragment of TCP", 1, ethernet4(f.ipv4(f.tcp(), 6, offset=1, more=True)), row4(6, 40, 20)),
        Case("K2 IPv6 first", 1, ethernet6(f.ipv6(f.fragment(17, f.udp(b"x" * 8)), 44)), row6(17, 64, 8, 1000, 53)),
        Case("K2 P2 IPv6 later", 1, ethernet6(f.ipv6(f.fragment(17, f.udp(b"x" * 8), 1), 44)), row6(17, 64, 16)),
        Case(
            "K2 IPv6 later, next header an extension",
            1,
            ethernet6(f.ipv6(f.fragment(f.DESTINATION, f.extension(17, f.udp()), 3), 44)),
            row6(f.DESTINATION, 64, 16),
        ),
        Case("K3 chain", 1, ethernet6(f.ipv6(chain, f.HOP_BY_HOP)), row6(17, 73, 1, 1000, 53)),
        Case("K3 long header", 1, ethernet6(f.ipv6(long, f.DESTINATION)), row6(6, 40 + 40 + 21, 1, 1000, 80)),
        Case("K3 extension cut by the snaplen", 1, ethernet6(f.ipv6(chain, 0)[:58], 200), row6(f.DESTINATION, 73, 17)),
        Case("K3 extension not captured", 1, ethernet6(f.ipv6(chain, 0)[:47], 200), row6(f.HOP_BY_HOP, 73, 33)),
        Case(
            "K3 longer than the packet", 1, ethernet6(f.ipv6(f.extension(17, f.udp(), units=9), 60)), row6(60, 56, 16)
        ),
        Case("K3 fragment header cut", 1, ethernet6(f.ipv6(f.fragment(17, b"")[:7], 44)), row6(44, 47, 7)),
        *(
            Case(f"K4 {proto}", 1, ethernet4(f.ipv4(bytes(24), proto)), row4(proto, 44, 24))
            for proto in (50, 51, 135, 139, 140)
        ),
        *(
            Case(f"K4 {proto} IPv6", 1, ethernet6(f.ipv6(f.extension(0, bytes(24)), proto)), row6(proto, 72, 32))
            for proto in (50, 51, 135, 139, 140)
        ),
        Case(
            "K5 source route",
            1,
            ethernet4(f.ipv4(f.udp(), options=b"\x83\x07\4" + bytes((203, 0, 113, 9)) + b"\0")),
            row4(17, 36, 0, 1000, 53),
        ),
        Case(
            "K5 routing header",
            1,
            ethernet6(f.ipv6(f.extension(17, f.udp(), bytes(22)), 43)),
            row6(17, 72, 0, 1000, 53),
        ),
        Case("K7 three transport bytes captured", 1, ethernet4(P4[:23], 52), row4(17, 38, 10)),
        Case("K7 three transport bytes in the packet", 1, ethernet4(P4[:2] + b"\0\x17" + P4[4:]), row4(17, 23, 0)),
        Case("K7 four", 1, ethernet4(P4[:24], 52), ROW4),
        Case(
            "K7 malformed options",
            1,
            ethernet4(f.ipv4(f.udp(), options=b"\x83\xff\xff\xff")),
            row4(17, 32, 0, 1000, 53),
        ),
    ]


def _payloads() -> list[Case]:
    x = b"x" * 100
    return [
        Case("P1 TCP options", 1, ethernet4(f.ipv4(f.tcp(x, offset=8), 6)), row4(6, 152, 100, 1000, 80)),
        Case("P1 DCCP offset", 1, ethernet4(f.ipv4(f.dccp(x, offset=5), 33)), row4(33, 140, 100, 1000, 5001)),
        Case("P1 SCTP", 1, ethernet4(f.ipv4(f.sctp(x), 132)), row4(132, 132, 100, 1000, 9)),
        Case("P1 IGMP", 1, ethernet4(f.ipv4(bytes(8) + x, 2)), row4(2, 128, 100)),
        Case("P1 other protocols: all of it", 1, ethernet4(f.ipv4(x, 89)), row4(89, 120, 100)),
        Case("P1 not below 0", 1, ethernet4(f.ipv4(b"\0\1\0\2", 17)), row4(17, 24, 0, 1, 2)),
        Case(
            "P1 offset beyond the packet", 1, ethernet4(f.ipv4(f.tcp(b"", offset=15)[:20], 6)), row4(6, 40, 0, 1000, 80)
        ),
        Case(
            "P3 TCP offset not captured",
            1,
            ethernet4(f.ipv4(f.tcp(x, offset=8), 6)[:32], 166),
            row4(6, 152, 112, 1000, 80),
        ),
        Case(
            "P3 TCP offset captured", 1, ethernet4(f.ipv4(f.tcp(x, offset=8), 6)[:33], 166), row4(6, 152, 100, 1000, 80)
        ),
        Case("P3 TCP offset 4", 1, ethernet4(f.ipv4(f.tcp(x, offset=4), 6)), row4(6, 140, 100, 1000, 80)),
        Case("P3 DCCP offset 2", 1, ethernet4(f.ipv4(f.dccp(x, offset=2), 33)), row4(33, 132, 100, 1000, 5001)),
        Case(
            "P3 offset outside the length",
            1,
            ethernet4(f.ipv4(f.tcp(x, offset=8), 6, total=32)),
            row4(6, 32, 0, 1000, 80),
        ),
    ]


CASES = [*_ip(), *_bytes(), *_keys(), *_payloads()]
