"""What came to a table between two looks at it, as dense records: the flows that were active, with what they gained."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, TypeAlias

from bpft import core
from bpft.core import Table

if TYPE_CHECKING:
    from bpft.core import Version

    Dense: TypeAlias = dict[Version, bytes]  #: records of each IP version

VERSIONS: tuple[Version, ...] = (4, 6)
KEY_SIZE: dict[Version, int] = {4: 16, 6: 40}
SIZE: dict[Version, int] = {4: 40, 6: 64}  #: of a record: its key and three sums of 64 bits
FLAGS_FROM_END = 3  #: of a key
_WORD = (1 << 64) - 1
#: The key of "other" (SEMANTICS C7).
OTHER: dict[Version, bytes] = {
    version: bytes(size - FLAGS_FROM_END) + bytes((core.OTHER | core.NO_PORTS | core.NO_PROTO, 0, 0))
    for version, size in KEY_SIZE.items()
}


def contents(table: Table) -> Dense:
    """All that a table holds."""
    views = {version: table.view(version) for version in VERSIONS}
    return {version: view.records(0, len(view)) for version, view in views.items() if len(view)}


def change(before: Dense, now: Dense) -> Dense | None:
    """now less before: the flows that gained bytes, and how many; packets and data are left away.

    None where a flow shrank: now is no later look at the same table.  Flows that the cap has folded meanwhile went
    into "other", whose gain is told without them.
    """
    gained: Dense = {}
    for version in VERSIONS:
        table = Table()
        table.add_records(version, _bytes(version, now, 1))
        table.add_records(version, _bytes(version, before, -1))
        lost, some = _changed(version, table)
        if lost:
            present = Table()
            present.add_records(version, now.get(version, b""))
            keyed, size = KEY_SIZE[version], SIZE[version]
            rest = Table()
            rest.add_records(version, some)
            for record in (lost[at : at + size] for at in range(0, len(lost), size)):
                if present.get(version, record[:keyed]):
                    return None
                rest.add_records(version, OTHER[version] + record[keyed:])
            lost, some = _changed(version, rest)
            if lost:
                return None
        if some:
            gained[version] = some
    return gained


def _bytes(version: Version, records: Dense, sign: int) -> bytes:
    """Records of bytes alone.  Those with a sign of -1 take theirs away: tables add in 64 bits, and wrap."""
    words, step = array("Q", records.get(version, b"")), SIZE[version] // 8
    packets, all_, data = range(step - 3, step)
    words[packets::step] = words[data::step] = array("Q", bytes(8 * (len(words) // step)))
    if sign < 0:
        words[all_::step] = array("Q", [-word & _WORD for word in words[all_::step]])
    return words.tobytes()


def _changed(version: Version, table: Table) -> tuple[bytes, bytes]:
    """(records that came out negative, records that gained); in the order of their bytes these come first."""
    view = table.view(version, sort="all")

    def all_of(at: int) -> int:
        return int.from_bytes(view.records(at, 1)[-16:-8], sys.byteorder)

    places = range(len(view))
    lost = bisect_left(places, True, key=lambda at: not all_of(at) >> 63)
    idle = bisect_left(places, True, key=lambda at: all_of(at) == 0)
    return view.records(0, lost), view.records(lost, idle - lost)
