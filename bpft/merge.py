"""bpft merge: logs of hosts and interfaces in one file, no block and no epoch of them twice (SEMANTICS E7, R6)."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

from bpft.derive import Collection, Entry, Plan, collect, remade
from bpft.errors import BpftError, NotALog
from bpft.newfile import write_log
from bpft.source import Source
from bpft.summing import same_kind

#: Two blocks are of one interval where they share so much of the longer one.
_SHARED = 0.9


class Torn(BpftError):
    """{0}: the block at byte {1} stands in part for blocks that others stand for; merge what they were made of"""


class NothingToMerge(BpftError):
    """{0}: is not made: there is no block in what was to be merged"""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of it."""

    read: int  #: blocks met
    written: int
    left_out: int  #: blocks that are there twice, or that others stand for
    length: int  #: bytes of the new log
    troubles: list[str]  #: what could not be read, a line each


def merge(files: Sequence[str], out: Path, sum_equal: bool = False, force: bool = False) -> Merged:
    """Write the blocks of all files that count to out, by their begin, the order within a file kept.

    sum_equal: blocks of one interface and interval become one.  Raises Torn, NothingToMerge, NotALog, CannotRead,
    CannotWrite and BlockDamaged; then out is not there.
    """
    found = collect([Source(name) for name in files], lambda block: (same_kind(block.header), False))
    _refuse_foreign(files, found)
    if not found.entries:
        raise NothingToMerge(out)
    plans = _plans(found, sum_equal)
    length = write_log(out, chain.from_iterable(map(remade, plans)), force)
    troubles = [
        f"{name}: {damage.length} bytes at byte {damage.offset} are left out: {damage.reason}"
        for name, damage in found.damages
    ]
    counted = sum(len(plan.entries) for plan in plans)
    return Merged(len(found.entries), len(plans), len(found.entries) - counted, length, troubles)


def _refuse_foreign(files: Sequence[str], found: Collection) -> None:
    """A file without any block is no log, unless it is empty."""
    intact = {entry.source.name for entry in found.entries}
    damaged = {name for name, _ in found.damages}
    for name in files:
        if name in damaged - intact:
            raise NotALog(name, "it holds no block of a log")


def _plans(found: Collection, sum_equal: bool) -> list[Plan]:
    kin = found.lineage()
    if kin.torn:
        torn = found.entries[kin.torn[0]]
        raise Torn(torn.source.name, torn.offset)
    plans = {
        id(found.entries[place]): Plan(
            [found.entries[place]], [found.entries[void].mark for void in kin.stands_for.get(place, ())]
        )
        for place in kin.counts
    }
    by_file = [list(entries) for _, entries in groupby((found.entries[n] for n in kin.counts), lambda e: id(e.source))]
    ordered = [plans[id(entry)] for entry in heapq.merge(*by_file, key=lambda entry: entry.begin_ns)]
    return _summed_plans(_chained(ordered)) if sum_equal else list(_chained(ordered))


def _chained(plans: list[Plan]) -> Iterator[Plan]:
    """Plans with none before the one whose block it goes on from, be that of another file, or of a later hour."""
    known = {plan.entries[0].mark.id: plan for plan in plans}
    done: set[int] = set()
    for plan in plans:
        line: list[Plan] = []
        before: Plan | None = plan
        while before is not None and id(before) not in done:
            done.add(id(before))
            line.append(before)
            before = known.get(before.entries[0].previous)
        yield from reversed(line)


def _summed_plans(plans: Iterable[Plan]) -> list[Plan]:
    """Plans with those put together that are of one kind and one interval."""
    out: list[Plan] = []
    current: dict[tuple[object, ...], list[Plan]] = {}  # those that a coming block may belong to
    for plan in plans:
        [entry] = plan.entries
        near = [other for other in current.get(entry.kind, []) if other.entries[0].end_ns >= entry.begin_ns]
        fitting = next((other for other in near if _same_interval(other.entries[0], entry)), None)
        if fitting is None:
            out.append(plan)
            near.append(plan)
        else:
            fitting.entries.append(entry)
            fitting.void += plan.void
        current[entry.kind] = near
    return out


def _same_interval(one: Entry, two: Entry) -> bool:
    if (one.begin_ns, one.end_ns) == (two.begin_ns, two.end_ns):
        return True
    shared = min(one.end_ns, two.end_ns) - max(one.begin_ns, two.begin_ns)
    return shared >= _SHARED * max(one.end_ns - one.begin_ns, two.end_ns - two.begin_ns)
