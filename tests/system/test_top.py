"""bpft top looks at a running trafd, over saves and restarts; captures where none runs; and costs little."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Link, add
from suite import Daemon, environment, program, run, total

INTERVAL_S = 0.5
#: Of a processor, with 10,000 flows of which each moves in each second; on a machine with nothing else to do, 0.02.
SHARE = 0.05


class Top:
    """bpft top --json, read while it runs."""

    def __init__(self, daemon: Daemon, *words: str) -> None:
        line = [*program("bpft"), "top", "--json", "-n", "--top", "0", "--interval", str(INTERVAL_S)]
        self._process = subprocess.Popen(
            daemon.namespace.command(*line, "--root", str(daemon.root), *words, daemon.interface),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, fits: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """All refreshes up to the one that fits."""
        found: list[dict[str, Any]] = []
        assert self._process.stdout
        while not found or not fits(found[-1]):
            assert len(found) < 60, found[-1]
            line = self._process.stdout.readline()
            assert line, self._process.communicate()
            found.append(json.loads(line))
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()
        assert self._process.returncode == 0


def test_a_save_and_a_restart_do_not_disturb_it(daemon: Daemon, link: Link) -> None:
    daemon.start("-r", "-m", "0")
    first = total(link.udp(20, 1000))[1]
    top = Top(daemon)
    shown = top.until(lambda it: "all" in it and it["all"]["bytes"] == first)
    daemon.do("trafsave")
    second = total(link.udp(10, 500))[1]
    shown += top.until(lambda it: "all" in it and it["all"]["bytes"] == second)
    daemon.do("trafstop")
    shown += top.until(lambda it: "error" in it)
    assert "no trafd runs here" in shown[-1]["error"]
    daemon.start("-r", "-m", "0")
    third = total(link.udp(5, 200))[1]
    shown += top.until(lambda it: "all" in it and it["all"]["bytes"] == second + third)
    top.close()
    figures = [one for it in shown if "all" in it for one in (it["all"], *it["rows"])]
    assert all(value is None or value >= 0 for one in figures for value in one.values() if not isinstance(value, str))
    moved = [it["all"]["bps_60s"] * it["spans_ns"]["60s"] for it in shown if it.get("all", {}).get("bps_60s")]
    assert max(moved) / 8e9 == pytest.approx(second, rel=1e-3), "what came before it looked is no rate"


def test_it_captures_where_no_trafd_runs(daemon: Daemon, link: Link) -> None:
    top = Top(daemon, "--by", "pairs")
    top.until(lambda it: "all" in it)
    expected = add(link.udp(30, 700), link.udp(20, 400, v6=True))
    shown = top.until(lambda it: it["all"]["bytes"] == total(expected)[1])
    top.close()
    told = {frozenset((row["a"], row["b"])): row["bytes"] for row in shown[-1]["rows"]}
    assert told == {frozenset((src, dst)): bytes_ for (src, _, dst, _, _), (_, bytes_, _) in expected.items()}
    assert not shown[-1]["attached"]


def test_who_may_not_capture_is_told_what_to_do(daemon: Daemon) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv here")
    line = [*program("bpft"), "top", "-c", "1", "--root", str(daemon.root), daemon.interface]
    bare = ("setpriv", "--bounding-set=-net_raw,-net_admin", *line)
    done = subprocess.run(daemon.namespace.command(*bare), capture_output=True, text=True, env=environment())
    assert done.returncode == 1
    assert done.stderr == (
        f"bpft: {daemon.interface}: no trafd runs here to look at, and only root may capture: "
        f"run as root, or start one with: trafstart {daemon.interface}\n"
    )


@pytest.mark.parametrize("by", ["hosts", "pairs"])
def test_it_costs_little(daemon: Daemon, link: Link, tmp_path: Path, by: str) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("no tmux here")
    pytest.importorskip("urwid")
    daemon.start("-m", "0")
    place = ["-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    line = daemon.namespace.command(*program("bpft"), "top", "-n", "--by", by, "--root", str(daemon.root))
    settings = [f"{name}={value}" for name, value in environment(TERM="tmux-256color").items()]
    subprocess.run(
        [tmux, *place, "new-session", "-d", "-x", "80", "-y", "24", "env", "-i", *settings, *line], check=True
    )
    try:
        pane = subprocess.run(
            [tmux, *place, "list-panes", "-F", "#{pane_pid}"], capture_output=True, text=True, check=True
        )
        begin, before = 0.0, 0.0
        for second in range(18):
            turn = time.monotonic()
            link.spoofed(10_000)
            if second == 12:  # All pieces of history are there by then.
                begin, before = turn, processor_seconds(int(pane.stdout))
            time.sleep(max(turn + 1 - time.monotonic(), 0))
        took = processor_seconds(int(pane.stdout)) - before
        passed = time.monotonic() - begin
        shown = subprocess.run([tmux, *place, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout
    finally:
        subprocess.run([tmux, *place, "kill-server"], check=True)
    assert " 10,000 flows since" in shown
    assert took / passed <= SHARE


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_report_says_the_same(daemon: Daemon, link: Link) -> None:
    """Of the same table, saved afterwards."""
    daemon.start("-m", "0")
    link.udp(40, 333)
    link.ping(3, 100)
    done = run("bpft", "top", "--json", "--top", "0", "-n", "-c", "1", "--root", daemon.root, daemon.interface)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    daemon.do("trafsave")
    report = run("bpft", "report", daemon.log, "--by", "host", "--top", "0", "-n", "--json")
    rows = {row["host"]: (row["all"], row["in"], row["out"]) for row in json.loads(report.stdout)["rows"]}
    assert {row["host"]: (row["bytes"], row["in_bytes"], row["out_bytes"]) for row in shown["rows"]} == rows
