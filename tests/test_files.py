"""Capture files: every variant that is read, what is refused, and where a broken one ends (rules F1..F6)."""

import os
import random
import struct
import tempfile
import threading

import frames as f
import pytest
from cases import P4, P6, ROW4, ROW6
from frames import Captured
from meters import c_meter, describe, twin

from bpft import core

KEY4, KEY6 = ROW4[:5], ROW6[:5]
ETHER4, ETHER6 = f.ether(f.IP4, P4), f.ether(f.IP6, P6)
BOTH = {KEY4: (1, *ROW4[5:]), KEY6: (1, *ROW6[5:])}
SECOND = 1_700_000_000 * 10**9

both_meters = pytest.mark.parametrize("meter", [c_meter, twin])
both_orders = pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])


@both_meters
@both_orders
@pytest.mark.parametrize(
    ("magic", "stamp"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1), (0xA1B2CD34, 1000)], ids=["us", "ns", "Kuznetzov"]
)
def test_pcap(meter, order, magic, stamp):  # F1
    times = [SECOND + 7 * stamp, SECOND + 10**9 - stamp]
    metered = meter(
        f.pcap([Captured(ETHER4, ns=times[1]), Captured(ETHER6, ns=times[0])], order=order, magic=magic),
    )
    assert metered.rows == BOTH
    assert (metered.counters["first_ns"], metered.counters["last_ns"]) == tuple(times)
    assert (metered.error, metered.frames, metered.link_types, metered.format) == (None, 2, (1,), "pcap")
    assert metered.snaplen == 262144


@both_meters
@both_orders
@pytest.mark.parametrize("version", [(2, 0), (2, 1), (2, 2), (543, 0)], ids=str)
def test_exchanged_lengths(meter, order, version):  # F1
    capture = f.pcap([Captured(ETHER4, 500), ETHER6], order=order, version=version, exchanged=True)
    metered = meter(capture)
    assert (metered.rows, metered.error) == (BOTH, None)
    assert metered.counters["dir"]["unknown"][:2] == (2, 500 + len(ETHER6))


@both_meters
@pytest.mark.parametrize("exchanged", [False, True])
def test_version_2_3_has_lengths_in_either_order(meter, exchanged):  # F1
    capture = f.pcap([Captured(ETHER4, 500), ETHER6], version=(2, 3), exchanged=exchanged)
    assert meter(capture).counters["dir"]["unknown"][:2] == (2, 500 + len(ETHER6))


@both_meters
@pytest.mark.parametrize("version", [(2, 5), (1, 4), (3, 0), (543, 1), (0, 0)], ids=str)
def test_unknown_version(meter, version):  # F3
    with pytest.raises(core.CaptureError, match="version"):
        meter(f.pcap([ETHER4], version=version))


@both_meters
def test_bits_beside_the_link_type(meter):  # F3
    assert meter(f.pcap([ETHER4], 0x54000000 | 1)).rows.keys() == {KEY4}  # FCS of 4 bytes
    with pytest.raises(core.CaptureError, match="reserved"):
        meter(f.pcap([ETHER4], 0x00010000 | 1))


@both_meters
def test_wire_length_is_never_below_the_captured(meter):  # F4
    metered = meter(f.pcap([Captured(f.ether(f.IP4, f.ipv4(f.tcp(b"x" * 60), f.TCP, total=0)), 20)]))
    assert list(metered.rows.values()) == [(1, 100, 60)]
    assert metered.counters["dir"]["unknown"] == (1, 114, 1, 114)


@both_meters
def test_snaplen_of_the_header_is_not_applied(meter):  # F6
    assert meter(f.pcap([ETHER4, ETHER6], snaplen=20)).rows == BOTH


@both_meters
def test_record_of_the_longest_length(meter):  # F2
    longest = ETHER4.ljust(262144, b"\0")
    assert meter(f.pcap([longest])).error is None
    metered = meter(f.pcap([ETHER4, longest + b"\0", ETHER6]))
    assert "262145" in metered.error
    assert metered.rows.keys() == {KEY4}


# ---- pcapng ----


