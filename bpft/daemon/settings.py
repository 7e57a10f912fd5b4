"""What the command line decided: one object, handed to every part of the daemon."""

from dataclasses import dataclass

from bpft import host
from bpft.meter.capture import Engine
from bpft.paths import Paths
from bpft.rotation import Rotation

#: A live table's flows unless --max-flows says otherwise: what fits an eighth of the memory, between these bounds.
_LEAST_FLOWS, _MOST_FLOWS, _BYTES_A_FLOW = 1 << 16, 1 << 22, 96


@dataclass(frozen=True, slots=True)
class Settings:
    """One trafd.  Names are checked (P4), paths absolute."""

    interface: str
    ext: str
    paths: Paths
    filter: str = ""
    optimize: bool = True
    promiscuous: bool = True
    min_all: int = 1024  #: -m, acts when a table is appended to the log (C8)
    count: int = 0  #: -c, 0: without end (C9)
    resume: bool = False
    addresses_only: bool = False
    max_flows: int = 0  #: 0: no cap
    foreground: bool = False
    engine: Engine = "pcap"
    rotation: Rotation | None = None  #: when the log makes way for a new one; None: when somebody renames it

    @property
    def key_mode(self) -> str:
        return "addresses" if self.addresses_only else "full"


def default_max_flows() -> int:
    """The cap of a live table on this machine."""
    return min(max(host.machine_memory() // 8 // _BYTES_A_FLOW, _LEAST_FLOWS), _MOST_FLOWS)
