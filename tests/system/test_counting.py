"""Known traffic through the real daemon: sums exact to the byte across every way of dumping, saving and stopping."""

import signal
import time
from collections.abc import Callable

from lab import TCP_PORT, Link, Sums, add
from suite import Daemon, rows, run, total, until

#: Long enough for what was sent to leave the kernel's buffer (the capture's timeout is at most 60 ms).
SETTLE = 0.2


def send_some(link: Link, n: int = 1) -> Sums:
    """A little of everything whose sums are known beforehand."""
    return add(
        link.udp(7 * n, 1000, sport=5000),
        link.udp(5 * n, 0, sport=5001),
        link.udp(3 * n, 1200, sport=5002, v6=True),
        link.tagged(4 * n, 500),
        link.ping(2 * n, 56),
    )


def test_dump_goes_on_with_the_table(daemon: Daemon, link: Link) -> None:
    """HUP (E2): the dump holds everything so far, again and again."""
    daemon.start()
    sent = send_some(link)
    time.sleep(SETTLE)
    daemon.signal_dump()
    assert rows(daemon.dump) == sent
    sent = add(sent, send_some(link, 2))
    time.sleep(SETTLE)
    daemon.signal_dump()
    assert rows(daemon.dump) == sent
    assert not daemon.log.exists()


def test_save_begins_anew(daemon: Daemon, link: Link) -> None:
    """INT (E3): what was saved is in the log, the dump of that epoch is gone, the next table is empty."""
    daemon.start("-m", "0")
    first = send_some(link)
    time.sleep(SETTLE)
    daemon.signal_dump()
    daemon.signal_save()
    assert rows(daemon.log) == first
    until(lambda: not daemon.dump.exists(), 2, "the saved dump is removed")
    daemon.signal_dump()
    assert rows(daemon.dump) == {}
    second = send_some(link, 3)
    time.sleep(SETTLE)
    daemon.signal_save()
    assert rows(daemon.log) == add(first, second)


def test_stop_dumps_what_was_just_sent(daemon: Daemon, link: Link) -> None:
    """TERM (E5) drains the kernel's buffer first: nothing sent before it is lost, without any pause."""
    daemon.start()
    sent = send_some(link, 50)
    daemon.stop()
    assert rows(daemon.dump) == sent
    assert not daemon.pid_file.exists()


def test_quit_is_as_term(daemon: Daemon, link: Link) -> None:
    daemon.start()
    sent = send_some(link)
    daemon.kill(signal.SIGQUIT)
    until(lambda: not daemon.alive(), 20, "the daemon ends")
    assert rows(daemon.dump) == sent


def test_resume_goes_on(daemon: Daemon, link: Link) -> None:
    """-r (E6): stopped and resumed three times, saved once; each byte is there once."""
    sent: Sums = {}
    for n in (1, 2, 3):
        daemon.start("-r", "-m", "0")
        sent = add(sent, send_some(link, n))
        daemon.stop()
    daemon.start("-r", "-m", "0")
    time.sleep(SETTLE)
    daemon.signal_save()
    assert rows(daemon.log) == sent
    daemon.stop()
    assert rows(daemon.dump) == {}
    assert rows(daemon.log) == sent


def test_start_without_resume_recovers(daemon: Daemon, link: Link) -> None:
    """Without -r (E6) the dump left behind is appended to the log, not lost."""
    daemon.start()
    sent = send_some(link)
    daemon.stop()
    daemon.start("-m", "0")
    assert rows(daemon.log) == sent
    assert not daemon.dump.exists()


def test_kill_9_loses_only_what_was_not_dumped(daemon: Daemon, link: Link) -> None:
    daemon.start()
    sent = send_some(link)
    time.sleep(SETTLE)
    daemon.signal_dump()
    link.udp(9, 9, sport=5999)
    daemon.kill(signal.SIGKILL)
    until(lambda: not daemon.alive(), 5, "it is dead")
    assert daemon.pid_file.exists()
    daemon.start("-r", "-m", "0")
    more = send_some(link)
    time.sleep(SETTLE)
    daemon.signal_save()
    assert rows(daemon.log) == add(sent, more)