@both_meters
@both_orders
def test_pcapng(meter, order):  # F1: each kind of packet block, and one that is not known
    capture = (
        f.section(order)
        + f.interface(snaplen=len(ETHER6), order=order)
        + f.enhanced(ETHER4, order=order)
        + f.block(0xBAD, b"what is this", order)
        + f.old_packet(Captured(ETHER4, ns=SECOND + 5000), order=order)
        + f.simple(Captured(ETHER6 + b"behind the snaplen", 200), order)
    )
    metered = meter(capture)
    assert metered.rows == {KEY4: (2, 76, 20), KEY6: (1, 58, 10)}
    assert metered.counters["dir"]["unknown"][:2] == (3, 2 * len(ETHER4) + 200)
    assert (metered.counters["first_ns"], metered.counters["last_ns"]) == (SECOND, SECOND + 5000)
    assert (metered.error, metered.format, metered.link_types) == (None, "pcapng", (1,))


@both_meters
def test_sections_of_either_order(meter):  # F1: interfaces begin anew
    capture = f.pcapng([ETHER4]) + f.pcapng([P6], 101, ">") + f.section() + f.interface(0) + f.simple(b"\2\0\0\0" + P4)
    metered = meter(capture)
    assert (metered.rows, metered.link_types) == ({KEY4: (2, 76, 20), KEY6: (1, 58, 10)}, (1, 101, 0))


@both_meters
def test_link_type_per_interface(meter):  # F5
    capture = (
        f.section(version=(1, 2))
        + f.interface(1)
        + f.interface(12)
        + f.interface(105)  # of which there is no frame
        + f.enhanced(P6, 1)
        + f.enhanced(ETHER4, 0)
    )
    metered = meter(capture)
    assert (metered.rows, metered.link_types) == (BOTH, (12, 1))


@both_meters
@pytest.mark.parametrize(
    ("options", "ticks", "ns"),
    [
        ((9, b"\x09"), SECOND + 1, SECOND + 1),
        ((9, b"\x00"), 1_700_000_000, SECOND),
        ((9, b"\x8a"), 1_700_000_000 << 10 | 512, SECOND + 500_000_000),
        ((14, struct.pack("<q", -1_000_000)), 1_701_000_000_500_000, SECOND + 500_000_000),
        ((9, b"\x7f"), 5, 0),  # a resolution that no clock has
        ((14, struct.pack("<q", 1 << 40)), 5, 0),
        ((9, b""), SECOND // 1000, SECOND),
    ],
    ids=["ns", "s", "binary", "offset", "absurd resolution", "absurd offset", "empty"],
)
def test_time_of_pcapng(meter, options, ticks, ns):
    comment = f.option(1, b"a comment")
    with_options = comment + f.option(*options) + f.option(0, b"") + f.option(9, b"\1")  # the last is behind the end
    metered = meter(f.section() + f.interface(options=with_options) + f.enhanced(ETHER4, ticks=ticks))
    assert (metered.counters["first_ns"], metered.counters["last_ns"]) == (ns, ns)
    assert metered.rows.keys() == {KEY4}


@both_meters
@pytest.mark.parametrize(
    ("bad", "rows"),
    [
        (f.section(version=(2, 0)), 1),
        (f.section()[:8] + b"\1\2\3\4" + f.section()[12:], 1),
        (f.enhanced(ETHER6, 1), 1),
        (f.section() + f.simple(ETHER6), 1),
        (f.block(6, bytes(16)), 1),
        (f.block(1, bytes(4)), 1),
        (f.block(6, struct.pack("<5I", 0, 0, 0, 500, 500) + ETHER6), 1),
        (struct.pack("<III", 6, 13, 0) + b"\0", 1),
        (struct.pack("<II", 6, 8), 1),
        (struct.pack("<II", 6, 32 << 20) + bytes(100), 1),
        (f.enhanced(ETHER6)[:-4] + bytes(4), 1),
        (f.enhanced(ETHER6)[:-1], 1),
        (f.interface() + f.enhanced(ETHER6, 1) + b"\0", 2),
    ],
    ids=[
        "version of a later section",
        "byte order",
        "interface",
        "interface of a simple packet",
        "short packet block",
        "short interface block",
        "captured length",
        "block length not of four",
        "block length 8",
        "block length of 32 MiB",
        "trailer",
        "cut",
        "garbage behind",
    ],
)
def test_pcapng_broken_in_the_middle(meter, bad, rows):  # F2
    metered = meter(f.pcapng([ETHER4]) + bad + f.pcapng([ETHER4]))
    assert metered.error
    assert "\n" not in metered.error
    assert len(metered.rows) == rows
    assert metered.rows[KEY4] == (1, 38, 10)


# ---- broken, refused, piped ----


def _records(capture: bytes, meter) -> list[tuple]:
    """For each length the capture may be cut to: the frames counted and whether it says so."""
    found = []
    for length in range(len(capture) + 1):
        try:
            metered = meter(capture[:length])
        except core.CaptureError as why:
            assert str(why)
            assert "\n" not in str(why)
            found.append((0, True))
            continue
        found.append((metered.counters["seen"], bool(metered.error)))
    return found


@both_meters
def test_pcap_cut_at_each_byte(meter):  # F2
    capture = f.pcap([ETHER4, ETHER6, b""])
    ends = [24, 40 + len(ETHER4), 56 + len(ETHER4) + len(ETHER6), len(capture)]
    expected = [(sum(end <= at for end in ends[1:]), at not in ends) for at in range(len(capture) + 1)]
    assert _records(capture, meter) == expected


@both_meters
def test_pcapng_cut_at_each_byte(meter):  # F2
    blocks = [f.section(), f.interface(), f.enhanced(ETHER4), f.simple(ETHER6), f.old_packet(ETHER4)]
    ends = [sum(map(len, blocks[: n + 1])) for n in range(len(blocks))]
    expected = [(sum(end <= at for end in ends[2:]), at not in ends) for at in range(ends[-1] + 1)]
    found = _records(b"".join(blocks), meter)
    head = len(f.section())
    assert found[head:] == expected[head:]
    assert {seen for seen, _ in found[:head]} == {0}
    assert all(broken for _, broken in found[:16])  # no capture; further on a broken one


@both_meters
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" * 20,
        b"snoop\0\0\0\0\0\0\2\0\0\0\4" + bytes(64),
        b"\x1f\x8b\x08\0" + bytes(64),
        bytes(4096),
        f.pcap([])[:23],
        f.section(version=(2, 0)),
        f.section()[:8] + b"abcd" + bytes(40),
    ],
    ids=["empty", "newline", "text", "snoop", "gzip", "zeros", "cut header", "pcapng 2.0", "pcapng byte order"],
)
def test_no_capture(meter, content):
    with pytest.raises(core.CaptureError) as raised:
        meter(content)
    assert "\n" not in str(raised.value)


