"""Cases of the link layers: where the IP header is (rules L1..L10)."""

import struct

import frames as f
from cases import P4, P6, ROW4, ROW6, Case


def _ethernet() -> list[Case]:
    tagged = f.vlan(f.IP4, P4)
    return [
        Case("L1 one tag", 1, f.ether(f.VLAN, tagged), ROW4),
        Case("L1 QinQ", 1, f.ether(f.QINQ, f.vlan(f.VLAN, f.vlan(f.IP6, P6))), ROW6),
        Case("L1 9100 9200", 1, f.ether(0x9100, f.vlan(0x9200, tagged)), ROW4),
        Case("L1 five tags", 1, f.ether(f.VLAN, f.vlan(f.VLAN, b"") * 4 + tagged), ROW4),
        Case("L1 length after a tag", 1, f.ether(f.VLAN, f.vlan(46, f.snap(f.IP4, P4))), ROW4),
        Case("L1 tag cut", 1, f.ether(f.VLAN, b"\0\5\x08"), "short-link"),
        Case("L2 PPPoE", 1, f.ether(f.PPPOE, f.pppoe(f.ppp(0x21, P4, b""))), ROW4),
        Case("L2 PPPoE IPv6", 1, f.ether(f.PPPOE, f.pppoe(f.ppp(0x57, P6, b""))), ROW6),
        Case("L2 PPPoE one-byte protocol", 1, f.ether(f.PPPOE, f.pppoe(f.ppp(0x21, P4, b"", 1))), ROW4),
        Case("L2 PPPoE under a tag", 1, f.ether(f.VLAN, f.vlan(f.PPPOE, f.pppoe(f.ppp(0x21, P4, b"")))), ROW4),
        Case("L2 PPPoE discovery", 1, f.ether(0x8863, f.pppoe(P4)), "non-ip"),
        Case("L2 PPPoE cut", 1, f.ether(f.PPPOE, b"\x11\0\0\1"), "short-link"),
        Case("L2 PPPoE with LCP", 1, f.ether(f.PPPOE, f.pppoe(f.ppp(0xC021, P4, b""))), "non-ip"),
        Case("L2 PPPoE with MPLS", 1, f.ether(f.PPPOE, f.pppoe(f.ppp(0x281, f.mpls(P4, 5), b""))), ROW4),
        Case("L3 one label", 1, f.ether(f.MPLS, f.mpls(P4, 16)), ROW4),
        Case("L3 three labels", 1, f.ether(f.MPLS, f.mpls(P6, 16, 17, 2)), ROW6),
        Case("L3 multicast", 1, f.ether(f.MPLS_MULTICAST, f.mpls(P4, 16)), ROW4),
        Case("L3 pseudowire", 1, f.ether(f.MPLS, f.mpls(b"\0\0\0\0" + f.ether(f.IP4, P4), 16)), "non-ip"),
        Case("L3 no bottom of stack", 1, f.ether(f.MPLS, b"\0\1\0\x40"), "short-link"),
        Case("L3 nothing below", 1, f.ether(f.MPLS, f.mpls(b"", 16)), "short-link"),
        Case("L4 SNAP", 1, f.ether(46, f.snap(f.IP4, P4)), ROW4),
        Case("L4 SNAP of 802.1H", 1, f.ether(66, f.snap(f.IP6, P6, b"\0\0\xf8")), ROW6),
        Case("L4 SNAP of Cisco", 1, f.ether(46, f.snap(0x2000, P4, b"\0\0\x0c")), "non-ip"),
        Case("L4 SNAP with a tag", 1, f.ether(46, f.snap(f.VLAN, f.vlan(f.IP4, P4))), ROW4),
        Case("L4 SNAP cut", 1, f.ether(46, f.snap(f.IP4, b"")[:7]), "short-link"),
        Case("L4 DSAP 06", 1, f.ether(41, f.llc(6, P4)), ROW4),
        Case("L4 NLPID IPv4", 1, f.ether(42, f.llc(0xFE, b"\xcc" + P4)), ROW4),
        Case("L4 NLPID IPv6", 1, f.ether(62, f.llc(0xFE, b"\x8e" + P6)), ROW6),
        Case("L4 NLPID PPP", 1, f.ether(44, f.llc(0xFE, b"\xcf" + f.ppp(0x21, P4, b""))), ROW4),
        Case("L4 NLPID SNAP", 1, f.ether(47, f.llc(0xFE, b"\x80\0\0\0\x08\0" + P4)), ROW4),
        Case("L4 NLPID CLNP", 1, f.ether(42, f.llc(0xFE, b"\x81" + P4)), "non-ip"),
        Case("L4 spanning tree", 1, f.ether(38, f.llc(0x42, bytes(35))), "non-ip"),
        Case("L4 no control 3", 1, f.ether(41, f.llc(6, P4, 0x13)), "non-ip"),
        Case("L4 length 1500", 1, f.ether(1500, f.llc(6, P4)), ROW4),
        Case("L4 1501 is a type", 1, f.ether(1501, f.llc(6, P4)), "non-ip"),
        Case("L4 LLC cut", 1, f.ether(46, b"\xaa\xaa"), "short-link"),
        Case("L9 Ethernet cut", 1, f.ether(f.IP4, b"")[:13], "short-link"),
        Case("L9 ARP", 1, f.ether(f.ARP, bytes(28)), "non-ip"),
        *(
            Case(f"L10 ethertype {kind:04x}", 1, f.ether(kind, P4), "non-ip")
            for kind in (0x88E5, 0x893F, 0x8926, 0x8903, 0x88E7, 0x894F, 0xD28B)
        ),
    ]


