"""The overview of a running daemon: what passed a moment ago, once, and what becomes of it when the daemon stops."""

import json
import time
from itertools import count
from typing import Any

from lab import Link
from suite import Daemon, run

ETHERNET = 14
PORTS = count(30_000)


def seen(daemon: Daemon) -> dict[str, Any]:
    result = run("bpft", "--root", daemon.root, "-n", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    (one,) = json.loads(result.stdout)["interfaces"]
    assert one["interface"] == daemon.interface
    return dict(one)


def moved(link: Link, packets: int) -> int:
    """Bytes of frames on the wire."""
    ((_, (sent, size, _)),) = link.udp(packets, 100, sport=next(PORTS)).items()
    return int(sent * ETHERNET + size)


def test_what_passed_is_there_while_it_runs_and_after(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    size, began = 0, time.time_ns()
    for step in range(6):
        size += moved(link, 3 + step)
        time.sleep(0.1)
        one = seen(daemon)
        assert [one["periods"][name]["total"] for name in ("today", "this_month")] == [size, size], step
        assert one["periods"]["today"]["in"] == size
        assert one["running"] and abs(one["seen_ns"] - time.time_ns()) < 2 * 10**9
        assert one["completeness"]["adds_up"]
        assert (one["saved_ns"] or 0) > began if step > 1 else one["saved_ns"] is None
        (daemon.signal_dump, daemon.signal_save)[step % 2]()
    near, far = link.near.address(), link.far.address()
    assert {host["host"]: host["share"] for host in one["hosts"]} == {near: 1.0}  # far is this host itself
    assert one["hosts"][0]["out"] == size - ETHERNET * sum(3 + step for step in range(6))
    daemon.stop()
    after = seen(daemon)
    assert (after["running"], after["periods"]["today"]["total"]) == (False, size)
    printed = run("bpft", "--root", daemon.root, "-n").stdout
    assert f"; start with: trafstart {daemon.interface}\n" in printed and far not in printed