def test_kill_9_after_a_save_counts_nothing_twice(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    sent = send_some(link)
    time.sleep(SETTLE)
    daemon.signal_dump()
    dumped = daemon.dump.read_bytes()
    daemon.signal_save()
    daemon.kill(signal.SIGKILL)
    until(lambda: not daemon.alive(), 5, "it is dead")
    # As if the machine had failed between the append and the unlink of the dump.
    daemon.dump.write_bytes(dumped)
    daemon.start("-r", "-m", "0")
    daemon.stop()
    daemon.start("-m", "0")
    assert rows(daemon.log) == sent


def test_small_records_fold_when_saved(daemon: Daemon, link: Link) -> None:
    """-m (C8): only in the log, only below the limit, and the totals stay."""
    daemon.start("-m", "1024")
    big, edge, small = (link.udp(1, size, sport=6000 + size) for size in (1000, 996, 995))
    tiny = link.udp(3, 10, sport=8000)
    time.sleep(SETTLE)
    daemon.signal_dump()
    assert rows(daemon.dump) == add(big, edge, small, tiny)
    daemon.signal_save()
    assert rows(daemon.log) == {**big, **edge, ("0.0.0.0/0", 0, "0.0.0.0/0", 0, 0): total(add(small, tiny))}


def test_the_default_minimum_is_1024(daemon: Daemon, link: Link) -> None:
    daemon.start()
    big, small = link.udp(1, 996, sport=6000), link.udp(1, 995, sport=6001, v6=True)
    time.sleep(SETTLE)
    daemon.signal_save()
    assert rows(daemon.log) == {**big, **small}  # 995 bytes behind an IPv6 header are 1043
    link.udp(1, 900, v6=True)
    time.sleep(SETTLE)
    daemon.signal_save()
    assert rows(daemon.log)[("::/0", 0, "::/0", 0, 0)] == (1, 948, 900)


def test_addresses_only(daemon: Daemon, link: Link) -> None:
    """-X (C6): one row a pair, data without the IP header alone."""
    daemon.start("-X")
    link.udp(2, 100, sport=5000)
    link.udp(3, 100, sport=5001)
    link.ping(1, 56)
    daemon.stop()
    src, dst = link.near.address(), link.far.address()
    assert rows(daemon.dump) == {
        (src, 0, dst, 0, 0): (6, 5 * 128 + 84, 5 * 108 + 64),
        (dst, 0, src, 0, 0): (1, 84, 64),
    }


def test_count_stops_after_that_many_frames(daemon: Daemon, link: Link) -> None:
    """-c (C9): exactly so many that passed the filter, then as TERM."""
    daemon.start("-c", "10", "udp")
    link.ping(3, 8)
    link.udp(25, 40)
    until(lambda: not daemon.alive(), 10, "it stops by itself")
    assert total(rows(daemon.dump)) == (10, 10 * 68, 10 * 40)


def test_a_filter_is_the_rest_of_the_line(daemon: Daemon, link: Link) -> None:
    daemon.start("udp", "and", "src", "port", "5000")
    wanted = link.udp(3, 10, sport=5000)
    link.udp(4, 10, sport=5001)
    link.ping(1, 8)
    daemon.stop()
    assert rows(daemon.dump) == wanted


def test_two_interfaces_at_once(make_daemon: Callable[[Link], Daemon], links: tuple[Link, Link]) -> None:
    daemons = [make_daemon(link) for link in links]
    for daemon in daemons:
        daemon.start("-m", "0")
    sent = [send_some(link, n) for n, link in enumerate(links, 1)]
    time.sleep(SETTLE)
    result = daemons[0].tool("trafsave", "All")
    assert result.returncode == 0, result.stderr
    assert all(link.far.interface in result.stdout for link in links)
    assert [rows(daemon.log) for daemon in daemons] == sent


def test_trafdump_right_after_a_detached_start(daemon: Daemon, link: Link) -> None:
    """P1: when the command returns, the daemon answers; P2: the tool returns when the dump is on disk."""
    daemon.start()
    daemon.do("trafdump")
    assert rows(daemon.dump) == {}
    sent = send_some(link)
    time.sleep(SETTLE)
    daemon.do("trafdump")
    assert rows(daemon.dump) == sent


def test_tools_start_and_stop(daemon: Daemon, link: Link) -> None:
    tool = ("--root", daemon.root, daemon.interface)
    started = run("trafstart", *tool, namespace=daemon.namespace)
    assert started.returncode == 0, started.stderr
    sent = send_some(link)
    daemon.do("trafstop")
    until(lambda: not daemon.alive(), 5, "it is gone")
    assert rows(daemon.dump) == sent
    assert daemon.tool("trafdump").returncode == 1
    assert daemon.tool("trafdump", "All").returncode == 0


def test_extension_names_the_files(daemon: Daemon, link: Link) -> None:
    """-f: several daemons may not share an EXT, and one EXT names log and dump."""
    daemon.start("-f", "web", "-m", "0")
    sent = send_some(link)
    time.sleep(SETTLE)
    daemon.kill(signal.SIGINT)
    log = daemon.log.with_name("trafd.web")
    until(log.exists, 10, "the log of the name given")
    daemon.stop()
    assert rows(log) == sent
    assert daemon.dump.with_name("trafd.web").exists()


def test_a_silent_link_answers_at_once(daemon: Daemon) -> None:
    """No packet ever comes, and SIGHUP is acted on within 200 ms, ten times."""
    daemon.start()
    assert max(daemon.signal_dump() for _ in range(10)) < 0.2


def test_foreground_saves_on_int(daemon: Daemon, link: Link) -> None:
    """P3: INT from kill(2) saves and goes on."""
    daemon.start_foreground("-m", "0")
    first = send_some(link)
    time.sleep(SETTLE)
    daemon.signal_save()
    assert rows(daemon.log) == first
    second = send_some(link, 2)
    daemon.stop()
    assert rows(daemon.dump) == second
    assert daemon.foreground and daemon.foreground.returncode == 0


def test_signal_storm_adds_up(daemon: Daemon, link: Link) -> None:
    """HUP, INT and USR1 in any order under traffic: the saves and the last dump hold each byte once."""
    daemon.start("-m", "0")
    sent: Sums = {}
    for round_number in range(60):
        sent = add(sent, link.udp(20, 200, sport=5000 + round_number % 5))
        daemon.kill((signal.SIGHUP, signal.SIGINT, signal.SIGUSR1)[round_number % 3])
    daemon.stop()
    assert add(rows(daemon.log), rows(daemon.dump)) == sent


def test_a_transfer_is_what_a_second_observer_saw(daemon: Daemon, link: Link) -> None:
    """Without merging, both directions of a TCP transfer equal what tcpdump and plain arithmetic make of it."""
    capture = daemon.root / "second.pcap"
    observer = link.far.namespace.observe(link.far.interface, capture)
    daemon.start("tcp")
    key, _ = link.tcp(2_000_000, TCP_PORT + 1)
    time.sleep(SETTLE)
    daemon.stop()
    observer.close()
    seen = observer.ipv4()
    counted = rows(daemon.dump)
    assert set(counted) == {key, (key[2], key[3], key[0], key[1], 6)}
    assert {other: sums[:2] for other, sums in counted.items()} == seen
