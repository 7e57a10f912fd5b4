"""The one door to the operating system: interfaces, their counters and addresses, clocks, memory.

linux.py or bsd.py answers about interfaces, and is imported by who asks; what both systems share is here.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bpft.digest import blake2b
from bpft.host.clock import boottime_ns, clock_synchronised, utc_ns

if TYPE_CHECKING:
    from bpft.host.interface import InterfaceInfo

__all__ = [
    "boottime_ns",
    "clock_synchronised",
    "hostname",
    "installation_id",
    "interface_info",
    "interface_names",
    "interfaces",
    "machine_memory",
    "utc_ns",
    "zone_name",
]


def interfaces(name: str = "") -> "list[InterfaceInfo]":
    """The interfaces that are here, in the kernel's order, or the one called name.  OSError where it does not say."""
    if sys.platform.startswith("linux"):
        from bpft.host.linux import interfaces as listed
    else:
        from bpft.host.bsd import interfaces as listed
    return listed(name)


def interface_names() -> list[str]:
    """The names of the interfaces that are here, in the kernel's order."""
    return [interface.name for interface in interfaces()]


def interface_info(name: str) -> "InterfaceInfo | None":
    """What the system knows of the interface now, counters included; None: it is not there."""
    for interface in interfaces(name):
        if interface.name == name:
            return interface
    return None


def hostname() -> str:
    return os.uname().nodename


def machine_memory() -> int:
    """Bytes of memory of this machine; 0: not known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def zone_name() -> str:
    """The local time zone's name ("Europe/Rome"), or "" where the system does not say."""
    from_environment = os.environ.get("TZ", "").lstrip(":")
    if from_environment:
        return from_environment
    target = os.path.realpath("/etc/localtime")
    _, found, zone = target.partition("/zoneinfo/")
    if found:
        return zone
    try:
        return Path("/etc/timezone").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def installation_id() -> bytes:
    """16 bytes that stay with this installation, derived from the machine's own id; b"" where it has none.

    Hashed, because machine-id(5) asks not to show the id itself.
    """
    for path in ("/etc/machine-id", "/etc/hostid"):
        try:
            text = Path(path).read_bytes().strip()
        except OSError:
            continue
        if text:
            return blake2b(text, digest_size=16, person=b"bpft probe").digest()
    return b""
