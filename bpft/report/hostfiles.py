"""What files say that addresses are called: hosts(5), and the leases of dnsmasq, ISC dhcpd and Kea."""

import csv
import re
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from collections.abc import Iterator
from pathlib import Path

Named = tuple[str, str]  #: an address in its usual form, its name

#: Where DHCP servers keep their leases: dnsmasq, Pi-hole, ISC dhcpd, Kea; then the same on FreeBSD.
LEASES = tuple(
    map(
        Path,
        (
            "/var/lib/misc/dnsmasq.leases",
            "/etc/pihole/dhcp.leases",
            "/var/lib/dhcp/dhcpd.leases",
            "/var/lib/dhcpd/dhcpd.leases",
            "/var/lib/kea/kea-leases4.csv",
            "/var/lib/kea/kea-leases6.csv",
            "/var/db/dnsmasq.leases",
            "/var/db/dhcpd/dhcpd.leases",
            "/var/db/kea/kea-leases4.csv",
            "/var/db/kea/kea-leases6.csv",
        ),
    )
)

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9_])?\Z")
_ISC_LEASE = re.compile(r"^lease\s+(\S+)\s*\{([^}]*)\}", re.MULTILINE)
_ISC_NAME = re.compile(r'^\s*client-hostname\s+"([^"]*)"\s*;', re.MULTILINE)
_KEA = "address,"  # its first line names the columns


def printable(name: str) -> str:
    """A name that a terminal may be shown, without the root's dot; "" for what is none, or looks like an address."""
    name = name.removesuffix(".")
    return name if _NAME.match(name) and not name.replace(".", "").isdecimal() else ""


def usual(address: str) -> str:
    """An address as reports print it; "" for what is none."""
    family = AF_INET6 if ":" in address else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, address))
    except (OSError, ValueError):
        return ""


def read_hosts(path: Path) -> dict[str, str]:
    """Address to the first name that a hosts file has for it.  Raises OSError."""
    lines = (line.partition("#")[0].split() for line in _text(path).splitlines())
    found: dict[str, str] = {}
    for address, name in _clean((words[0], words[1]) for words in lines if len(words) > 1):
        found.setdefault(address, name)
    return found


def read_leases(path: Path) -> dict[str, str]:
    """Address to name, of the last lease that has one; over ones count as well, since reports are of the past.

    Raises OSError.
    """
    text = _text(path)
    if text.startswith(_KEA):
        leases = _kea(text)
    elif _ISC_LEASE.search(text):
        leases = _isc(text)
    else:
        leases = _dnsmasq(text)
    return dict(_clean(leases))


def _dnsmasq(text: str) -> Iterator[Named]:
    """expiry, MAC, address, name or "*", client id."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4:
            yield words[2], words[3]


def _isc(text: str) -> Iterator[Named]:
    for lease in _ISC_LEASE.finditer(text):
        if name := _ISC_NAME.search(lease[2]):
            yield lease[1], name[1]


def _kea(text: str) -> Iterator[Named]:
    for row in csv.DictReader(text.splitlines()):
        yield row["address"] or "", row.get("hostname") or ""


def _clean(pairs: Iterator[Named]) -> Iterator[Named]:
    for address, name in pairs:
        address, name = usual(address), printable(name)
        if address and name:
            yield address, name


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
