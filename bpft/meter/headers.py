"""Headers of the link and IP layers as construct definitions, for the reference meter.

All are big-endian and of a fixed length.  A field is split where the accounting looks at a part of it.
"""

from typing import Any

from construct import Byte, Bytes, Construct, Int16ub, Int32ub, Int32ul, Padding, Struct


class Header:
    """A fixed-length definition, compiled, that is read at an offset of a frame."""

    def __init__(self, definition: Construct) -> None:
        self.length: int = definition.sizeof()
        self._parse = definition.compile().parse

    def at(self, frame: bytes, offset: int) -> Any:
        """The header at offset, or None where the captured bytes do not hold all of it."""
        piece = frame[offset : offset + self.length]
        return self._parse(piece) if len(piece) == self.length else None


BYTE = Header(Struct("value" / Byte))

# ---- link layers ----

#: IEEE 802.3: up to 1500 the type is the length of an LLC frame (RULES L4).
ETHERNET = Header(Struct("dst" / Bytes(6), "src" / Bytes(6), "type" / Int16ub))
#: IEEE 802.1Q, after its own ethertype.
VLAN_TAG = Header(Struct("tci" / Int16ub, "type" / Int16ub))
#: RFC 2516, session stage; PPP follows.
PPPOE = Header(Struct("version_type" / Byte, "code" / Byte, "session" / Int16ub, "length" / Int16ub))
#: RFC 3032: label 20, class 3, bottom of stack 1, TTL 8 bits.
MPLS_LABEL = Header(Struct("label" / Int16ub, "label_class_bottom" / Byte, "ttl" / Byte))
#: IEEE 802.2, unnumbered information.
LLC = Header(Struct("dsap" / Byte, "ssap" / Byte, "control" / Byte))
OUI = Header(Struct("oui" / Bytes(3)))
PROTOCOL = Header(Struct("type" / Int16ub))
#: RFC 1661 in HDLC framing (RFC 1662): address and control before the protocol.
PPP_ADDRESS_CONTROL = Header(Struct("address" / Byte, "control" / Byte))
#: Cisco HDLC: 0f unicast or 8f multicast, then an ethertype.
CISCO_HDLC = Header(Struct("address" / Byte, "control" / Byte, "type" / Int16ub))
#: LINKTYPE_NULL is in the byte order of the host that captured, LINKTYPE_LOOP in network order.
FAMILY = Header(Struct("big" / Int32ub))
FAMILY_LITTLE = Header(Struct("little" / Int32ul))
#: LINKTYPE_LINUX_SLL; packet type 4: sent by this host.
SLL = Header(
    Struct(
        "packet_type" / Int16ub,
        "hardware" / Int16ub,
        "address_length" / Int16ub,
        "address" / Bytes(8),
        "type" / Int16ub,
    )
)
#: LINKTYPE_LINUX_SLL2, as far as the protocol needs it; the packet type follows, SLL2_LENGTH is all of it.
SLL2 = Header(Struct("type" / Int16ub, "reserved" / Int16ub, "interface" / Int32ub, "hardware" / Int16ub))
SLL2_LENGTH = 20

# ---- IP ----

#: RFC 791.
IPV4 = Header(
    Struct(
        "version_ihl" / Byte,
        "tos" / Byte,
        "total_length" / Int16ub,
        "id" / Int16ub,
        "flags_offset" / Int16ub,
        "ttl" / Byte,
        "protocol" / Byte,
        "checksum" / Int16ub,
        "src" / Bytes(4),
        "dst" / Bytes(4),
    )
)
#: RFC 8200.
IPV6 = Header(
    Struct(
        "version_class_flow" / Int32ub,
        "payload_length" / Int16ub,
        "next" / Byte,
        "hop_limit" / Byte,
        "src" / Bytes(16),
        "dst" / Bytes(16),
    )
)
#: RFC 8200 extension header: (length + 1) * 8 bytes, of which the first eight are read.
EXTENSION = Header(Struct("next" / Byte, "length" / Byte, Padding(6)))
FRAGMENT = Header(Struct("next" / Byte, "reserved" / Byte, "offset_more" / Int16ub, "id" / Int32ub))
#: RFC 2675 option of a hop-by-hop header, after its type and length.
OPTION = Header(Struct("type" / Byte, "length" / Byte))
JUMBO = Header(Struct("type" / Byte, "length" / Byte, "payload_length" / Int32ub))

# ---- transport: as much as the accounting reads ----

PORTS = Header(Struct("sport" / Bytes(2), "dport" / Bytes(2)))
#: RFC 9293, up to the data offset in the upper nibble.
TCP = Header(Struct("ports" / Int32ub, "sequence" / Int32ub, "acknowledgement" / Int32ub, "offset" / Byte))
#: RFC 4340, up to the data offset in 32-bit words.
DCCP = Header(Struct("ports" / Int32ub, "offset" / Byte))
