"""Dump, save, stop (SEMANTICS E2, E3, E5): on any failure the table goes on and nothing is lost.

The one rule behind it: a table that was swapped out is either acknowledged by the disk or added back.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bpft import messages
from bpft.block import write_block
from bpft.core import Table
from bpft.daemon.describe import Kernel, counters, folds
from bpft.daemon.epoch import Cut, Epoch, cut
from bpft.daemon.settings import Settings
from bpft.errors import BpftError
from bpft.record import Header
from bpft.source import Source

WARN_EVERY_S = 60.0  #: of the cap, at most
RETRY_FOR_S = 60.0  #: how long the last dump is tried again before its bytes are given up (E5)


class Capture(Protocol):
    """What the keeper needs of a tap."""

    def swap(self, table: Table, merge: bool = False, settle: bool = False) -> Table: ...
    def kernel(self) -> Kernel: ...
    def header(self, role: str) -> Header: ...
    def stop(self) -> None: ...


class Appended(Protocol):
    """What the log tells of an acknowledged block."""

    @property
    def id(self) -> bytes: ...

    @property
    def rows(self) -> int: ...


class Log(Protocol):
    """What the keeper needs of a log: append() has fsynced when it returns, and cut back when it raises."""

    def append(self, header: Header, table: Table, min_all: int = 0) -> Appended: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command, for the messages and for who asked."""

    ok: bool
    message: str
    records: int = 0
    bytes: int = 0


