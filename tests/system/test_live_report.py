"""What passed a second ago is in the report, once: across dumps, saves and restarts, and while a daemon hangs."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from lab import Link
from suite import Daemon, run

WITHIN_S = 1.0
PORTS = count(20_000)


def asked(root: Path, *words: str) -> dict[str, Any]:
    """What `bpft report` says of today, by pair."""
    result = run("bpft", "report", "--root", root, "-n", "--by", "pair", "--json", *words)
    assert (result.returncode, result.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def section(root: Path, interface: str) -> dict[str, Any]:
    (found,) = (it for it in asked(root)["sections"] if it["interfaces"] == [interface])
    return dict(found)


def moved(link: Link, packets: int) -> tuple[int, int]:
    """Datagrams, and the bytes of IP that they are."""
    ((_, (sent, size, _)),) = link.udp(packets, 100, sport=next(PORTS)).items()
    return sent, size


def test_a_second_after_the_traffic_it_is_there(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    sent = size = 0
    for step in range(8):
        packets, bytes_ = moved(link, 5 + step)
        sent, size = sent + packets, size + bytes_
        deadline = time.monotonic() + WITHIN_S
        time.sleep(0.1)
        found = section(daemon.root, daemon.interface)
        assert time.monotonic() < deadline + 0.5  # of which the report itself is most
        assert (found["totals"]["packets"], found["totals"]["all"]) == (sent, size), step
        assert abs(found["live_ns"] - time.time_ns()) < 2 * 10**9
        assert found["completeness"]["adds_up"]
        assert found["period"] == "today"
        (daemon.signal_dump, daemon.signal_save)[step % 2]()
        assert section(daemon.root, daemon.interface)["totals"]["all"] == size, step
    printed = run("bpft", "report", "--root", daemon.root, "-n").stdout.splitlines()
    assert printed[0].startswith(f"{daemon.interface} on ") and printed[0].endswith(", today")
    assert ", as of " in printed[1]


@pytest.mark.parametrize("resume", [("-r",), ()], ids=["resumed", "recovered"])
def test_a_restart_neither_loses_nor_doubles(daemon: Daemon, link: Link, resume: tuple[str, ...]) -> None:
    daemon.start("-m", "0")
    _, size = moved(link, 9)
    daemon.stop()
    found = section(daemon.root, daemon.interface)
    assert (found["totals"]["all"], found["live_ns"]) == (size, None)
    daemon.start("-m", "0", *resume)
    assert section(daemon.root, daemon.interface)["totals"]["all"] == size
    _, more = moved(link, 4)
    time.sleep(0.1)
    found = section(daemon.root, daemon.interface)
    assert found["totals"]["all"] == size + more
    assert found["live_ns"]


def test_any_order_of_events_counts_each_byte_once(daemon: Daemon, link: Link) -> None:
    """Reports race with what the daemon is told: they are asked while it dumps and saves."""
    daemon.start("-m", "0", "-r")
    drawn = random.Random(6)
    size = 0
    for _ in range(25):
        size += moved(link, drawn.randint(1, 9))[1]
        time.sleep(0.08)
        event = drawn.choice(["dump", "save", "both", "restart", "none"])
        if event == "restart":
            daemon.stop()
            daemon.start("-m", "0", "-r")
        if event in ("dump", "both"):
            daemon.kill(signal.SIGHUP)
        if event in ("save", "both"):
            daemon.kill(signal.SIGINT)
        assert section(daemon.root, daemon.interface)["totals"]["all"] == size, event
    daemon.stop()
    assert section(daemon.root, daemon.interface)["totals"]["all"] == size


def test_a_save_that_takes_its_time_is_counted_once(daemon: Daemon, link: Link) -> None:
    """Tens of thousands of flows: the report is asked before, while and after the block is in the log."""
    daemon.start("-m", "0")
    size = 0
    for seed in range(6):
        size += link.spoofed(30_000, seed)[1]
        time.sleep(0.3)
        daemon.kill(signal.SIGINT)
        time.sleep(seed / 20)
        assert section(daemon.root, daemon.interface)["totals"]["all"] == size, seed


def test_interfaces_apart_one_of_them_and_summed(make_daemon: Callable[..., Daemon], links: tuple[Link, Link]) -> None:
    daemons = [make_daemon(link) for link in links]
    sizes = []
    for daemon, link, packets in zip(daemons, links, (3, 8), strict=True):
        daemon.start("-m", "0")
        sizes.append(moved(link, packets)[1])
    time.sleep(0.1)
    root = daemons[0].root
    names = [daemon.interface for daemon in daemons]
    found = {it["interfaces"][0]: it["totals"]["all"] for it in asked(root)["sections"]}
    assert found == dict(zip(names, sizes, strict=True))
    assert asked(root, "-i", names[0])["totals"]["all"] == sizes[0]
    assert asked(root, "--sum")["totals"]["all"] == sum(sizes)
    rows = run("bpft", "report", "--root", root, "--by", "proto", "-n", "--format", "csv").stdout.splitlines()
    assert [(row.split(",")[0], int(row.split(",")[3])) for row in rows[1:]] == sorted(zip(names, sizes, strict=True))


def test_a_daemon_that_hangs_is_told_and_its_dump_counts(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    _, size = moved(link, 6)
    time.sleep(0.1)
    daemon.do("trafdump")
    moved(link, 5)
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        result = run("bpft", "report", "--root", daemon.root, "-n", "-i", daemon.interface, "--json")
        assert time.monotonic() - begin < 4
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "does not answer" in result.stderr and "what it last wrote is counted" in result.stderr
    found = json.loads(result.stdout)
    assert (found["totals"]["all"], found["live_ns"]) == (size, None)
    assert found["troubles"]


def test_who_of_the_running_table(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    packets, size = moved(link, 7)
    time.sleep(0.1)
    near, far = link.near.address(), link.far.address()
    for host, way in ((near, "out"), (far, "in")):
        result = run("bpft", "who", host, "--root", daemon.root, "-n", "--json")
        assert (result.returncode, result.stderr) == (0, "")
        (seen,) = json.loads(result.stdout)["interfaces"]
        assert (seen[way], seen["all"], seen[f"packets_{way}"]) == (size, size, packets)
        assert [it["address"] for it in seen["peers"]] == [far if host == near else near]
