"""Frames and capture files made by hand: a builder a header, innermost first, and writers of pcap and pcapng."""

import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

IP4, IP6, VLAN, QINQ, PPPOE, MPLS, MPLS_MULTICAST, ARP = 0x0800, 0x86DD, 0x8100, 0x88A8, 0x8864, 0x8847, 0x8848, 0x0806
ICMP, IGMP, TCP, UDP, DCCP, SCTP, UDPLITE, ICMP6 = 1, 2, 6, 17, 33, 132, 136, 58
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
A4, B4, A6, B6 = "192.0.2.1", "198.51.100.2", "2001:db8::1", "2001:db8::2"

# ---- transport ----


def tcp(payload: bytes = b"", sport: int = 1000, dport: int = 80, offset: int = 5) -> bytes:
    """offset in 32-bit words; options are filled with no-ops."""
    header = struct.pack(">HHIIBBHHH", sport, dport, 1, 2, offset << 4, 0x18, 8192, 0, 0)
    return header + b"\1" * max(0, 4 * offset - 20) + payload


def udp(payload: bytes = b"", sport: int = 1000, dport: int = 53) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def sctp(payload: bytes = b"", sport: int = 1000, dport: int = 9) -> bytes:
    return struct.pack(">HHII", sport, dport, 0, 0) + payload


def dccp(payload: bytes = b"", sport: int = 1000, dport: int = 5001, offset: int = 4) -> bytes:
    return struct.pack(">HHB", sport, dport, offset).ljust(max(12, 4 * offset), b"\0") + payload


def icmp(payload: bytes = b"", kind: int = 8) -> bytes:
    return struct.pack(">BBHHH", kind, 0, 0, 1, 1) + payload


# ---- IP ----


def ipv4(
    payload: bytes = b"",
    proto: int = UDP,
    *,
    src: str = A4,
    dst: str = B4,
    total: int | None = None,
    options: bytes = b"",
    ihl: int | None = None,
    offset: int = 0,
    more: bool = False,
    version: int = 4,
) -> bytes:
    """total, ihl: what the header claims, where it is not the truth; offset of a fragment in 8-byte units."""
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    total = 20 + len(options) + len(payload) if total is None else total
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    first = version << 4 | ihl
    return struct.pack(">BBHHHBBH", first, 0, total, 7, more << 13 | offset, 64, proto, 0) + ends + options + payload


def ipv6(
    payload: bytes = b"",
    following: int = UDP,
    *,
    src: str = A6,
    dst: str = B6,
    length: int | None = None,
    version: int = 6,
) -> bytes:
    length = len(payload) if length is None else length
    ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
    return struct.pack(">IHBB", version << 28, length, following, 64) + ends + payload


