"""Is there room, is everything saved, and is what was written whole?"""

import math
import shlex
from collections.abc import Iterator

from bpft.doctor import restart
from bpft.doctor.facts import DAY_NS, Dump, Facts
from bpft.doctor.finding import Said, note, problem, unchecked
from bpft.doctor.topology import doubles
from bpft.messages import count, size
from bpft.report import units

_LEAST_FREE = 20_000_000  #: bytes: a full table of a small machine, written twice
_LEAST_FILES = 100
_LEAST_DAYS = 30  #: that the disk should last
_HOUR_NS = 3_600_000_000_000
_SAVE_WITHIN_NS = DAY_NS + _HOUR_NS  #: a daily save may take its time


def growth(facts: Facts) -> int:
    """Bytes a day that the logs grow by, all interfaces together; 0: not enough was watched to tell."""
    total = 0
    for name in facts.seen_interfaces:
        blocks = facts.blocks(name, 0)
        watched = sum(
            it.header.end_ns - it.header.begin_ns - sum(end - begin for begin, end in it.header.gaps) for it in blocks
        )
        if watched >= _HOUR_NS:
            total += sum(block.length for block in blocks) * DAY_NS // watched
    return total


def _budgets(facts: Facts) -> float:
    """Bytes that suffice where every daemon keeps its log within a budget: to fill it, and to roll one up."""
    most, left = 0, 0
    for name in facts.seen_interfaces:
        answer = facts.counted[name].answer if name in facts.counted else None
        if not answer or not answer["budget"]:
            return math.inf
        most = max(most, answer["budget"])
        left += max(answer["budget"] - answer["log_bytes"], 0)
    return most + left


def disk(facts: Facts) -> Iterator[Said]:
    """Free space, against what a day takes and against what a save must find."""
    daily = growth(facts)
    told: set[int] = set()
    for directory in facts.directories:
        space = directory.space
        if space is None or space.device in told:
            continue
        told.add(space.device)
        path, free = str(directory.path), space.free
        log = next((str(it.path) for it in facts.logs), "LOG")
        clean = f"bpft compact --keep 31d,400d:day+no-ports {log}"
        if space.read_only:
            yield problem(path, f"{path} is mounted read-only: nothing can be saved", f"mount -o remount,rw {path}")
        elif free < _LEAST_FREE:
            yield problem(path, f"{path} has {size(free)} left: the next save may not fit", clean)
        elif daily and free < min(daily * _LEAST_DAYS, _budgets(facts)):
            days = count(free // daily, "day")
            yield problem(path, f"{path} has {size(free)} left, {days} at {size(daily)} a day", clean)
        elif space.files_free is not None and space.files_free < _LEAST_FILES:
            yield problem(path, f"{path} has room for {count(space.files_free, 'file')} more", f"df -i {path}")


def saves(facts: Facts) -> Iterator[Said]:
    """Each table was appended to its log within a day."""
    for name, daemon in facts.counted.items():
        if daemon.answer is None:
            continue
        age = facts.now_ns - daemon.answer["begin_ns"]
        if age > _SAVE_WITHIN_NS:
            held = size(daemon.answer["all"])
            seen = f"{name}: nothing was saved for {units.span(age)}; {held} of traffic wait in memory"
            yield problem(name, seen, f"trafsave {name}  (by itself: trafd --save-every 1h)")


def stale(facts: Facts) -> Iterator[Said]:
    """What a trafd left that was killed, or crashed: nothing needs hand work."""
    for daemon in facts.daemons:
        if daemon.left:
            what = " and ".join("pid file" if path.suffix == ".pid" else "socket" for path in daemon.left)
            seen = f"{daemon.interface}: its trafd was killed or crashed; left: {what}"
            name = daemon.interface
            start = f"systemctl restart trafd@{name}" if name in facts.enabled else f"trafstart {name}"
            yield problem(name, seen, f"{start}  (clears up and goes on)")
    for dump in facts.set_aside:
        yield note(str(dump.path), f"{dump.path} is a dump that could not be read", _salvage(dump))


def _salvage(dump: Dump) -> str:
    """The commands that put what is whole of a damaged dump beside the log, where report finds it."""
    return (
        f"bpft verify --repair -o {dump.log}.repaired {dump.path} && rm {dump.path}  (nothing in it is whole? then: rm)"
    )


def waiting(facts: Facts) -> Iterator[Said]:
    """Dumps that nobody goes on with."""
    for dump in facts.dumps:
        path = str(dump.path)
        if dump.held or dump.denied:
            continue
        if dump.trouble:
            yield problem(path, f"{path}: {dump.trouble}", _salvage(dump))
        elif dump.saved:
            yield note(path, f"{path} is in the log already; the next trafd removes it")
        elif dump.header is not None and dump.traffic:
            until = units.moment(dump.header.end_ns)
            seen = f"{size(dump.traffic)} of traffic wait in {path} since {until}: no trafd goes on with them"
            yield problem(path, seen, _recovery(facts, dump))


def _recovery(facts: Facts, dump: Dump) -> str:
    """The command that goes on with a dump, or puts it beside the log where its interface is to be left alone."""
    header = dump.header
    assert header is not None
    gone = isinstance(facts.devices, dict) and header.interface not in facts.devices and header.interface != "any"
    if gone or doubles(facts, header.interface):
        files = f"{dump.log} {dump.path}" if any(it.path == dump.log for it in facts.logs) else str(dump.path)
        return f"bpft merge -o {dump.log}.merged {files}"
    if header.interface in facts.enabled:
        return f"systemctl restart trafd@{header.interface}"
    if dump.ext == header.interface and not header.filter:
        return f"trafstart {header.interface}"
    name = "" if dump.ext == header.interface else f" -f {dump.ext}"
    return f"trafd -r -i {header.interface}{name}" + (f" {shlex.quote(header.filter)}" if header.filter else "")


def tails(facts: Facts) -> Iterator[Said]:
    """Every log can be read, to its end."""
    for log in facts.logs:
        path = str(log.path)
        if log.foreign:
            aside = log.path.with_name(f"damaged.{log.path.name}")
            yield problem(path, f"{path} holds no whole block of a log", f"mv {path} {aside}")
        elif log.trouble and not log.denied:
            yield problem(path, f"{path}: {log.trouble}", f"bpft verify {path}")
        elif log.busy:
            yield unchecked(f"the end of {path}: somebody appends to it for a long time")
        elif log.damage:
            yield problem(path, f"{path}: {log.damage}", _repaired(facts, path))


def _repaired(facts: Facts, path: str) -> str:
    """The commands that put a repaired copy in a log's place, while nobody appends to it."""
    repair = f"bpft verify --repair {path} && mv {path}.repaired {path}"
    for daemon in facts.counted.values():
        if daemon.answer and daemon.answer["log"] == path:
            return f"{restart.stop(daemon)}; {repair}; {restart.start(daemon)}"
    return repair
