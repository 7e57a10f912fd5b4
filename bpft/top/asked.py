"""A question that is put to records: a view, and which records it is about."""

from __future__ import annotations

import functools
import sys
from heapq import merge
from ipaddress import ip_address
from typing import TYPE_CHECKING

from bpft import core
from bpft.core import Table
from bpft.report.scope import OTHER, UNKNOWN
from bpft.top.change import FLAGS_FROM_END, KEY_SIZE, SIZE, VERSIONS, contents
from bpft.top.view import EVERYTHING, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bpft.core import RecordFilter, Version
    from bpft.record import Header
    from bpft.report.scope import Scopes
    from bpft.top.change import Dense

_CHUNK = 1024  # rows taken from a table at once
_REMEMBERED = 1 << 16  # addresses
_WAYS = {"in": core.DIR_RX, "out": core.DIR_TX, "": 0}
TAIL = 8  #: of a key, behind the addresses: ports, protocol, flags, VLAN
_ADDRESSES6 = KEY_SIZE[6] - TAIL


class Asked:
    """One question: a view, and the records it is about."""

    def __init__(
        self,
        view: View,
        scopes: Scopes,
        header: Header,
        filters: Sequence[RecordFilter] = (),
        within: Sequence[str] = (),
    ) -> None:
        """header: of what the records are in.  They must pass all filters, and be within all those scopes."""
        self.view = view
        self._place, self._filters, self._within = scopes.at(header), filters, within
        self.scopes = (*scopes.names, UNKNOWN, OTHER)  #: by their numbers
        self._near = functools.lru_cache(_REMEMBERED)(self._rank)

    def wanted(self, records: Dense) -> Dense:
        """Those that it is about."""
        if not (self._filters or self._within):
            return records
        return {version: self._wanted(version, some) for version, some in records.items()}

    def table(self, number: int, records: Dense) -> Table:
        """One table of the view, or view.everything, of records that are wanted."""
        by = (*self.view.tables, EVERYTHING)[number]
        table = Table()
        for version, some in records.items():
            if by in ("scope", "scope+way"):
                self._add_scopes(version, some, table, by == "scope+way")
            else:
                table.add_records(version, some, by=by)
        return table if self.view.has_addresses and by != EVERYTHING else _one_version(table)

    def _wanted(self, version: Version, records: bytes) -> bytes:
        for each in self._filters:
            records = each.select(version, records)
        for scope in self._within:
            records = b"".join(share.records for share in self._place.split(version, records) if share.scope == scope)
        return records

    def _add_scopes(self, version: Version, records: bytes, table: Table, by_way: bool) -> None:
        """A scope's number stands where a port does, the way where the direction does."""
        for share in self._place.split(version, records):
            whole = Table()
            whole.add_records(version, share.records, by="proto")
            sums = b"".join(amount.to_bytes(8, sys.byteorder) for amount in whole.totals())
            number = self.scopes.index(share.scope).to_bytes(2, "big")
            flags = _WAYS[share.way] if by_way else 0
            table.add_records(4, bytes(KEY_SIZE[4] - TAIL) + number + bytes(3) + bytes((flags, 0, 0)) + sums)

    def ranked(self, table: Table, way: int) -> Iterator[tuple[Version, bytes]]:
        """The keys of the rows, most bytes of that way first; table: the one that has the way."""
        found = (self._ordered(table, version, self.view.ways[way][1]) for version in VERSIONS)
        for _, version, key in merge(*found, key=lambda row: -row[0]):
            yield version, key

    def _ordered(self, table: Table, version: Version, flags: int) -> Iterator[tuple[int, Version, bytes]]:
        view, size, keyed = table.view(version, sort="all"), SIZE[version], KEY_SIZE[version]
        at = keyed - FLAGS_FROM_END
        for start in range(0, len(view), _CHUNK):
            records = view.records(start, _CHUNK)
            for begin in range(0, len(records), size):
                key = records[begin : begin + keyed]
                if flags:
                    if key[at] & core.DIR_MASK != flags:
                        continue
                    key = key[:at] + bytes((key[at] & ~core.DIR_MASK,)) + key[at + 1 :]
                if self.view.name != "pairs" or self.is_first(version, key):
                    yield int.from_bytes(records[begin + keyed + 8 : begin + keyed + 16], sys.byteorder), version, key

    def is_first(self, version: Version, key: bytes) -> bool:
        """Whether a pair is told from this end: the nearer one, of two as near the lower address."""
        half = (KEY_SIZE[version] - TAIL) // 2
        left, right = key[:half], key[half : 2 * half]
        return left == right or (self._near(left), left) < (self._near(right), right)

    def _rank(self, address: bytes) -> int:
        return self.scopes.index(self._place.of(ip_address(address)))


def _one_version(table: Table) -> Table:
    """Rows without addresses are the same for IPv4 and IPv6: one table of IPv4 records."""
    held = contents(table)
    if 6 not in held:
        return table
    one, six = Table(), held[6]
    one.add_records(4, held.get(4, b""))
    tails = (six[at + _ADDRESSES6 : at + SIZE[6]] for at in range(0, len(six), SIZE[6]))
    one.add_records(4, b"".join(bytes(KEY_SIZE[4] - TAIL) + tail for tail in tails))
    return one
