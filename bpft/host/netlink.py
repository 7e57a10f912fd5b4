"""Linux's netlink(7): one dump of what the kernel lists, as fixed headers and attributes.

Netlink, not /sys: it answers for the network namespace the process is in, whatever is mounted.
"""

import struct
from collections.abc import Callable, Iterator

ROUTE = 0  #: NETLINK_ROUTE of linux/netlink.h
NETFILTER = 12  #: NETLINK_NETFILTER
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ERROR, _DONE = 2, 3
_KIND = 0x3FFF  # NLA_TYPE_MASK: without the flags "nested" and "network byte order"

Attributes = dict[int, bytes]


def dump(
    request: int,
    answer: int,
    header: bytes,
    protocol: int = ROUTE,
    wanted: Callable[[bytes], bool] = lambda _head: True,
) -> Iterator[tuple[bytes, Attributes]]:
    """The (fixed header, {attribute: bytes}) of each object of kind answer that the kernel lists.

    header: the request's own fixed part; those of the answers are as long.  wanted tells by it which objects are worth
    a closer look.  Raises OSError.
    """
    import socket  # seldom needed where a capture file is read

    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as kernel:
        kernel.settimeout(5)
        kernel.send(struct.pack("=IHHII", 16 + len(header), request, _REQUEST_DUMP, 1, 0) + header)
        while True:
            data = kernel.recv(1 << 18)
            offset = 0
            while offset + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                if kind == _DONE or length < 16:
                    return
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", data, offset + 16)[0]
                    raise OSError(code, "netlink refuses to answer")
                if kind == answer and wanted(head := data[offset + 16 : offset + 16 + len(header)]):
                    yield head, attributes(data[offset + 16 + len(header) : offset + length])
                offset += (length + 3) & ~3


def listed(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, content) of each attribute in data, in order: lists hold several of one kind."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield kind & _KIND, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def attributes(data: bytes) -> Attributes:
    """The attributes in data, the last of each kind."""
    return dict(listed(data))


def text(found: Attributes, kind: int) -> str:
    """A string attribute; "" where it is absent."""
    return found.get(kind, b"").rstrip(b"\0").decode("utf-8", "replace")


def number(found: Attributes, kind: int) -> int:
    """An unsigned 32-bit attribute in host order; 0 where it is absent."""
    content = found.get(kind, b"")
    return int(struct.unpack_from("=I", content)[0]) if len(content) >= 4 else 0
