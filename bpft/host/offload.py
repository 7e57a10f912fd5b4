"""What takes packets away before a tap sees them: XDP programs, and flows that the hardware forwards on its own.

All of it is Linux's; elsewhere there is nothing of the kind that could be asked for.
"""

import errno
import struct
import sys
from collections.abc import Iterator

from bpft.host import netlink
from bpft.host.netlink import Attributes, text

# linux/rtnetlink.h, linux/if_link.h
_GETLINK, _NEWLINK, _GETTFILTER, _NEWTFILTER = 18, 16, 46, 44
_IFNAME, _XDP, _XDP_ATTACHED, _XDP_PROG_ID = 3, 43, 2, 4
_MODES = {1: "in the driver", 2: "generic", 3: "in the card", 4: "several at once"}
# linux/pkt_sched.h, linux/pkt_cls.h: where filters hang, and the attribute of each kind with TCA_CLS_FLAGS_IN_HW
_PARENTS = (0xFFFF0000, 0xFFFFFFF2, 0xFFFFFFF3)  # the ingress qdisc, clsact in and out
_KIND, _OPTIONS, _IN_HARDWARE = 1, 2, 4
_FLAGS = {"flower": 22, "u32": 11, "matchall": 3, "bpf": 9}
# linux/netfilter/nf_tables.h
_GETFLOWTABLE, _NEWFLOWTABLE = 10 << 8 | 23, 10 << 8 | 22
_TABLE, _NAME, _HOOK, _TABLE_FLAGS, _HOOK_DEVICES, _HW_OFFLOAD = 1, 2, 3, 7, 3, 1

_LINUX = sys.platform.startswith("linux")


def xdp_programs() -> dict[str, tuple[int, str]]:
    """Interfaces with a program, its id and how it is attached.  Raises OSError."""
    found = {}
    for _head, attributes in _links():
        xdp = netlink.attributes(attributes.get(_XDP, b""))
        mode = xdp.get(_XDP_ATTACHED, b"\0")[0]
        if mode:
            found[text(attributes, _IFNAME)] = (netlink.number(xdp, _XDP_PROG_ID), _MODES.get(mode, "attached"))
    return found


def _links() -> list[tuple[bytes, Attributes]]:
    return list(netlink.dump(_GETLINK, _NEWLINK, bytes(16))) if _LINUX else []


def hardware_filters() -> dict[str, int]:
    """How many filters of tc(8) the hardware of an interface has taken over.  Raises OSError."""
    found = {}
    for head, attributes in _links():
        index = struct.unpack_from("=i", head, 4)[0]
        taken = sum(_in_hardware(it) for parent in _PARENTS for it in _filters(index, parent))
        if taken:
            found[text(attributes, _IFNAME)] = taken
    return found


def _filters(index: int, parent: int) -> Iterator[Attributes]:
    try:
        for _head, attributes in netlink.dump(
            _GETTFILTER, _NEWTFILTER, struct.pack("=Bxxxi3I", 0, index, 0, parent, 0)
        ):
            yield attributes
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP):  # no qdisc there, or no tc at all
            raise


def _in_hardware(attributes: Attributes) -> bool:
    options = netlink.attributes(attributes.get(_OPTIONS, b""))
    flags = _FLAGS.get(text(attributes, _KIND), 0)
    return bool(netlink.number(options, flags) & _IN_HARDWARE)


def hardware_flowtables() -> dict[str, str]:
    """Interfaces of which a flowtable of nftables hands flows to the hardware, and its name.

    Raises OSError; PermissionError without CAP_NET_ADMIN.
    """
    found: dict[str, str] = {}
    try:
        listed = list(netlink.dump(_GETFLOWTABLE, _NEWFLOWTABLE, bytes(4), netlink.NETFILTER)) if _LINUX else []
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            raise
        return found  # This kernel has no flowtables.
    for _head, table in listed:
        flags = struct.unpack(">I", table.get(_TABLE_FLAGS, bytes(4)))[0]
        if flags & _HW_OFFLOAD:
            hook = netlink.attributes(table.get(_HOOK, b""))
            for _kind, name in netlink.listed(hook.get(_HOOK_DEVICES, b"")):
                device = name.rstrip(b"\0").decode("utf-8", "replace")
                found[device] = f"flowtable {text(table, _NAME)} of table {text(table, _TABLE)}"
    return found
