"""What the command line decided: one object, handed to every part of the daemon."""

from typing import TYPE_CHECKING, NamedTuple

from bpft import host
from bpft.meter.keymode import PLAIN, KeyMode
from bpft.paths import Paths
from bpft.rotation import Rotation

if TYPE_CHECKING:
    from bpft.meter.capture import Engine

#: What a flow costs while a full table is saved, of IPv6, the dearer one: its record (64), its slots of the index (13
#: to 26), the sorting (32), and a share of the row group in hand.  A growing index, old and new at once, costs less.
BYTES_A_FLOW = 136
#: A live daemon's flows unless the options say otherwise: what fits an eighth of the memory, between these bounds.
_LEAST_FLOWS, _MOST_FLOWS = 1 << 16, 1 << 22
#: The table that is counted into has at most this share of the cap, so that something is left for the one that counts
#: while it is written.
_MAIN, _OF = 7, 8


class Settings(NamedTuple):
    """One trafd.  Names are checked (P4), paths absolute."""

    interface: str
    ext: str
    paths: Paths
    filter: str = ""
    optimize: bool = True
    promiscuous: bool = True
    min_all: int = 1024  #: -m, acts when a table is appended to the log (C8)
    stop_after: int = 0  #: frames, -c; 0: without end (C9)
    resume: bool = False
    key: KeyMode = PLAIN
    max_flows: int = 0  #: of all tables of the process together; 0: no cap
    buffer: int = 0  #: bytes of the kernel's buffer; 0: by memory
    foreground: bool = False
    user: str = ""  #: who the daemon becomes once it has opened what only root can; "": it stays who it is
    engine: "Engine" = "auto"
    rotation: Rotation | None = None  #: when the log makes way for a new one; None: when somebody renames it
    dump_every_s: int = 0  #: seconds between timed dumps, a part of a day; 0: none
    save_every_s: int = 0  #: the same of saves
    retention: str = ""  #: how long what is kept, as bpft.keeping.keep() reads it; "": all for ever
    budget: int = 0  #: bytes that the log should not exceed; 0: no matter
    zone: str = ""  #: of what is done each day; "": the local one

    @property
    def main_cap(self) -> int:
        """The most flows of the table that goes on; 0: no cap."""
        return self.max_flows and max(self.max_flows * _MAIN // _OF, 1)

    def spare_cap(self, held: int) -> int:
        """The most flows of a table that counts for a while beside others that hold so many; 0: no cap.

        A third of what is left: it can be there twice, and once more where it was added to the main one.
        """
        return self.max_flows and max((self.max_flows - held) // 3, 1)


def flows_in(memory: int) -> int:
    """The cap that keeps all tables within so many bytes (--max-memory)."""
    return max(memory // BYTES_A_FLOW, 1)


def default_max_flows() -> int:
    """The cap of a live daemon on this machine."""
    return min(max(flows_in(host.machine_memory() // 8), _LEAST_FLOWS), _MOST_FLOWS)
