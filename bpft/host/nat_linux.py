"""Linux: forwarding from /proc/sys, rules that rewrite sources from nf_tables (netlink) and the older ip_tables.

No program is run for it, and no kernel module gets loaded: the older tables are asked for only where they are there.
"""

import errno
import socket
import struct
from contextlib import suppress
from pathlib import Path

from bpft.host import netlink
from bpft.host.netlink import Attributes, attributes, listed, text

PROC = Path("/proc")

# linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
_GETRULE, _NEWRULE = 10 << 8 | 7, 10 << 8 | 6
_FAMILIES = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS = 1, 2, 4
_EXPRESSION_NAME, _EXPRESSION_DATA = 1, 2
_NAT_TYPE, _TARGET_NAME = 1, 1
_SNAT = bytes(4)
_TARGETS = ("MASQUERADE", "SNAT")

# linux/netfilter_ipv4/ip_tables.h: struct ipt_getinfo, struct ipt_entry, struct xt_entry_target; the same for IPv6
_GET_INFO, _GET_ENTRIES = 64, 65
_INFO = struct.Struct("=32s I 5I 5I I I")
_LEGACY = (
    ("ip_tables_names", "iptables", socket.AF_INET, socket.IPPROTO_IP, 88),
    ("ip6_tables_names", "ip6tables", socket.AF_INET6, socket.IPPROTO_IPV6, 140),
)


def forwards() -> bool:
    """Whether packets of others pass, of IPv4 or IPv6, on any interface."""
    for switch in (PROC / "sys/net").glob("ipv[46]/conf/*/forwarding"):
        with suppress(OSError):
            if switch.read_text("ascii").strip() == "1":
                return True
    return False


def rule() -> str | None:
    """The first rule that rewrites sources; "" where there is none, None where not all may be seen (not root)."""
    hidden = False
    for look in (_in_nftables, _in_iptables):
        try:
            if found := look():
                return found
        except PermissionError:
            hidden = True
    return None if hidden else ""


def _in_nftables() -> str:
    try:
        for head, found in netlink.dump(_GETRULE, _NEWRULE, bytes(4), netlink.NETFILTER):
            if any(_rewrites(attributes(item)) for _, item in listed(found.get(_RULE_EXPRESSIONS, b""))):
                table = f"{_FAMILIES.get(head[0], '')} {text(found, _RULE_TABLE)}".strip()
                return f"nft table {table}, chain {text(found, _RULE_CHAIN)}"
    except OSError as why:
        if why.errno in (errno.EPERM, errno.EACCES):
            raise PermissionError(why.errno, "rules are shown to root alone") from None
        # The kernel has no nf_tables.
    return ""


def _rewrites(expression: Attributes) -> bool:
    """Whether an expression of a rule is nft's own masquerade or snat, or a target of iptables in it."""
    name = text(expression, _EXPRESSION_NAME)
    data = attributes(expression.get(_EXPRESSION_DATA, b""))
    if name == "nat":
        return data.get(_NAT_TYPE) == _SNAT
    return name == "masq" or (name == "target" and text(data, _TARGET_NAME) in _TARGETS)


def _in_iptables() -> str:
    for names, program, family, level, target_at in _LEGACY:
        try:
            tables = (PROC / "net" / names).read_text("ascii").split()
        except FileNotFoundError:
            continue
        if "nat" in tables and any(target in _TARGETS for target in _targets(family, level, target_at)):
            return f"{program} table nat"
    return ""


def _targets(family: int, level: int, target_at: int) -> list[str]:
    """The names of the targets of the rules in table nat; target_at: where an entry says where its target begins."""
    with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW) as kernel:
        asked = _INFO.pack(b"nat", *[0] * 13)
        size = _INFO.unpack(_option(kernel, level, _GET_INFO, asked))[-1]
        head = struct.pack("=32sI4x", b"nat", size)
        entries = _option(kernel, level, _GET_ENTRIES, head + bytes(size))[len(head) :]
    found, at = [], 0
    while at + target_at + 4 <= len(entries):
        target, following = struct.unpack_from("=HH", entries, at + target_at)
        found.append(entries[at + target + 2 : at + target + 31].partition(b"\0")[0].decode("ascii", "replace"))
        if not following:
            break
        at += following
    return found


def _option(kernel: socket.socket, level: int, option: int, asked: bytes) -> bytes:
    """getsockopt(2) with a question in the buffer, which Python's own does not send."""
    import ctypes

    buffer = ctypes.create_string_buffer(asked, len(asked))
    length = ctypes.c_uint32(len(asked))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(kernel.fileno(), level, option, buffer, ctypes.byref(length)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, "the tables of the packet filter cannot be read")
    return buffer.raw[: length.value]
