"""Makes sample.pcap, which ./try.sh shows where it may not capture: a minute of one office machine, invented.

Addresses are those for documentation (RFC 5737, RFC 3849) beside a private network.  Frames are cut to 96 bytes, as a
capture of headers is; the same bytes come out on every run, and a test compares them with the file.
"""

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

SAMPLE = Path(__file__).with_name("sample.pcap")
START = 1_767_225_600  # 2026-01-01 00:00 UTC
SNAPLEN = 96
TCP, UDP, ICMP = 6, 17, 1
LAPTOP, LAPTOP6, ROUTER = "192.168.1.20", "2001:db8:1::20", "192.168.1.1"
MAC = {True: bytes.fromhex("020000000001020000000014"), False: bytes.fromhex("020000000014020000000001")}


def checksum(header: bytes) -> int:
    """RFC 1071 over a header of even length."""
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - ((total & 0xFFFF) + (total >> 16))


def frame(src: str, sport: int, dst: str, dport: int, proto: int, payload: int) -> tuple[bytes, int]:
    """One Ethernet frame as (its headers, its whole length); payload is a number of bytes, none of which are stored."""
    if proto == TCP:
        transport = struct.pack(">HHIIBBHHH", sport, dport, 1, 1, 0x50, 0x18, 65535, 0, 0)
    elif proto == UDP:
        transport = struct.pack(">HHHH", sport, dport, 8 + payload, 0)
    else:
        transport = struct.pack(">BBHHH", sport, 0, 0, 1, 1)
    source, destination = ip_address(src), ip_address(dst)
    length = len(transport) + payload
    outgoing = src in (LAPTOP, LAPTOP6)
    if source.version == 4:
        words = (0x45, 0, 20 + length, 0, 0x4000, 64, proto, 0, source.packed, destination.packed)
        bare = struct.pack(">BBHHHBBH4s4s", *words)
        header = bare[:10] + struct.pack(">H", checksum(bare)) + bare[12:]
        ethertype = 0x0800
    else:
        header = struct.pack(">IHBB", 0x60000000, length, proto, 64) + source.packed + destination.packed
        ethertype = 0x86DD
    head = MAC[not outgoing] + struct.pack(">H", ethertype) + header + transport
    return head, 14 + len(header) + length


def exchange(
    start: float, step: float, mine: tuple[str, int], theirs: tuple[str, int], proto: int, sizes: list[int]
) -> Iterator[tuple[float, bytes, int]]:
    """Frames between two ends, one each step seconds: a positive size is sent by mine, a negative one by theirs."""
    for number, size in enumerate(sizes):
        source, destination = (mine, theirs) if size > 0 else (theirs, mine)
        yield (start + number * step, *frame(*source, *destination, proto, abs(size) - 1))


def traffic() -> list[tuple[float, bytes, int]]:
    """(seconds, headers, whole length) of each frame, in order.  A size of 1 stands for an empty segment."""
    frames: list[tuple[float, bytes, int]] = []
    page = [518, -1449, -1449, -620, 1] + [-1449, -1449, 1] * 24 + [360, -801, 1]
    video = [1251, -1251, -1251] + [-1253] * 46 + [34, -1253, -1253]
    keys = [37, -37, 1] * 12
    for number, server in enumerate(("203.0.113.10", "203.0.113.80", "198.51.100.23")):
        at = 0.4 + 14 * number
        frames += exchange(at, 0.012, (LAPTOP, 40112 + number), (ROUTER, 53), UDP, [36, -52])
        frames += exchange(at + 0.1, 0.008, (LAPTOP, 51800 + number), (server, 443), TCP, page)
    frames += exchange(3.0, 0.25, (LAPTOP, 52100), ("198.51.100.7", 22), TCP, keys)
    frames += exchange(9.5, 0.02, (LAPTOP6, 50123), ("2001:db8:53::1", 53), UDP, [49, -77])
    frames += exchange(10.0, 0.006, (LAPTOP6, 49320), ("2001:db8:80::443", 443), UDP, video * 2)
    frames += exchange(30.0, 0.03, (LAPTOP, 123), ("203.0.113.123", 123), UDP, [49, -49])
    frames += exchange(40.0, 1.0, (LAPTOP, 8), (ROUTER, 0), ICMP, [57, -57] * 4)
    return sorted(frames)


def sample() -> bytes:
    """The capture file: classic pcap, little-endian, microseconds."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, 1)]
    for seconds, head, length in traffic():
        microseconds = round(seconds * 1_000_000)
        stored = head.ljust(min(length, SNAPLEN), b"\0")
        parts.append(
            struct.pack("<IIII", START + microseconds // 1_000_000, microseconds % 1_000_000, len(stored), length)
        )
        parts.append(stored)
    return b"".join(parts)


if __name__ == "__main__":
    SAMPLE.write_bytes(sample())
