"""What a report says about how complete it is (SEMANTICS C3, C4)."""

import time

from bpft.record import Counters, Header, InterfaceDelta
from bpft.report.completeness import Completeness
from bpft.report.period import SECOND, Period
from bpft.summing import summed

HOUR = 3600 * SECOND


def block(**fields: object) -> Header:
    """An hour of eth0: 1,000,000 bytes as tapped, 1,010,000 on the wire, in 1,000 frames."""
    counters = Counters(
        seen=1000,
        counted=990,
        skipped={"non-ip": 7, "short-ip": 3, "bad-ihl": 0},
        direction={"rx": (600, 600_000, 610, 606_000), "tx": (400, 400_000, 400, 404_000), "unknown": (0, 0, 0, 0)},
    )
    delta = InterfaceDelta(rx_bytes=606_000, tx_bytes=404_202, rx_packets=600, tx_packets=400, covered_ns=HOUR)
    made = Header(
        begin_ns=HOUR,
        end_ns=2 * HOUR,
        interface="eth0",
        hardware=True,
        counting="wire-estimated",
        counters=counters,
        delta=delta,
    )
    return made._replace(**fields)  # type: ignore[arg-type]


def lines_of(*headers: Header) -> list[str]:
    completeness = Completeness()
    for header in headers:
        completeness.add(header)
    return completeness.lines()


FRAMES = "1,000 frames, 990 counted as on the wire (estimated), 10 skipped: non-ip 7, short-ip 3"


def test_hardware_is_compared_as_on_the_wire() -> None:
    assert lines_of(block()) == [
        "accounted 99.98 % of eth0's 1.01 MB; no packet dropped by the kernel",
        FRAMES,
    ]


def test_a_virtual_interface_is_compared_as_tapped() -> None:
    assert lines_of(block(hardware=False))[0].startswith("accounted 98.99 % of eth0's 1.01 MB in frames as captured;")


def test_loopback_is_compared_with_what_it_received() -> None:
    delta = InterfaceDelta(rx_bytes=1_000_000, tx_bytes=1_000_000, covered_ns=HOUR)
    told = lines_of(block(interface="lo", hardware=False, loopback=True, delta=delta))[0]
    assert told.startswith("accounted 100 % of lo's 1.00 MB")
    # Linux counts without the Ethernet header that its frames have there.
    delta = delta._replace(rx_bytes=1_000_000 - 14 * 1000)
    told = lines_of(block(interface="lo", hardware=False, loopback=True, delta=delta, link_types=(1,)))[0]
    assert told.startswith("accounted 100 % of lo's 986 kB")


def test_drops_are_told() -> None:
    told = block()
    told = told._replace(counters=told.counters._replace(dropped=12, if_dropped=3))
    assert lines_of(told)[0].endswith("12 packets dropped by the kernel, 3 by the interface")


