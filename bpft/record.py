"""Plain values: what a block says about itself (Header) and one record of it (Record)."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

CountingMode = Literal["as-captured", "wire-estimated", "wire-exact"]
SourceKind = Literal["live", "file", "import", "recovered", "repaired", "compacted", "flow"]
Role = Literal["save", "dump"]

#: UTC nanoseconds, the begin of 2025: no clock that was ever set showed less while this software counted.
NO_CLOCK_NS = 1_735_689_600_000_000_000

Direction = Literal["rx", "tx"]
Address = IPv4Address | IPv6Address

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Record(NamedTuple):
    """A key and its sums; None: absent, not known."""

    src: Address | None
    dst: Address | None
    sport: int | None
    dport: int | None
    proto: int | None
    direction: Direction | None
    vlan: int | None
    packets: int | None
    all: int  #: bytes of IP packets
    data: int  #: bytes of their payload
    other: bool  #: the remainder: flows too small or too many to keep (SEMANTICS C7)
    version: int  #: of IP: 4 or 6


class Counters(NamedTuple):
    """What became of every frame (SEMANTICS C3) and what the kernel says."""

    seen: int = 0
    counted: int = 0
    skipped: Mapping[str, int] = _NOTHING
    #: "unknown" | "rx" | "tx": (frames, bytes, wire_frames, wire_bytes)
    direction: Mapping[str, tuple[int, int, int, int]] = _NOTHING
    folded: int = 0  #: records folded into "other" by the cap
    received: int = 0  #: the kernel's count, after the filter, drops included
    dropped: int = 0  #: by the kernel
    if_dropped: int = 0  #: by the interface
    first_ns: int = 0  #: capture time of the first frame and the last; 0, 0: no frame yet
    last_ns: int = 0


class InterfaceDelta(NamedTuple):
    """The interface's own counters over the interval (C4)."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_packets: int = 0
    tx_packets: int = 0
    covered_ns: int = 0  #: how much of the interval they cover
    resets: int = 0


class Header(NamedTuple):
    """Everything a block says about itself; None or empty: not known."""

    role: Role = "save"
    epoch: bytes = b""  #: 16 random bytes (E1)
    sequence: int = 0  #: of the block in its log
    begin_ns: int = 0  #: UTC nanoseconds
    end_ns: int = 0
    boot_begin_ns: int | None = None  #: CLOCK_BOOTTIME
    boot_end_ns: int | None = None
    clock_synchronised: bool | None = None
    zone: str = ""
    gaps: tuple[tuple[int, int], ...] = ()  #: UTC ns pairs not watched (E6)
    host: str = ""
    probe: bytes = b""  #: UUID of the installation
    interface: str = ""
    interface_index: int | None = None
    interface_alias: str = ""
    mac: bytes = b""
    mtu: int | None = None
    link_types: tuple[int, ...] = ()
    speed_mbit: int | None = None
    hardware: bool | None = None  #: a device behind it, or virtual
    loopback: bool = False
    prefixes: tuple[str, ...] = ()  #: "addr/len" of the interface
    source: SourceKind = "live"
    source_name: str = ""  #: the capture file, for source "file"
    engine: str = ""  #: "ring", "pcap", "file", "reference"
    counting: CountingMode = "as-captured"
    filter: str = ""
    snaplen: int = 0
    #: "full", "service" (--ports), "no-ports" or "addresses" (-X); with "+vlan" behind it where VLANs are kept apart
    key_mode: str = "full"
    promiscuous: bool | None = None
    min_all: int = 0  #: the -m that was applied
    replaces: tuple[bytes, ...] = ()  #: ids of the blocks that a compacted or repaired one stands for
    #: epochs of the blocks that this one stands for; for one that had none, its id
    epochs: tuple[bytes, ...] = ()
    prefix_len: tuple[int, int] | None = None  #: addresses are cut to so many bits (IPv4, IPv6); None: whole
    counters: Counters = Counters()
    delta: InterfaceDelta | None = None
    series: bytes = b""  #: the interface's counters every five minutes, packed; bpft.series.Series.unpack() reads it
    software: str = ""
    rules: str = ""
    labels: Mapping[str, str] = _NOTHING

    @property
    def is_undated(self) -> bool:
        """Whether the clock of its machine was not set yet, as in 1970: then its times say how long it is, not when."""
        return self.clock_synchronised is False and self.end_ns < NO_CLOCK_NS

    def made_of(self, source: SourceKind) -> int:
        """How many blocks of that source it is or stands for; a sum keeps their number in the label of that name."""
        if self.source == source:
            return 1
        told = self.labels.get(source, "")
        return int(told) if told.isdecimal() else 0
