"""Epochs (SEMANTICS E1, E6, C4): what a block says about its time, its gaps and the interface's own counters."""

from dataclasses import replace

from bpft.core import Table
from bpft.daemon.epoch import Cut, Epoch
from bpft.host import InterfaceInfo, LinkCounters
from bpft.record import Header

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND  # the wall clock when boot time was 0


def at(seconds: float, rx: int | None = 0, *, step: float = 0, kernel: tuple[int, int, int] = (0, 0, 0)) -> Cut:
    """The instant so many seconds after boot; rx: the interface's received bytes, None: it is not there."""
    boot = int(seconds * SECOND)
    info = None if rx is None else InterfaceInfo("e", counters=LinkCounters(rx_bytes=rx, rx_packets=rx // 100))
    return Cut(T0 + boot + int(step * SECOND), boot, kernel, info)


def header(epoch: Epoch, cut: Cut) -> Header:
    epoch.observe(cut)
    return epoch.header(Header(), cut, Table())


def test_a_plain_epoch() -> None:
    found = header(Epoch.begin(at(10, 1000, kernel=(5, 1, 0))), at(70, 3500, kernel=(25, 2, 1)))
    assert (found.begin_ns, found.end_ns) == (T0 + 10 * SECOND, T0 + 70 * SECOND)
    assert (found.boot_begin_ns, found.boot_end_ns) == (10 * SECOND, 70 * SECOND)
    assert found.delta
    assert (found.delta.rx_bytes, found.delta.rx_packets, found.delta.covered_ns) == (2500, 25, 60 * SECOND)
    assert (found.counters.received, found.counters.dropped, found.counters.if_dropped) == (20, 1, 1)
    assert found.gaps == []


def test_epochs_differ_and_follow_one_another() -> None:
    first = Epoch.begin(at(0))
    second = first.successor(at(5, 700))
    assert len({first.id, second.id}) == 2
    assert second.begin_ns == at(5).utc_ns
    found = header(second, at(6, 900))
    assert found.delta
    assert found.delta.rx_bytes == 200


def test_many_looks_add_up() -> None:
    epoch = Epoch.begin(at(0, 0))
    for second in range(1, 10):
        epoch.observe(at(second, second * 1000, kernel=(second, 0, 0)))
    found = header(epoch, at(10, 10_000, kernel=(10, 0, 0)))
    assert found.delta
    assert (found.delta.rx_bytes, found.delta.covered_ns) == (10_000, 10 * SECOND)
    assert found.counters.received == 10


def test_a_reset_inside_is_noted_and_never_negative() -> None:
    epoch = Epoch.begin(at(0, 5000))
    epoch.observe(at(1, 6000))
    found = header(epoch, at(2, 300))
    assert found.delta
    assert (found.delta.rx_bytes, found.delta.resets) == (1300, 1)


def test_an_interface_that_vanishes_leaves_a_gap() -> None:
    epoch = Epoch.begin(at(0, 1000))
    epoch.observe(at(10, None))
    epoch.blind(at(10, None))
    meanwhile = header(epoch, at(15, None))
    assert meanwhile.gaps == [(at(10).utc_ns, at(15).utc_ns)]
    epoch.observe(at(20, 50))
    epoch.sighted(at(20, 50))
    found = header(epoch, at(30, 80))
    assert found.gaps == [(at(10).utc_ns, at(20).utc_ns)]
    assert found.delta
    assert (found.delta.rx_bytes, found.delta.covered_ns, found.delta.resets) == (30, 10 * SECOND, 0)


def test_a_save_while_it_is_gone_splits_the_gap() -> None:
    epoch = Epoch.begin(at(0))
    epoch.blind(at(10, None))
    second = epoch.successor(at(12, None))
    second.sighted(at(15, 7))
    assert header(second, at(20, 7)).gaps == [(at(12).utc_ns, at(15).utc_ns)]


def test_resuming_keeps_id_begin_and_sums_and_lists_the_gap() -> None:
    first = Epoch.begin(at(0, 1000, kernel=(0, 0, 0)))
    dumped = header(first, at(10, 3000, kernel=(20, 2, 0)))
    found = header(Epoch.resume(dumped, at(30, 9000)), at(40, 9500, kernel=(5, 1, 0)))
    assert (found.epoch, found.begin_ns, found.boot_begin_ns) == (dumped.epoch, dumped.begin_ns, dumped.boot_begin_ns)
    assert found.gaps == [(at(10).utc_ns, at(30).utc_ns)]
    assert found.delta
    assert (found.delta.rx_bytes, found.delta.covered_ns) == (2500, 20 * SECOND)
    assert (found.counters.received, found.counters.dropped) == (25, 3)
    assert dumped.gaps == []
    assert dumped.delta
    assert dumped.delta.rx_bytes == 2000


def test_resuming_after_a_reboot_forgets_the_other_boots_clock() -> None:
    dumped = header(Epoch.begin(at(1000)), at(2000))
    rebooted = replace(at(100), utc_ns=at(2500).utc_ns)
    found = header(Epoch.resume(dumped, rebooted), replace(at(200), utc_ns=at(2600).utc_ns))
    assert found.boot_begin_ns is None
    assert found.boot_end_ns is None
    assert found.begin_ns == dumped.begin_ns


def test_a_clock_set_back_shortens_no_interval_below_its_length() -> None:
    found = header(Epoch.begin(at(100)), at(160, step=-3600))
    assert found.end_ns - found.begin_ns == 60 * SECOND
    assert found.end_ns == at(160, step=-3600).utc_ns


def test_an_interface_the_system_does_not_count() -> None:
    assert header(Epoch.begin(at(0, None)), at(10, None)).delta is None
