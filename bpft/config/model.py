"""What a configuration says, with the defaults of what it leaves open: the profile of the shipped services."""

from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

ALL = "All"
Ports = Literal["all", "service", "none"]
Engine = Literal["auto", "pcap", "ring"]


class Interface(NamedTuple):
    """How one interface is counted: the options of trafd(8) of the same names."""

    filter: str = ""
    ext: str = ""  #: name of log and dump; "": the interface's
    addresses_only: bool = False
    ports: Ports = "service"
    vlan: bool = False
    prefix_len: tuple[int, int] | None = None  #: bits of IPv4 and IPv6 addresses that are kept; None: all
    promiscuous: bool = False
    min_size: int = 0  #: bytes, -m (SEMANTICS C8)
    max_flows: int | None = None  #: 0: no limit; None: by memory
    max_memory: int | None = None  #: bytes
    buffer: int | None = None  #: bytes of the kernel's buffer; None: by memory
    engine: Engine = "auto"


class Interfaces(NamedTuple):
    """[interfaces]: which ones are counted, and how each."""

    names: tuple[str, ...] = ()  #: names and globs; ALL: what All means without a configuration; (): nothing is said
    exclude: tuple[str, ...] = ()  #: names and globs that are counted only where they are named on a command line
    settings: tuple[tuple[str, Interface], ...] = ()  #: (name or glob, how), the first that fits decides
    others: Interface = Interface()  #: how those are counted that fit none

    def of(self, name: str) -> Interface:
        """How the interface is counted: by its own table, else by the first glob that fits."""
        own = dict(self.settings).get(name)
        return own or next((how for glob, how in self.settings if fnmatchcase(name, glob)), self.others)


class Times(NamedTuple):
    """[times]: seconds from dump to dump and from save to save, aligned to the local clock; 0: off."""

    dump: int = 300
    save: int = 3600


class Log(NamedTuple):
    """[log]: how large a log may become, and when it makes way for a new one."""

    budget: int = 200_000_000  #: bytes of one interface's log with its rotated ones, past which the oldest is rolled up
    rotate: str = ""  #: daily, monthly or a size as "10MB", as of trafd --rotate; "": never
    zone: str = ""  #: whose days and months; "": local


class Retention(NamedTuple):
    """[retention]: ages in hours.  None: for ever."""

    full: int | None = 31 * 24  #: as saved; after that per host and day, without ports
    daily: int | None = 400 * 24  #: per host and day; after that nothing is left

    @property
    def keep(self) -> str:
        """The same as trafd --keep has it; "": all for ever."""
        last = "forever" if self.daily is None else f"{self.daily}h"
        return "" if self.full is None else f"{self.full}h,{last}:day+no-ports"


class Directories(NamedTuple):
    """[directories]: absolute, below the root prefix; "": the system's own."""

    logs: str = ""
    dumps: str = ""


class User(NamedTuple):
    """[user]: whom a daemon becomes once it captures; "": it stays who it is."""

    name: str = ""


class Names(NamedTuple):
    """[names]: files that say what an address is called, the first that knows it decides."""

    hosts: tuple[str, ...] = ()  #: as /etc/hosts
    leases: tuple[str, ...] = ()  #: of a DHCP server


class Config(NamedTuple):
    """A whole configuration."""

    file: str = ""  #: what was read; "": there is no file, and all of this is the default
    interfaces: Interfaces = Interfaces()
    times: Times = Times()
    log: Log = Log()
    retention: Retention = Retention()
    directories: Directories = Directories()
    user: User = User()
    names: Names = Names()
    scopes: tuple[tuple[str, tuple[str, ...]], ...] = ()  #: (name, prefixes as "10.0.0.0/8"), the longest prefix wins
