"""Retention at work: after a save, once a day or when the log has outgrown its budget, ``bpft compact`` runs beside us.

In a process of its own, at the lowest priority: reading and writing months of a log takes seconds and memory that the
daemon does not have to spare, and what goes wrong there cannot touch the table.  It replaces a log in one step.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bpft import host, messages
from bpft.blockscan import last_block
from bpft.daemon.settings import Settings
from bpft.errors import CannotRead
from bpft.lognames import parts
from bpft.record import NO_CLOCK_NS
from bpft.rotation import zone
from bpft.source import Source

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from datetime import date

_SECOND = 1_000_000_000
_DAY_NS = 86_400 * _SECOND
LOOK_EVERY_S = 0.5  #: whether it is done, while it runs
#: Between two saves the wall clock was not set by more than this: age means nothing by a clock that was wrong.
_STEADY_NS = 60_000_000_000
#: A clock that nobody keeps right and that is so far ahead of the log gets a while to be set: what is deleted is gone.
_FAR_NS = 30 * _DAY_NS
_DOUBT_NS = 7 * _DAY_NS
_END_WITHIN_S = 5.0


class RollUp:
    """saved() after each save, poll() now and then, close() at the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._log = settings.paths.log(settings.ext)
        self._process: subprocess.Popen[bytes] | None = None
        self._ahead_ns: int | None = None  # of the wall clock against the one since boot, at the last save
        self._day: date | None = None  # of the last run
        self._began_ns = host.boottime_ns()
        self._found_ns = _end_of(self._log)
        self._doubt_told = False
        self._is_stuck = False  # that one could not do what it should

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def saved(self) -> None:
        """A block was appended: is there anything to do?"""
        settings, now_ns = self._settings, host.utc_ns()
        if not (settings.retention or settings.budget) or self._process is not None:
            return
        was, self._ahead_ns = self._ahead_ns, now_ns - host.boottime_ns()
        if was is None or abs(self._ahead_ns - was) > _STEADY_NS or now_ns < NO_CLOCK_NS:
            return
        today = datetime.fromtimestamp(now_ns // _SECOND, zone(settings.zone)).date()
        is_due = today != self._day or (self._is_over_budget() and not self._is_stuck)
        if is_due and not self._is_doubtful(now_ns):
            self._day = today
            self._start()

    def _is_doubtful(self, now_ns: int) -> bool:
        """Whether the clock may be far ahead of the truth, as that of a board whose battery failed."""
        ahead_ns = now_ns - self._found_ns if self._found_ns else 0
        is_young = host.boottime_ns() - self._began_ns < _DOUBT_NS
        if ahead_ns < _FAR_NS or not is_young or host.clock_synchronised() is not False:
            return False
        if not self._doubt_told:
            self._doubt_told = True
            messages.warning(
                f"{self._log}: nothing is rolled up yet: the clock is {ahead_ns // _DAY_NS} days ahead of the log, and "
                "nothing keeps it right; set it, or wait a week"
            )
        return True

    def _is_over_budget(self) -> bool:
        try:
            return 0 < self._settings.budget < sum(path.stat().st_size for path in parts(self._log))
        except OSError:
            return False  # Somebody moves files just now, or forbids to look: tomorrow's run tells.

    def _start(self) -> None:
        import subprocess  # most daemons start without it

        settings = self._settings
        command, environment = _bpft()
        command += ["compact", *(["--keep", settings.retention] if settings.retention else [])]
        command += ["--budget", str(settings.budget)] if settings.budget else []
        command += ["--zone", settings.zone] if settings.zone else []
        try:
            self._process = subprocess.Popen(
                [*command, str(self._log)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
            )
            for stream in (self._process.stdout, self._process.stderr):
                assert stream is not None
                os.set_blocking(stream.fileno(), False)
        except OSError as why:
            messages.error(f"{self._log}: cannot run {command[0]}: {why.strerror}; nothing is rolled up")
            return
        with contextlib.suppress(OSError):  # A sandbox may forbid even this; then it runs as we do.
            os.setpriority(os.PRIO_PROCESS, self._process.pid, 19)

    def poll(self) -> None:
        """Pass on what it says, and note its end."""
        process = self._process
        if process is None:
            return
        code = process.poll()
        _pass_on(process.stdout, messages.notice)
        _pass_on(process.stderr, messages.error)
        if code is None:
            return
        self._release(process)
        self._is_stuck = code != 0
        if code < 0:
            messages.error(f"{self._log}: rolling up ended by signal {-code}; the log is as it was")

    def close(self) -> None:
        """Break off what runs: it cleans up, and the log is as it was."""
        process = self._process
        if process is None:
            return
        from subprocess import TimeoutExpired

        with contextlib.suppress(OSError):
            process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_WITHIN_S)
        except TimeoutExpired:
            process.kill()
            process.wait()
        self._release(process)

    def _release(self, process: subprocess.Popen[bytes]) -> None:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        self._process = None


def _end_of(log: Path) -> int:
    """When the last block of a log ended (UTC ns); 0: there is none, or none with a date."""
    try:
        last = last_block(Source(log))[0]
    except CannotRead:
        return 0
    return last.header.end_ns if last is not None and not last.header.is_undated else 0


def _bpft() -> tuple[list[str], dict[str, str]]:
    """How to run bpft, and in which environment: this very one, wherever it was found."""
    environment = dict(os.environ)
    if getattr(sys, "frozen", False):
        return [sys.executable], environment
    here = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (here, environment.get("PYTHONPATH", ""))))
    return [sys.executable, "-P", "-m", "bpft"], environment


def _pass_on(stream: IO[bytes] | None, say: Callable[[str], None]) -> None:
    text = (stream.read() if stream is not None else None) or b""
    for line in text.decode("utf-8", "replace").splitlines():
        say(line.removeprefix("bpft: "))
