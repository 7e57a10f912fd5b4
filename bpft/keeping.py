"""How long what is kept: stages of age, each coarser than the one before, then nothing; and a budget of bytes.

Acts on a log and on the files that rotation made of it, by bpft.retention.  bpft-compact(1) says what each word means.
"""

import re
from collections.abc import Iterator
from datetime import timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from bpft import messages
from bpft.blockscan import is_log
from bpft.errors import BpftError, UsageError
from bpft.lognames import parts
from bpft.retention import Compaction, Reduction, Remade, Unit, age, compact, expire, oldest
from bpft.rotation import size_of

#: Of days, the default of the services: everything for a month, then who and how much, day by day, for 400 days.
SERVICE = "31d,400d:day+no-ports"

_FOREVER = "forever"
_NETS = re.compile(r"/([0-9]{1,2})/([0-9]{1,3})\Z")
_UNITS: tuple[Unit, ...] = ("hour", "day", "month")
_FORMS = f"use stages of age and form, each older and coarser, as {SERVICE} or 7d,forever:month"
#: What a budget makes of a log where no stages say it.
_LADDER = "0h,0h:day,0h:day+no-ports,forever:month+no-ports"
#: A log that has outgrown its budget is brought below this share of it, so that it does not so again at once.
_ROOM = 0.9
_LEAST_BUDGET = 1_000_000
#: The share of a block that is left when it is rolled up, before anything of that log was measured.
_FIRST_GUESS = 0.3


class Stage(NamedTuple):
    """Blocks up to an age, and the form they have until then."""

    until: timedelta | None  #: None: for ever
    unit: Unit | None = None  #: None: as they were saved
    reduction: Reduction | None = None

    @property
    def is_full(self) -> bool:
        return self.unit is None and self.reduction is None


class Keep(NamedTuple):
    """Stages in the order of age; what is older than the last is deleted."""

    stages: tuple[Stage, ...]

    def compactions(self, now_s: float, zone: tzinfo | None) -> Iterator[Compaction]:
        """What is to be rolled up now, youngest first; now_s: UTC seconds."""
        since = timedelta(0)
        for stage in self.stages:
            if not stage.is_full:
                yield Compaction(now_s - since.total_seconds(), stage.unit, zone, stage.reduction)
            since = stage.until or since

    @property
    def ends(self) -> timedelta | None:
        """The age at which blocks are deleted; None: never."""
        return self.stages[-1].until


def keep(text: str) -> Keep:
    """Stages as 31d,400d:day+no-ports.  Raises UsageError."""
    try:
        stages = tuple(_stage(word) for word in text.split(","))
    except UsageError:
        raise UsageError(f"--keep {text!r}: {_FORMS}") from None
    ages = [stage.until for stage in stages]
    rising = all(a is not None and (b is None or a <= b) for a, b in pairwise(ages))
    if not rising or ages[-1] == timedelta(0) or any(stage.is_full for stage in stages[1:]):
        raise UsageError(f"--keep {text!r}: {_FORMS}")
    return Keep(stages)


def budget(option: str, text: str) -> int:
    """Bytes of a budget as 200MB.  Raises UsageError."""
    found = size_of(text)
    if found < _LEAST_BUDGET:
        raise UsageError(f"{option} {text!r}: use a size of at least 1M, as 200MB or 2G")
    return found


def _stage(word: str) -> Stage:
    until, _, form = word.strip().partition(":")
    unit: Unit | None = None
    drop_ports, nets = False, None
    for part in form.split("+") if form else ():
        found = _NETS.match(part)
        if part in _UNITS and unit is None:
            unit = _UNITS[_UNITS.index(part)]
        elif part == "no-ports":
            drop_ports = True
        elif found and int(found[1]) <= 32 and int(found[2]) <= 128:
            nets = int(found[1]), int(found[2])
        else:
            raise UsageError(part)
    reduction = Reduction(drop_ports, nets) if drop_ports or nets else None
    return Stage(None if until == _FOREVER else age(until), unit, reduction)


# ---- at work ----


def files(log: Path) -> list[Path]:
    """A log, if it is there, and what rotation made of it, oldest name first.  Raises CannotRead."""
    return [path for path in parts(log) if path == log or is_log(path)]


def size(log: Path) -> int:
    """Bytes of files()."""
    return sum(path.stat().st_size for path in files(log))


def apply(log: Path, stages: Keep, now_s: float, zone: tzinfo | None, troubles: list[str]) -> Iterator[str]:
    """Roll up and delete what is due; yields what was done, a line each.

    troubles: gets a line for each file that could not be changed and is as it was.
    """
    for path in files(log):
        try:
            for compaction in stages.compactions(now_s, zone):
                done = compact(path, compaction)
                if done.is_other:
                    yield f"{path}: {told(done)}"
            if stages.ends is not None:
                yield from _expire(path, now_s, stages.ends, path == log)
        except BpftError as error:
            troubles.append(str(error))


def _expire(path: Path, now_s: float, ends: timedelta, is_current: bool) -> Iterator[str]:
    """Delete what is older; a file that rotation made goes with its last block."""
    done = expire(path, now_s - ends.total_seconds())
    if done.is_other:
        gone = messages.count(done.read - done.written, "block")
        yield f"{path}: {gone} older than {ends / timedelta(days=1):g} d deleted; {_sizes(done)}"
    if not done.length and not is_current:
        path.unlink()


def fit(
    log: Path, budget: int, stages: Keep | None, now_s: float, zone: tzinfo | None, troubles: list[str]
) -> Iterator[str]:
    """Roll up the oldest, earlier than the stages ask for, until the files fit the budget; deletes nothing.

    Yields what was done, a line each; troubles as for apply(), and a line where all that is over is as coarse as the
    stages allow, and still too much.
    """
    if size(log) <= budget:
        return
    for compaction in _forms(stages, now_s, zone):
        for path in files(log):
            try:
                for done in _shrunk(log, path, int(budget * _ROOM), compaction):
                    yield f"{path}: over its budget of {messages.size(budget)}: {told(done)}"
            except BpftError as error:
                troubles += [str(error)] if str(error) not in troubles else []
    if size(log) > budget:
        troubles.append(
            f"{log}: {messages.size(size(log))}, with a budget of {messages.size(budget)}, though all is rolled up; "
            "nothing was deleted: raise the budget or keep less"
        )


def _shrunk(log: Path, path: Path, wanted: int, compaction: Compaction) -> Iterator[Remade]:
    """Bring all files of a log to so many bytes by the oldest blocks of one of them, or to what can be had of it."""
    left = _FIRST_GUESS
    while (excess := size(log) - wanted) > 0:
        cutoff_s, length = oldest(path, compaction, int(excess / (1 - left)))
        if not length:
            return
        done = compact(path, compaction._replace(cutoff_s=cutoff_s))
        if not done.is_other:
            return
        yield done
        left = min(max(1 - (done.length_before - done.length) / length, 0.0), 0.9)


def _forms(stages: Keep | None, now_s: float, zone: tzinfo | None) -> list[Compaction]:
    """The forms that a budget may give to all that is over, finer ones first."""
    forms = list(stages.compactions(now_s, zone)) if stages else []
    forms = forms or list(keep(_LADDER).compactions(now_s, zone))
    return [form._replace(cutoff_s=now_s) for form in forms]


def told(done: Remade) -> str:
    """What became of a file."""
    return f"{messages.count(done.read, 'block')} became {done.written:,}; {_sizes(done)}"


def _sizes(done: Remade) -> str:
    return f"{messages.size(done.length_before)} before, {messages.size(done.length)} now"
