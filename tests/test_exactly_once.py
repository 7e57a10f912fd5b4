"""No byte twice, none that was acknowledged lost (SEMANTICS E1-E9): whatever is asked, fails or dies, in any order.

The real keeper, recovery, lock and log run on real files; only frames, and the system calls that change files, are
stand-ins.  What is compared are sums, as a report makes them.
BPFT_EXAMPLES=2000 looks longer.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon_parts import FakeTap, sums
from faulty_disk import Crash, Disk, Fault
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bpft import core, logfile, rotation
from bpft.daemon.epoch import Epoch, cut
from bpft.daemon.keeper import Keeper, Outcome
from bpft.daemon.pidfile import HeldFile
from bpft.daemon.recovery import recover
from bpft.daemon.settings import Settings
from bpft.errors import BpftError, Held
from bpft.paths import paths
from bpft.record import Header
from bpft.report.source import NothingRecorded, Sources

FAULTS = st.one_of(
    st.just(Fault()),
    st.builds(
        Fault,
        kind=st.sampled_from(["kill", "power", "ENOSPC", "EIO"]),
        at=st.integers(1, 14),
        part=st.integers(0, 10),
        calls=st.integers(1, 6),
    ),
)
BUSY = st.integers(0, 3)  #: packets that arrive with each write


class Tap(FakeTap):
    """Counts what it is fed; knows what had been fed when the table was frozen to be written."""

    def __init__(self, fed: "Counter[int]", filter_text: str) -> None:
        super().__init__()
        self.fed, self.frozen, self._filter = fed, Counter(fed), filter_text

    def feed(self, port: int, packets: int) -> None:
        self.count(port, packets, packets * 100)
        self.fed[port] += packets

    def swap(self, table: core.Table, merge: bool = False, settle: bool = False) -> core.Table:
        if settle:
            self.frozen = Counter(self.fed)
        return super().swap(table, merge, settle)

    def header(self, role: str) -> Header:
        return Header(role="dump" if role == "dump" else "save", interface="nope0", filter=self._filter)


class ExactlyOnce(RuleBasedStateMachine):
    """fed: packets by port that may be known; acknowledged: those that must be."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        root, stash = self.directory / "root", self.directory / "stash"
        self.paths = paths(str(root))
        for path in (stash, self.paths.logs, self.paths.dumps, self.paths.run):
            path.mkdir(parents=True, exist_ok=True)
        self.disk = Disk(root, stash)
        self.fed: Counter[int] = Counter()
        self.acknowledged: Counter[int] = Counter()
        self.keeper: Keeper | None = None
        self.lock: HeldFile | None = None
        self.rotated = 0

    def teardown(self) -> None:
        self._end()
        shutil.rmtree(self.directory)

    # ---- what happens ----

    @initialize()
    def first(self) -> None:
        self.start(Fault(), False, "", "")

    @precondition(lambda self: self.keeper is None)
    @rule(
        fault=FAULTS,
        resume=st.booleans(),
        filter_text=st.sampled_from(["", "", "", "tcp"]),
        size=st.sampled_from(["", "", "1kB"]),
    )
    def start(self, fault: Fault, resume: bool, filter_text: str, size: str) -> None:
        """As bpft.daemon.start does it."""
        chosen = Settings("nope0", "x", self.paths, filter=filter_text, min_all=0, resume=resume)
        self.tap = Tap(self.fed, filter_text)

        def begin() -> Keeper:
            opened = cut("nope0", self.tap.kernel())
            self.lock = HeldFile(self.paths.lock("x"), Held, "EXT x")
            self.lock.write_pid()
            log = logfile.LogWriter(self.paths.log("x"), rotation.rotation(size) if size else None)
            resumed = recover(chosen, log)
            epoch = Epoch.begin(opened)
            if resumed is not None:
                self.tap.swap(resumed[0])
                epoch = Epoch.resume(resumed[1], opened)
            return Keeper(chosen, self.tap, log, logfile.write_dump, epoch, resumed and resumed[0])

        try:
            self.keeper = self._run(fault, begin)
        except BpftError:
            self._end()
        assert self._visible() == self.fed

    @precondition(lambda self: self.keeper is not None)
    @rule(port=st.integers(1, 4), packets=st.integers(1, 3))
    def traffic(self, port: int, packets: int) -> None:
        self.tap.feed(port, packets)

    @precondition(lambda self: self.keeper is not None)
    @rule(fault=FAULTS, busy=BUSY)
    def save(self, fault: Fault, busy: int) -> None:
        self._write(fault, busy, lambda keeper: keeper.save())

    @precondition(lambda self: self.keeper is not None)
    @rule(fault=FAULTS, busy=BUSY)
    def dump(self, fault: Fault, busy: int) -> None:
        self._write(fault, busy, lambda keeper: keeper.dump())

    @precondition(lambda self: self.keeper is not None)
    @rule(fault=FAULTS, save_first=st.booleans(), patience=st.integers(0, 2))
    def stop(self, fault: Fault, save_first: bool, patience: int) -> None:
        tries = iter([False] * patience)
        self._write(fault, 0, lambda keeper: keeper.finish(save_first, lambda seconds: next(tries, True)))
        if self.keeper is not None:
            self._end()
            self._only_what_is_visible()

    @precondition(lambda self: self.keeper is not None)
    @rule(power=st.booleans(), part=st.integers(0, 10))
    def kill(self, power: bool, part: int) -> None:
        self._crashed(power, part)

    @rule()
    def rotate(self) -> None:
        """Somebody renames the log, at any time."""
        log = self.paths.log("x")
        if log.exists():
            self.rotated += 1
            log.rename(log.with_name(f"{log.name}.{self.rotated}"))
            self.disk.directories_are_synced()

    # ---- what must hold ----

    @invariant()
    def nothing_is_lost_or_counted_twice(self) -> None:
        if self.keeper is not None:
            held = Counter({port: packets for port, (packets, _all) in sums(self.tap.table).items()})
            assert self._visible(self.keeper.epoch.id) + held == self.fed

    @invariant()
    def no_dump_is_ever_damaged(self) -> None:
        assert not list(self.paths.dumps.glob("*.damaged*"))

    def _write(self, fault: Fault, busy: int, action: Callable[[Keeper], Outcome]) -> None:
        assert self.keeper is not None
        keeper = self.keeper
        self.disk.on_write = (lambda: self.tap.feed(9, busy)) if busy else (lambda: None)
        outcome = self._run(fault, lambda: action(keeper))
        self.disk.on_write = lambda: None
        if outcome is None:
            return
        if outcome.ok:
            self.acknowledged = self.tap.frozen
            assert self._visible() == self.acknowledged
        else:
            self._within(self._visible())

    def _run(self, fault: Fault, action: Callable[[], Any]) -> Any:
        """What action returns; None: it died of the fault, and only the files are left."""
        try:
            with self.disk.running(fault):
                return action()
        except Crash:
            self._crashed(fault.kind == "power", fault.part)
            return None

    def _crashed(self, power: bool, part: int) -> None:
        self.disk.settle(power, part)
        self._end()
        self._only_what_is_visible()

    def _end(self) -> None:
        if self.lock is not None:
            os.close(self.lock.fileno())
        self.keeper = self.lock = None
        self.disk.on_write = lambda: None

    def _only_what_is_visible(self) -> None:
        """The table is gone with its process: what files hold is all there is, and stays."""
        found = self._visible()
        self._within(found)
        self.fed, self.acknowledged = found, Counter(found)

    def _within(self, found: "Counter[int]") -> None:
        assert self.acknowledged <= found <= self.fed

    def _visible(self, but: bytes = b"") -> "Counter[int]":
        """Packets by port that a report of everything recorded counts, without those of one epoch."""
        sources = Sources()
        try:
            sources.add_recorded(self.paths)
        except NothingRecorded:
            return Counter()
        found: Counter[int] = Counter()
        for part in sources.parts():
            part.verify()
            if part.header.epoch == but:
                continue
            table = core.Table()
            for piece in part.pieces():
                table.add_records(piece.version, piece.records)
            packets = Counter({port: packets for port, (packets, _all) in sums(table).items()})
            assert packets.total() == part.header.counters.seen
            found += packets
        return found


ExactlyOnce.TestCase.settings = settings(
    max_examples=int(os.environ.get("BPFT_EXAMPLES", "40")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestExactlyOnce = pytest.mark.filterwarnings("default")(ExactlyOnce.TestCase)
