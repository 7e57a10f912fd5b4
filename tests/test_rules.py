"""Each accounting rule on a frame made by hand: its exact key and sums, or its named skip counter."""

import cases_ip
import cases_link
import frames as f
import pytest
from cases import P4, ROW4, Case
from cases_ip import ethernet4, ethernet6
from frames import A4, A6, B4, B6, Captured
from meters import Metered, c_meter, twin

from bpft import core
from bpft.meter.walk import LINKS, UnsupportedLink

CASES = cases_link.CASES + cases_ip.CASES


def _check(case: Case, metered: Metered) -> None:
    frame = case.frame if isinstance(case.frame, Captured) else Captured(case.frame)
    if isinstance(case.expected, str):
        assert metered.skipped == {case.expected: 1}
        assert metered.rows == {}
    else:
        *key, all_, data = case.expected
        assert metered.rows == {tuple(key): (1, all_, data)}
        assert metered.skipped == {}
    counters = metered.counters
    assert (counters["seen"], counters["counted"]) == (1, len(metered.rows))  # C3
    wire = frame.wire or len(frame.data)
    assert [sum(column) for column in zip(*counters["dir"].values(), strict=True)] == [1, wire, 1, wire]
    assert counters["first_ns"] == counters["last_ns"] == frame.ns


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rule(case):
    _check(case, c_meter(f.pcap([case.frame], case.link_type)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rule_in_the_twin(case):
    capture = f.pcap([case.frame], case.link_type)
    if case.link_type in LINKS:
        _check(case, twin(capture))
        return
    with pytest.raises(UnsupportedLink, match=f"link type {case.link_type}: the reference meter does not know it"):
        twin(capture)


def test_each_link_type_has_a_case():
    assert {case.link_type for case in CASES if not isinstance(case.expected, str)} == set(core.LINK_TYPES)


@pytest.mark.parametrize("meter", [c_meter, twin])
def test_duplicates_count_twice(meter):  # I6
    assert meter(f.pcap([ethernet4(P4)] * 2)).rows == {ROW4[:5]: (2, 76, 20)}


@pytest.mark.parametrize("meter", [c_meter, twin])
@pytest.mark.parametrize(("link_type", "build"), [(113, f.sll), (276, f.sll2)])
def test_direction_of_cooked_frames(meter, link_type, build):  # C5
    sent = [build(f.IP4, P4, packet_type) for packet_type in range(5)] + [build(f.ARP, bytes(28), 4)]
    metered = meter(f.pcap(sent, link_type))
    assert metered.flags == {ROW4[:5]: {core.DIR_RX, core.DIR_TX}}
    assert metered.rows == {ROW4[:5]: (5, 190, 50)}
    assert {d: n[0] for d, n in metered.counters["dir"].items()} == {"unknown": 0, "rx": 4, "tx": 2}


@pytest.mark.parametrize("meter", [c_meter, twin])
def test_addresses_only(meter):  # C6
    packets = [
        ethernet4(P4),
        ethernet4(f.ipv4(f.tcp(b"x"), f.TCP)),
        ethernet6(f.ipv6(f.extension(17, f.udp(b"x")), 60)),
    ]
    metered = meter(f.pcap(packets), addresses_only=True)
    assert metered.rows == {(A4, 0, B4, 0, 0): (2, 38 + 41, 18 + 21), (A6, 0, B6, 0, 0): (1, 57, 9)}
    assert set().union(*metered.flags.values()) == {core.NO_PORTS | core.NO_PROTO}
