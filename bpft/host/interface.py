"""What is known of one interface: plain values, the same on every system."""

from dataclasses import dataclass, field
from typing import NamedTuple


class LinkCounters(NamedTuple):
    """The interface's own counters since it came up: bytes and packets."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_packets: int = 0
    tx_packets: int = 0


@dataclass(frozen=True, slots=True)
class InterfaceInfo:
    """One interface.  None or empty: the system does not say."""

    name: str
    index: int | None = None
    alias: str = ""
    mac: bytes = b""
    mtu: int | None = None
    up: bool = False
    loopback: bool = False
    hardware: bool | None = None  #: a device stands behind it; False: a virtual one
    speed_mbit: int | None = None
    prefixes: list[str] = field(default_factory=list)  #: "addr/len" of each address
    counters: LinkCounters | None = None
