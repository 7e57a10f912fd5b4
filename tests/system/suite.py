"""Runs the real programs, in a namespace and below a scratch root, and reads back what they wrote."""

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import programs
from lab import Namespace, Sums

from bpft import logfile
from bpft.block import Block
from bpft.record import Header

PROJECT = Path(__file__).resolve().parents[2]


def program(name: str) -> list[str]:
    """The command line of one of the suite's programs: this interpreter's installed one, else the project's."""
    if (installed := Path(sys.executable).with_name(name)).exists():
        return [str(installed)]
    return [sys.executable, *(["-m", "bpft"] if name == "bpft" else [str(PROJECT / "scripts" / name)])]


def environment(**extra: str) -> dict[str, str]:
    """Ours, with this interpreter as python3 and without what would send files or choose interfaces elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in ("BPFT_ROOT", "IFF_LISTEN")}
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return {**kept, **programs.ENVIRONMENT, **extra}


def run(
    name: str, *words: str | Path, namespace: Namespace | None = None, seconds: float = 30, **extra: str
) -> subprocess.CompletedProcess[str]:
    """One program to its end."""
    line = [*program(name), *map(str, words)]
    return subprocess.run(
        namespace.command(*line) if namespace else line,
        capture_output=True,
        text=True,
        timeout=seconds,
        env=environment(**extra),
        stdin=subprocess.DEVNULL,
    )


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Waits for a condition; the seconds it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.002)
    return time.monotonic() - begin


def headers(path: Path) -> list[Header]:
    """Of each block of a log or dump; every frame that was seen went somewhere (C3)."""
    found = [it.header for it in logfile.scan(path) if isinstance(it, Block)]
    for header in found:
        counters = header.counters
        assert counters.seen == counters.counted + sum(counters.skipped.values()), counters
        assert counters.seen == sum(frames for frames, *_ in counters.direction.values()), counters
    return found


def rows(path: Path) -> Sums:
    """What `bpft report` says a log or dump holds, key by key; a remainder has ports 0 and protocol 0."""
    headers(path)
    result = run("bpft", "report", path, "--by", "key", "--top", "0", "-n", "--format", "csv")
    assert result.returncode == 0, result.stderr
    reader = csv.reader(io.StringIO(result.stdout))
    assert next(reader) == ["src", "sport", "dst", "dport", "proto", "packets", "all", "data"]
    return {
        (src, int(sport or 0), dst, int(dport or 0), int(proto or 0)): (int(packets), int(everything), int(data))
        for src, sport, dst, dport, proto, packets, everything, data in reader
    }


def report(path: Path) -> dict[str, Any]:
    """What `bpft report --json` says of a log or dump, by protocol."""
    headers(path)
    result = run("bpft", "report", path, "--by", "proto", "--json")
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def total(table: Sums) -> tuple[int, int, int]:
    return tuple(map(sum, zip(*table.values(), strict=True))) if table else (0, 0, 0)  # type: ignore[return-value]


class Daemon:
    """A trafd on one interface of a namespace, with its files below root."""

    def __init__(self, namespace: Namespace, interface: str, root: Path) -> None:
        self.namespace, self.interface, self.root = namespace, interface, root
        self.log = root / f"var/lib/bpft/trafd.{interface}"
        self.dump = root / f"var/lib/bpft/tmp/trafd.{interface}"
        self.pid_file = root / f"run/bpft/trafd.{interface}.pid"
        self.foreground: subprocess.Popen[str] | None = None
        self._pid = 0

    def start(self, *words: str | Path) -> None:
        """Detached, as a person starts it; it runs when this returns."""
        result = self.attempt(*words)
        assert result.returncode == 0, result.stderr
        assert self._last_pid() > 0

    def attempt(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return run("trafd", "--root", self.root, "-i", self.interface, *words, namespace=self.namespace)

    def start_foreground(self, *words: str | Path) -> None:
        line = [*program("trafd"), "--root", str(self.root), "--foreground", "-i", self.interface, *map(str, words)]
        self.foreground = subprocess.Popen(
            self.namespace.command(*line),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: self._last_pid() > 0 and self.socket.exists(), 10, "the foreground daemon runs")

    @property
    def socket(self) -> Path:
        return self.root / f"run/bpft/trafd.{self.interface}.sock"

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    def alive(self) -> bool:
        if self.foreground:
            return self.foreground.poll() is None
        try:
            state = Path(f"/proc/{self._last_pid()}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return False
        return state != "Z"

    def _last_pid(self) -> int:
        with contextlib.suppress(FileNotFoundError, ValueError):
            self._pid = self.pid
        return self._pid

    def kill(self, number: signal.Signals) -> None:
        os.kill(self._last_pid(), number)

    def tool(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        return run(name, "--root", self.root, *(words or (self.interface,)))

    def do(self, name: str) -> None:
        """One of the tools, which must succeed."""
        result = self.tool(name)
        assert result.returncode == 0, result.stdout + result.stderr

    def status(self) -> dict[str, Any]:
        """What `bpft status --json` says of it; every frame went somewhere (C3)."""
        result = run("bpft", "status", "--json", "--root", self.root, self.interface)
        assert result.returncode == 0, result.stderr
        (answer,) = json.loads(result.stdout)["interfaces"]
        assert answer["seen"] == answer["counted"] + sum(answer["skipped"].values()), answer
        return dict(answer)

    def memory(self) -> int:
        """Bytes of its own: RssAnon."""
        text = Path(f"/proc/{self._last_pid()}/status").read_text()
        return int(text.partition("RssAnon:")[2].split()[0]) * 1024

    def signal_dump(self) -> float:
        """SIGHUP, until the dump is replaced; seconds."""
        before = self._stamp(self.dump)
        self.kill(signal.SIGHUP)
        return until(lambda: self._stamp(self.dump) != before, 10, "the dump is written")

    def signal_save(self) -> float:
        """SIGINT, until the log has grown and the size rests; seconds."""
        before = self._stamp(self.log)
        self.kill(signal.SIGINT)
        seconds = until(lambda: self._stamp(self.log) != before, 10, "the log grows")
        size = -1
        while size != self.log.stat().st_size:
            size = self.log.stat().st_size
            time.sleep(0.05)
        return seconds

    @staticmethod
    def _stamp(path: Path) -> tuple[int, int]:
        try:
            status = path.stat()
        except FileNotFoundError:
            return (0, 0)
        return (status.st_ino, status.st_size)

    def stop(self) -> None:
        """SIGTERM and wait: the table is in the dump then."""
        self.kill(signal.SIGTERM)
        until(lambda: not self.alive(), 20, "the daemon ends")

    def close(self) -> None:
        """Whatever the test left running, gone; what it wrote obeys the sum rule."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                if self.alive():
                    self.kill(number)
            with contextlib.suppress(AssertionError):
                until(lambda: not self.alive(), 5, "the daemon ends")
        if self.foreground:
            self.foreground.communicate()
        for path in (*self.log.parent.glob("trafd.*"), *self.dump.parent.glob("trafd.*")):
            headers(path)
