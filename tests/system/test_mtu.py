"""The MTU tells libpcap's frames from merged ones (SEMANTICS C2): it may change at any time."""

import time
from collections.abc import Callable

from lab import Link
from suite import Daemon, headers, rows


def test_a_raised_mtu_is_noticed(daemon: Daemon, link: Link) -> None:
    """A packet that a larger MTU lets through whole is one packet."""
    ends = (link.near, link.far)
    try:
        daemon.start("--engine", "pcap", "-m", "0")
        for end in ends:
            end.namespace.run("ip", "link", "set", end.interface, "mtu", "9000")
        link.udp(1, 100, sport=5009)
        time.sleep(1.2)  # the MTU is asked for at most once a second
        sent = link.udp(10, 8000)
        daemon.signal_save()
    finally:
        for end in ends:
            end.namespace.run("ip", "link", "set", end.interface, "mtu", "1500")
    counted = rows(daemon.log)
    assert {key: counted[key] for key in sent} == sent


def test_any_says_that_it_counts_as_captured(make_daemon: Callable[..., Daemon], link: Link) -> None:
    """No MTU is known there: nothing is estimated, and the block says so."""
    daemon = make_daemon(link, interface="any")
    daemon.start("-m", "0", "udp", "port", "5000")
    sent = link.udp(10, 700)
    daemon.signal_save()
    assert rows(daemon.log) == sent
    assert [header.counting for header in headers(daemon.log)] == ["as-captured"]
