"""The reference meter beyond the rules: filters, refusals, hostile nesting, live capture on the loopback."""

import io
import socket
import sys

import cases_ip
import frames as f
import pytest
from cases import P4, ROW4
from meters import c_meter, describe, twin

from bpft import core
from bpft.errors import BadExpression, CannotCapture, NoSuchInterface
from bpft.meter.capture import open_live
from bpft.meter.reference import accepts, meter_reference
from bpft.meter.reference_live import NoPythonLibpcap, Source, meter_live
from bpft.meter.walk import UnsupportedLink

ETHERNET = f.pcap([case.frame for case in cases_ip.CASES])
COOKED = f.pcap([f.sll(f.IP4, P4, packet_type) for packet_type in (0, 1, 4)], 113)


@pytest.mark.parametrize(
    ("expression", "capture"),
    [
        ("", ETHERNET),
        ("tcp", ETHERNET),
        ("ip6 and not udp port 53", ETHERNET),
        ("host 192.0.2.1 and portrange 1-1000", ETHERNET),
        ("greater 1000", ETHERNET),
        ("tcp[12] & 0xf0 > 0x50", ETHERNET),
        ("vlan or ip[6:2] & 0x1fff != 0", ETHERNET),
        ("inbound", COOKED),
        ("outbound and udp", COOKED),
    ],
)
@pytest.mark.parametrize("optimize", [True, False])
def test_filter_takes_the_same_frames(expression, capture, optimize):
    expected = c_meter(capture, filter=expression, optimize=optimize)
    metered = twin(capture, accept=accepts(expression, optimize))
    assert (metered.frames, metered.records, metered.counters) == (
        expected.frames,
        expected.records,
        expected.counters,
    )


def test_count_counts_what_passed_the_filter():  # C9
    expected = c_meter(ETHERNET, filter="tcp", count=5)
    metered = twin(ETHERNET, accept=accepts("tcp"), count=5)
    assert metered.frames == expected.frames == 5
    assert metered.records == expected.records


def test_bad_expression():
    with pytest.raises(core.FilterError, match="syntax error"):
        accepts("host and and")


def test_expression_that_the_link_type_does_not_have():  # P6
    capture = f.pcap([P4], 101)
    with pytest.raises(core.FilterError):
        twin(capture, accept=accepts("ether host 2:0:0:0:0:1"))
    with pytest.raises(core.FilterError):
        c_meter(capture, filter="ether host 2:0:0:0:0:1")


def test_refused_link_type_leaves_the_table_as_it_was():
    table = core.Table()
    meter_reference(io.BytesIO(f.pcap([f.ether(f.IP4, P4)])), table)
    before = describe(table)
    capture = f.section() + f.interface(1) + f.interface(105) + f.enhanced(f.ether(f.IP4, P4)) + f.enhanced(P4, 1)
    with pytest.raises(
        UnsupportedLink, match=r"^link type 105: the reference meter does not know it; use --engine pcap$"
    ):
        meter_reference(io.BytesIO(capture), table)
    after = describe(table)
    assert (after.records, after.counters) == (before.records, before.counters)


def test_two_captures_add_up():
    table = core.Table()
    for _ in range(2):
        meter_reference(io.BytesIO(ETHERNET), table)
    once = c_meter(ETHERNET)
    twice = describe(table)
    assert twice.rows == {key: tuple(2 * n for n in sums) for key, sums in once.rows.items()}
    assert twice.counters["seen"] == 2 * once.counters["seen"]


@pytest.mark.parametrize(
    "layer",
    [
        f.vlan(f.VLAN, b""),
        f.vlan(1000, f.snap(f.VLAN, b"")),
        f.vlan(1000, f.llc(0xFE, b"\x80\0\0\0\x81\0")),
    ],
    ids=["tags", "tags and SNAP", "tags and NLPID"],
)
def test_nesting_costs_no_stack(layer):
    frame = f.ether(f.VLAN, layer * (200_000 // len(layer)) + f.vlan(f.IP4, P4))
    capture = f.pcap([frame])
    metered, expected = twin(capture), c_meter(capture)
    assert metered.rows == expected.rows == {ROW4[:5]: (1, *ROW4[5:])}


# ---- live ----


def _open_socket() -> socket.socket:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    return receiver


def _send(port: int, sizes: list[int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for size in sizes:
            sender.sendto(bytes(size), ("127.0.0.1", port))


@pytest.fixture
def loopback() -> str:
    """The loopback's name, where this process may capture on it."""
    pytest.importorskip("pylibpcap.base", exc_type=ImportError)
    name = "lo" if sys.platform.startswith("linux") else "lo0"
    try:
        core.Capture(name, promiscuous=False).close()
    except core.LiveError as why:
        pytest.skip(f"cannot capture on {name}: {why.args[1]}")
    return name


def test_live(loopback):
    """What comes after the opening is counted, also before anybody looks."""
    table, calls = core.Table(), []
    with _open_socket() as receiver:
        port = receiver.getsockname()[1]
        source = Source(loopback, f"udp dst port {port}", promiscuous=False)
        _send(port, [100, 200, 300])
        frames = meter_live(
            source, table, stop=lambda: bool(calls.append(None) or len(calls) > 100), count=3, mac=bytes(6)
        )
    metered = describe(table)
    assert frames == 3
    assert [(key[0], key[2:], sums) for key, sums in metered.rows.items()] == [
        ("127.0.0.1", ("127.0.0.1", port, 17), (3, 600 + 3 * 28, 600))
    ]
    assert metered.counters["seen"] == metered.counters["counted"] == 3
    assert metered.counters["first_ns"] > 1_700_000_000 * 10**9


def test_live_stops_on_a_silent_link(loopback):
    calls = []
    frames = meter_live(
        Source(loopback, "udp dst port 9 and host 127.9.9.9", promiscuous=False),
        core.Table(),
        stop=lambda: bool(calls.append(None) or len(calls) > 2),
    )
    assert (frames, len(calls)) == (0, 3)


def test_live_refusals(loopback):
    with pytest.raises(BadExpression, match="syntax error"):
        Source(loopback, "host and and", promiscuous=False)
    with pytest.raises(CannotCapture, match="nosuch0: "):
        Source("nosuch0")
    with pytest.raises(NoSuchInterface, match="nosuch0: no such interface"):
        open_live("nosuch0", None, engine="reference")


def test_live_without_python_libpcap(monkeypatch):
    monkeypatch.setitem(sys.modules, "pylibpcap.base", None)
    with pytest.raises(NoPythonLibpcap, match="not installed"):
        Source("lo")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no ring refuses it")
def test_the_ring_leaves_any_to_libpcap(loopback, monkeypatch):
    """Also where nothing but libpcap itself knows of it."""
    monkeypatch.setitem(sys.modules, "pylibpcap.base", None)
    with pytest.raises(CannotCapture, match=r"any: .*--engine pcap"):
        open_live("any", None, engine="ring")