def test_directory_is_no_capture(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises((core.CaptureError, OSError)):
            core.read_capture(descriptor, core.Table())
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("writer", [f.pcap, f.pcapng])
@pytest.mark.parametrize("step", [1, 7, 4096])
def test_pipe_gives_the_same_as_a_file(writer, step):
    capture = writer([ETHER4, ETHER6] * 20) + b"\0"  # broken at the end
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            for at in range(0, len(capture), step):
                pipe.write(capture[at : at + step])

    thread = threading.Thread(target=write)
    thread.start()
    table = core.Table()
    try:
        result = core.read_capture(reading, table)
    finally:
        os.close(reading)
        thread.join()
    piped, expected = describe(table), c_meter(capture)
    assert (piped.records, piped.counters) == (expected.records, expected.counters)
    assert (result["error"], result["frames"]) == (expected.error, 40)


@both_meters
def test_count(meter):  # C9: skipped frames count, as they passed the filter
    metered = meter(f.pcap([f.ether(f.ARP, bytes(28)), ETHER4, ETHER6, ETHER6]), count=3)
    assert (metered.rows, metered.frames, metered.skipped) == (BOTH, 3, {"non-ip": 1})


@both_meters
def test_count_is_reached_before_the_file_breaks(meter):  # C9
    metered = meter(f.pcap([ETHER4, ETHER6]) + b"\xff" * 40, count=2)
    assert (metered.rows, metered.error) == (BOTH, None)


@both_meters
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D], ids=["us", "ns"])
@pytest.mark.parametrize(
    "times",
    [
        [(5, 1), (5, 2), (6, 0)],
        [(6, 0), (5, 2), (5, 1)],
        [(5, 9), (5, 1), (5, 5)],
        [(0, 0), (5, 1)],
        [(5, 1), (0, 0)],
        [(0, 0), (0, 0)],
        [(0, 1), (0, 0)],
        [(5, 4_000_000_000), (6, 0)],  # no fraction of a second, but later than the next
        [(6, 0), (5, 4_000_000_000), (7, 1_000_000_000)],
        [(4_294_967_295, 999_999), (5, 0)],
    ],
    ids=str,
)
def test_first_and_last_time_of_frames_in_any_order(meter, magic, times):
    """Of frames of which most are: their times are compared as the file has them."""
    frame = ETHER4.ljust(60, b"\0")
    capture = struct.pack("<IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    capture += b"".join(struct.pack("<IIII", *time, 60, 60) + frame for time in times)
    known = [s * 10**9 + part * (1000 if magic == 0xA1B2C3D4 else 1) for s, part in times]
    known = [ns for ns in known if ns] or [0]
    metered = meter(capture)
    assert (metered.counters["first_ns"], metered.counters["last_ns"]) == (min(known), max(known))
    assert metered.counters["seen"] == len(times)


@pytest.mark.parametrize(("count", "wanted"), [(0, 3), (1, 1), (3, 3), (4, 3)])
def test_frames_that_do_not_pass_are_no_end(count, wanted):
    """However many stand in front: signals are looked at every 65,536 frames, which is no end either."""
    four, six = ETHER4.ljust(60, b"\0"), ETHER6.ljust(80, b"\0")
    metered = c_meter(f.pcap([four] * 65_536 * 2 + [six] * 3), filter="ip6", count=count)
    assert (metered.frames, metered.counters["seen"]) == (wanted, wanted)
    assert metered.rows == {KEY6: (wanted, 58 * wanted, 10 * wanted)}


@pytest.mark.parametrize("count", [1, 65_535, 65_536, 65_537, 65_540])
def test_count_of_many_frames(count):  # C9
    capture = f.pcap(([ETHER4.ljust(60, b"\0")] * 9 + [ETHER6]) * 6_560)
    metered = c_meter(capture, count=count)
    assert (metered.frames, metered.counters["seen"]) == (count, count)


def test_many_records_beyond_the_window_of_the_reader():
    """Frames of all lengths, so that some record lies across each place where the reader moves on."""
    sizes = [60 + (i * 7919) % 1454 for i in range(2000)] + [200_000, 262_144, 0, 1]
    capture = f.pcap([ETHER4.ljust(size, b"\0")[:size] for size in sizes])
    metered = c_meter(capture)
    assert metered.error is None
    assert metered.counters["seen"] == len(sizes)
    assert metered.counters["dir"]["unknown"][1] == sum(sizes)
    assert metered.rows == {KEY4: (2002, 38 * 2002, 10 * 2002)}


def test_many_link_types_in_one_file():  # F5: more than a table of link types would hold
    capture = f.section() + b"".join(f.interface(200 + n) for n in range(100))
    capture += b"".join(f.enhanced(P4, n) for n in range(100))
    metered = c_meter(capture)
    assert (metered.error, metered.counters["seen"]) == (None, 100)


def test_more_interfaces_than_16_bits_number():  # F5
    capture = f.section() + f.interface(101) * 70_000 + f.enhanced(P4, 69_999)
    metered = c_meter(capture)
    assert (metered.error, metered.counters["counted"]) == (None, 1)


def test_frames_before_1970_have_their_times():  # an if_tsoffset may be negative
    offset = (-1_000_000).to_bytes(8, "little", signed=True)
    capture = f.section() + f.interface(1, options=f.option(14, offset))
    capture += b"".join(f.enhanced(P4, ticks=seconds * 1_000_000) for seconds in (5, 3, 9))
    metered = c_meter(capture)
    assert (metered.counters["first_ns"], metered.counters["last_ns"]) == (-999_997 * 10**9, -999_991 * 10**9)


@pytest.mark.parametrize("cap", [150, 400, 5000])
def test_folds_while_flows_are_in_flight_lose_nothing(cap):
    """Of both IP versions, in turn and in runs: a fold moves records that flows were about to be added to."""
    chance, frames = random.Random(7), []
    for n in range(60_000):
        heavy, six = n % 3 == 0, chance.random() < 0.5 if n // 2000 % 2 else n % 2
        host, datagram = chance.randrange(40) if heavy else 1000 + n, f.udp(bytes(200 if heavy else 0))
        if six:
            frames.append(f.ether(f.IP6, f.ipv6(datagram, src=f"fd00::{host:x}")))
        else:
            frames.append(f.ether(f.IP4, f.ipv4(datagram, src=f"10.0.{host >> 8}.{host & 255}")))
    capture = f.pcap(frames)
    free, table = c_meter(capture), core.Table(cap)
    with tempfile.TemporaryFile() as file:
        file.write(capture)
        file.seek(0)
        core.read_capture(file.fileno(), table)
    capped = describe(table)
    heavy_rows = {key: sums for key, sums in free.rows.items() if sums[0] > 1}
    assert len(heavy_rows) == 80 and capped.counters["folded"] > 30_000
    assert {key: capped.rows.get(key) for key in heavy_rows} == heavy_rows
    assert table.totals() == tuple(map(sum, zip(*free.rows.values(), strict=True)))
