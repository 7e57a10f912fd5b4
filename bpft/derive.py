"""Blocks made of blocks: which of some files count, and one block out of one or several that names what it replaces."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from bpft import core
from bpft.block import Block, read_block, rewrite_block, write_block
from bpft.blockscan import Damage, scan
from bpft.errors import BlockDamaged
from bpft.lineage import Lineage, Mark, ancestors, lineage, mark, origins
from bpft.newfile import copied
from bpft.record import Header
from bpft.source import Source
from bpft.summing import summed


class Entry(NamedTuple):
    """Where a block lies and what decides about it: all that is kept of it until it is written."""

    source: Source
    offset: int
    begin_ns: int
    end_ns: int
    previous: bytes  #: id of the block before it in its chain
    mark: Mark
    kind: tuple[object, ...]  #: blocks are summed only with others of their kind
    edited: bool  #: it does not stay as it is

    def block(self) -> Block:
        """Raises BlockDamaged."""
        try:
            return read_block(self.source, self.offset)
        except ValueError as error:
            raise BlockDamaged(self.source.name, self.offset, error.args[0]) from None


@dataclass(slots=True)
class Collection:
    """Every intact block of some files, in their order, and which of them count."""

    entries: list[Entry] = field(default_factory=list)
    damages: list[tuple[str, Damage]] = field(default_factory=list)  #: with the name of the file
    end: int = 0  #: of the last block of the last file

    def lineage(self) -> Lineage:
        return lineage([entry.mark for entry in self.entries])


def collect(sources: Iterable[Source], look: Callable[[Block], tuple[tuple[object, ...], bool]]) -> Collection:
    """Verify every block of the sources.  look: says of a block its kind, and whether it is to be edited."""
    found = Collection()
    kinds: dict[tuple[object, ...], tuple[object, ...]] = {}  # one object each, however many blocks there are
    for source in sources:
        for block in scan(source):
            if isinstance(block, Damage):
                found.damages.append((source.name, block))
                continue
            kind, edited = look(block)
            kind = kinds.setdefault(kind, kind)
            begin, end = block.header.begin_ns, block.header.end_ns
            found.entries.append(Entry(source, block.offset, begin, end, block.previous, mark(block), kind, edited))
            found.end = block.offset + block.length
    return found


class Edit(Protocol):
    """What is taken out of a block."""

    def header(self, header: Header) -> Header:
        """What the block says of itself then."""

    def records(self, version: "core.Version", records: bytes, header: Header) -> bytes:
        """Dense records as they are to be kept; header: of the block they come from."""


@dataclass(slots=True)
class Plan:
    """One block to be written."""

    entries: list[Entry]  #: in the order of their log; several are summed
    void: list[Mark] = field(default_factory=list)  #: of blocks that these make void, and that are not written
    edit: Edit | None = None

    @property
    def named(self) -> list[Mark]:
        """The void ones that have to be named: nothing else tells what became of a block of a chain."""
        known = {old for entry in self.entries for old in (entry.mark.id, *entry.mark.replaces)}
        return [one for one in self.void if one.is_save and one.id not in known]

    @property
    def is_copy(self) -> bool:
        """Whether it is a block as it is."""
        return len(self.entries) == 1 and self.edit is None and not self.named


def remade(plan: Plan, keep_role: bool = False) -> Iterator[bytes]:
    """The bytes of the block that a plan asks for; intact blocks that nothing asks to change stay byte for byte.

    It goes where the first of its entries was in the chain.  keep_role: a dump stays a dump.  Raises BlockDamaged.
    """
    marks = [entry.mark for entry in plan.entries]
    blocks = [entry.block() for entry in plan.entries]
    first = blocks[0]
    if plan.is_copy and (keep_role or first.header.role == "save"):
        yield from copied(first)
        return
    headers = [plan.edit.header(block.header) if plan.edit else block.header for block in blocks]
    if len(blocks) == 1:
        header = headers[0]._replace(role=headers[0].role if keep_role else "save")
    else:
        header = summed(headers)._replace(epochs=origins(marks))
    header = header._replace(replaces=ancestors([*plan.named, *marks]))
    if len(blocks) == 1 and plan.edit is None:
        first.verify()
        yield from rewrite_block(first, header)
    else:
        yield from write_block(header, _summed_records(blocks, plan.edit), previous=first.previous)


def _summed_records(blocks: list[Block], edit: Edit | None) -> core.Table:
    table = core.Table()
    for block in blocks:
        block.verify()
        for group in block.groups():
            records = group.records()
            table.add_records(group.version, edit.records(group.version, records, block.header) if edit else records)
    return table
