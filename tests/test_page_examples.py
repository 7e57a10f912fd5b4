"""The examples of the manual pages run; each page of ours that has some is accounted for, here or elsewhere.

Those of daemons run in tests/system/test_daemon_pages.py.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import blocks
import old_files
import programs
import pytest

from bpft.logfile import LogWriter
from bpft.paths import paths
from bpft.record import Counters, Header

PROJECT = Path(__file__).resolve().parents[1]
BASH = shutil.which("bash")
HOUR = 3600 * 10**9

#: Page: how many commands its section holds.
HERE = {
    "bpft-config.1": 2,
    "bpft-doctor.1": 2,
    "bpft-export.1": 5,
    "bpft-import.1": 2,
    "bpft-info.1": 2,
    "bpft-metrics.1": 2,
    "bpft-status.1": 1,
    "bpft-top.1": 3,
    "bpft-verify.1": 6,
}
#: Page: where its examples run or are checked.
ELSEWHERE = {
    "bpft-compact.1": "tests/test_life_pages.py",
    "bpft-forget.1": "tests/test_life_pages.py",
    "bpft-merge.1": "tests/test_life_pages.py",
    "bpft-overview.1": "tests/test_overview_pages.py",
    "bpft-report.1": "tests/test_report_pages.py",
    "bpft-traflog.1": "tests/test_overview_pages.py",
    "bpft-who.1": "tests/test_report_pages.py",
    "bpft.3": "tests/test_page_examples.py",
    "bpft.5": "tests/test_format_page.py",
    "bpft.toml.5": "tests/test_config.py",
    **dict.fromkeys(
        ("bpft.1", "trafd.8", "trafdump.8", "trafsave.8", "trafstart.8", "trafstop.8"),
        "tests/system/test_daemon_pages.py",
    ),
}
#: What does not run here, as a pattern, and why.
NOT_RUN = {
    "duckdb ": "another program; tests/test_export.py asks DuckDB from Python",
    "bpft top$": "goes on until it is ended; tests/test_top_screen.py",
    "bpft top --json": "goes on until it is ended; tests/test_top_lines.py",
    "bpft metrics --listen": "serves until it is ended; tests/test_metrics.py",
}
#: Expressions for Prometheus, not for a shell.
_ALERT = re.compile(r"^(bpft_\w+|rate\()")


def code(name: str) -> list[str]:
    """The lines of a page's EXAMPLES, as they are printed."""
    section = (PROJECT / "man" / name).read_text().partition(".Sh EXAMPLES\n")[2].partition("\n.Sh ")[0]
    literal = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", section, re.M | re.S)
    text = "\n".join([*literal, *re.findall(r"^\.Dl (.*)", section, re.M)])
    return text.replace("\\(dq", '"').replace("\\e", "\\").splitlines()


def examples(name: str) -> list[str]:
    """The commands among them, without prompts and without when cron(8) runs them."""
    text = "\n".join(line.removeprefix("$ ").removeprefix("# ") for line in code(name)).replace("\\\n", "")
    lines = [re.sub(r"^([*\d/]+ ){4}[*\d/]+ +(root )?", "", line) for line in re.sub(r"\n +", " ", text).splitlines()]
    return [line for line in lines if line and not _ALERT.match(line)]


def reason(command: str) -> str:
    """Why a command does not run here; empty: it does."""
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), "")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A root with what the examples name, and a directory to work in."""
    where = paths(str(tmp_path))
    where.logs.mkdir(parents=True)
    now = time.time_ns()
    october = 1_792_627_200 * 10**9
    for log in (where.log("eth0"), tmp_path / "work/trafd.eth0"):
        log.parent.mkdir(exist_ok=True)
        writer = LogWriter(log)
        for begin in (october, october + 18 * 24 * HOUR, now - HOUR):
            head = Header(
                epoch=begin.to_bytes(16, "big"),
                begin_ns=begin,
                end_ns=begin + HOUR,
                interface="eth0",
                host="here",
                counters=Counters(seen=1, counted=1),
            )
            writer.append(head, blocks.table((4, blocks.record(src=0x0A000001, dport=53, proto=17, all=1000))))
    for old in ("backup/gw/trafd.fxp0", "var/trafd/trafd.fxp0"):
        (tmp_path / old).parent.mkdir(parents=True)
        (tmp_path / old).write_bytes(old_files.block("new", "little", [old_files.Entry()]))
    damaged = bytearray((tmp_path / "work/trafd.eth0").read_bytes())
    damaged[len(damaged) // 2] ^= 255
    (tmp_path / "work/trafd.eth0").write_bytes(damaged)
    (tmp_path / "var/lib/prometheus/node-exporter").mkdir(parents=True)
    (tmp_path / "work/new.toml").write_text('[log]\nrotate = "monthly"\n')
    return tmp_path


@pytest.mark.skipif(BASH is None, reason="the examples are run by bash")
@pytest.mark.parametrize(("page", "commands"), HERE.items())
def test_the_examples_run(place: Path, page: str, commands: int) -> None:
    shown = examples(page)
    assert len(shown) == commands, shown
    for command in shown:
        if reason(command):
            continue
        program = re.search(r"\| (\w+)|^(sqlite3)", command)
        if program and not shutil.which(program[1] or program[2]):
            pytest.skip(f"{program[1] or program[2]} is not here")
        here = re.sub(r"(?<![\w.])(/var|/backup)/", lambda found: f"{place}{found[0]}", command)
        done = subprocess.run(
            [str(BASH), "-o", "pipefail", "-c", f'bpft() {{ "{sys.executable}" -m bpft "$@"; }}\n{here}'],
            cwd=place / "work",
            env={**programs.ENVIRONMENT, "PATH": os.environ["PATH"], "BPFT_ROOT": str(place), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode in allowed(command), (command, done.stdout, done.stderr)


def allowed(command: str) -> tuple[int, ...]:
    """Exit codes: by theirs doctor and top say that no daemon runs here, and verify that it found damage."""
    return (0, 1) if command.startswith(("bpft doctor", "out=$(bpft doctor", "bpft top", "bpft verify")) else (0,)


def test_every_page_with_examples_is_accounted_for() -> None:
    pages = {path.name for path in (PROJECT / "man").iterdir() if ".Sh EXAMPLES" in path.read_text()}
    assert pages == set(HERE) | set(ELSEWHERE)
    for page, test in ELSEWHERE.items():
        name = page.removesuffix(".1").removeprefix("bpft-")
        text = (PROJECT / test).read_text()
        assert name in text or "import ELSEWHERE" in text, (page, test)


def test_the_python_of_the_page_runs(place: Path) -> None:
    pytest.importorskip("numpy", reason="the example needs numpy")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(("import bpft, numpy", *code("bpft.3")))],
        cwd=place / "var/lib/bpft",
        env={**programs.ENVIRONMENT, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["1000"] * 3


def test_what_is_not_run_is_still_there() -> None:
    every = [command for page in HERE for command in examples(page)]
    assert {reason(command) for command in every} == {"", *NOT_RUN.values()}
