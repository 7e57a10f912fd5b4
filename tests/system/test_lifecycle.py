"""Starts that race, links that vanish, names that point elsewhere, floods: one daemon stays, answers and adds up."""

import signal
import stat
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import Link, Namespace, add
from suite import Daemon, report, rows, run, until


def test_twenty_starts_make_one_daemon(daemon: Daemon) -> None:
    def start(_: int) -> subprocess.CompletedProcess[str]:
        return daemon.attempt()

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(start, range(20)))
    assert sorted(result.returncode for result in results) == [0] + [1] * 19
    assert all(len(result.stderr.splitlines()) <= 1 for result in results)
    daemon.do("trafdump")


def test_racing_trafstarts_all_succeed(daemon: Daemon) -> None:
    def start(_: int) -> subprocess.CompletedProcess[str]:
        return run("trafstart", "--root", daemon.root, daemon.interface, namespace=daemon.namespace)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(start, range(8)))
    assert [result.returncode for result in results] == [0] * 8, [result.stderr for result in results]
    daemon.do("trafdump")


def test_a_link_goes_down_and_up(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    before = link.udp(3, 100)
    time.sleep(0.2)
    link.far.namespace.run("ip", "link", "set", link.far.interface, "down")
    assert daemon.signal_dump() < 0.2
    assert rows(daemon.dump) == before
    link.far.configure(link.near)
    after = link.udp(4, 100)
    daemon.stop()
    assert rows(daemon.dump) == add(before, after)


def test_a_link_vanishes_and_comes_back(
    make_daemon: Callable[[Link], Daemon], namespaces: tuple[Namespace, Namespace]
) -> None:
    """What was counted is dumped at once; signals are answered meanwhile; counting goes on when the link is back."""
    link = Link(*namespaces, 7)
    daemon = make_daemon(link)
    daemon.start("-m", "0")
    before = link.udp(3, 100)
    time.sleep(0.2)
    link.close()
    until(daemon.dump.exists, 3, "the dump of what was counted")
    assert rows(daemon.dump) == before
    assert daemon.signal_dump() < 0.2
    daemon.do("trafsave")
    assert rows(daemon.log) == before
    link = Link(*namespaces, 7)
    try:
        until(
            lambda: bool(link.udp(1, 0) and daemon.tool("trafdump").returncode == 0 and rows(daemon.dump)),
            5,
            "counting",
        )
        again = rows(daemon.dump)
        after = link.udp(4, 100)
        daemon.stop()
        assert rows(daemon.dump) == add(again, after)
    finally:
        link.close()


def test_a_dump_of_another_filter_is_recovered_not_resumed(daemon: Daemon, link: Link) -> None:
    """E6: tables of different filters are never added up in one."""
    daemon.start("-m", "0")
    first = add(link.udp(3, 100), link.ping(1, 8))
    daemon.stop()
    daemon.start("-r", "-m", "0", "icmp")
    assert rows(daemon.log) == first
    second = link.ping(2, 8)
    daemon.stop()
    assert rows(daemon.dump) == second


def test_files_are_for_the_owner_and_the_group(daemon: Daemon, link: Link) -> None:
    daemon.start()
    daemon.do("trafdump")
    daemon.do("trafsave")
    daemon.do("trafdump")
    for path in (daemon.log, daemon.dump):
        assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0, path


def test_symlinks_do_not_lead_elsewhere(daemon: Daemon, link: Link, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    for path in (daemon.log, daemon.dump):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(victim)
    daemon.attempt("-m", "0")
    if daemon.alive():
        link.udp(1, 100)
        daemon.tool("trafdump")
        daemon.tool("trafsave")
    assert victim.read_text() == "precious\n"


def test_counters_are_reported_on_request(daemon: Daemon, link: Link) -> None:
    """USR1, in the foreground on standard error: the packets counted since the last save."""
    daemon.start_foreground()
    link.udp(42, 10)
    time.sleep(0.2)
    daemon.kill(signal.SIGUSR1)
    time.sleep(0.3)
    daemon.stop()
    assert daemon.foreground and daemon.foreground.stderr
    assert "42 packets" in daemon.foreground.stderr.read()


def test_a_capped_table_keeps_the_totals(daemon: Daemon, link: Link) -> None:
    """C7: 100,000 flows where 5,000 fit; every byte is there, and so is who was big before."""
    daemon.start("--max-flows", "5000", "-m", "0")
    big = link.udp(200, 1400)
    flood = link.spoofed(100_000)
    time.sleep(0.3)
    daemon.do("trafdump")
    assert report(daemon.dump)["everything"]["all"] == next(iter(big.values()))[1] + flood[1]
    held = rows(daemon.dump)
    assert len(held) <= 5000
    assert big.items() <= held.items()


def test_the_figures_add_up(daemon: Daemon, link: Link) -> None:
    """C4: on a virtual interface frame bytes as tapped are what the interface itself counted."""
    daemon.start("-m", "0")
    time.sleep(0.2)
    link.udp(500, 1000)
    link.ping(50, 100)
    time.sleep(0.2)
    daemon.do("trafsave")
    completeness = report(daemon.log)["completeness"]
    assert completeness["adds_up"] is True
    assert completeness["frames_seen"] == completeness["frames_counted"] == 600
    assert any("100" in line and "%" in line for line in completeness["text"]), completeness["text"]
