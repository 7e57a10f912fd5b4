"""Epochs (SEMANTICS E1, E6, C4): what a block says about its time, its gaps and the interface's own counters."""

from dataclasses import replace

from bpft.core import Table
from bpft.daemon.epoch import Cut, Epoch
from bpft.host.interface import InterfaceInfo, LinkCounters
from bpft.record import Header
from bpft.series import Series

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
    assert found.gaps == ()


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
    assert meanwhile.gaps == ((at(10).utc_ns, at(15).utc_ns),)
    epoch.observe(at(20, 50))
    epoch.sighted(at(20, 50))
    found = header(epoch, at(30, 80))
    assert found.gaps == ((at(10).utc_ns, at(20).utc_ns),)
    assert found.delta
    assert (found.delta.rx_bytes, found.delta.covered_ns, found.delta.resets) == (30, 10 * SECOND, 0)


def test_a_save_while_it_is_gone_splits_the_gap() -> None:
    epoch = Epoch.begin(at(0))
    epoch.blind(at(10, None))
    second = epoch.successor(at(12, None))
    second.sighted(at(15, 7))
    assert header(second, at(20, 7)).gaps == ((at(12).utc_ns, at(15).utc_ns),)


def test_resuming_keeps_id_begin_and_sums_and_lists_the_gap() -> None:
    first = Epoch.begin(at(0, 1000, kernel=(0, 0, 0)))
    dumped = header(first, at(10, 3000, kernel=(20, 2, 0)))
    found = header(Epoch.resume(dumped, at(30, 9000)), at(40, 9500, kernel=(5, 1, 0)))
    assert (found.epoch, found.begin_ns, found.boot_begin_ns) == (dumped.epoch, dumped.begin_ns, dumped.boot_begin_ns)
    assert found.gaps == ((at(10).utc_ns, at(30).utc_ns),)
    assert found.delta
    assert (found.delta.rx_bytes, found.delta.covered_ns) == (2500, 20 * SECOND)
    assert (found.counters.received, found.counters.dropped) == (25, 3)
    assert dumped.gaps == ()
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


# ---- a clock that is set meanwhile ----


def unset(seconds: float, rx: int | None = 0) -> Cut:
    """As at(), of a machine that began in 1970."""
    return replace(at(seconds, rx), utc_ns=int(seconds * SECOND))


def test_what_began_in_1970_is_told_by_the_clock_that_was_set() -> None:
    epoch = Epoch.begin(unset(20, 0))
    epoch.observe(unset(30, None))
    epoch.blind(unset(30, None))
    epoch.observe(unset(40, 0))
    epoch.sighted(unset(40, 0))
    epoch.observe(unset(100, 600))
    found = header(epoch, at(700, 6600))
    assert (found.begin_ns, found.end_ns) == (T0 + 20 * SECOND, T0 + 700 * SECOND)
    assert (found.boot_begin_ns, found.boot_end_ns) == (20 * SECOND, 700 * SECOND)
    assert found.gaps == ((T0 + 30 * SECOND, T0 + 40 * SECOND),)
    assert not found.is_undated
    points = list(Series.unpack(found.series))
    assert sum(point.rx_bytes for point in points) == 6600
    assert min(point.begin_ns for point in points) > T0 - 300 * SECOND
    assert epoch.begin_ns == T0 + 20 * SECOND
    assert header(epoch.successor(at(700)), at(800)).begin_ns == T0 + 700 * SECOND


def test_what_ends_in_1970_says_that_it_has_no_date() -> None:
    epoch = Epoch.begin(unset(20))
    epoch.observe(unset(80))
    found = epoch.header(Header(clock_synchronised=True), unset(80), Table())
    assert (found.begin_ns, found.end_ns, found.clock_synchronised) == (20 * SECOND, 80 * SECOND, False)
    assert found.is_undated


def test_a_step_forward_lengthens_no_interval() -> None:
    found = header(Epoch.begin(at(100)), at(160, step=7200))
    assert (found.begin_ns, found.end_ns) == (at(100, step=7200).utc_ns, at(160, step=7200).utc_ns)


def test_a_clock_that_drifts_is_believed() -> None:
    found = header(Epoch.begin(at(100)), at(3700, step=1.5))
    assert found.begin_ns == at(100).utc_ns


def test_a_dump_that_is_resumed_before_and_after_the_clock_was_set() -> None:
    """A machine without a clock of its own is rebooted; the gap is what lies between the true times."""
    dumped = header(Epoch.begin(at(1000)), at(2000))
    epoch = Epoch.resume(dumped, unset(15))
    assert header(epoch, unset(16)).is_undated
    later = Cut(T0 + 2100 * SECOND, 50 * SECOND, (0, 0, 0), None)
    found = header(epoch, later)
    assert (found.begin_ns, found.end_ns) == (at(1000).utc_ns, later.utc_ns)
    assert found.gaps == ((at(2000).utc_ns, later.utc_ns - 35 * SECOND),)


def test_the_first_frame_is_not_of_1970_either() -> None:
    table = Table()
    table.set_counters({**table.counters(), "first_ns": 21 * SECOND, "last_ns": T0 + 690 * SECOND})
    epoch = Epoch.begin(unset(20))
    epoch.observe(at(700))
    counted = epoch.header(Header(), at(700), table).counters
    assert (counted.first_ns, counted.last_ns) == (T0 + 20 * SECOND, T0 + 690 * SECOND)
