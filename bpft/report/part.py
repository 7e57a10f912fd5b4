"""A part of what a report reads: one block, or one capture that was metered, and its records piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bpft.block import Block
from bpft.core import Table
from bpft.record import Header
from bpft.report.group import VERSIONS, Tally, chunks
from bpft.rowgroup import Group

if TYPE_CHECKING:
    from bpft.core import Version
    from bpft.heritage import OldBlock

_MANY = 4  # row groups
_ASIDE = 32_768  # rows, about, that a second thread sums to: more of them would not stay in its cache


class Piece(NamedTuple):
    """Dense records of one IP version, sorted by key, and what their keys hold."""

    version: Version
    records: bytes
    has_ports: bool = True
    has_proto: bool = True
    other: bool = False  #: the remainder alone

    def add_to(self, tally: Tally) -> None:
        tally.add(self.version, self.records)


class Columns(NamedTuple):
    """Records of a row group as they are stored: of those that a tally needs, the columns."""

    group: Group
    columns: list[tuple[int, int, bytes | memoryview]]

    def add_to(self, tally: Tally) -> None:
        """Raises BlockDamaged."""
        with self.group.damaging():
            tally.add_columns(self.group.version, self.group.rows, self.columns)


class Aside:
    """Columns of a part that the thread which reads ahead sums by itself."""

    def __init__(self, tally: Tally) -> None:
        self.tally, self.records = tally, 0

    def add(self, piece: Piece | Columns) -> bool:
        """Whether it was summed here: not where there are many rows, which all have to be joined afterwards."""
        if isinstance(piece, Piece) or len(self.tally) > _ASIDE:
            return False
        piece.add_to(self.tally)
        self.records += piece.group.rows
        return True

    @property
    def pays(self) -> bool:
        """Whether joining its rows took little beside summing them."""
        return self.records > 4 * len(self.tally)


@dataclass(slots=True)
class Part:
    """One block, one of an old BPFT, or one capture that was metered."""

    origin: str  #: the file, as it was named
    header: Header
    content: Block | OldBlock | Table
    is_live: bool = False  #: what a running daemon holds: it goes on
    advance: Callable[[int], None] | None = None  #: is told of records that were read, so many more

    def verify(self) -> None:
        """Check a block's bytes, before anything of it is counted.  Raises BlockDamaged."""
        if isinstance(self.content, Block):
            self.content.verify()

    @property
    def is_long(self) -> bool:
        """Whether its pieces are so many that a second thread is worth it."""
        return isinstance(self.content, Block) and len(self.content.sections) >= _MANY

    def pieces(self) -> Iterator[Piece]:
        """Its records.  Raises BlockDamaged."""
        if isinstance(self.content, Block):
            for group in self._groups(self.content):
                yield _piece(group)
            return
        table = self.content if isinstance(self.content, Table) else self.content.table()
        for version in VERSIONS:
            for records in chunks(table, version):
                yield Piece(version, records)

    def columns(self, needed: Collection[int]) -> Iterator[Piece | Columns]:
        """Its records for a tally that needs only these columns; the remainder as a Piece.  Raises BlockDamaged."""
        if not isinstance(self.content, Block):
            yield from self.pieces()
            return
        for group in self._groups(self.content):
            yield _piece(group) if group.other else Columns(group, group.unpacked(needed))

    def _groups(self, block: Block) -> Iterator[Group]:
        for group in block.groups():
            yield group
            if self.advance:
                self.advance(group.rows)


def _piece(group: Group) -> Piece:
    return Piece(group.version, group.records(), group.has_ports, group.has_proto, group.other)
