"""The control loop: signals, control socket, the end of the capture, timers; each turn acts in the order of E4."""

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1
from typing import Protocol

from bpft import host, messages
from bpft.control_client import COMMANDS
from bpft.core import Signals, Table
from bpft.daemon.control import Client, Control
from bpft.daemon.keeper import Keeper, Outcome
from bpft.daemon.notify import Notifier
from bpft.daemon.presence import Presence
from bpft.daemon.rollup import LOOK_EVERY_S, RollUp
from bpft.daemon.schedule import Timers
from bpft.daemon.settings import Settings
from bpft.daemon.status import Rate, status
from bpft.daemon.tap import Tap
from bpft.host.watch import LinkWatch
from bpft.series import STEP_NS
from bpft.source import Source

_REPORT = {SIGUSR1, getattr(signal, "SIGINFO", SIGUSR1)}  # Ctrl-T of BSD
SIGNALS = (SIGHUP, SIGINT, SIGQUIT, SIGTERM, *_REPORT)

_DRAW_EVERY_S = 1.0
_DRAW_SHARE = 20  # drawing takes at most one part in so many of the time


@dataclass(frozen=True, slots=True)
class Shown:
    """What a screen is told besides the table."""

    interface: str
    capturing: bool
    received: int
    dropped: int
    uptime_s: float


class Screen(Protocol):
    """A live table in the foreground; draw() may read the table until it returns."""

    def draw(self, table: Table, shown: Shown) -> None: ...


