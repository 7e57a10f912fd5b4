"""The completion files say what the commands have now, parse, and complete."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import programs
import pytest

PROJECT = Path(__file__).resolve().parents[1]
PLACE = PROJECT / "share/completions"
CHECKERS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


def test_they_are_current() -> None:
    made = [sys.executable, str(PROJECT / "scripts/completions.py"), "--check"]
    done = subprocess.run(made, capture_output=True, text=True, check=False, env=programs.ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", CHECKERS)
def test_they_parse(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    files = list((PLACE / shell).iterdir())
    assert files
    for file in files:
        subprocess.run([*CHECKERS[shell], file], check=True)


def bash(*words: str, directory: Path = PROJECT) -> list[str]:
    """What bash offers for the last word."""
    script = (
        '. "$0"; complete=$(complete -p "$1"); function=${complete##*-F }; '
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); ${function% *}; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    source = PLACE / "bash" / words[0]
    done = subprocess.run(
        ["bash", "-c", script, str(source), *words], cwd=directory, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["bpft", "rep"], ["report"]),
        (["bpft", "trafs"], ["trafsave", "trafstart", "trafstop"]),
        (["bpft", "--ver"], ["--version"]),
        (["bpft", "report", "--form"], ["--format"]),
        (["bpft", "report", "--format", "cs"], ["csv"]),
        (["bpft", "report", "-b", ""], []),
        (["bpft", "trafd", "--ports", "s"], ["service"]),
        (["bpft", "nonsense", ""], []),
        (["trafd", "--no-p"], ["--no-promiscuous"]),
        (["trafd", "-i", "l"], ["lo"]),
        (["trafdump", "Al"], ["All"]),
        (["trafstop", "l"], ["lo"]),
    ],
)
def test_bash_completes(words: list[str], offered: list[str]) -> None:
    assert bash(*words) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_files_and_directories(tmp_path: Path) -> None:
    (tmp_path / "a log").touch()
    (tmp_path / "a directory").mkdir()
    assert " ".join(sorted(bash("bpft", "report", "a", directory=tmp_path))) == "a a directory log"
    assert bash("bpft", "report", "--root", "a", directory=tmp_path) == ["a", "directory"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes() -> None:
    for line, offered in (
        ("bpft repo", "report"),
        ("bpft report --format nd", "ndjson"),
        ("trafd --ports se", "service"),
    ):
        asked = f"source {PLACE}/fish/{line.split()[0]}.fish; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", asked], capture_output=True, text=True, check=True)
        assert [found.split("\t")[0] for found in done.stdout.splitlines()] == [offered]


def zsh(line: str) -> str:
    """What an interactive zsh shows when the tab key is pressed twice behind a line."""
    terminal, side = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=side, stdout=side, stderr=side, cwd=PROJECT, env=os.environ | {"TERM": "dumb"}
    )
    os.close(side)
    try:
        setup = f"fpath=({PLACE}/zsh $fpath); autoload -U compinit; compinit -u -D; unsetopt beep; PROMPT="
        typed(terminal, f"{setup}; print rea''dy\n", "ready")
        return typed(terminal, f"{line}\t", line) + typed(terminal, "\t", "")
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)


def typed(terminal: int, keys: str, expected: str) -> str:
    """What appears behind some keys, until that is what is expected and then nothing more for a moment."""
    os.write(terminal, keys.encode())
    shown, deadline = "", time.monotonic() + 10
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.3)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
        elif expected in shown:
            break
    return shown


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bpft repo", "rt"),
        ("trafd --ports se", "rvice"),
        ("trafdump ", "All"),
        ("trafdump l", "o"),
        ("bpft config s", "how"),
    ],
)
def test_zsh_completes(line: str, offered: str) -> None:
    shown = zsh(line)
    assert offered in shown.replace(line, "")
    assert "bad option" not in shown
