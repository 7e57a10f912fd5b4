"""One frame into one key and its bytes, in plain Python: the decoder of the reference meter.

The rules are those of the corpus (ids L1..P3), the same that the C decoder follows; the two are
compared byte by byte in the tests, so that a mistake has to be made twice to stay unseen.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from bpft.errors import BpftError
from bpft.meter import headers as h

#: Where the IP header begins, and 4 or 6; or a call that goes on from the next layer, so that nesting costs no stack.
Found = tuple[int, int] | Callable[[], "Found"]

_VLAN = (0x8100, 0x88A8, 0x9100, 0x9200)
_IPV6_FAMILIES = (10, 23, 24, 26, 28, 30)  # Linux, Winsock, NetBSD, Solaris, FreeBSD, Darwin
_PORTS = (6, 17, 33, 132, 136)  # TCP, UDP, DCCP, SCTP, UDP-Lite (K1)
_TRANSPORT = {17: 8, 136: 8, 1: 8, 58: 8, 2: 8, 132: 12}  # bytes of a fixed transport header (P1)
_FRAGMENT = 44
_EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options (K3)
_OUTGOING = 4  # the packet type of a cooked header (C5)
_NETLINK = 824  # ARPHRD_NETLINK: the protocol field is no ethertype (L5)


class UnsupportedLink(BpftError):
    """link type {0}: the reference meter does not know it; use --engine pcap"""


class Skip(Exception):
    """The frame belongs to no key.  args: (reason,), one of core.SKIP_REASONS."""


class Flow(NamedTuple):
    """What one frame adds, and to which key; `payload` is without, `data` also without the transport header."""

    src: bytes
    dst: bytes
    sport: bytes
    dport: bytes
    proto: int
    all: int
    data: int
    payload: int  #: IP length minus IP header with walked extension headers (C6)


def _need(header: h.Header, frame: bytes, offset: int) -> Any:
    found = header.at(frame, offset)
    if found is None:
        raise Skip("short-link")
    return found


# ---- link layers: each is handed the frame and where its header begins ----


def _type_or_length(frame: bytes, offset: int, kind: int) -> Found:  # L4
    if kind <= 1500:
        return partial(_llc, frame, offset)
    return partial(_ethertype, frame, offset, kind)


def _ethertype(frame: bytes, offset: int, kind: int) -> Found:
    if kind == 0x0800:
        return offset, 4
    if kind == 0x86DD:
        return offset, 6
    if kind in _VLAN:  # L1
        tag = _need(h.VLAN_TAG, frame, offset)
        return partial(_type_or_length, frame, offset + h.VLAN_TAG.length, tag.type)
    if kind == 0x8864:  # L2
        return partial(_ppp, frame, offset + h.PPPOE.length)
    if kind in (0x8847, 0x8848):
        return partial(_mpls, frame, offset)
    raise Skip("non-ip")


def _mpls(frame: bytes, offset: int) -> Found:  # L3
    bottom = 0
    while not bottom:
        bottom = _need(h.MPLS_LABEL, frame, offset).label_class_bottom & 1
        offset += h.MPLS_LABEL.length
    return partial(_raw, frame, offset)


def _llc(frame: bytes, offset: int) -> Found:  # L4
    llc = _need(h.LLC, frame, offset)
    kind = (llc.dsap, llc.ssap, llc.control)
    offset += h.LLC.length
    if kind == (0x06, 0x06, 3):
        return offset, 4
    if kind == (0xFE, 0xFE, 3):
        return partial(_nlpid, frame, offset)
    if kind == (0xAA, 0xAA, 3):
        return _snap(frame, offset, (b"\0\0\0", b"\0\0\xf8"))
    raise Skip("non-ip")


def _snap(frame: bytes, offset: int, ouis: tuple[bytes, ...]) -> Found:
    oui = h.OUI.at(frame, offset)
    if oui is None or oui.oui not in ouis:
        raise Skip("non-ip")
    offset += h.OUI.length
    return partial(_ethertype, frame, offset + h.PROTOCOL.length, _need(h.PROTOCOL, frame, offset).type)


def _nlpid(frame: bytes, offset: int) -> Found:
    nlpid = _need(h.BYTE, frame, offset).value
    if nlpid == 0xCC:
        return offset + 1, 4
    if nlpid == 0x8E:
        return offset + 1, 6
    if nlpid == 0xCF:
        return partial(_ppp, frame, offset + 1)
    if nlpid == 0x80:
        return _snap(frame, offset + 1, (b"\0\0\0",))
    raise Skip("non-ip")


def _ppp(frame: bytes, offset: int) -> Found:  # L2
    lead = h.PPP_ADDRESS_CONTROL.at(frame, offset)
    if lead is not None and (lead.address, lead.control) == (0xFF, 0x03):
        offset += h.PPP_ADDRESS_CONTROL.length
    protocol = _need(h.BYTE, frame, offset).value
    if protocol & 1:  # compressed to one byte
        offset += 1
    else:
        protocol, offset = _need(h.PROTOCOL, frame, offset).type, offset + 2
    if protocol == 0x0021:
        return offset, 4
    if protocol == 0x0057:
        return offset, 6
    if protocol in (0x0281, 0x0283):
        return partial(_mpls, frame, offset)
    raise Skip("non-ip")


def _ethernet(frame: bytes, offset: int) -> Found:
    kind, offset = _need(h.ETHERNET, frame, offset).type, offset + h.ETHERNET.length
    return _type_or_length(frame, offset, kind)


def _ppp_or_hdlc(frame: bytes, offset: int) -> Found:  # L2
    if _need(h.BYTE, frame, offset).value not in (0x0F, 0x8F):
        return partial(_ppp, frame, offset)
    kind, offset = _need(h.CISCO_HDLC, frame, offset).type, offset + h.CISCO_HDLC.length
    return _type_or_length(frame, offset, kind)


def _raw(frame: bytes, offset: int) -> Found:  # L7
    version: int = _need(h.BYTE, frame, offset).value >> 4
    if version not in (4, 6):
        raise Skip("non-ip")
    return offset, version


def _family(frame: bytes, offset: int) -> Found:  # L6: in either byte order the number is a small one
    family = min(_need(h.FAMILY, frame, offset).big, _need(h.FAMILY_LITTLE, frame, offset).little)
    offset += h.FAMILY.length
    if family == 2:
        return offset, 4
    if family in _IPV6_FAMILIES:
        return offset, 6
    raise Skip("non-ip")


def _cooked(frame: bytes, offset: int, hardware: int, kind: int) -> Found:  # L5
    if hardware == _NETLINK:
        raise Skip("non-ip")
    return partial(_llc, frame, offset) if kind == 4 else partial(_ethertype, frame, offset, kind)


def _sll(frame: bytes, offset: int) -> Found:
    sll = _need(h.SLL, frame, offset)
    return _cooked(frame, offset + h.SLL.length, sll.hardware, sll.type)


def _sll2(frame: bytes, offset: int) -> Found:
    sll = _need(h.SLL2, frame, offset)
    return _cooked(frame, offset + h.SLL2_LENGTH, sll.hardware, sll.type)


LINKS: dict[int, Callable[[bytes, int], Found]] = {
    0: _family,
    1: _ethernet,
    9: _ppp_or_hdlc,
    12: _raw,
    14: _raw,
    50: _ppp_or_hdlc,
    101: _raw,
    108: _family,
    113: _sll,
    276: _sll2,
}


def outgoing(link_type: int, frame: bytes) -> bool | None:
    """Whether a cooked header says that this host sent the frame; None where none says (C5)."""
    if link_type == 113 and (sll := h.SLL.at(frame, 0)) is not None:
        return bool(sll.packet_type == _OUTGOING)
    if link_type == 276 and (packet_type := h.BYTE.at(frame, h.SLL2.length)) is not None:
        return bool(packet_type.value == _OUTGOING)
    return None


# ---- IP ----


def decode(link_type: int, wire: int, frame: bytes) -> Flow:
    """What the frame of `wire` bytes, captured as `frame`, adds.  Raises Skip, UnsupportedLink."""
    if link_type not in LINKS:
        raise UnsupportedLink(link_type)
    found = LINKS[link_type](frame, 0)
    while callable(found):
        found = found()
    offset, version = found
    if offset >= len(frame):
        raise Skip("short-ip")
    if frame[offset] >> 4 != version:  # I2
        raise Skip("bad-version")
    return (_ipv4 if version == 4 else _ipv6)(frame, offset, wire - offset)


def _ipv4(frame: bytes, offset: int, room: int) -> Flow:
    ip = h.IPV4.at(frame, offset)
    if ip is None:
        raise Skip("short-ip")  # I3
    header = (ip.version_ihl & 15) * 4
    if header < h.IPV4.length:
        raise Skip("bad-ihl")  # I4
    total = min(ip.total_length or room, room)  # B1 B2 B3
    if total < header:
        raise Skip("bad-length")
    return _transport(frame, offset, (ip.src, ip.dst, ip.protocol), total, header, bool(ip.flags_offset & 0x1FFF))


def _ipv6(frame: bytes, offset: int, room: int) -> Flow:
    ip = h.IPV6.at(frame, offset)
    if ip is None:
        raise Skip("short-ip")
    total, header, following = h.IPV6.length + ip.payload_length, h.IPV6.length, ip.next
    if ip.payload_length == 0 and following != 0 and room > 65535 + h.IPV6.length:
        total = room  # B6
    later = False
    while not later and (following in _EXTENSIONS or following == _FRAGMENT):  # K3
        at = offset + header
        extension = h.EXTENSION.at(frame, at)
        if extension is None:
            break
        length = 8 if following == _FRAGMENT else 8 + 8 * extension.length
        if following == 0 and ip.payload_length == 0:
            total = _jumbo(frame[at + 2 : at + length]) or total  # B5
        if header + length > total:
            break
        if following == _FRAGMENT:
            later = h.FRAGMENT.at(frame, at).offset_more >> 3 != 0
        following, header = extension.next, header + length
    total = min(total, room)
    return _transport(frame, offset, (ip.src, ip.dst, following), total, min(header, total), later)


def _jumbo(options: bytes) -> int:
    """The IP length that a Jumbo option among the options of a hop-by-hop header gives, else 0 (RFC 2675)."""
    at = 0
    while (option := h.OPTION.at(options, at)) is not None:
        if option.type == 0:  # Pad1 is the one option without a length
            at += 1
            continue
        jumbo = h.JUMBO.at(options, at)
        if (option.type, option.length) == (0xC2, 4) and jumbo is not None:
            return h.IPV6.length + jumbo.payload_length if jumbo.payload_length > 65535 else 0
        at += h.OPTION.length + option.length
    return 0


def _transport(
    frame: bytes, offset: int, ends: tuple[bytes, bytes, int], total: int, header: int, later_fragment: bool
) -> Flow:
    src, dst, proto = ends
    held = frame[offset + header : offset + total]  # captured, and within the packet's own length
    payload = data = total - header
    sport = dport = b"\0\0"
    if not later_fragment:  # K2 P2
        if proto in _PORTS and (ports := h.PORTS.at(held, 0)) is not None:  # K7
            sport, dport = ports.sport, ports.dport
        data = max(data - _transport_header(proto, held), 0)
    return Flow(src, dst, sport, dport, proto, total, data, payload)


def _transport_header(proto: int, held: bytes) -> int:  # P1 P3
    if proto == 6:
        tcp = h.TCP.at(held, 0)
        return max(20, (tcp.offset >> 4) * 4) if tcp else 20
    if proto == 33:
        dccp = h.DCCP.at(held, 0)
        return max(12, dccp.offset * 4) if dccp else 12
    return _TRANSPORT.get(proto, 0)
