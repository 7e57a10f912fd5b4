"""Stand-ins for what surrounds the daemon's state: an interface without frames, a disk that fails on request."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

from bpft.core import Table
from bpft.daemon.epoch import Epoch, cut
from bpft.daemon.keeper import Keeper
from bpft.daemon.settings import Settings
from bpft.errors import CannotWrite
from bpft.paths import paths
from bpft.record import Header

_RECORD = struct.Struct("=4s4s2s2sBBHQQQ")

#: dport -> (packets, all)
Sums = dict[int, tuple[int, int]]


def add(table: Table, port: int, packets: int, all_bytes: int) -> None:
    """Count into table, as a capture would."""
    key = (bytes(4), bytes(4), bytes(2), port.to_bytes(2, "big"), 17, 0, 0)
    one = Table()
    one.add_records(4, _RECORD.pack(*key, packets, all_bytes, 0))
    one.set_counters({**one.counters(), "seen": packets, "counted": packets})
    table.merge(one)


def sums(table: Table) -> Sums:
    view = table.view(4)
    return {int.from_bytes(row[3], "big"): (row[7], row[8]) for row in _RECORD.iter_unpack(view.records(0, len(view)))}


class FakeTap:
    """Counts what count() is told into the table that is in."""

    engine, buffer, counting = "ring", 4 << 20, "wire-exact"

    def __init__(self) -> None:
        self.table = Table()
        self.stopped = False
        self.counted = Table()  # everything, ever
        self.drops = 0
        self.swaps = 0

    def count(self, port: int, packets: int, all_bytes: int) -> None:
        assert not self.stopped
        add(self.table, port, packets, all_bytes)
        add(self.counted, port, packets, all_bytes)

    def swap(self, table: Table, merge: bool = False, settle: bool = False) -> Table:
        self.swaps += 1
        if merge:
            table.merge(self.table)
        previous, self.table = self.table, table
        return previous

    def kernel(self) -> tuple[int, int, int]:
        return int(str(self.counted.counters()["seen"])) + self.drops, self.drops, 0

    def header(self, role: str) -> Header:
        return Header(role="dump" if role == "dump" else "save", interface="nope0")

    def stop(self) -> None:
        self.stopped = True


@dataclass
class Appended:
    rows: int
    id: bytes = bytes(16)


@dataclass
class FakeDisk:
    """A log and a dump in memory; while failing is set, writing raises it, in the middle."""

    tap: FakeTap
    failing: BaseException | None = None
    blocks: list[tuple[Header, Sums, int]] = field(default_factory=list)
    dumped: tuple[Header, Sums] | None = None
    busy: int = 0  #: packets that arrive while a block is written

    def append(self, header: Header, table: Table, min_all: int = 0) -> Appended:
        self._write()
        self.blocks.append((header, sums(table), min_all))
        return Appended(len(table))

    def write_dump(self, path: Path, header: Header, table: Table) -> None:
        self._write()
        self.dumped = header, sums(table)

    def _write(self) -> None:
        if self.busy and not self.tap.stopped:
            self.tap.count(9, self.busy, self.busy * 100)
        if self.failing:
            raise self.failing


FULL = CannotWrite("/x", "No space left on device")


def make(root: Path, **options: object) -> tuple[Keeper, FakeTap, FakeDisk]:
    """A keeper between a fake interface and a fake disk."""
    settings = Settings("nope0", "x", paths(str(root)), **options)  # type: ignore[arg-type]
    tap = FakeTap()
    disk = FakeDisk(tap)
    return Keeper(settings, tap, disk, disk.write_dump, Epoch.begin(cut("nope0", tap.kernel()))), tap, disk