def _serial() -> list[Case]:
    cases = []
    for link in (9, 50):
        cases += [
            Case(f"L2 PPP {link}", link, f.ppp(0x21, P4), ROW4),
            Case(f"L2 PPP {link} without ff 03", link, f.ppp(0x57, P6, b""), ROW6),
            Case(f"L2 PPP {link} one-byte protocol", link, f.ppp(0x57, P6, b"\xff\3", 1), ROW6),
            Case(f"L2 PPP {link} MPLS", link, f.ppp(0x283, f.mpls(P4, 3)), ROW4),
            Case(f"L2 PPP {link} VJ", link, f.ppp(0x2D, P4), "non-ip"),
            Case(f"L2 PPP {link} multilink", link, f.ppp(0x3D, P4), "non-ip"),
            Case(f"L2 PPP {link} cut", link, b"\xff\3", "short-link"),
            Case(f"L2 PPP {link} nothing", link, b"", "short-link"),
            Case(f"L2 Cisco HDLC on {link}", link, f.hdlc(f.IP4, P4), ROW4),
            Case(f"L2 Cisco HDLC multicast on {link}", link, f.hdlc(f.IP6, P6, 0x8F), ROW6),
            Case(f"L2 Cisco HDLC LLC on {link}", link, f.hdlc(46, f.snap(f.IP4, P4)), ROW4),
        ]
    return [
        *cases,
        Case("L2 PPPoE without Ethernet", 51, f.pppoe(f.ppp(0x21, P4, b"")), ROW4),
        Case("L2 PPP of pppd", 166, b"\1\0" + f.ppp(0x21, P4, b""), ROW4),
        Case("L2 PPP with direction", 204, b"\0" + f.ppp(0x21, P4), ROW4),
        Case("L9 C-HDLC", 104, f.hdlc(f.IP4, P4), ROW4),
        Case("L9 C-HDLC keep-alive", 104, f.hdlc(0x8035, P4), "non-ip"),
        Case("L9 C-HDLC cut", 104, b"\x0f\0\x08", "short-link"),
        Case("L9 C-HDLC with direction", 205, b"\1" + f.hdlc(f.IP6, P6), ROW6),
        Case("L9 SLIP", 8, bytes(16) + P4, ROW4),
        Case("L3 MPLS without a link", 219, f.mpls(P4, 16, 17), ROW4),
        Case("L9 Frame Relay NLPID", 107, b"\x18\x41\3\xcc" + P4, ROW4),
        Case("L9 Frame Relay pad", 107, b"\x18\x41\3\0\x80\0\0\0\x08\0" + P4, ROW4),
        Case("L9 Frame Relay four-byte address", 107, b"\x18\x40\0\1\3\x8e" + P6, ROW6),
        Case("L9 Frame Relay of Cisco", 107, b"\x18\x41\x08\0" + P4, ROW4),
        Case("L9 Frame Relay without end", 107, b"\x18\x40\x40", "short-link"),
    ]


