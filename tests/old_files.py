"""Files as the old daemons wrote them, made from their layouts."""

import struct
from typing import NamedTuple

TABLE_SIZE = 136240


class Entry(NamedTuple):
    """src and dst as integers; who: whose port the old layout keeps."""

    src: int = 0x0A000001
    dst: int = 0xC0000201
    proto: int = 6
    who: int = 1
    sport: int = 80
    dport: int = 40000
    all: int = 1500
    data: int = 1460


def block(
    layout: str,
    endian: str,
    entries: list[Entry],
    begin: tuple[int, int] = (1_000_000_000, 250_000),
    end: tuple[int, int] = (1_000_003_600, 0),
    prefix: bool = False,
    wide: bool = False,
) -> bytes:
    """One block: a save appends it, a dump is one, prefix: behind the size of the daemon's table."""
    sign = "<" if endian == "little" else ">"
    out = struct.pack(f"{sign}i", TABLE_SIZE) if prefix else b""
    out += struct.pack(sign + ("i4x4q" if wide else "5i"), len(entries), *begin, *end)
    for one in entries:
        addresses = one.src.to_bytes(4, "big") + one.dst.to_bytes(4, "big")
        if layout == "old":
            port = one.dport if one.who == 2 else one.sport if one.who else 0
            out += addresses + struct.pack(f"{sign}BBHII", one.proto, one.who, port, one.all, one.data)
        else:
            # Padding is whatever memory held.
            out += addresses + struct.pack(
                f"{sign}BBHHHII", one.proto, 0xA5, one.sport, one.dport, 0x5AA5, one.all, one.data
            )
    return out
