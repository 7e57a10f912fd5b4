"""The samples for cron(8) and periodic(8): what they run is there, and they say when it fails."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bpft.access import GROUP
from bpft.cli.main import COMMANDS
from bpft.cli.trafd import trafd
from bpft.keeping import SERVICE
from bpft.lognames import MODE

SHARE = Path(__file__).resolve().parents[1] / "share"
PERIODIC = SHARE / "periodic/480.bpft"
CRONTAB = (SHARE / "cron/crontab").read_text()
TOOLS = ("trafsave", "trafdump", "bpft")


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """Commands that note how they were called, and fail where a file of their name says so."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in TOOLS:
        stub = directory / name
        stub.write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/calls"\n[ ! -e "{tmp_path}/{name}.fails" ]\n')
        stub.chmod(0o755)
    return tmp_path


def periodic(root: Path, **settings: str) -> tuple[int, str, list[str]]:
    """Exit code, output, and what was called."""
    environment = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}", "daily_bpft_logs": str(root / "logs"), **settings}
    done = subprocess.run([PERIODIC], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    calls = root / "calls"
    return done.returncode, done.stdout, calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck here")
def test_shellcheck_finds_nothing() -> None:
    subprocess.run(["shellcheck", PERIODIC], check=True)


@pytest.mark.parametrize("settings", [{}, {"daily_bpft_enable": "NO"}])
def test_periodic_does_nothing_unless_enabled(stubs: Path, settings: dict[str, str]) -> None:
    assert periodic(stubs, **settings) == (0, "", [])


def test_periodic_saves_rolls_up_and_reports(stubs: Path) -> None:
    logs = stubs / "logs"
    logs.mkdir()
    for name in (".trafd.eth0.lock", "trafd.eth0", ".trafd.eth0.5.lock", "trafd.eth0.5", ".trafd.new.lock", "trafd.x"):
        (logs / name).touch()
    code, _, calls = periodic(stubs, daily_bpft_enable="yes")
    assert code == 1
    assert calls[0] == "trafsave "
    assert sorted(calls[1:3]) == [f"bpft compact --keep {SERVICE} {logs}/trafd.{name}" for name in ("eth0", "eth0.5")]
    assert calls[3:] == ["bpft report -b yesterday -e yesterday --by host --top 20"]


def test_periodic_as_configured(stubs: Path) -> None:
    (stubs / "logs").mkdir()
    (stubs / "logs/.trafd.eth0.lock").touch()
    (stubs / "logs/trafd.eth0").touch()
    options = {"daily_bpft_enable": "YES", "daily_bpft_keep": "", "daily_bpft_report": "no"}
    assert periodic(stubs, **options)[2] == ["trafsave "]


@pytest.mark.parametrize("tool", ["trafsave", "bpft"])
def test_periodic_tells_a_failure(stubs: Path, tool: str) -> None:
    (stubs / f"{tool}.fails").touch()
    code, _, calls = periodic(stubs, daily_bpft_enable="YES")
    assert code == 3
    assert len(calls) == 2


def test_the_crontab_is_one() -> None:
    lines = [line for line in CRONTAB.splitlines() if line and not line.startswith("#")]
    assert lines.pop(0).startswith("PATH=")
    for line in lines:
        *times, command = line.split(None, 5)
        assert all(set(field) <= set("0123456789*/,-") for field in times), line
        assert "%" not in command  # crontab(5) ends a line at one.
        words = command.split()
        assert words[0] in TOOLS
        assert words[0] != "bpft" or words[1] in COMMANDS
    assert SERVICE in CRONTAB


def test_the_privacy_page_says_what_is_so() -> None:
    page = (SHARE.parent / "man/bpft-privacy.7").read_text()
    assert SERVICE in page
    assert f"mode 0{MODE:o}" in page
    assert f".Em {GROUP} :" in page
    for command in re.findall(r"^\.Ql bpft (\w+)", page, re.M):
        assert command in COMMANDS
    assert not set(re.findall(r"Fl -(\w[\w-]*)", page)) - _trafd_options()


def _trafd_options() -> set[str]:
    return {option.removeprefix("--") for parameter in trafd.params for option in parameter.opts}