def _families() -> list[Case]:
    cases = []
    for link in (0, 108):
        for order in "<>":
            cases.append(Case(f"L6 {link} {order} IPv4", link, struct.pack(order + "I", 2) + P4, ROW4))
            for number in (10, 23, 24, 26, 28, 30):
                cases.append(Case(f"L6 {link} {order} {number}", link, struct.pack(order + "I", number) + P6, ROW6))
        cases.append(Case(f"L6 {link} AppleTalk", link, struct.pack("<I", 16) + P4, "non-ip"))
        cases.append(Case(f"L6 {link} cut", link, b"\2\0\0", "short-link"))
    attributes = struct.pack("<HH", 5, 1) + b"x\0\0\0" + struct.pack("<HH", 4 + len(P4), 9) + P4
    return [
        *cases,
        Case("L6 PFLOG", 117, b"\x3d\2".ljust(64, b"\0") + P4, ROW4),
        Case("L6 PFLOG IPv6", 117, b"\x3d\x1e".ljust(64, b"\0") + P6, ROW6),
        Case("L6 ENC", 109, struct.pack("<III", 2, 1, 0) + P4, ROW4),
        Case("L6 ENC cut", 109, struct.pack("<II", 2, 1), "short-link"),
        Case("L6 NFLOG", 239, b"\2\0\0\0" + attributes, ROW4),
        Case("L6 NFLOG without a packet", 239, b"\2\0\0\0" + attributes[:8], "non-ip"),
        Case("L6 NFLOG attribute of no length", 239, b"\2\0\0\0" + bytes(8), "non-ip"),
        Case("L6 IPNET", 226, b"\1\2".ljust(24, b"\0") + P4, ROW4),
        Case("L6 IPNET IPv6", 226, b"\1\x1a".ljust(24, b"\0") + P6, ROW6),
        *(Case(f"L7 raw {link} IPv4", link, P4, ROW4) for link in (12, 14, 101, 228)),
        *(Case(f"L7 raw {link} IPv6", link, P6, ROW6) for link in (12, 14, 101, 229)),
        *(Case(f"L7 raw {link} else", link, b"\x50" + P4, "non-ip") for link in (12, 14, 101)),
        *(Case(f"L7 raw {link} nothing", link, b"", "short-link") for link in (12, 14, 101)),
        Case("L7 228 with IPv6", 228, P6, "bad-version"),
        Case("L7 229 with IPv4", 229, P4, "bad-version"),
        Case("L7 228 nothing", 228, b"", "short-ip"),
    ]


def _cooked() -> list[Case]:
    cases = []
    for link, build in ((113, f.sll), (276, f.sll2)):
        cases += [
            Case(f"L5 {link}", link, build(f.IP4, P4), ROW4),
            Case(f"L5 {link} IPv6 outgoing", link, build(f.IP6, P6, 4), ROW6),
            Case(f"L5 {link} tag", link, build(f.VLAN, f.vlan(f.IP4, P4)), ROW4),
            Case(f"L5 {link} LLC", link, build(4, f.snap(f.IP4, P4)), ROW4),
            Case(f"L5 {link} GRE", link, build(f.IP4, P4, hardware=778), ROW4),
            Case(f"L5 {link} netlink", link, build(f.IP4, P4, hardware=824), "non-ip"),
            Case(f"L5 {link} 802.3 raw", link, build(1, P4), "non-ip"),
            Case(f"L5 {link} cut", link, build(f.IP4, P4)[:9], "short-link"),
        ]
    return cases


