"""What records come to under a question; tables are made when somebody looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bpft import core
from bpft.core import Table
from bpft.top.change import FLAGS_FROM_END, KEY_SIZE

if TYPE_CHECKING:
    from bpft.core import Version
    from bpft.top.asked import Asked
    from bpft.top.change import Dense

_FLAGS = core.NO_PORTS | core.NO_PROTO
_NO_KEY = bytes(KEY_SIZE[4] - FLAGS_FROM_END) + bytes((_FLAGS, 0, 0))  # of the records of everything


class Sums:
    """Of some records."""

    def __init__(self, asked: Asked, records: Dense) -> None:
        self.asked = asked
        self._records = asked.wanted(records)
        self._tables: dict[int, Table] = {}

    def table(self, number: int) -> Table:
        """One of the view's tables, which must not be changed."""
        if number not in self._tables:
            self._tables[number] = self.asked.table(number, self._records)
        return self._tables[number]

    def of(self, version: Version, key: bytes, way: int) -> int:
        """The bytes of a row."""
        return self._get(*self.asked.view.ways[way], version, key)

    def everything(self, way: int) -> int:
        """The bytes of all records, each once; in and out are what the interface received and sent."""
        number = self.asked.view.everything
        if not way:
            return self.table(number).totals()[1]
        return self._get(number, (0, core.DIR_RX, core.DIR_TX)[way], 4, _NO_KEY)

    def _get(self, number: int, flags: int, version: Version, key: bytes) -> int:
        if flags:
            at = len(key) - FLAGS_FROM_END
            key = key[:at] + bytes((key[at] | flags,)) + key[at + 1 :]
        found = self.table(number).get(version, key)
        return found[1] if found else 0


class Window:
    """The pieces of a time.  Only what rows are sorted by needs all their rows in one table."""

    def __init__(self, parts: Sequence[Sums], span_ns: int = 0) -> None:
        """span_ns 0: of no time."""
        self._parts, self.span_ns = tuple(parts), span_ns

    def of(self, version: Version, key: bytes, way: int) -> int:
        """The bytes of a row."""
        return sum(part.of(version, key, way) for part in self._parts)

    def everything(self, way: int) -> int:
        """The bytes of all records."""
        return sum(part.everything(way) for part in self._parts)

    def ranked(self, asked: Asked, way: int) -> Iterator[tuple[Version, bytes]]:
        """The keys of the rows, most bytes of that way first."""
        number = asked.view.ways[way][0]
        if len(self._parts) == 1:
            return asked.ranked(self._parts[0].table(number), way)
        whole = Table()
        for part in self._parts:
            whole.merge(part.table(number))
        return asked.ranked(whole, way)
