"""FreeBSD: kinds, ports and parents as ifconfig(8) prints them.

Written from its manual page and samples of its output; it was never run there.
"""

import re
import subprocess
from dataclasses import replace

from bpft.host.devices import Device

_HEAD = re.compile(r"(\S+): flags=[0-9a-f]+<([^>]*)>")
_PORT = re.compile(r"\s+(?:member|laggport): (\S+)")
_PARENT = re.compile(r"\s.*\bparent(?: interface)?: (\S+)")
_GROUP = re.compile(r"\s+groups:(.*)")
#: FreeBSD's name of a kind (its interface group) where Linux has another.
_KINDS = {"epair": "veth", "wg": "wireguard"}
_GROUPS = frozenset({"bridge", "lagg", "vlan", "epair", "wg", "tun", "tap", "gif", "gre", "vxlan", "ppp"})


def devices() -> list[Device]:
    """The interfaces in ifconfig's order.  Raises OSError."""
    try:
        answer = subprocess.run(["/sbin/ifconfig", "-a"], capture_output=True, text=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        raise TimeoutError("ifconfig does not answer") from None
    return parse(answer.stdout)


def parse(text: str) -> list[Device]:
    """What the output of `ifconfig -a` says."""
    found: dict[str, Device] = {}
    ports: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if head := _HEAD.match(line):
            name, flags = head[1], head[2].split(",")
            found[name] = Device(name, "UP" in flags, "RUNNING" in flags, "LOOPBACK" in flags)
        elif port := _PORT.match(line):
            ports[port[1]] = name
        elif (parent := _PARENT.match(line)) and parent[1] != "<none>":
            found[name] = replace(found[name], lowers=(parent[1],))
        elif group := _GROUP.match(line):
            known = [_KINDS.get(word, word) for word in group[1].split() if word in _GROUPS]
            found[name] = replace(found[name], kind=known[0] if known else "")
    for member, master in ports.items():
        if member in found:
            found[member] = replace(found[member], master=master, master_kind=found[master].kind)
    return list(found.values())
