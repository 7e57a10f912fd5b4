"""Records summed again under a reduced key, in the same C table the meter uses (R2)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from bpft import core
from bpft.core import Table
from bpft.report.dimension import Grouping

if TYPE_CHECKING:
    from bpft.core import Sort, Version
    from bpft.report.bucket import Bucket
    from bpft.report.scope import Way

Totals = tuple[int, int, int]  #: packets, all, data

VERSIONS: tuple[Version, ...] = (4, 6)
RECORD_SIZE: dict[Version, int] = {4: 40, 6: 64}
SUMS = Struct("=QQQ")  #: what a record ends with
WRAP = 1 << 64  #: sums have 64 bits and wrap around

_CHUNK = 4096  # records taken from a view at once: a report of any length needs little memory
_TAIL = 32  # what both record layouts end with: sport, dport, proto, flags, vlan, then the sums
_OTHER_SCOPE = "other"


class Tally:
    """Records of any number of blocks, summed under one grouping; of one bucket, interface and scope, where it has any.

    Its tables by role.  "rows": what the rows are.  Where a record is looked at from both of its ends: "out" from its
    source, "in" from its destination, "self" where the two are the same; rows are out + in - self.  With scopes "in"
    and "out" are what went there as seen from the local side.  "once": where rows count a record twice, its total.
    """

    def __init__(
        self,
        grouping: Grouping,
        outer: tuple[str | None, ...] = (),
        bucket: Bucket | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """outer: the cells that all rows share; bucket: that one of them, if there is one; share: of all rows."""
        self.grouping = grouping
        self.outer = outer
        self.bucket = bucket
        self.share = share
        self.forgotten = 0  #: rows of which only the sums are known
        self.forgotten_sums: Totals = (0, 0, 0)
        self.tables: dict[str, Table] = {role: Table() for role in grouping.tables}
        self._by_way = "scope" in grouping.outer and "self" not in grouping.tables

    def add(self, version: Version, records: bytes, way: Way = "") -> None:
        """Add dense records; way: where they went, for scopes."""
        for role, by in self.grouping.tables.items():
            if not self._by_way or role in ("rows", "once", way):
                self.tables[role].add_records(version, records, by=by, bits=self.grouping.bits, share=self.share)

    def add_columns(self, version: Version, rows: int, columns: list[tuple[int, int, bytes | memoryview]]) -> None:
        """Add the records of a row group, none of which is the remainder.  ValueError where they make no sense."""
        bits = self.grouping.bits
        tables = [(self.tables[role], by, bits, self.share) for role, by in self.grouping.tables.items()]
        core.add_columns(version, rows, columns, tables)

    def __len__(self) -> int:
        """Records in its tables."""
        return sum(map(len, self.tables.values()))

    def totals(self) -> Totals:
        """(packets, all, data) of the records, each counted once."""
        table = self.tables[next(role for role in ("once", "rows", "out") if role in self.tables)]
        return added(table.totals(), self.forgotten_sums)

    def take_share(self, share: tuple[int, int]) -> None:
        """From now on only these rows are summed, and of those that are there the others are dropped."""
        self.tables["rows"] = self.tables["rows"].share(*share)
        self.share = share

    def keep_largest(self, sort: Sort, top: int) -> None:
        """Forget all rows but those, where no others will be asked for; their number and sums stay."""
        whole, kept = self.tables["rows"], Table()
        for version in VERSIONS:
            kept.add_records(version, whole.view(version, sort=sort, limit=top).records(0, top))
        before, after = whole.totals(), kept.totals()
        self.forgotten += len(whole) - len(kept)
        gone = before[0] - after[0], before[1] - after[1], before[2] - after[2]
        self.forgotten_sums = added(self.forgotten_sums, gone)
        self.tables["rows"] = kept

    def join(self, other: Tally) -> None:
        """Take over what another one summed: of other records, or another share of the rows."""
        for role, table in other.tables.items():
            self.tables[role].merge(table)
        self.forgotten += other.forgotten
        self.forgotten_sums = added(self.forgotten_sums, other.forgotten_sums)

    def finish(self) -> Finished:
        """Its rows; nothing may be added afterwards."""
        if "self" in self.tables:
            out, into = self.tables["out"], self.tables["in"]
            return Finished(_both_ends(out, into, self.tables["self"]), into, out)
        make = _version_free
        if self.grouping.has_addresses:
            make = _as_it_is
        elif not self.grouping.fields:
            make = _one_row
        ways = [make(self.tables[role]) if role in self.tables else None for role in ("in", "out")]
        return Finished(make(self.tables["rows"]), *ways)

    @property
    def is_remainder(self) -> bool:
        """Whether all of it is the remainder (C7), which has a scope of its own."""
        named = dict(zip(self.grouping.outer, self.outer, strict=True))
        return named.get("scope") == _OTHER_SCOPE


class Finished(NamedTuple):
    """Tables of a tally that is complete, all under the same keys."""

    rows: Table
    into: Table | None  #: for the column in
    out: Table | None


def chunks(
    table: Table, version: Version, sort: Sort = "key", limit: int = 0, reverse: bool = False, size: int = _CHUNK
) -> Iterator[bytes]:
    """The dense records of one IP version in order, some thousand at a time; reverse: those of a chunk too."""
    view = table.view(version, sort=sort, limit=0 if reverse else limit)
    if not reverse:
        for start in range(0, len(view), size):
            yield view.records(start, size)
        return
    left = len(view)
    until = left - limit if limit else 0
    one = RECORD_SIZE[version]
    while left > max(until, 0):
        count = min(size, left - max(until, 0))
        left -= count
        records = view.records(left, count)
        yield b"".join(records[at : at + one] for at in range(len(records) - one, -1, -one))


def remainder(records: bytes) -> Totals:
    """(packets, all, data) of "other" if these dense records, sorted by key, end with it."""
    if not records or not records[5 - _TAIL] & core.OTHER:
        return 0, 0, 0
    packets, all_, data = SUMS.unpack(records[-SUMS.size :])
    return packets, all_, data


def added(one: Totals, other: Totals) -> Totals:
    """Two totals in one."""
    return (one[0] + other[0]) % WRAP, (one[1] + other[1]) % WRAP, (one[2] + other[2]) % WRAP


def _both_ends(out: Table, into: Table, self_: Table) -> Table:
    """What each end sent and received, less what it sent to itself and "other", which both tables hold.

    Sums wrap, so adding the two's complement subtracts.
    """
    ends = Table()
    ends.merge(out)
    ends.merge(into)
    for version in VERSIONS:
        size = RECORD_SIZE[version]
        for records in chunks(self_, version):
            _subtract(ends, version, (records[at : at + size] for at in range(0, len(records), size)))
        other = bytes([0] * (size - SUMS.size - 3) + [core.OTHER | core.NO_PORTS | core.NO_PROTO, 0, 0])
        sums = out.get(version, other)
        if sums:
            _subtract(ends, version, [other + SUMS.pack(*sums)])
    return ends


def _subtract(table: Table, version: Version, records: Iterator[bytes] | list[bytes]) -> None:
    negated = (
        record[: -SUMS.size] + SUMS.pack(*(-value % WRAP for value in SUMS.unpack(record[-SUMS.size :])))
        for record in records
    )
    table.add_records(version, b"".join(negated))


def _as_it_is(table: Table) -> Table:
    return table


def _one_row(table: Table) -> Table:
    """A table of one record that knows nothing but the sums of all: what was watched has a row, even an empty one."""
    whole = Table()
    whole.add_records(4, bytes([0] * 13 + [core.NO_PORTS | core.NO_PROTO, 0, 0]) + SUMS.pack(*table.totals()))
    return whole


def _version_free(table: Table) -> Table:
    """Keys without addresses are the same for IPv4 and IPv6: one table of IPv4 records."""
    merged = Table()
    for records in chunks(table, 4):
        merged.add_records(4, records)
    for records in chunks(table, 6):
        tails = (records[end - _TAIL : end] for end in range(64, len(records) + 1, 64))
        merged.add_records(4, b"".join(bytes(8) + tail for tail in tails))
    return merged
