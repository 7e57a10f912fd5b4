"""trafdump and its sisters: they start fast, and say what is wrong (SEMANTICS P2)."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import programs
import pytest

from bpft import selection
from bpft.cli import tools
from bpft.errors import NoInterface
from bpft.host.devices import Device
from bpft.host.nat import Nat
from bpft.host.routes import Routes
from bpft.selection import View

PROJECT = Path(__file__).resolve().parents[1]
FAST = ("trafdump", "trafsave", "trafstop")
NEEDLESS = (
    *("click", "construct", "daemon", "zstandard", "subprocess", "asyncio", "inspect", "pathlib", "typing", "tomllib"),
    *("bpft.core", "bpft.host", "bpft.config", "bpft.selection", "fnmatch", "re"),
)


def call(monkeypatch: pytest.MonkeyPatch, root: Path, name: str, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", [name, *words])
    monkeypatch.setenv("BPFT_ROOT", str(root))
    return int(getattr(tools, name)())


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("words", [[], ["--root", "{}"], ["--root={}"], ["All", "--root", "{}"]])
def test_nothing_heavy_is_imported(name: str, words: list[str], tmp_path: Path) -> None:
    # An editable installation has the interpreter itself import some of them.
    code = f"import sys; at_start = set(sys.modules); from bpft.cli.tools import {name}; {name}()"
    code += "; print(*set(sys.modules) - at_start)"
    (tmp_path / "etc/bpft").mkdir(parents=True)
    (tmp_path / "etc/bpft/bpft.toml").write_text("")
    result = subprocess.run(
        [sys.executable, "-c", code, *(word.format(tmp_path) for word in words)],
        env={**programs.ENVIRONMENT, "BPFT_ROOT": str(tmp_path if not words else tmp_path / "other")},
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
    monkeypatch.setattr(selection, "look", lambda: View({"lo": Device("lo", loopback=True)}))
    assert call(monkeypatch, tmp_path, "trafstart") == 1
    assert capsys.readouterr().err == f"trafstart: {NoInterface()}\n"
    assert call(monkeypatch, tmp_path, "trafstart", "All") == 1
    assert capsys.readouterr().err == "trafstart: no interface is to be counted (lo: loopback); name one\n"


def test_starting_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    assert call(monkeypatch, tmp_path, "trafstart", "nonesuch0") == 1
    error = capsys.readouterr().err
    assert error.startswith("nonesuch0: ")
    assert error.count("\n") == 1


#: A router: its uplink, two networks inside, a bridge with its port, a VLAN on the uplink.
ROUTER = View(
    {
        device.name: device
        for device in (
            Device("lo", up=True, loopback=True),
            Device("eth0", up=True),
            Device("eth1", up=True, master="br0", master_kind="bridge"),
            Device("br0", up=True, kind="bridge"),
            Device("eth0.7", up=True, kind="vlan", lowers=("eth0",)),
        )
    },
    Routes(("eth0",), (("br0", "10.1.0.0/16"), ("eth0.7", "10.7.0.0/16"))),
    Nat(forwards=True, masquerades=True, rule="nft table ip nat, chain post"),
)


@pytest.mark.parametrize(
    ("words", "configuration", "started"),
    [
        ((), None, ["br0", "eth0.7"]),
        (("All",), None, ["br0", "eth0.7"]),
        (("eth[01]",), None, ["eth0", "eth1"]),
        (("br0", "*0", "nonesuch"), None, ["br0", "eth0", "nonesuch"]),
        (("eth?",), '[interfaces]\nnames = ["br0"]', ["eth0", "eth1"]),
        ((), '[interfaces]\nnames = ["eth?", "ppp0"]', ["eth0", "eth1", "ppp0"]),
        (("All",), "[interfaces.br0]", ["br0"]),
        (("All",), '[interfaces]\nexclude = ["*.7"]', ["eth0", "br0"]),
    ],
)
def test_what_is_started(
    words: tuple[str, ...],
    configuration: str | None,
    started: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """SEMANTICS P2; --config where there is a configuration."""
    (tmp_path / "python").write_text('#!/bin/sh\nshift; echo "$@" >&2\n')
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(selection, "look", lambda: ROUTER)
    if configuration is not None:
        (tmp_path / "etc/bpft").mkdir(parents=True)
        (tmp_path / "etc/bpft/bpft.toml").write_text(configuration)
    assert call(monkeypatch, tmp_path, "trafstart", *words) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("trafstart: ")]
    assert [line.partition(":")[0] for line in lines] == started
    for name, line in zip(started, lines, strict=True):
        assert f"--root {tmp_path} -r " in line
        assert ("--config" in line) == (configuration is not None)
        assert line.endswith(f"-i {name}")


def test_why_the_inside_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection, "look", lambda: ROUTER)
    monkeypatch.setattr(sys, "executable", "/bin/true")
    assert call(monkeypatch, tmp_path, "trafstart") == 0
    assert capsys.readouterr().err == (
        "trafstart: this host forwards and masquerades (nft table ip nat, chain post), so br0, eth0.7 inside is "
        "counted: on eth0 every address would be the host's own\n"
    )


def test_globs_that_fit_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection, "look", lambda: ROUTER)
    assert call(monkeypatch, tmp_path, "trafstart", "wlan*") == 1
    assert capsys.readouterr().err == (
        "trafstart: wlan*: no interface has such a name; there are: lo, eth0, eth1, br0, eth0.7\n"
    )
    for name in FAST:
        assert call(monkeypatch, tmp_path, name, "eth*") == 1
        assert capsys.readouterr().err == f"{name}: eth*: no trafd runs on such an interface; running: none\n"


def test_globs_mean_the_daemons_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run/bpft").mkdir(parents=True)
    for name in ("eth0", "eth1", "eth2", "wlan0"):
        (tmp_path / f"run/bpft/.trafd.{name}.lock").write_text("")
    monkeypatch.setattr(tools, "runs", lambda where, interface: interface != "eth1")
    monkeypatch.setattr(tools, "tell", lambda where, interface, command: (True, command))
    assert call(monkeypatch, tmp_path, "trafsave", "eth*", "wlan0", "eth0") == 0
    assert capsys.readouterr().out.splitlines() == ["eth0: save", "eth2: save", "wlan0: save"]
    assert call(monkeypatch, tmp_path, "trafsave", "eth1*") == 1
    assert capsys.readouterr().err.endswith("running: eth0, eth2, wlan0\n")


def test_a_configuration_with_a_mistake_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "etc/bpft").mkdir(parents=True)
    (tmp_path / "etc/bpft/bpft.toml").write_text('\n[interfaces]\nname = ["eth0"]\n')
    assert call(monkeypatch, tmp_path, "trafstart") == 1
    assert capsys.readouterr().err == (
        f"trafstart: {tmp_path}/etc/bpft/bpft.toml:3: name: no such key in [interfaces]; did you mean names?\n"
    )


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


@pytest.mark.parametrize(("name", "words"), [("trafdump", ["--help"]), ("trafstart", ["-V"]), ("trafsave", [])])
def test_standard_output_is_closed(name: str, words: list[str], tmp_path: Path) -> None:
    """As in the crontab of somebody who wants no mail: what has nothing to print does not fail by it."""
    code = f"import sys; from bpft.cli.tools import {name}; sys.exit({name}())"
    line = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", code, "--root", str(tmp_path), *words]
    result = subprocess.run(line, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    said = f"{name}: no trafd is running" if not words else f"{name}: standard output: is closed"
    assert (result.returncode, result.stderr) == (int(bool(words)), said + "\n")


def test_the_next_is_asked_though_all_output_is_closed(tmp_path: Path) -> None:
    code = f"""import sys
from bpft.cli import tools
def tell(where, interface, command):
    open({str(tmp_path)!r} + "/" + interface, "w").close()
    return False, "failed"
tools.tell = tell
sys.exit(tools.trafsave())"""
    line = ["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", sys.executable, "-c", code, "eth7", "eth8"]
    assert subprocess.run(line, cwd=PROJECT).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eth7", "eth8"]


@pytest.mark.parametrize(
    ("words", "code"), [(["trafstop"], 0), (["trafdump", "--bogus"], 127), (["trafsave", "nosuch"], 1)], ids=str
)
@pytest.mark.parametrize("alone", [True, False], ids=["by itself", "of bpft"])
def test_standard_error_is_full(words: list[str], code: int, alone: bool, tmp_path: Path) -> None:
    """What nobody can be told changes no exit code."""
    program = [str(PROJECT / "scripts" / words[0])] if alone else ["-m", "bpft", words[0]]
    with Path("/dev/full").open("w") as full:
        line = [sys.executable, *program, "--root", str(tmp_path), *words[1:]]
        result = subprocess.run(line, stderr=full, stdout=subprocess.PIPE, env={**os.environ, **programs.ENVIRONMENT})
    assert (result.returncode, result.stdout) == (code, b"")