def _radio() -> list[Case]:
    body = f.snap(f.IP4, P4)
    data = f.wifi(body)
    radiotap = struct.pack("<BBHI", 0, 0, 8, 0)
    flagged = struct.pack("<BBHIB", 0, 0, 9, 2, 0x20)  # flags: padded to 32 bits
    stamped = struct.pack("<BBHIQB", 0, 0, 17, 3, 1, 0x20)  # the same after a time stamp
    again = struct.pack("<BBHIIIQB", 0, 0, 25, 0x80000003, 0, 0, 1, 0x20)  # two presence words, alignment to 8
    padded = f.wifi(body, control=0x88, qos=b"\0\0", pad=b"\0\0")
    avs = struct.pack(">II", 0x80211001, 64).ljust(64, b"\0")
    return [
        Case("L8 data", 105, data, ROW4),
        Case("L8 IPv6", 105, f.wifi(f.snap(f.IP6, P6)), ROW6),
        Case("L8 four addresses", 105, f.wifi(body, flags=3), ROW4),
        Case("L8 QoS", 105, f.wifi(body, control=0x88, qos=b"\0\0"), ROW4),
        Case("L8 QoS with HT control", 105, f.wifi(body, control=0x88, flags=0x80, qos=b"\0\0", ht=bytes(4)), ROW4),
        Case("L8 order bit without QoS", 105, f.wifi(body, flags=0x80), ROW4),
        Case("L8 A-MSDU", 105, f.wifi(body, control=0x88, qos=b"\x80\0"), "a-msdu"),
        Case("L8 protected", 105, f.wifi(body, flags=0x40), "encrypted"),
        Case("L8 null data", 105, f.wifi(body, control=0x48), "non-ip"),
        Case("L8 beacon", 105, f.wifi(body, control=0x80), "non-ip"),
        Case("L8 cut", 105, data[:24], "short-link"),
        Case("L8 radiotap", 127, radiotap + data, ROW4),
        Case("L8 radiotap pad", 127, flagged + padded, ROW4),
        Case("L8 radiotap time stamp", 127, stamped[:8] + stamped[8:] + padded, ROW4),
        Case("L8 radiotap two presence words", 127, again[:12] + again[12:] + padded, ROW4),
        Case("L8 radiotap presence without end", 127, struct.pack("<BBHI", 0, 0, 8, 1 << 31), "short-link"),
        Case("L8 prism", 119, bytes(144) + data, ROW4),
        Case("L8 AVS in prism", 119, avs + data, ROW4),
        Case("L8 AVS", 163, avs + data, ROW4),
        Case("L8 PPI", 192, struct.pack("<BBHI", 0, 0, 8, 105) + data, ROW4),
        Case("L8 PPI with Ethernet", 192, struct.pack("<BBHI", 0, 0, 8, 1) + f.ether(f.IP6, P6), ROW6),
        Case("L8 PPI of an unknown link", 192, struct.pack("<BBHI", 0, 0, 8, 147) + data, "linktype"),
    ]


def _others() -> list[Case]:
    snap = f.snap(f.IP4, P4)
    ring = b"\x10\x40" + bytes(12)
    routed = b"\x10\x40" + bytes(6) + b"\x80" + bytes(5) + b"\4\0\0\0"
    pktap = struct.pack("<III", 108, 1, 1).ljust(108, b"\0")
    return [
        Case("L9 Token Ring", 6, ring + snap, ROW4),
        Case("L9 Token Ring source routed", 6, routed + snap, ROW4),
        Case("L9 Token Ring MAC frame", 6, b"\x10\0" + bytes(12) + snap, "non-ip"),
        Case("L9 FDDI", 10, b"\x50" + bytes(12) + snap, ROW4),
        Case("L9 FDDI station management", 10, b"\x41" + bytes(12) + snap, "non-ip"),
        *(Case(f"L9 RFC 1483 {link}", link, snap, ROW4) for link in (11, 100)),
        *(Case(f"L9 CLIP {link}", link, snap, ROW4) for link in (19, 106)),
        *(Case(f"L9 CLIP {link} raw", link, P6, ROW6) for link in (19, 106)),
        Case("L9 SunATM", 123, b"\2\0\0\0" + snap, ROW4),
        Case("L9 SunATM signalling", 123, b"\6\0\0\0" + snap, "non-ip"),
        Case("L9 ARCnet RFC 1201", 129, b"\1\2\0\0\xd4\0\0\0" + P4, ROW4),
        Case("L9 ARCnet IPv6", 129, b"\1\2\0\0\xc4\0\0\0" + P6, ROW6),
        Case("L9 ARCnet RFC 1051", 129, b"\1\2\0\0\xf0" + P4, ROW4),
        Case("L9 ARCnet ARP", 129, b"\1\2\0\0\xd5\0\0\0" + P4, "non-ip"),
        Case("L9 IP over FC", 122, bytes(16) + snap, ROW4),
        Case("L9 IEEE 1394", 138, bytes(16) + b"\x08\0" + P4, ROW4),
        Case("L9 IPoIB", 242, bytes(40) + b"\x86\xdd\0\0" + P6, ROW6),
        Case("L9 PKTAP", 258, pktap + f.ether(f.IP4, P4), ROW4),
        Case("L9 PKTAP naming itself", 258, struct.pack("<III", 0, 1, 258).ljust(200, b"\0"), "non-ip"),
        *(
            Case(f"L10 link type {link}", link, P4, "linktype")
            for link in (137, 147, 162, 178, 195, 230, 235, 253, 281, 282, 300, 65535)
        ),
    ]


CASES = [*_ethernet(), *_serial(), *_families(), *_cooked(), *_radio(), *_others()]
