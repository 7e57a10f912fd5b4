"""FreeBSD: routes as netstat(1) prints them.

Written from its manual page and samples of its output; it was never run there.
"""

import subprocess
from ipaddress import ip_network

from bpft.host.routes import Routes


def routes() -> Routes:
    """Default and connected routes.  Raises OSError."""
    default: list[str] = []
    connected: list[tuple[str, str]] = []
    for family in ("inet", "inet6"):
        command = ["/usr/bin/netstat", "-rnW", "-f", family]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            raise TimeoutError("netstat does not answer") from None
        found = parse(answer.stdout)
        default += found.default
        connected += found.connected
    return Routes(tuple(dict.fromkeys(default)), tuple(connected))


def parse(text: str) -> Routes:
    """What the output of `netstat -rnW -f FAMILY` says."""
    default: list[str] = []
    connected: list[tuple[str, str]] = []
    columns: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["Destination", "Gateway"]:
            columns = words
        elif columns and len(words) >= len(columns) - 1:
            destination, flags = words[0], words[columns.index("Flags")]
            device = words[columns.index("Netif")]
            if destination == "default" and "U" in flags and not set("RB") & set(flags):
                default.append(device)
            elif "/" in destination and not set("GHRB") & set(flags) and _wide(destination):
                connected.append((device, destination))
    return Routes(tuple(dict.fromkeys(default)), tuple(connected))


def _wide(destination: str) -> bool:
    try:
        network = ip_network(destination, strict=False)
    except ValueError:  # With a zone, as fe80::%em0/64: link-local.
        return False
    return not (network.is_link_local or network.is_multicast or network.is_loopback)
