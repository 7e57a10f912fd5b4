"""FreeBSD: interfaces by getifaddrs(3).

Layouts: <net/if.h> struct if_data (64-bit counters since FreeBSD 10), <net/if_dl.h> struct sockaddr_dl.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

from bpft.host.interface import InterfaceInfo, LinkCounters

_AF_INET, _AF_LINK, _AF_INET6 = 2, 18, 28
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8
_IF_DATA = struct.Struct("=6BH2I8Q")  # type .. vhid, datalen, mtu, metric, baudrate, packets, errors, collisions, bytes


class _IfAddrs(ctypes.Structure):
    """struct ifaddrs of <ifaddrs.h>; addresses stay opaque."""


_IfAddrs._fields_ = [
    ("next", ctypes.POINTER(_IfAddrs)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
    ("netmask", ctypes.c_void_p),
    ("destination", ctypes.c_void_p),
    ("data", ctypes.c_void_p),
]


def interfaces(name: str = "") -> list[InterfaceInfo]:
    """The interfaces of this system, or the one called name."""
    found: dict[str, InterfaceInfo] = {}
    for key, flags, address, netmask, data in _walk():
        if name and key != name:
            continue
        known = found.setdefault(
            key, InterfaceInfo(key, up=bool(flags & _IFF_UP), loopback=bool(flags & _IFF_LOOPBACK))
        )
        if address[1:2] == bytes([_AF_LINK]):
            found[key] = link(known, address, data)
        elif prefix := prefix_of(address, netmask):
            known.prefixes.append(prefix)
    return list(found.values())


def _walk() -> Iterator[tuple[str, int, bytes, bytes, bytes]]:
    """(name, flags, sockaddr, netmask sockaddr, if_data) of each entry of getifaddrs(3)."""
    libc = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_IfAddrs)()
    if libc.getifaddrs(ctypes.byref(first)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    try:
        entry = first
        while entry:
            it = entry.contents
            address = _sockaddr(it.address)
            data = b""
            if it.data and address[1:2] == bytes([_AF_LINK]):
                data = ctypes.string_at(it.data, _IF_DATA.size)
            yield os.fsdecode(it.name), it.flags, address, _sockaddr(it.netmask), data
            entry = it.next
    finally:
        libc.freeifaddrs(first)


def _sockaddr(pointer: int | None) -> bytes:
    """The bytes of a BSD sockaddr, whose first byte is its length."""
    return ctypes.string_at(pointer, ctypes.string_at(pointer, 1)[0]) if pointer else b""


def link(known: InterfaceInfo, address: bytes, data: bytes) -> InterfaceInfo:
    """known with what its AF_LINK entry adds: index and MAC from the sockaddr_dl, counters from the if_data."""
    index, _type, name_length, mac_length = struct.unpack_from("=HBBB", address, 2)
    mac = address[8 + name_length : 8 + name_length + mac_length]
    known = replace(known, index=index, mac=mac if any(mac) else b"", hardware=False if known.loopback else None)
    if len(data) < _IF_DATA.size:
        return known
    fields = _IF_DATA.unpack(data)
    mtu, baudrate, rx_packets, tx_packets, rx_bytes, tx_bytes = (fields[i] for i in (7, 9, 10, 12, 15, 16))
    counters = LinkCounters(rx_bytes, tx_bytes, rx_packets, tx_packets)
    return replace(known, mtu=mtu, speed_mbit=baudrate // 1_000_000 or None, counters=counters)


def prefix_of(address: bytes, netmask: bytes) -> str:
    """ "addr/len" of an AF_INET or AF_INET6 sockaddr and its mask; "" for other families."""
    family = address[1] if len(address) > 1 else 0
    if family == _AF_INET:
        packed, mask = address[4:8], netmask[4:8]
    elif family == _AF_INET6:
        packed, mask = address[8:24], netmask[8:24]
    else:
        return ""
    return f"{ip_address(packed)}/{int.from_bytes(mask, 'big').bit_count()}"
