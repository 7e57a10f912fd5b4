"""Which blocks count where originals, dumps and what was made of them meet: no epoch ever twice (SEMANTICS E7).

A block stands for one or more epochs: its own, or those that it names when it was made of others.  It counts no more
where another names its id in ``replaces``, or where blocks that count stand for all its epochs.  But what a repair
saved of a block never takes the place of that block itself, where a copy of it is whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from bpft.record import Header


class Mark(NamedTuple):
    """What a block tells of where it comes from: all that is kept of it in memory while logs are merged."""

    id: bytes
    origins: tuple[bytes, ...]  #: the epochs that it stands for; its id where it has none
    #: of two that stand for the same the larger counts: one that is not repaired, the later end, save over dump
    age: tuple[bool, int, bool]
    replaces: tuple[bytes, ...]
    is_save: bool

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it was lost to damage."""
        return self.age[0]


class Told(Protocol):
    """A block, of ours or of an old BPFT."""

    @property
    def id(self) -> bytes: ...
    @property
    def header(self) -> Header: ...


def mark(block: Told) -> Mark:
    """The mark of a block."""
    header = block.header
    is_save = header.role == "save"
    origins = header.epochs or (header.epoch or block.id,)
    return Mark(block.id, origins, (not header.made_of("repaired"), header.end_ns, is_save), header.replaces, is_save)


@dataclass(slots=True)
class Lineage:
    """Which of some blocks count, by their place among them."""

    counts: list[int] = field(default_factory=list)  #: places of blocks that count, ascending
    stands_for: dict[int, list[int]] = field(default_factory=dict)  #: place that counts -> places that it makes void
    #: places of blocks that share some of their epochs, not all, with others that count: they are left out
    torn: list[int] = field(default_factory=list)


def lineage(marks: Sequence[Mark]) -> Lineage:
    """Which blocks count.  Those that stand for most epochs go first, then the later, then the larger id."""
    replaced = superseded(marks)
    found = Lineage()
    owner: dict[bytes, int] = {}  # origin -> place of the block that counts for it
    seen: set[bytes] = set()

    def rank(place: int) -> tuple[int, tuple[bool, int, bool], bytes]:
        return len(marks[place].origins), marks[place].age, marks[place].id

    for place in sorted(range(len(marks)), key=rank, reverse=True):
        one = marks[place]
        if one.id in seen or one.id in replaced:
            continue
        seen.add(one.id)
        owners = {owner[origin] for origin in one.origins if origin in owner}
        if not owners:
            owner.update(dict.fromkeys(one.origins, place))
            found.counts.append(place)
        elif all(origin in owner for origin in one.origins):
            found.stands_for.setdefault(min(owners), []).append(place)
        else:
            found.torn.append(place)
    found.counts.sort()
    found.torn.sort()
    return found


def decisive(marks: Sequence[Mark], found: Lineage) -> set[int]:
    """The places of those because of which others do not count: they must be whole, or the others would."""
    counting = set(found.counts)
    because: dict[bytes, set[int]] = {}
    for place, one in enumerate(marks):
        for key in (*one.replaces, *((one.id, *one.origins) if place in counting else ())):
            because.setdefault(key, set()).add(place)
    void = (one for place, one in enumerate(marks) if place not in counting)
    return {place for one in void for key in (one.id, *one.origins) for place in because.get(key, ())}


def superseded(marks: Iterable[Mark]) -> set[bytes]:
    """The ids of those that count no more because others name them."""
    by_any: set[bytes] = set()
    by_whole: set[bytes] = set()
    whole: set[bytes] = set()
    for one in marks:
        by_any.update(one.replaces)
        if one.is_whole:
            by_whole.update(one.replaces)
            whole.add(one.id)
    return by_whole | (by_any - whole)


def origins(blocks: Iterable[Mark]) -> tuple[bytes, ...]:
    """The epochs that a block made of these stands for."""
    return tuple(dict.fromkeys(origin for one in blocks for origin in one.origins))


def ancestors(blocks: Iterable[Mark]) -> tuple[bytes, ...]:
    """The ids that a block made of these replaces: theirs, and all that they replace."""
    return tuple(dict.fromkeys(old for one in blocks for old in (*one.replaces, one.id)))
