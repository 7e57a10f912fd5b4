"""Capture files read through construct definitions: the file reader of the reference meter (RULES F1..F6).

pcap: man 5 pcap-savefile.  pcapng: draft-ietf-opsawg-pcapng.  No file is ever seeked, so a pipe will do.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from construct import Construct, Int16ub, Int16ul, Int32ub, Int32ul, Int64sb, Int64sl, Struct

from bpft.core import CaptureError

MAX_CAPTURED = 262144  #: libpcap's limit: a longer record means a broken file (F2)
_MAX_BLOCK = 16 << 20
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_END, _TSRESOL, _TSOFFSET = 0, 9, 14  # options of an interface


class Frame(NamedTuple):
    """One captured frame; wire: its bytes on the link, never fewer than captured (F4); ns: UTC nanoseconds."""

    link_type: int
    wire: int
    data: bytes
    ns: int


class Broken(Exception):
    """The file breaks here; what came before counts (F2).  args: (text,)"""


class _Order(NamedTuple):
    """The definitions in one byte order."""

    file: Construct
    record: Construct
    block: Construct
    section: Construct
    interface: Construct
    option: Construct
    enhanced: Construct
    packet: Construct
    number: Construct
    seconds: Construct


def _definitions(u16: Construct, u32: Construct, s64: Construct) -> _Order:
    lengths = ("high" / u32, "low" / u32, "captured" / u32, "wire" / u32)
    return _Order(
        file=Struct("major" / u16, "minor" / u16, "zone" / u32, "accuracy" / u32, "snaplen" / u32, "network" / u32),
        record=Struct("seconds" / u32, "fraction" / u32, "captured" / u32, "wire" / u32),
        block=Struct("type" / u32, "length" / u32),
        section=Struct("major" / u16, "minor" / u16),
        interface=Struct("link_type" / u16, "reserved" / u16, "snaplen" / u32),
        option=Struct("code" / u16, "length" / u16),
        enhanced=Struct("interface" / u32, *lengths),
        packet=Struct("interface" / u16, "drops" / u16, *lengths),
        number=Struct("value" / u32),
        seconds=Struct("value" / s64),
    )


_LITTLE = _definitions(Int16ul, Int32ul, Int64sl)
_BIG = _definitions(Int16ub, Int32ub, Int64sb)
#: Magic number: order, bytes of a record header (24: Kuznetzov's), nanoseconds of a fraction (F1).
_PCAP = {
    order.number.build({"value": magic}): (order, record, fraction)
    for magic, record, fraction in ((0xA1B2C3D4, 16, 1000), (0xA1B23C4D, 16, 1), (0xA1B2CD34, 24, 1000))
    for order in (_LITTLE, _BIG)
}
_PCAPNG = _SECTION.to_bytes(4, "big")  # the same in either order
_ORDERS = {order.number.build({"value": 0x1A2B3C4D}): order for order in (_LITTLE, _BIG)}


def _parse(definition: Construct, data: bytes) -> Any:
    if len(data) < definition.sizeof():
        raise Broken("short block body")
    return definition.parse(data)


class _Interface(NamedTuple):
    """An interface of a pcapng section (F5)."""

    link_type: int
    snaplen: int
    ticks: int  #: a second
    offset: int  #: seconds

    @classmethod
    def parse(cls, order: _Order, body: bytes) -> "_Interface":
        fixed = _parse(order.interface, body)
        ticks, offset, options = 1_000_000, 0, body[order.interface.sizeof() :]
        while len(options) >= order.option.sizeof():
            option = order.option.parse(options)
            value, options = options[4 : 4 + option.length], options[4 + (option.length + 3 & ~3) :]
            if option.code == _END or len(value) < option.length:
                break
            if option.code == _TSRESOL and value:
                ticks = (2 if value[0] & 128 else 10) ** (value[0] & 127)
            elif option.code == _TSOFFSET and len(value) >= 8:
                offset = order.seconds.parse(value).value
        return cls(fixed.link_type, fixed.snaplen, ticks, offset)

    def time(self, stamp: int) -> int:
        """UTC nanoseconds of a stamp; 0 where it is none of our time."""
        seconds, rest = divmod(stamp, self.ticks)
        if self.ticks >= 1 << 64 or seconds >= 1 << 32 or not -(1 << 31) <= self.offset < 1 << 31:
            return 0
        return (seconds + self.offset) * 1_000_000_000 + rest * 1_000_000_000 // self.ticks


class CaptureFile:
    """A capture file from its beginning; iterate once, for its frames.

    Raises CaptureError when it is no capture, or one of a version that is not read (F3); the iteration raises Broken
    where the file breaks.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.snaplen = 0  #: of a pcap file; in pcapng each interface has its own
        self.link_types: list[int] = []  #: of a pcap file, or those that pcapng frames had so far
        try:
            magic = stream.read(4)
            if magic == _PCAPNG:
                self.format = "pcapng"
                self._length = self._section(self._read(4, "section header"))
            elif magic in _PCAP:
                self.format = "pcap"
                self._order, self._record_length, self._fraction = _PCAP[magic]
                self._file_header()
            else:
                raise Broken("not a pcap or pcapng capture" if magic else "the file is empty")
        except Broken as why:
            raise CaptureError(str(why)) from None

    def __iter__(self) -> Iterator[Frame]:
        return self._records() if self.format == "pcap" else self._packets()

    def _read(self, length: int, what: str) -> bytes:
        data = self._stream.read(length)
        if len(data) < length:
            raise Broken(f"short {what}")
        return data

    # ---- pcap ----

    def _file_header(self) -> None:
        header = self._order.file.parse(self._read(self._order.file.sizeof(), "file header"))
        version = (header.major, header.minor)
        if version != (543, 0) and not (2, 0) <= version <= (2, 4):
            raise Broken(f"file version {header.major}.{header.minor}")
        if header.network & 0x03FF0000:
            raise Broken("reserved link-type bits set")
        self._version = version
        self._link_type = header.network & 0xFFFF  # the bits above say how long the FCS is
        self.link_types.append(self._link_type)
        self.snaplen = header.snaplen

    def _records(self) -> Iterator[Frame]:
        while head := self._stream.read(self._record_length):
            if len(head) < self._record_length:
                raise Broken("short record header")
            record = self._order.record.parse(head)
            captured, wire = record.captured, record.wire
            exchanged = self._version < (2, 3) or self._version == (543, 0)
            if exchanged or (self._version == (2, 3) and captured > wire):
                captured, wire = wire, captured
            if captured > MAX_CAPTURED:
                raise Broken(f"record length {captured}")
            data = self._read(captured, "record")
            ns = record.seconds * 1_000_000_000 + record.fraction * self._fraction
            yield Frame(self._link_type, max(wire, captured), data, ns)

    # ---- pcapng ----

    def _section(self, length: bytes) -> int:
        """Begin a section: byte order and version.  Returns the length of its block."""
        bom = self._stream.read(4)
        if bom not in _ORDERS:
            raise Broken("bad byte-order magic")
        self._order = _ORDERS[bom]
        version = self._order.section.parse(self._read(self._order.section.sizeof(), "section header"))
        if version.major != 1 or version.minor not in (0, 2):
            raise Broken(f"file version {version.major}.{version.minor}")
        self._interfaces: list[_Interface] = []
        return int(self._order.number.parse(length).value)

    def _packets(self) -> Iterator[Frame]:
        kind, length = _SECTION, self._length  # the constructor has read the first section's beginning
        while True:
            read = 16 if kind == _SECTION else 8
            if length < read + 4 or length % 4 or length > _MAX_BLOCK:
                raise Broken(f"block length {length}")
            body = self._read(length - read, "block")
            if self._order.number.parse(body[-4:]).value != length:
                raise Broken("block trailer mismatch")
            if frame := self._block(kind, body[:-4]):
                yield frame
            head = self._stream.read(8)
            if not head:
                return
            if len(head) < 8:
                raise Broken("short block header")
            if head[:4] == _PCAPNG:
                kind, length = _SECTION, self._section(head[4:])
            else:
                block = self._order.block.parse(head)
                kind, length = block.type, block.length

    def _block(self, kind: int, body: bytes) -> Frame | None:
        order = self._order
        if kind == _INTERFACE:
            self._interfaces.append(_Interface.parse(order, body))
        elif kind in (_ENHANCED, _PACKET):
            packet = _parse(order.enhanced if kind == _ENHANCED else order.packet, body)
            return self._frame(
                packet.interface, packet.captured, packet.wire, body[20:], packet.high << 32 | packet.low
            )
        elif kind == _SIMPLE:
            wire, data = _parse(order.number, body).value, body[4:]
            snaplen = self._interfaces[0].snaplen if self._interfaces else 0
            return self._frame(0, min(wire, snaplen or wire, len(data)), wire, data, None)
        return None

    def _frame(self, number: int, captured: int, wire: int, data: bytes, stamp: int | None) -> Frame:
        """stamp: ticks since 1970, or None, which gives time 0 (a simple packet has none)."""
        if number >= len(self._interfaces):
            raise Broken(f"unknown interface {number}")
        if captured > len(data) or captured > MAX_CAPTURED:
            raise Broken(f"packet length {captured}")
        interface = self._interfaces[number]
        if interface.link_type not in self.link_types:
            self.link_types.append(interface.link_type)
        ns = 0 if stamp is None else interface.time(stamp)
        return Frame(interface.link_type, max(wire, captured), data[:captured], ns)
