"""The examples of bpft-overview(1) and bpft-traflog(1) work as they stand there; the overview fits a terminal."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import blocks
import programs
import pytest

from bpft.block import write_block
from bpft.paths import paths
from bpft.record import Counters, Header, InterfaceDelta
from bpft.report.period import SECOND

PROJECT = Path(__file__).resolve().parents[1]
HOUR = 3600 * SECOND
BASH, TMUX = shutil.which("bash"), shutil.which("tmux")


#: A time zone where it is around noon.
NOON = f"UTC{time.gmtime().tm_hour - 12:+d}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a log of the last two days."""
    where = paths(str(tmp_path))
    where.dumps.mkdir(parents=True)
    now = time.time_ns() // HOUR * HOUR
    with where.log("eth0").open("wb") as file:
        for hour in range(48, 0, -1):
            begin, rx = now - hour * HOUR, 10_000_000 * (1 + hour % 24)
            header = Header(
                epoch=bytes([hour] * 16),
                begin_ns=begin,
                end_ns=begin + HOUR,
                interface="eth0",
                host="gate",
                hardware=True,
                prefixes=("10.0.0.1/24",),
                counters=Counters(seen=200, counted=200, direction={"rx": (100, rx, 100, rx), "tx": (100, 9, 100, 9)}),
                delta=InterfaceDelta(rx, 9, 100, 100, HOUR),
            )
            file.write(b"".join(write_block(header, blocks.table((4, blocks.traffic(100))))))
    return tmp_path


def page(name: str) -> str:
    return (PROJECT / "man" / f"bpft-{name}.1").read_text()


def literals(source: str) -> list[str]:
    return re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", source, re.M | re.S)


@pytest.mark.skipif(BASH is None, reason="the examples are run by bash")
@pytest.mark.parametrize(("name", "commands"), [("overview", 3), ("traflog", 4)])
def test_the_examples_work(root: Path, name: str, commands: int) -> None:
    source, _, shown = page(name).partition(".Sh EXAMPLES\n")
    if name == "traflog":
        formats = Path(paths(str(root)).config).with_name("traflog.format")
        formats.parent.mkdir(parents=True)
        formats.write_text(literals(source)[0].replace("\\en", "\\n"))
    examples = [line.removeprefix("$ ") for text in literals(shown) for line in text.splitlines()]
    assert len(examples) == commands
    for command in examples:
        done = subprocess.run(
            [str(BASH), "-c", f'bpft() {{ {sys.executable} -m bpft "$@"; }}; {command}'],
            env={
                "PATH": "/usr/bin:/bin",
                **programs.ENVIRONMENT,
                "BPFT_ROOT": str(root),
                "TZ": NOON,
                "LC_ALL": "C.UTF-8",
            },
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout, command
        assert not done.stderr, command


@pytest.mark.skipif(TMUX is None, reason="tmux is the terminal")
@pytest.mark.parametrize("encoding", ["C.UTF-8", "C"])
def test_the_overview_fits_a_terminal(root: Path, encoding: str) -> None:
    shell = (
        f"env PYTHONPATH={PROJECT} BPFT_ROOT={root} TZ={NOON} PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL={encoding} "
        f"{sys.executable} -m bpft -n; sleep 60"
    )
    tmux = [str(TMUX), "-L", f"bpft-{root.name}", "-f", "/dev/null"]
    subprocess.run([*tmux, "-u", "new-session", "-d", "-x", "80", "-y", "24", shell], check=True)
    try:
        screen, until = "", time.monotonic() + 20
        while "estimated:" not in screen and time.monotonic() < until:
            time.sleep(0.1)
            screen = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)
    lines = screen.rstrip().splitlines()
    assert lines[0] == "eth0 on gate                  in       out     total      average    estimated"
    assert len(lines) == (17 if encoding == "C.UTF-8" else 14)
    assert lines[-1].startswith("estimated: so far")  # nothing was wrapped or scrolled away
    assert ("█" in screen) is (encoding == "C.UTF-8")
    assert "accounted this month: 100 % of what eth0 itself counted; no packet dropped" in lines