def test_no_percentage_where_nothing_can_be_compared() -> None:
    for field, value, why in (
        ("filter", "tcp port 80", "filter 'tcp port 80'"),
        ("interface", "any", "any has no counters"),
        ("gaps", ((HOUR, HOUR + 60 * SECOND),), "not watched for 1 min"),
        ("delta", None, "were not recorded"),
        ("delta", InterfaceDelta(rx_bytes=1, tx_bytes=1, covered_ns=HOUR // 2), "cover 30 min of 1 h"),
    ):
        told = lines_of(block(**{field: value}))[0]
        assert "not comparable" in told
        assert why in told
        assert "%" not in told


def test_blocks_that_can_be_compared_are_and_the_others_are_named() -> None:
    told = lines_of(block(), block(), block(filter="tcp"))
    assert told[0].startswith("accounted 99.98 % of eth0's 2.02 MB")
    assert told[1].startswith("eth0: 2 of 3 blocks compared, the others are not: only frames of the filter 'tcp'")


def test_interfaces_are_compared_apart() -> None:
    told = lines_of(block(), block(interface="eth1", delta=None))
    assert [line.partition(":")[0] for line in told][1] == "eth1"
    assert told[-1].startswith("2,000 frames")


def test_a_reset_of_the_counters_is_told() -> None:
    header = block()
    assert header.delta is not None
    header = header._replace(delta=header.delta._replace(resets=1))
    assert any("reset" in line for line in lines_of(header))


def test_a_capture_has_no_interface_to_compare_with() -> None:
    header = Header(source="file", counters=Counters(seen=5, counted=5))
    completeness = Completeness(packets=5)
    completeness.add(header)
    assert completeness.lines() == ["capture file: 5 frames, all counted as captured"]


def test_what_does_not_add_up_is_said_first() -> None:
    lost = block()
    lost = lost._replace(counters=lost.counters._replace(seen=lost.counters.seen + 1))
    assert lines_of(lost)[0].startswith("DOES NOT ADD UP")
    capture = Completeness(packets=4)
    capture.add(Header(source="file", counters=Counters(seen=5, counted=5)))
    assert not capture.adds_up
    assert capture.lines()[0].startswith("DOES NOT ADD UP: the records hold 4 packets of 5 frames")
    assert capture.lines()[0].endswith(", 0 skipped")


def test_an_interface_that_counted_nothing_gives_no_percentage() -> None:
    told = lines_of(block(delta=InterfaceDelta(covered_ns=HOUR)))[0]
    assert "%" not in told


def test_a_repaired_block_is_told_first() -> None:
    assert lines_of(block(source="repaired"))[0] == (
        "INCOMPLETE: 1 block had been damaged, and what could be saved is here without the rest"
    )


def test_a_sum_tells_what_it_is_made_of() -> None:
    mended = summed([block(), block(source="repaired"), block(source="repaired")])
    assert summed([mended, block()]).made_of("repaired") == 2
    assert lines_of(summed([mended, block()]))[0].startswith("INCOMPLETE: 2 blocks had been damaged")
    old = [Header(interface="eth0", source="import") for _ in range(3)]
    assert lines_of(summed(old)) == ["3 blocks of an old BPFT: packets, frames and drops are not known"]
    told = lines_of(summed([*old, block()]))
    assert "3 blocks of an old BPFT: packets, frames and drops are not known" in told
    assert told[-1].startswith("1,000 frames")


def test_what_was_not_watched_is_told() -> None:
    early, late = block(), block(begin_ns=4 * HOUR, end_ns=5 * HOUR, gaps=((4 * HOUR, 4 * HOUR + 60 * SECOND),))
    told = [line for line in lines_of(early, late, block(interface="eth1")) if "not watched for" in line]
    assert told[0].startswith("eth0: 1 of 2 blocks compared")
    assert told[1].startswith("eth0 was not watched for 2 h 1 min: 1970-01-01 ")
    assert len(told) == 2  # of eth1 there is one block alone


def test_a_period_that_begins_and_ends_unwatched_is_told() -> None:
    completeness = Completeness(period=Period(0, 3 * HOUR))
    completeness.add(block())
    assert completeness.missing() == {"eth0": [(0, HOUR), (2 * HOUR, 3 * HOUR)]}
    completeness.leave_out(block(begin_ns=-2 * HOUR, end_ns=HOUR // 2))  # its middle is in the period before
    assert completeness.missing() == {"eth0": [(HOUR // 2, HOUR), (2 * HOUR, 3 * HOUR)]}


def test_the_future_is_not_missed() -> None:
    begin = time.time_ns() - HOUR
    completeness = Completeness(period=Period(begin, begin + 24 * HOUR))
    completeness.add(block(begin_ns=begin, end_ns=time.time_ns()))
    assert completeness.missing() == {}


def test_much_that_is_missing_is_said_loudly() -> None:
    def told(moved: int) -> str:
        delta = InterfaceDelta(rx_bytes=moved, covered_ns=HOUR)
        return lines_of(block(delta=delta))[0]

    assert told(1_020_000).startswith("accounted 99.01 %")
    assert told(1_500_000).startswith("accounted 67.33 %")  # of so little that one stray transfer explains it
    assert told(2_100_000).startswith("INCOMPLETE: accounted 48.09 %")
