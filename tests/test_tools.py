"""trafdump and its sisters: they start fast, and say what is wrong (SEMANTICS P2)."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import programs
import pytest

from bpft.cli import tools
from bpft.errors import NoInterface
from bpft.meter import interfaces

PROJECT = Path(__file__).resolve().parents[1]
FAST = ("trafdump", "trafsave", "trafstop")
NEEDLESS = ("click", "construct", "daemon", "zstandard", "bpft.core", "bpft.host", "subprocess", "asyncio", "inspect")


def call(monkeypatch: pytest.MonkeyPatch, root: Path, name: str, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", [name, *words])
    monkeypatch.setenv("BPFT_ROOT", str(root))
    return int(getattr(tools, name)())


@pytest.mark.parametrize("name", FAST)
def test_nothing_heavy_is_imported(name: str, tmp_path: Path) -> None:
    code = f"import sys; sys.argv[1:] = []; from bpft.cli.tools import {name}; {name}(); print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**programs.ENVIRONMENT, "BPFT_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(NEEDLESS) & set(result.stdout.split())


def cpu_seconds(*words: str) -> float:
    """The least of some runs, since the machine may be busy."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, stderr=subprocess.DEVNULL, env={**programs.ENVIRONMENT}, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(12))


def test_they_start_in_under_twice_the_time_of_a_bare_interpreter(tmp_path: Path) -> None:
    script = f"import os; os.environ['BPFT_ROOT'] = {str(tmp_path)!r}; from bpft.cli.tools import trafdump; trafdump()"
    assert cpu_seconds(sys.executable, "-c", script) < 2 * cpu_seconds(sys.executable, "-c", "pass")


@pytest.mark.parametrize("name", FAST)
def test_nobody_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ((), ("All",)):
        assert call(monkeypatch, tmp_path, name, *words) == 0
        assert capsys.readouterr().err == f"{name}: no trafd is running\n"
    assert call(monkeypatch, tmp_path, name, "eth7", "eth8", "eth7") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{interface}: no trafd runs here; start one with: trafstart {interface}" for interface in ("eth7", "eth8")
    ]


@pytest.mark.parametrize("name", [*FAST, "trafstart"])
@pytest.mark.parametrize("words", [("--nonsense",), ("-Z",), ("../x",), ("a b",), ("",), ("All", "eth7"), ("--root",)])
def test_illegal_command_lines(
    name: str,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, tmp_path, name, *words) == 127
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", [*FAST, "trafstart"])
def test_help_and_version(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, tmp_path, name, "--help") == 0
    assert "All | IFACE" in capsys.readouterr().out
    assert call(monkeypatch, tmp_path, name, "-V") == 0
    assert name in capsys.readouterr().out


def test_sockets_left_by_a_crash_are_no_daemons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run/bpft"
    run.mkdir(parents=True)
    import socket

    with socket.socket(socket.AF_UNIX) as left:
        left.bind(os.path.relpath(run / "trafd.eth7.sock"))
    (run / "trafd.eth7.pid").write_text("1\n")
    (run / "other").write_text("")
    assert call(monkeypatch, tmp_path, "trafsave") == 0
    assert "no trafd is running" in capsys.readouterr().err
    assert call(monkeypatch, tmp_path, "trafsave", "eth7") == 1


def test_starting_without_any_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interfaces, "default", lambda: "")
    assert call(monkeypatch, tmp_path, "trafstart") == 1
    assert str(NoInterface()) in capsys.readouterr().err


def test_starting_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    assert call(monkeypatch, tmp_path, "trafstart", "nonesuch0") == 1
    error = capsys.readouterr().err
    assert error.startswith("nonesuch0: ")
    assert error.count("\n") == 1


def test_a_trafd_that_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "python").write_text("")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert call(monkeypatch, tmp_path, "trafstart", "eth7") == 1
    assert capsys.readouterr().err == f"eth7: cannot run {tmp_path}/python: Permission denied\n"


def test_what_a_started_trafd_says_is_told_with_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line."""
    said = "trafd: eth7: goes on with 3 records\ntrafd: warning: /x: not resumed\n"
    (tmp_path / "python").write_text(f"#!/bin/sh\nprintf '%s' '{said}' >&2\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert call(monkeypatch, tmp_path, "trafstart", "eth7") == 0
    assert capsys.readouterr().err == "eth7: goes on with 3 records\neth7: warning: /x: not resumed\n"


@pytest.mark.parametrize(("name", "words"), [("trafdump", ["--help"]), ("trafstart", ["-V"])])
def test_standard_output_is_full(name: str, words: list[str]) -> None:
    code = f"import sys; from bpft.cli.tools import {name}; sys.exit({name}())"
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 1
    assert result.stderr == f"{name}: standard output: No space left on device\n"


def test_each_is_asked_though_nobody_can_be_told(tmp_path: Path) -> None:
    code = """import sys
from bpft.cli import tools
def tell(where, interface, command):
    print(interface, file=sys.stderr)
    return True, "done"
tools.tell = tell
sys.exit(tools.trafsave())"""
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-c", code, "eth7", "eth8"], cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 1
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["eth7", "eth7", "eth8"]
