"""All that the checks judge, as plain values: gathered once by gather.py, made up by tests."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bpft.host.devices import Device
from bpft.host.nat import Nat
from bpft.host.space import Space
from bpft.record import Header

DAY_NS = 86_400_000_000_000
RECENT_NS = 7 * DAY_NS  #: how far back blocks are looked at


Need = Literal["logs", "dumps", "answers"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be looked at, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who runs the doctor."""

    user: str
    superuser: bool
    may_capture: bool


@dataclass(frozen=True, slots=True)
class Daemon:
    """A trafd that runs, or what one left behind."""

    interface: str
    pid: str  #: "": none runs, or none that tells it
    answer: dict[str, Any] | None = None  #: of status; None: it gave none
    trouble: Literal["", "denied", "gone", "silent"] = ""  #: why there is no answer; gone: the socket is
    denied: str = ""  #: what would let the caller ask
    left: tuple[Path, ...] = ()  #: pid file and socket of one that does not run
    command: tuple[str, ...] = ()  #: words it was started with, without the program; (): the system does not tell
    unit: str = ""  #: of systemd, which runs it

    @property
    def filter(self) -> str:
        return str(self.answer["filter"]) if self.answer else ""


@dataclass(frozen=True, slots=True)
class Directory:
    """Where files of the suite are."""

    path: Path
    denied: str = ""  #: what would open it to the caller; "": it is open
    space: Space | None = None  #: None: not told


@dataclass(frozen=True, slots=True)
class RecentBlock:
    """A block of the last days."""

    header: Header
    length: int


@dataclass(frozen=True, slots=True)
class Log:
    """A file in the directory of logs."""

    path: Path
    ext: str
    busy: bool = False  #: somebody was appending all the time it was looked at
    recent: tuple[RecentBlock, ...] = ()  #: oldest first
    last: Header | None = None  #: of its last block
    damage: str = ""  #: of its end: which bytes, and why
    foreign: bool = False  #: it holds no block
    trouble: str = ""  #: why it cannot be read
    denied: str = ""  #: what would open it to the caller


@dataclass(frozen=True, slots=True)
class Dump:
    """A file in the directory of dumps."""

    path: Path
    ext: str
    log: Path  #: where its table would be saved
    held: bool = False  #: a trafd writes it
    header: Header | None = None  #: None: it cannot be read
    saved: bool = False  #: its table is in the log as well
    trouble: str = ""
    denied: str = ""

    @property
    def traffic(self) -> int:
        """Bytes of frames that wait in it, as on the wire."""
        return sum(sums[3] for sums in self.header.counters.direction.values()) if self.header else 0


@dataclass(frozen=True, slots=True)
class Facts:
    """One host, at one moment."""

    now_ns: int
    caller: Caller
    directories: tuple[Directory, ...] = ()
    daemons: tuple[Daemon, ...] = ()
    logs: tuple[Log, ...] = ()
    dumps: tuple[Dump, ...] = ()
    set_aside: tuple[Dump, ...] = ()  #: those that a trafd could not read
    configured: tuple[str, ...] = ()  #: interfaces that are to be counted
    configuration: str = ""  #: what is wrong with it
    enabled: tuple[str, ...] = ()  #: interfaces whose service systemd starts at boot
    devices: dict[str, Device] | Unknown = field(default_factory=dict)
    uplink: str = ""  #: interface of the default route
    nat: Nat = field(default_factory=Nat)
    inside: tuple[str, ...] = ()  #: interfaces of those whom NAT hides
    flow_offload: dict[str, str] | Unknown = field(default_factory=dict)  #: interface -> what is offloaded by
    tc_offload: dict[str, int] | Unknown = field(default_factory=dict)  #: interface -> filters in hardware
    xdp: dict[str, tuple[int, str]] | Unknown = field(default_factory=dict)  #: interface -> program id and mode
    synchronised: bool | None = None  #: the clock; None: the system does not tell
    linux: bool = True  #: else BSD, whose commands are others
    missing: tuple[str, ...] = ()  #: Python packages that something would be better with

    @property
    def counted(self) -> dict[str, Daemon]:
        """The daemons that run, by interface."""
        return {daemon.interface: daemon for daemon in self.daemons if daemon.pid or daemon.trouble}

    def hidden(self, need: Need) -> list[str]:
        """What of logs, dumps or daemons' answers could not be looked at."""
        if need == "answers":
            return [f"no answer from the trafd of {it.interface}" for it in self.daemons if it.trouble]
        closed = [f"{it.path} is closed to user {self.caller.user}" for it in self.directories if it.denied]
        files = [it.path for it in (self.logs if need == "logs" else self.dumps) if it.denied]
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        return closed or [f"{path}{more} is closed to user {self.caller.user}" for path in files[:1]]

    def blocks(self, interface: str, since_ns: int) -> list[RecentBlock]:
        """Live blocks of an interface that end after since_ns (UTC), the earliest first."""
        found = [
            block
            for log in self.logs
            for block in log.recent
            if block.header.interface == interface
            and block.header.end_ns > since_ns
            and block.header.source in ("live", "recovered")
        ]
        return sorted(found, key=lambda block: block.header.end_ns)

    @property
    def seen_interfaces(self) -> list[str]:
        """Interfaces of the recent blocks, sorted."""
        return sorted({block.header.interface for log in self.logs for block in log.recent} - {""})