class Loop:
    """run() until the daemon is told to stop; then the outcome and those who wait for it are there to be answered."""

    def __init__(
        self,
        settings: Settings,
        keeper: Keeper,
        tap: Tap,
        control: Control,
        signals: Signals,
        notifier: Notifier | None = None,
        watch: LinkWatch | None = None,
    ) -> None:
        """watch: what tells of changed interfaces; without one they are looked at each second."""
        self._settings, self._keeper, self._tap = settings, keeper, tap
        self._control, self._signals, self._notifier = control, signals, notifier or Notifier()
        self._ended = tap.start(settings.stop_after)
        self._waiting: dict[str, list[Client]] = {command: [] for command in COMMANDS}
        self._wanted: set[str] = set()
        self._had_terminal = settings.foreground and _has_terminal()
        self._save_first = False  # stop with a save (P3), not with a dump (E5)
        self._started = time.monotonic()
        self._presence = Presence(settings.interface, tap, watch)
        self._observe_at = _next_step()
        self._rate = Rate()
        self._timers = Timers(settings.dump_every_s, settings.save_every_s, settings.zone, keeper.epoch.begin_ns)
        self._roll_up = RollUp(settings)
        self._tell_at = self._next_word()
        self._draw_at: float | None = None
        self._screen: Screen | None = None
        self.outcome = Outcome(True, "")

    def run(self, screen: Screen | None = None) -> None:
        """Returns when the table is on the disk, or lost (outcome.ok says which)."""
        if screen is not None:
            self._screen, self._draw_at = screen, time.monotonic()
        try:
            while "stop" not in self._wanted:
                self._turn()
            self._roll_up.close()
        except BaseException as why:
            messages.error(f"{self._settings.interface}: internal error, stopping: {why!r}")
            self._notifier.stopping()
            self._keeper.finish(self._save_first, self._give_up)
            raise
        self._notifier.stopping()
        self.outcome = self._keeper.finish(self._save_first, self._give_up)

    def _turn(self) -> None:
        self._wait()
        self._wanted |= self._timers.due()
        self._roll_up.poll()
        self._act("save", self._keeper.save)
        self._act("dump", self._keeper.dump)
        if self._wanted & {"status", "report"}:
            self._status()
        if "table" in self._wanted:
            self._table()
        now = time.monotonic()
        if now >= self._observe_at:
            self._observe()
        if self._tell_at is not None and now >= self._tell_at:
            self._tell()
        if self._presence.look():
            self._go_on()
        if self._draw_at is not None and now >= self._draw_at:
            self._draw()

    def answer_stop(self) -> None:
        """Tell those who asked for the end how it went."""
        for client in self._waiting["stop"]:
            self._control.answer(client, self.outcome.ok, self.outcome.message, pid=os.getpid())

    # ---- what happened ----

    def _wait(self) -> None:
        """Sleep until something happens; note what is wanted now."""
        watched = {self._signals.fileno(): select.POLLIN, self._ended: select.POLLIN}
        ready = _poll(watched | self._control.watched() | self._presence.watched(), self._timeout())
        self._take_signals()
        self._presence.hear(ready)
        if self._ended in ready:
            self._capture_ended()
        for client, command in self._control.serve(ready):
            self._waiting[command].append(client)
            self._wanted.add(command)

    def _timeout(self) -> float:
        timers = (self._observe_at, self._tell_at, self._presence.deadline(), self._draw_at, self._control.deadline())
        left = min(at for at in timers if at is not None) - time.monotonic()
        return max(0.0, min(left, self._timers.wait_s(), LOOK_EVERY_S if self._roll_up.is_running else left))

    def _take_signals(self) -> None:
        """E4: equal signals coalesce; P3: what a terminal sends means something else than kill(2)."""
        for number, typed in self._signals.take().items():
            if number in (SIGTERM, SIGQUIT):
                self._wanted.add("stop")
            elif number in _REPORT:
                self._wanted.add("report")
            elif self._settings.foreground and (typed or (number == SIGHUP and self._terminal_gone())):
                self._wanted.add("stop")
                self._save_first = True
            else:
                self._wanted.add("save" if number == SIGINT else "dump")

    def _terminal_gone(self) -> bool:
        """A shell passes a hang-up on with kill(2), so that it looks like anybody's HUP."""
        return self._had_terminal and not _has_terminal()

    def _capture_ended(self) -> None:
        outcome, why = self._tap.outcome()
        if outcome == "count":
            self._wanted.add("stop")
            return
        self._tap.release()
        self._keeper.epoch.blind(self._keeper.cut())
        self._presence.lost()
        messages.error(f"{self._settings.interface}: {why or 'the capture ended'}; waiting for it to come back")
        self._notifier.status("waiting for the interface")
        self._wanted.add("dump")

    # ---- what is done about it ----

    def _act(self, command: str, action: Callable[[], Outcome]) -> None:
        if command not in self._wanted:
            return
        self._wanted.discard(command)
        outcome = action()
        if not outcome.ok:
            messages.error(f"{self._settings.interface}: {outcome.message}")
        elif command == "save":
            self._roll_up.saved()
        self._answer(command, outcome)

    def _answer(self, command: str, outcome: Outcome, body: Source | None = None, /, **more: object) -> None:
        clients, self._waiting[command] = self._waiting[command], []
        for client in clients:
            self._control.answer(
                client,
                outcome.ok,
                outcome.message,
                body,
                records=outcome.records,
                bytes=outcome.bytes,
                pid=os.getpid(),
                **more,
            )

    def _said(self, table: Table) -> tuple[str, dict[str, object]]:
        uptime_s = time.monotonic() - self._started
        return status(self._settings, self._keeper, self._tap, table, uptime_s, self._rate, self._timers)

    def _tell(self) -> None:
        """A sign of life for systemd: this turns, and exchanging the table proves that the capture does."""
        with self._keeper.frozen() as table:
            text, _values = self._said(table)
        if self._tap.working:
            self._notifier.alive(text)
        self._tell_at = self._next_word()

    def _next_word(self) -> float | None:
        every_s = self._notifier.every_s
        return None if every_s is None else time.monotonic() + every_s

    def _status(self) -> None:
        """For who asked, and as a message where a signal did: who asks each minute must not fill the log."""
        with self._keeper.frozen() as table:
            text, values = self._said(table)
            records, (_packets, all_bytes, _data) = len(table), table.totals()
        if "report" in self._wanted:
            messages.info(f"{self._settings.interface}: {text}")
        self._wanted -= {"status", "report"}
        self._answer("status", Outcome(True, text, records, all_bytes), **values)

    def _table(self) -> None:
        """The table as it is, for who looks at it live."""
        self._wanted.discard("table")
        outcome, block = self._keeper.copy()
        self._answer("table", outcome, block)

    def _observe(self) -> None:
        """Each five minutes: the interface's counters for the series, how fast it goes, whether the cap folds."""
        with self._keeper.frozen() as table:
            self._keeper.cut()
            self._rate.mark(self._keeper.since_start(table)["wire_bytes"])
        self._observe_at = _next_step()

    def _go_on(self) -> None:
        """The interface is back."""
        left = self._settings.stop_after and self._settings.stop_after - self._keeper.frames()
        self._keeper.epoch.sighted(self._keeper.cut())
        self._ended = self._tap.start(left)
        messages.notice(f"{self._settings.interface}: is back, counting again")
        self._notifier.status("capturing")

    def _draw(self) -> None:
        assert self._screen is not None
        began = time.monotonic()
        received, dropped, if_dropped = self._tap.kernel()
        shown = Shown(
            self._settings.interface, self._tap.capturing, received, dropped + if_dropped, began - self._started
        )
        try:
            with self._keeper.frozen() as table:
                self._screen.draw(table, shown)
        except (OSError, ValueError):
            self._draw_at = None  # Nobody looks any more; counting goes on.
            return
        self._draw_at = max(began + _DRAW_EVERY_S, time.monotonic() + _DRAW_SHARE * (time.monotonic() - began))

    def _give_up(self, seconds: float) -> bool:
        """Wait between two attempts of the last dump; True: a second TERM says that it is enough (E5)."""
        _poll({self._signals.fileno(): select.POLLIN}, seconds)
        taken = self._signals.take()
        return SIGTERM in taken or SIGQUIT in taken or (self._settings.foreground and taken.get(SIGINT, False))


def _next_step() -> float:
    """When the next five minutes of UTC begin, by the monotonic clock."""
    return time.monotonic() + (STEP_NS - host.utc_ns() % STEP_NS) / 1e9


def _poll(watched: dict[int, int], timeout: float) -> dict[int, int]:
    """The descriptors of watched that are ready, with their events."""
    poll = select.poll()
    for fd, events in watched.items():
        poll.register(fd, events)
    # Rounded up: a timer that is due in half a millisecond must not be waited for by spinning.
    return dict(poll.poll(int(timeout * 1000) + 1))


def _has_terminal() -> bool:
    """Whether a controlling terminal is there; one that hung up is not."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
