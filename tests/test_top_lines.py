"""bpft top without keys: tables and JSON at each refresh, of daemons; and what cannot be looked at."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import programs
import pytest
from blocks import record, table
from looked_at import SECOND, Daemon, at

from bpft.core import Table
from bpft.record import Counters, Header


def traffic(look: int) -> tuple[Header, Table]:
    """1000 bytes a second, a save after the second look."""
    saved = look >= 2
    bytes_ = 1000 * (look - 1 if saved else look + 5)
    rows = record(src=0x0A000001, dst=0x01010101, sport=40000, dport=443, flags=2, all=bytes_)
    return at(look + 1, epoch=bytes(15) + bytes((saved,)), counters=Counters(received=9, dropped=3)), table((4, rows))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    daemons = [Daemon(tmp_path, name, traffic) for name in ("eth0", "eth1", "wlan0")]
    yield tmp_path
    for daemon in daemons:
        daemon.close()


def top(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bpft", "top", "-n", "--root", str(root), "--interval", "0.1", *words]
    environment = {**programs.ENVIRONMENT, "TZ": "UTC", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


def answers(root: Path, *words: str) -> list[dict[str, Any]]:
    done = top(root, "--json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_of_json_at_each_refresh(root: Path) -> None:
    found = answers(root, "-c", "3", "eth0")
    assert [one["interface"] for one in found] == ["eth0"] * 3
    assert [one["all"]["bytes"] for one in found] == [6000, 1000, 2000]
    assert [one["all"]["bps_2s"] for one in found] == [8000, 8000, 8000], "a save is no gap"
    assert [one["spans_ns"]["10s"] for one in found] == [SECOND, 2 * SECOND, 3 * SECOND]
    last = found[-1]
    assert {name: last[name] for name in ("schema", "by", "attached", "waiting", "flows", "dropped")} == {
        "schema": "bpft-top-1",
        "by": "hosts",
        "attached": True,
        "waiting": False,
        "flows": 1,
        "dropped": 3,
    }
    assert sorted(row["host"] for row in last["rows"]) == ["1.1.1.1", "10.0.0.1"]
    assert {row["host"]: (row["in_bps_2s"], row["out_bytes"]) for row in last["rows"]} == {
        "1.1.1.1": (8000, 0),
        "10.0.0.1": (0, 2000),
    }


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("pairs", {"a": "10.0.0.1", "b": "1.1.1.1"}),
        ("services", {"port": 443, "proto": 6}),
        ("scopes", {"scope": "Internet"}),
    ],
)
def test_rows_of_all_views(root: Path, by: str, names: dict[str, Any]) -> None:
    (found,) = answers(root, "-c", "1", "eth0", "--by", by)
    (row,) = found["rows"]
    assert {name: row[name] for name in names} == names
    assert (row["out_bps_2s"], row["in_bps_2s"], row["bytes"], row["other"]) == (8000, 0, 6000, False)


def test_patterns_and_all(root: Path) -> None:
    assert sorted(one["interface"] for one in answers(root, "-c", "1", "eth*")) == ["eth0", "eth1"]
    assert {one["interface"] for one in answers(root, "-c", "1")} == {"eth0", "eth1", "wlan0"}


def test_a_table_at_each_refresh(root: Path) -> None:
    done = top(root, "-c", "2", "eth0", "--top", "1", "--sort", "out", "-w", "tcp port 443")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith(" eth0: 1 flow since 12:00:00, 3 packets dropped")
    assert lines[1].split() == ["Host", "in", "2s", "out", "2s", "2s", "10s", "60s", "total"]
    assert [line.split() for line in lines[2:4]] == [
        ["all", "0", "8.00k", "8.00k", "8.00k", "8.00k", "6.00kB"],
        ["10.0.0.1", "0", "8.00k", "8.00k", "8.00k", "8.00k", "6.00kB"],
    ]
    assert lines[4] == ""
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-w", "host and"], 1, "filter expression: "),
        (["-w", "tcp[13] = 2"], 1, "filter expression: "),
        (["nothere0"], 1, "nothere0: no such interface; there are: "),
        (["none*"], 1, "none*: no interface has such a name; there are: "),
        (["../x"], 127, "interface '../x'"),
        (["--interval", "0"], 127, "--interval"),
        (["--interval", "nan"], 127, "--interval"),
        (["--by", "ports"], 127, "--by"),
    ],
)
def test_what_cannot_be_is_one_line(root: Path, words: list[str], code: int, said: str) -> None:
    done = top(root, "-c", "1", *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done
    assert said in done.stderr


def test_a_daemon_that_stops_is_told_and_waited_for(root: Path, tmp_path: Path) -> None:
    """Of two interfaces the other one goes on."""
    found = top(root, "-c", "2", "eth0", "nothere0", "--json")
    assert found.returncode == 1
    told = [json.loads(line) for line in found.stdout.splitlines()]
    assert ["error" in one for one in told] == [False, True, False, True]


def test_what_a_table_does_not_hold_is_not_asked_of_it(tmp_path: Path) -> None:
    """As `bpft report --where` (R3)."""
    daemon = Daemon(tmp_path, "eth0", lambda look: (at(look, key_mode="addresses+vlan"), traffic(look)[1]))
    done = top(tmp_path, "-c", "1", "-w", "port 53")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bpft: filter expression: no ports and protocols are counted here; words that work: ")
    assert top(tmp_path, "-c", "1", "-w", "net 10.0.0.0/8").returncode == 0
    daemon.close()
