"""Everything a person can get wrong at the start: one clear line, the documented exit code, before detaching."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import Link
from suite import PROJECT, Daemon, environment, program, run

SAMPLE = PROJECT / "tests/captures/sample.pcap"


def refused(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line on standard error with these words in it, and this exit code."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-Z"], "-Z"),
        (["--no-such-option"], "--no-such-option"),
        (["-c"], "-c"),
        (["-c", "many"], "many"),
        (["-c", "-5"], "-5"),
        (["-m", "1k"], "1k"),
        (["-m", "-1"], "-1"),
        (["--max-flows", "x"], "x"),
        (["--engine", "fast"], "fast"),
        (["-f", "../x"], "../x"),
        (["-f", "-rf"], "-rf"),
        (["-f", ".hidden"], ".hidden"),
        (["-f", "a" * 65], "aaaa"),
        (["-f", ""], "''"),
        (["-f", "two\nlines"], r"two\nlines"),
        (["-f", "größe"], "größe"),
        (["--read", str(SAMPLE)], "-f"),
    ],
)
def test_illegal_command_lines(daemon: Daemon, words: list[str], said: str) -> None:
    refused(daemon.attempt(*words), 127, said)
    assert not daemon.pid_file.exists()


@pytest.mark.parametrize("name", ["../etc", "a/b", "-x", ".", "a b", "x" * 65])
def test_illegal_interface_names(tmp_path: Path, name: str) -> None:
    refused(run("trafd", "--root", tmp_path, "-i", name), 127)
    refused(run("trafd", "--root", tmp_path, IFF_LISTEN=name), 127)


@pytest.mark.parametrize("tool", ["trafdump", "trafsave", "trafstart", "trafstop"])
def test_the_tools_refuse_too(tmp_path: Path, tool: str) -> None:
    refused(run(tool, "--root", tmp_path, "--no-such-option"), 127, "--no-such-option")
    refused(run(tool, "--root", tmp_path, "../x"), 127, "../x")
    if tool != "trafstart":
        refused(run(tool, "--root", tmp_path, "nonesuch"), 1, "nonesuch")


def test_unknown_interface(daemon: Daemon, link: Link) -> None:
    result = run("trafd", "--root", daemon.root, "-i", "nonesuch0", namespace=daemon.namespace)
    refused(result, 1, "nonesuch0", link.far.interface)


def test_bad_filters(daemon: Daemon, tmp_path: Path) -> None:
    refused(daemon.attempt("porf", "80"), 1, "filter")
    refused(daemon.attempt("-d", "porf", "80"), 1, "filter")
    refused(daemon.attempt("-F", tmp_path / "absent"), 1, "absent")
    broken = tmp_path / "filter"
    broken.write_text("tcp and (\n")
    refused(daemon.attempt("-F", broken), 1, "filter")
    refused(daemon.attempt("-F", tmp_path), 1, str(tmp_path))
    assert not daemon.pid_file.exists()


def without(daemon: Daemon, capability: str, *words: str) -> subprocess.CompletedProcess[str]:
    """trafd as root that lacks one capability."""
    line = [*program("trafd"), "--root", str(daemon.root), "-i", daemon.interface, *words]
    drop = ("setpriv", f"--inh-caps=-{capability}", f"--bounding-set=-{capability}")
    return subprocess.run(
        daemon.namespace.command(*drop, *line), capture_output=True, text=True, timeout=30, env=environment()
    )


def test_no_permission_to_capture(daemon: Daemon) -> None:
    refused(without(daemon, "net_raw"), 1, daemon.interface, "permission", "CAP_NET_RAW")


def test_unwritable_directories(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("trafd", "--root", tmp_path / "file", "-i", daemon.interface, namespace=daemon.namespace)
    refused(result, 1, str(tmp_path / "file"))
    logs = daemon.log.parent
    logs.mkdir(parents=True)
    logs.chmod(0o555)
    refused(without(daemon, "dac_override"), 1, str(logs))
    assert not daemon.pid_file.exists()


def test_second_daemon_on_an_interface_or_extension(
    daemon: Daemon, make_daemon: Callable[[Link], Daemon], links: tuple[Link, Link]
) -> None:
    daemon.start("-f", "shared")
    refused(daemon.attempt("-f", "other"), 1, daemon.interface, str(daemon.pid))
    refused(make_daemon(links[1]).attempt("-f", "shared"), 1, "shared", str(daemon.pid))
    refused(run("trafd", "--root", daemon.root, "--read", SAMPLE, "-f", "shared"), 1, "shared")
    assert daemon.alive()
    daemon.do("trafdump")


def test_a_daemon_whose_files_were_removed_is_still_found(daemon: Daemon) -> None:
    """Old manuals have people remove the pid file."""
    daemon.start()
    pid = daemon.pid
    for path in (daemon.pid_file, daemon.socket):
        path.unlink()
        refused(daemon.attempt("-f", "other"), 1, daemon.interface, f"pid {pid}")
    refused(daemon.tool("trafstop"), 1, f"kill {pid}")
    refused(daemon.tool("trafstart"), 1, f"kill {pid}")
    refused(daemon.tool("trafsave", "All"), 1, f"kill {pid}")
    daemon.pid_file.write_text("somebody else's\n")
    daemon.stop()
    assert daemon.dump.exists()
    assert daemon.pid_file.exists()
    daemon.start()
    daemon.do("trafstop")


def test_a_stale_pid_file_is_no_obstacle(daemon: Daemon) -> None:
    """The pid of a living process that is no trafd, and words: what counts is the lock."""
    daemon.pid_file.parent.mkdir(parents=True)
    for content in (f"{os.getpid()}\n", "not a number\n", ""):
        daemon.pid_file.write_text(content)
        daemon.start()
        assert daemon.pid != os.getpid()
        daemon.stop()


def read(root: Path, capture: Path | str) -> subprocess.CompletedProcess[str]:
    return run("trafd", "--root", root, "--read", capture, "-f", "x")


def test_captures_that_are_none(tmp_path: Path) -> None:
    log = tmp_path / "var/lib/bpft/trafd.x"
    text, empty = tmp_path / "text", tmp_path / "empty"
    text.write_text("This is no capture.\n" * 99)
    empty.write_bytes(b"")
    refused(read(tmp_path, text), 1, str(text))
    refused(read(tmp_path, empty), 1, str(empty))
    refused(read(tmp_path, tmp_path / "absent"), 1, "absent")
    refused(read(tmp_path, tmp_path), 1, str(tmp_path))
    assert not log.exists()


def test_a_capture_broken_in_the_middle_counts_up_to_there(tmp_path: Path) -> None:
    whole = SAMPLE.read_bytes()
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(whole[: len(whole) // 2 + 5])
    refused(read(tmp_path, cut), 1, str(cut))
    report = run("bpft", "report", tmp_path / "var/lib/bpft/trafd.x", "--by", "proto", "--format", "csv", "-n")
    assert report.returncode == 0
    assert len(report.stdout.splitlines()) > 1


def test_reports_of_what_is_no_log(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("neither log nor capture\n")
    refused(run("bpft", "report", text), 1, str(text))
    refused(run("bpft", "report", tmp_path / "absent"), 1, "absent")
    refused(run("bpft", "report", "--by", "colour", SAMPLE), 127, "colour")
