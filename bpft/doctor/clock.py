"""Can the times in the logs be trusted?"""

from collections.abc import Iterator
from itertools import pairwise

from bpft.doctor.facts import Facts
from bpft.doctor.finding import Said, note, problem
from bpft.messages import count
from bpft.record import NO_CLOCK_NS, Header
from bpft.report import units

_STEP_NS = 2_000_000_000  #: two clocks that drift apart by more were set; a second is a leap second's
_DRIFT = 2000  #: parts, of which one is drift that even a bad crystal may have


def clock(facts: Facts) -> Iterator[Said]:
    """The clock is set and disciplined, and did not jump while blocks were counted."""
    remedy = "timedatectl set-ntp true, or install chrony" if facts.linux else "service ntpd onestart"
    if facts.now_ns < NO_CLOCK_NS:
        yield problem("", f"it is {units.moment(facts.now_ns)} here: the clock was never set", remedy)
    elif facts.synchronised is False:
        yield note("", "nothing keeps the clock right: the kernel calls it unsynchronised", remedy)
    for name in facts.seen_interfaces:
        logs = [[it.header for it in log.recent if it.header.interface == name] for log in facts.logs]
        if undated := sum(header.end_ns < NO_CLOCK_NS for headers in logs for header in headers):
            seen = f"{name}: {count(undated, 'block')} of the last week came before the clock was set"
            yield note(name, seen, "have trafd start after time-sync.target" if facts.linux else "ntpdate_enable=YES")
        if steps := [step for headers in logs for step in _steps(headers)]:
            at, step = max(steps, key=lambda found: abs(found[1]))
            times = "" if len(steps) == 1 else f", the largest of {count(len(steps), 'jump')}"
            way = "forward" if step > 0 else "back"
            seen = f"{name}: the clock went {units.span(abs(step))} {way} around {units.moment(at)}{times}"
            # Once the clock is kept right, nothing is left to be done about what it was.
            yield note(name, seen) if facts.synchronised else problem(name, seen, remedy)


def _steps(headers: list[Header]) -> Iterator[tuple[int, int]]:
    """(when, nanoseconds) of each jump that the blocks of one log tell of, in the order they were written.

    A block is dated by the clock at its end.  So a clock that was set shows where one table followed another at the
    same instant of boot time, and the two blocks tell different times of it.
    """
    live = [header for header in headers if header.source == "live" and header.end_ns >= NO_CLOCK_NS]
    for header in live:
        if step := _step(header):
            yield header.end_ns, step
    for last, now in pairwise(live):
        apart = now.begin_ns - last.end_ns
        followed = now.boot_begin_ns is not None and now.boot_begin_ns == last.boot_end_ns
        if (followed and abs(apart) > _STEP_NS) or (now.epoch != last.epoch and apart < -_STEP_NS):
            yield now.begin_ns, apart


def _step(header: Header) -> int:
    """Nanoseconds that the wall clock ran ahead of boot time within a block; 0: no more than clocks drift."""
    if header.boot_begin_ns is None or header.boot_end_ns is None:
        return 0
    boot = header.boot_end_ns - header.boot_begin_ns
    apart = header.end_ns - header.begin_ns - boot
    return apart if abs(apart) > _STEP_NS + boot // _DRIFT else 0