class Keeper:
    """The table of one interface and its epoch, between the tap and the disk."""

    def __init__(
        self,
        settings: Settings,
        tap: Capture,
        log: Log,
        write_dump: Callable[[Path, Header, Table], None],
        epoch: Epoch,
        resumed: Table | None = None,
    ) -> None:
        """epoch is the life of the table in the tap, which went on from resumed."""
        self._settings, self._tap, self._log, self._write_dump = settings, tap, log, write_dump
        self.epoch = epoch
        self.log_path = settings.paths.log(settings.ext)
        self.dump_path = settings.paths.dump(settings.ext)
        self._other: Counter[str] = Counter()  # of this run but not of the table
        if resumed is not None:
            self._other.subtract(_sums(resumed))
        self._drops_told = 0
        self._folds_told, self._warn_at = _folded(resumed) if resumed is not None else 0, 0.0
        self.saved_ns = 0  #: when the last save of this run was acknowledged (UTC); 0: none was yet
        self.dumped_ns = 0  #: the same of the last dump

    # ---- the table, taken out and put back ----

    def _exchange(self, settle: bool = False) -> tuple[Table, Table]:
        """The table that was counted into, and the one that is now: it may hold what the first leaves of the cap."""
        new = Table(self._settings.spare_cap(self._settings.main_cap))
        old = self._tap.swap(new, settle=settle)
        new.max_flows = self._settings.spare_cap(len(old))
        return old, new

    def _rejoin(self, table: Table) -> None:
        """table goes on, with what was counted meanwhile; in two steps, so that the capture waits for a small merge."""
        backlog = self._tap.swap(Table(self._settings.spare_cap(self._settings.main_cap)))
        table.merge(backlog)
        del backlog  # Its flows are counted by the cap.
        self._tap.swap(table, merge=True)

    @contextmanager
    def frozen(self, settle: bool = False) -> Iterator[Table]:
        """The table as it is, while counting goes on elsewhere."""
        table, _new = self._exchange(settle)
        try:
            self._report_folds(table)
            yield table
        finally:
            self._rejoin(table)

    def cut(self) -> Cut:
        """Now, and the epoch knows it."""
        at = cut(self._settings.interface, self._tap.kernel())
        self.epoch.observe(at)
        return at

    # ---- the three things that can be asked ----

    def dump(self) -> Outcome:
        """E2: the table into the dump file; it goes on."""
        with self.frozen(settle=True) as table:
            try:
                at = self.cut()
                self._write_dump(self.dump_path, self.epoch.header(self._tap.header("dump"), at, table), table)
            except Exception as why:  # noqa: BLE001 - whatever it was, the daemon has traffic to keep
                return _failed("dump", why)
            self.dumped_ns = at.utc_ns
            return self._done(messages.info, "dumped", table, len(table), self.dump_path)

    def copy(self) -> tuple[Outcome, Source | None]:
        """What dump() would write, in a file without a name, for those who look at the table; it goes on."""
        import tempfile  # Few are looked at, and it imports much.

        with self.frozen() as table:
            try:
                header = self.epoch.header(self._tap.header("dump"), self.cut(), table)
                with tempfile.TemporaryFile(dir=self.dump_path.parent) as file:
                    file.writelines(write_block(header, table))
                    file.flush()
                    copied = Source(self.dump_path, file.fileno())
            except Exception as why:  # noqa: BLE001 - whatever it was, the daemon has traffic to keep
                return _failed("copy the table", why), None
            return Outcome(True, f"{messages.count(len(table), 'record')}", len(table), table.totals()[1]), copied

    def save(self) -> Outcome:
        """E3: the table into the log; a new epoch begins when that is acknowledged, else the old one goes on."""
        table, new = self._exchange(settle=True)
        try:
            at = self.cut()
            header = self.epoch.header(self._tap.header("save"), at, table)
            appended = self._log.append(header, table, self._settings.min_all)
        except Exception as why:  # noqa: BLE001 - the same
            self._rejoin(table)
            return _failed("save", why)
        except BaseException:
            self._rejoin(table)
            raise
        self.epoch = self.epoch.successor(at)
        self._other = self.since_start(table)
        self._report_folds(table)
        self._folds_told = 0
        self.saved_ns = at.utc_ns
        self._forget_dump()
        head = f"; head {appended.id.hex()}"
        outcome = self._done(messages.notice, "saved", table, appended.rows, self.log_path, head)
        del table
        new.max_flows = self._settings.main_cap
        return outcome

    def finish(self, save_first: bool, wait: Callable[[float], bool]) -> Outcome:
        """E5: stop counting, then dump, or append where that fails (P3: the other way round after a typed Ctrl-C).

        wait(seconds) returns True when somebody asks to give up.
        """
        self._tap.stop()
        steps = (self.save, self.dump) if save_first else (self.dump, self.save)
        deadline = time.monotonic() + RETRY_FOR_S
        told: set[str] = set()
        while True:
            for step in steps:
                outcome = step()
                if outcome.ok:
                    return outcome
                if outcome.message not in told:
                    told.add(outcome.message)
                    messages.error(f"{self._settings.interface}: {outcome.message}")
            if time.monotonic() >= deadline or wait(1.0):
                return self._lost()

    def _lost(self) -> Outcome:
        with self.frozen() as table:
            _packets, all_bytes, _data = table.totals()
            text = (
                f"lost {messages.count(len(table), 'record')}, {all_bytes:,} bytes: neither dump nor log can be written"
            )
            return Outcome(False, text, len(table), all_bytes)

    def _forget_dump(self) -> None:
        """The log holds what the dump held.  A dump that stays is known as stale by its epoch (E6, E7)."""
        try:
            os.unlink(self.dump_path)  # noqa: PTH108 - as os.X, so that a test can make it fail
        except FileNotFoundError:
            pass
        except OSError as why:
            messages.warning(f"{self.dump_path}: cannot be removed: {why.strerror}")

    def _done(
        self, say: Callable[[str], None], verb: str, table: Table, records: int, path: Path, head: str = ""
    ) -> Outcome:
        _packets, all_bytes, _data = table.totals()
        text = f"{verb} {messages.count(records, 'record')}, {messages.size(all_bytes)} accounted, to {path}"
        say(f"{self._settings.interface}: {text}{head}")
        self.report_drops()
        return Outcome(True, text, records, all_bytes)

    # ---- what is known of the run ----

    def report_drops(self) -> None:
        """E9: at error level when the kernel dropped more since the last report, else at info."""
        received, dropped, if_dropped = self._tap.kernel()
        total = dropped + if_dropped
        text = f"{self._settings.interface}: {messages.count(total, 'packet')} of {received:,} dropped since the start"
        if total > self._drops_told:
            messages.error(f"{text}, {total - self._drops_told:,} of them since the last report")
        else:
            messages.info(text)
        self._drops_told = total

    def _report_folds(self, table: Table) -> None:
        """C7: the cap has folded since this was told; at most once a minute."""
        folded = _folded(table)
        if folded > self._folds_told and time.monotonic() >= self._warn_at:
            self._folds_told, self._warn_at = folded, time.monotonic() + WARN_EVERY_S
            told = folds(folded, self._settings.max_flows, " since the last save")
            messages.warning(f"{self._settings.interface}: {told}")

    def since_start(self, table: Table) -> Counter[str]:
        """The sums of this run, saved tables included; table: the one that goes on."""
        total = _sums(table)
        total.update(self._other)
        return total

    def frames(self) -> int:
        """Frames counted since the start, saved ones included."""
        with self.frozen() as table:
            return self.since_start(table)["seen"]


def _failed(verb: str, why: Exception) -> Outcome:
    text = str(why) if isinstance(why, (BpftError, OSError)) else repr(why)
    return Outcome(False, f"cannot {verb}: {text}; nothing is lost, the table goes on")


def _sums(table: Table) -> Counter[str]:
    """Frames seen and counted, their bytes as on the wire, frames by SKIP_REASONS; packets and bytes of the records."""
    counted = counters(table)
    packets, all_bytes, data = table.totals()
    wire_bytes = sum(wire_bytes for *_, wire_bytes in counted.direction.values())
    sums = {"seen": counted.seen, "counted": counted.counted, "wire_bytes": wire_bytes}
    return Counter({**counted.skipped, **sums, "packets": packets, "all": all_bytes, "data": data})


def _folded(table: Table) -> int:
    return counters(table).folded