def extension(following: int, payload: bytes, body: bytes = b"\1\4\0\0\0\0", units: int | None = None) -> bytes:
    """A hop-by-hop, routing or destination header; body: 6 bytes, or 8 more each."""
    return struct.pack(">BB", following, (len(body) - 6) // 8 if units is None else units) + body + payload


def fragment(following: int, payload: bytes, offset: int = 0, more: bool = True) -> bytes:
    return struct.pack(">BBHI", following, 0, offset << 3 | more, 99) + payload


def jumbo(following: int, payload: bytes, length: int, padding: bytes = b"") -> bytes:
    """A hop-by-hop header with a Jumbo Payload option after `padding` (RFC 2675)."""
    body = padding + struct.pack(">BBI", 0xC2, 4, length)
    return extension(following, payload, body + b"\0" * ((6 - len(body)) % 8))


# ---- links ----


def ether(kind: int, payload: bytes, dst: bytes = b"\2\0\0\0\0\2", src: bytes = b"\2\0\0\0\0\1") -> bytes:
    return dst + src + struct.pack(">H", kind) + payload


def vlan(kind: int, payload: bytes, vid: int = 5) -> bytes:
    """What follows the tag's own ethertype."""
    return struct.pack(">HH", vid, kind) + payload


def pppoe(payload: bytes) -> bytes:
    return struct.pack(">BBHH", 0x11, 0, 1, len(payload)) + payload


def ppp(protocol: int, payload: bytes, lead: bytes = b"\xff\3", size: int = 2) -> bytes:
    return lead + protocol.to_bytes(size, "big") + payload


def mpls(payload: bytes, *labels: int) -> bytes:
    last = len(labels) - 1
    stack = (struct.pack(">I", label << 12 | (i == last) << 8 | 64) for i, label in enumerate(labels))
    return b"".join(stack) + payload


def llc(dsap: int, payload: bytes, control: int = 3) -> bytes:
    return bytes((dsap, dsap, control)) + payload


def snap(kind: int, payload: bytes, oui: bytes = b"\0\0\0") -> bytes:
    return llc(0xAA, oui + struct.pack(">H", kind) + payload)


def hdlc(kind: int, payload: bytes, address: int = 0x0F) -> bytes:
    return struct.pack(">BBH", address, 0, kind) + payload


def sll(kind: int, payload: bytes, packet_type: int = 0, hardware: int = 1) -> bytes:
    return struct.pack(">HHH8sH", packet_type, hardware, 6, b"\2\0\0\0\0\1", kind) + payload


def sll2(kind: int, payload: bytes, packet_type: int = 0, hardware: int = 1) -> bytes:
    return struct.pack(">HHIHBB8s", kind, 0, 2, hardware, packet_type, 6, b"\2\0\0\0\0\1") + payload


def wifi(
    payload: bytes, *, control: int = 0x08, flags: int = 0, qos: bytes = b"", ht: bytes = b"", pad: bytes = b""
) -> bytes:
    """An 802.11 data frame; four addresses where flags say both "to" and "from" the distribution system."""
    addresses = bytes(22 + (6 if flags & 3 == 3 else 0))
    return bytes((control, flags)) + addresses + qos + ht + pad + payload


# ---- capture files ----


class Captured(NamedTuple):
    """A frame as a capture file holds it; wire: bytes on the link, None: all are in data."""

    data: bytes
    wire: int | None = None
    ns: int = 1_700_000_000_000_000_000


def _captured(frames: Iterable[bytes | Captured]) -> list[Captured]:
    return [frame if isinstance(frame, Captured) else Captured(frame) for frame in frames]


def pcap(
    frames: Iterable[bytes | Captured],
    link_type: int = 1,
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    version: tuple[int, int] = (2, 4),
    snaplen: int = 262144,
    exchanged: bool = False,
) -> bytes:
    """magic a1b23c4d: nanoseconds, a1b2cd34: Kuznetzov's records; exchanged: the wire length before the captured."""
    out = [struct.pack(order + "IHHiIII", magic, *version, 0, 0, snaplen, link_type)]
    for data, wire, ns in _captured(frames):
        lengths = [len(data), len(data) if wire is None else wire]
        fraction = ns % 10**9 // (1 if magic == 0xA1B23C4D else 1000)
        out.append(struct.pack(order + "IIII", ns // 10**9, fraction, *(lengths[::-1] if exchanged else lengths)))
        out.append(bytes(8) if magic == 0xA1B2CD34 else b"")
        out.append(data)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<", version: tuple[int, int] = (1, 0)) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link_type: int = 1, snaplen: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, struct.pack(order + "HHI", link_type, 0, snaplen) + options, order)


def enhanced(frame: bytes | Captured, number: int = 0, order: str = "<", ticks: int | None = None) -> bytes:
    """ticks: the stamp, where it is not in microseconds."""
    [(data, wire, ns)] = _captured([frame])
    stamp = ns // 1000 if ticks is None else ticks
    head = struct.pack(
        order + "5I", number, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data) if wire is None else wire
    )
    return block(6, head + data, order)


def old_packet(frame: bytes | Captured, number: int = 0, order: str = "<") -> bytes:
    [(data, wire, ns)] = _captured([frame])
    stamp = ns // 1000
    head = struct.pack(
        order + "HHIIII", number, 0, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data) if wire is None else wire
    )
    return block(2, head + data, order)


def simple(frame: bytes | Captured, order: str = "<") -> bytes:
    [(data, wire, _)] = _captured([frame])
    return block(3, struct.pack(order + "I", len(data) if wire is None else wire) + data, order)


def pcapng(frames: Iterable[bytes | Captured], link_type: int = 1, order: str = "<") -> bytes:
    """One section, one interface, enhanced packets."""
    return section(order) + interface(link_type, order=order) + b"".join(enhanced(f, order=order) for f in frames)
