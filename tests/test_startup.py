"""What a start imports: modules are counted, since times on a busy machine tell little."""

import subprocess
import sys
from pathlib import Path

import pytest
from blocks import record, table
from programs import ENVIRONMENT

from bpft.logfile import LogWriter
from bpft.paths import paths
from bpft.record import Counters, Header

BEGIN = 1_795_262_400 * 10**9
CAPTURE = Path(__file__).parent / "captures/sample.pcap"
#: All of bpft that a capture file needs on its way into a log.  Add to it only what every such start must have.
READ = {
    *("access", "block", "blocklayout", "blockscan", "cli", "cli.number", "cli.output", "cli.trafd", "compression"),
    *("core", "core._core", "daemon", "daemon.describe", "daemon.offline", "daemon.pidfile", "daemon.places"),
    *("daemon.privilege", "daemon.settings", "digest", "errors", "header", "holder", "host", "host.clock", "logfile"),
    *("lognames", "messages", "meter", "meter.capture", "meter.interfaces", "meter.keymode", "meter.result", "paths"),
    *("cli.main", "record", "rotation", "rowgroup", "source"),
}
#: Each costs as much as several of ours.
DEAR = {
    *("asyncio", "construct", "ctypes", "dataclasses", "json", "logging", "multiprocessing", "numpy", "pylibpcap"),
    *("shutil", "signal", "socket", "subprocess", "tempfile", "tomllib", "zoneinfo"),
}


def imported(program: str, *words: str) -> set[str]:
    """What a program imports that click had not imported already."""
    code = f"""
import os, sys, click
before = set(sys.modules)
sys.argv = {[program.rpartition(".")[2], *words]!r}
tell = lambda: os.write(3, " ".join(set(sys.modules) - before).encode())
leave, os._exit = os._exit, lambda code: (tell(), leave(code))
from {program} import main
code = main()
tell()
sys.exit(code)
"""
    shell = ["sh", "-c", 'exec 3>&1 1>/dev/null "$@"', "sh", sys.executable, "-c", code]
    done = subprocess.run(shell, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def ours(modules: set[str]) -> set[str]:
    return {name.removeprefix("bpft.") for name in modules if name.startswith("bpft.")}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Of eth0, of one packet."""
    path = paths(str(tmp_path)).log("eth0")
    path.parent.mkdir(parents=True)
    counters = Counters(seen=1, counted=1)
    header = Header(begin_ns=BEGIN, end_ns=BEGIN + 10**9, interface="eth0", counters=counters)
    LogWriter(path).append(header, table((4, record(src=1, packets=1, all=100))))
    return path


def test_reading_a_capture_imports_what_it_needs(tmp_path: Path) -> None:
    found = imported("bpft.cli.main", "trafd", "--root", str(tmp_path), "--read", str(CAPTURE), "-f", "x")
    assert ours(found) == READ
    assert not found & DEAR


def test_help_of_trafd_looks_at_nothing() -> None:
    found = imported("bpft.cli.trafd", "--help")
    assert not ours(found) & {"block", "core", "config.model", "header", "host.interface", "record", "selection"}


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (["--help"], 6),
        (["--root", "{root}"], 52),
        (["report", "{log}", "-n"], 49),
        (["status", "--root", "{root}"], 13),
        (["config", "show", "--root", "{root}"], 26),
        (["info", "{log}"], 31),
        (["verify", "{log}"], 28),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_import_no_more_than_they_did(words: list[str], most: int, log: Path, tmp_path: Path) -> None:
    found = ours(imported("bpft.cli.main", *(word.format(log=log, root=tmp_path) for word in words)))
    assert len(found) <= most, sorted(found)
