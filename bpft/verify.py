"""Is a log what was written?  Checksums, ids, the chain, sequence numbers and epochs of any number of files."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bpft.block import Block
from bpft.blockscan import Damage, scan
from bpft.errors import BlockDamaged, CannotRead
from bpft.lineage import Mark, mark, superseded


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written, or not as it must be."""

    offset: int
    length: int
    reason: str


@dataclass(slots=True)
class Verified:
    """One file.  notes are worth knowing and no reason to worry."""

    name: str
    error: str = ""  #: why nothing of it could be checked
    size: int = 0
    blocks: int = 0
    records: int = 0
    begin_ns: int = 0  #: of all its blocks, UTC; 0, 0: there is none
    end_ns: int = 0
    head: bytes = b""  #: id of the last block
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    damaged: int = 0  #: places that hold no block; the other findings are about whole blocks


class _Seen(NamedTuple):
    """What is kept of a block until all files were read."""

    file: Verified
    offset: int
    length: int
    mark: Mark
    previous: bytes
    sequence: int
    whose: tuple[bytes, str, str]  #: probe, host and interface: blocks of one chain agree in them
    damages: int  #: damaged places in the file before it

    @property
    def place(self) -> str:
        return f"the block at byte {self.offset} of {self.file.name}"

    def find(self, reason: str) -> None:
        self.file.findings.append(Finding(self.offset, self.length, reason))

    def note(self, reason: str) -> None:
        self.file.notes.append(Finding(self.offset, self.length, reason))


def verify(names: Iterable[str | os.PathLike[str]]) -> list[Verified]:
    """Check each byte of each file; they may continue one another, in any order."""
    files, seen = [], []
    for name in names:
        file = Verified(os.fspath(name))
        files.append(file)
        try:
            seen += list(_blocks(file))
        except CannotRead as error:
            file.error = str(error)
    _chain(seen)
    _twice(seen)
    for file in files:
        file.findings.sort(key=lambda finding: finding.offset)
        file.notes.sort(key=lambda note: note.offset)
    return files


def _blocks(file: Verified) -> Iterator[_Seen]:
    """Every intact block of a file; what is wrong with it alone goes into its findings."""
    for found in scan(file.name):
        file.size = found.offset + found.length
        if isinstance(found, Damage):
            file.damaged += not found.newer
            file.findings.append(Finding(found.offset, found.length, found.reason))
            continue
        header = found.header
        file.begin_ns = min(file.begin_ns, header.begin_ns) if file.blocks else header.begin_ns
        file.end_ns = max(file.end_ns, header.end_ns) if file.blocks else header.end_ns
        file.blocks += 1
        file.records += found.rows
        file.head = found.id
        whose = header.probe, header.host, header.interface
        one = _Seen(file, found.offset, found.length, mark(found), found.previous, header.sequence, whose, file.damaged)
        for reason in _wrong(found):
            one.find(reason)
        yield one
    if file.damaged and not file.blocks and len(file.findings) == file.damaged:
        reason, file.damaged = file.findings[0].reason, 0
        file.findings.clear()
        file.error = f"{file.name}: it holds no whole block of a log: {reason}"


def _wrong(block: Block) -> Iterator[str]:
    """What a block whose bytes are as they were written says that cannot be."""
    rows = 0
    try:
        for group in block.groups():
            rows += group.rows
            group.records()
    except BlockDamaged as error:
        yield str(error.args[-1])
    else:
        if rows != block.rows:
            yield f"it holds {rows} records and says that it holds {block.rows}"
    header, counters = block.header, block.header.counters
    if header.begin_ns > header.end_ns:
        yield "it ends before it begins"
    if counters.seen != counters.counted + sum(counters.skipped.values()):
        yield f"of {counters.seen} frames seen it does not say what became of each"


def _chain(seen: list[_Seen]) -> None:
    """Each block names the one before it, by an id that nobody can make fit another content."""
    where: dict[bytes, set[str]] = {}
    for one in seen:
        where.setdefault(one.mark.id, set()).add(one.file.name)
    replaced = {old for one in seen for old in one.mark.replaces}
    known: dict[bytes, _Seen] = {}
    last_of: dict[tuple[bytes, str, str], _Seen] = {}
    file: Verified | None = None
    for one in seen:
        if one.file is not file:
            file, known, last_of = one.file, {}, {}
        before, last = known.get(one.previous), last_of.get(one.whose)
        if before is not None:
            if before.mark.id == one.previous:  # what stands for others has the number of one of them
                _sequence(one, before)
        elif not one.previous:
            if known:
                one.note("another log begins here: it has no block before it")
        elif one.previous not in replaced and not where.get(one.previous, set()) - {one.file.name}:
            _missing(one, last)
        for id_ in (one.mark.id, *one.mark.replaces):
            known[id_] = one
        last_of[one.whose] = one


def _missing(one: _Seen, last: _Seen | None) -> None:
    text = f"the block before it, {one.previous.hex()}, is not there"
    if last is None:
        one.note(f"{text}: it may be in a file that this one continues")
    elif last.damages == one.damages:
        one.find(text)
    else:
        one.note(f"{text}: it may be what is damaged")


def _sequence(one: _Seen, before: _Seen) -> None:
    expected = before.sequence + 1
    if one.sequence != expected and not (one.mark.replaces and one.sequence > expected):
        one.find(f"its number is {one.sequence}, that of the block before it {before.sequence}")


def _twice(seen: list[_Seen]) -> None:
    """The same block, or blocks of the same epoch: readers count one of them (SEMANTICS E7)."""
    replaced = superseded(one.mark for one in seen)
    ids: dict[bytes, _Seen] = {}
    epochs: dict[bytes, _Seen] = {}
    for one in sorted(seen, key=lambda one: (not one.mark.is_whole, not one.mark.is_save)):
        if one.mark.id in ids:
            one.find(f"it is the same as {ids[one.mark.id].place}; it counts once")
            continue
        ids[one.mark.id] = one
        if one.mark.id in replaced:
            one.note("another block replaces it; it counts no more")
            continue
        for epoch in one.mark.origins:
            if epoch not in epochs:
                epochs[epoch] = one
                continue
            if epochs[epoch].mark.is_whole and not one.mark.is_whole:
                one.note(f"it was repaired, and {epochs[epoch].place} is whole: only that counts")
                break
            text = f"its epoch, {epoch.hex()}, is that of {epochs[epoch].place}; only the later counts"
            (one.find if one.mark.is_save else one.note)(text)
            break
