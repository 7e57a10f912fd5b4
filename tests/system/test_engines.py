"""The ring and libpcap on the same traffic: merged frames, VLAN tags, direction, what the one leaves to the other."""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import frames as f
import pytest
from lab import Link, add
from suite import PROJECT, Daemon, environment, headers, program, rows, run, total

import bpft
from bpft.core import _core as core

ENGINES = ("ring", "pcap")
COUNTING = {"ring": "wire-exact", "pcap": "wire-estimated"}
TOLERANCE = {"ring": 0.001, "pcap": 0.005}  # C2
SETTLE = 0.2
MakeDaemon = Callable[..., Daemon]


@pytest.fixture
def merging(link: Link) -> Iterator[Link]:
    """The link with every offload on, at both ends."""
    link.offloads(True)
    yield link
    link.offloads(False)


@pytest.mark.parametrize("near", [True, False], ids=["sender", "receiver"])
@pytest.mark.parametrize("engine", ENGINES)
def test_offloads_agree(make_daemon: MakeDaemon, link: Link, engine: str, near: bool) -> None:
    """C2: the same transfer with merged frames and without: data to the byte, the rest as near as it can be."""
    size = 30_000_000
    sums: dict[bool, tuple[int, int, int]] = {}
    frames: dict[bool, int] = {}
    for on in (False, True):
        link.offloads(on)
        try:
            daemon = make_daemon(link, near=near)
            daemon.start("--engine", engine, "tcp")
            key, again = link.tcp(size)
            daemon.stop()
        finally:
            link.offloads(False)
        sums[on] = rows(daemon.dump)[key]
        assert sums[on][2] == size + again
        (header,) = headers(daemon.dump)
        assert (header.engine, header.counting) == (engine, COUNTING[engine])
        frames[on] = header.counters.seen
        daemon.dump.unlink()
    assert frames[True] < frames[False] / 3
    for whole, merged in zip(sums[False][:2], sums[True][:2], strict=True):
        assert abs(merged - whole) <= TOLERANCE[engine] * whole


def test_merged_datagrams_are_those_of_the_wire(make_daemon: MakeDaemon, merging: Link) -> None:
    """UDP segmentation: the ring knows the size of each datagram, also where it is smaller than the MTU."""
    daemon = make_daemon(merging)
    daemon.start("--engine", "ring")
    try:
        sent = add(merging.udp_merged(40_000, 1000), merging.udp_merged(1001, 100, 5001))
    except OSError as why:
        pytest.skip(f"the kernel has no UDP_SEGMENT: {why}")
    time.sleep(SETTLE)
    daemon.stop()
    assert rows(daemon.dump) == sent


@pytest.mark.parametrize("engine", ENGINES)
def test_offloads_agree_on_addresses_alone(make_daemon: MakeDaemon, link: Link, engine: str) -> None:
    """C2 with -X: the transport header is data there (C6), so it is repeated as data."""
    sums = {}
    for on in (False, True):
        link.offloads(on)
        try:
            daemon = make_daemon(link)
            daemon.start("--engine", engine, "-X", "tcp dst port 9100")
            link.tcp(10_000_000)
            daemon.stop()
        finally:
            link.offloads(False)
        (sums[on],) = rows(daemon.dump).values()
        daemon.dump.unlink()
    for whole, merged in zip(sums[False], sums[True], strict=True):
        assert abs(merged - whole) <= TOLERANCE[engine] * whole


@pytest.mark.parametrize("near", [True, False], ids=["sender", "receiver"])
def test_the_headers_inside_a_tunnel_are_repeated(make_daemon: MakeDaemon, link: Link, near: bool) -> None:
    """C2: those of the tunnel, the frame and the packet inside are in each packet of the wire, as the tunnel's data."""
    sums = {}
    for on in (False, True):
        link.offloads(on)
        try:
            with link.tunnel() as ends:
                daemon = make_daemon(link, near=near)
                daemon.start("--engine", "ring", "-m", "0", "udp dst port 4789 and greater 1000")
                link.tcp(10_000_000, ends=ends)
                daemon.stop()
        except subprocess.CalledProcessError as why:
            pytest.skip(f"no tunnels here: {why.stderr.strip()}")
        finally:
            link.offloads(False)
        sums[on] = total(rows(daemon.dump))
        daemon.dump.unlink()
    for whole, merged in zip(sums[False], sums[True], strict=True):
        assert abs(merged - whole) <= TOLERANCE["ring"] * whole


def test_what_the_kernel_cannot_describe_is_told_as_dropped(make_daemon: MakeDaemon, link: Link) -> None:
    """A virtual machine's merged fragments have no word in the ring's header: none is counted, none unaccounted."""
    far, flags = link.far.namespace, 0x0002 | 0x1000 | 0x4000  # IFF_TAP, IFF_NO_PI, IFF_VNET_HDR of linux/if_tun.h
    try:
        far.run("ip", "tuntap", "add", "bttap", "mode", "tap", "vnet_hdr")
    except subprocess.CalledProcessError as why:
        pytest.skip(f"no tap device here: {why.stderr.strip()}")
    with far.entered():
        guest = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(guest, 0x400454CA, struct.pack("16sH22x", b"bttap", flags))  # TUNSETIFF
        far.run("ip", "link", "set", "bttap", "up")
        daemon = make_daemon(link, interface="bttap")
        daemon.start("--engine", "ring", "udp")
        whole = link.frame(b"", socket.inet_aton("10.78.0.1"), 100)
        merged = link.frame(b"", socket.inet_aton("10.78.0.2"), 5000)
        for _ in range(50):
            os.write(guest, bytes(10) + whole)
            os.write(guest, struct.pack("=BBHHHH", 1, 3, 42, 1400, 34, 6) + merged)  # VIRTIO_NET_HDR_GSO_UDP
        time.sleep(SETTLE)
        status = daemon.status()
        daemon.stop()
    finally:
        os.close(guest)
        far.run("ip", "link", "del", "bttap")
    assert (status["seen"] + status["dropped"], status["received"], status["skipped"]) == (100, 100, {})
    assert rows(daemon.dump)["10.78.0.1", 1, "12.0.0.1", 2, 17] == (50, 50 * 128, 50 * 100)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("expression", "tagged"), [("", True), ("vlan 10", True), ("vlan 11", False)])
def test_tags_that_the_kernel_took_out(
    make_daemon: MakeDaemon, link: Link, engine: str, expression: str, tagged: bool
) -> None:
    daemon = make_daemon(link)
    daemon.start("--engine", engine, "--vlan", *expression.split())
    sent = link.tagged(4, 500)
    time.sleep(SETTLE)
    daemon.stop()
    assert rows(daemon.dump) == (sent if tagged else {})
    assert {record.vlan for record in bpft.open(daemon.dump).records()} == ({10} if tagged else set())
    (header,) = headers(daemon.dump)
    assert header.key_mode == "full+vlan"
    # A tag is four bytes of the frame, wherever the kernel keeps it.
    assert sum(wire_bytes for *_, wire_bytes in header.counters.direction.values()) == (
        4 * (14 + 4 + 28 + 500) if tagged else 0
    )


#: (what it is, frame): large ones among them, of which the kernel keeps no more than is needed.
LARGE = bytes(1000)
SHAPES = [
    ("tcp", f.ether(0x0800, f.ipv4(f.tcp(LARGE, 1, 80), f.TCP))),
    ("tcp with options", f.ether(0x0800, f.ipv4(f.tcp(bytes(40) + LARGE, 2, 80, offset=15), f.TCP))),
    ("tcp, nothing in it", f.ether(0x0800, f.ipv4(f.tcp(b"", 3, 80), f.TCP))),
    ("ip options", f.ether(0x0800, f.ipv4(f.tcp(LARGE, 4, 80), f.TCP, options=bytes(40)))),
    ("first fragment", f.ether(0x0800, f.ipv4(f.tcp(LARGE, 5, 80), f.TCP, more=True))),
    ("later fragment", f.ether(0x0800, f.ipv4(LARGE, f.TCP, offset=100, src="10.0.0.6"))),
    ("udp", f.ether(0x0800, f.ipv4(f.udp(LARGE, 7, 53), f.UDP))),
    ("tcp on ipv6", f.ether(0x86DD, f.ipv6(f.tcp(LARGE, 8, 80), f.TCP))),
    ("tcp with options on ipv6", f.ether(0x86DD, f.ipv6(f.tcp(bytes(40) + LARGE, 9, 80, offset=15), f.TCP))),
    ("extension headers", f.ether(0x86DD, f.ipv6(f.extension(f.TCP, f.tcp(LARGE, 10, 80), bytes(38)), 0))),
    ("mpls", f.ether(0x8847, f.mpls(f.ipv4(f.tcp(LARGE, 11, 80), f.TCP), 7))),
    ("two tags", f.ether(0x88A8, f.vlan(0x8100, f.vlan(0x0800, f.ipv4(f.tcp(LARGE, 12, 80), f.TCP))))),
    ("not ip", f.ether(0x0806, bytes(46))),
    ("shorter than headers", f.ether(0x0800, f.ipv4(f.tcp(b"", 13, 80)[:14], f.TCP, total=40))),
]


@pytest.mark.parametrize("expression", ["", "tcp", "ip6 or ip[8] = 64", "not port 53"])
@pytest.mark.parametrize("engine", ENGINES)
def test_frames_of_every_shape(
    make_daemon: MakeDaemon, link: Link, engine: str, expression: str, tmp_path: Path
) -> None:
    """Whatever is left of a frame in the kernel's buffer, it is counted as in a capture file that has all of it."""
    capture = tmp_path / "shapes.pcap"
    capture.write_bytes(f.pcap([frame for _, frame in SHAPES]))
    daemon = make_daemon(link)
    daemon.start("--engine", engine, *expression.split())
    link.send(frame for _, frame in SHAPES)
    time.sleep(SETTLE)
    daemon.stop()
    table = core.Table()
    with capture.open("rb") as file:
        core.read_capture(file.fileno(), table, expression)
    live, kept = headers(daemon.dump)[0].counters, table.counters()
    assert total(rows(daemon.dump)) == table.totals()
    assert (live.seen, live.counted, dict(live.skipped)) == (
        kept["seen"],
        kept["counted"],
        {reason: count for reason, count in kept["skipped"].items() if count},
    )
    assert len(rows(daemon.dump)) == len(table)


@pytest.mark.parametrize("engine", ENGINES)
def test_direction(make_daemon: MakeDaemon, link: Link, engine: str) -> None:
    """C5: the ring knows it from the kernel, libpcap from the interface's own address."""
    daemon = make_daemon(link)
    daemon.start("--engine", engine, "icmp")
    link.ping(3, 100)
    time.sleep(SETTLE)
    daemon.stop()
    directions = {str(record.src): record.direction for record in bpft.open(daemon.dump).records()}
    assert directions == {link.near.address(): "rx", link.far.address(): "tx"}


@pytest.mark.parametrize("engine", ENGINES)
def test_each_frame_of_the_loopback_once(make_daemon: MakeDaemon, link: Link, engine: str) -> None:
    daemon = make_daemon(link, interface="lo")
    daemon.start("--engine", engine, "udp port 9777")
    with link.far.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 9778))
        for _ in range(5):
            sender.sendto(bytes(100), ("127.0.0.1", 9777))
    time.sleep(SETTLE)
    daemon.stop()
    assert rows(daemon.dump) == {("127.0.0.1", 9778, "127.0.0.1", 9777, 17): (5, 640, 500)}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_least_buffer(make_daemon: MakeDaemon, link: Link, engine: str) -> None:
    """--buffer 1M is a little less than a MiB."""
    daemon = make_daemon(link)
    daemon.start("--engine", engine, "--buffer", "1M")
    sent = link.udp(5, 100)
    time.sleep(SETTLE)
    daemon.stop()
    assert rows(daemon.dump) == sent


@pytest.mark.parametrize("engine", ENGINES)
def test_count_is_exact(make_daemon: MakeDaemon, link: Link, engine: str) -> None:
    """C9: with more at hand than is asked for."""
    daemon = make_daemon(link)
    daemon.start_foreground("--engine", engine, "-c", "777")
    link.spoofed(5000)
    assert daemon.foreground is not None
    assert daemon.foreground.wait(10) == 0
    (header,) = headers(daemon.dump)
    assert header.counters.seen == 777


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_lost_while_tables_are_exchanged(make_daemon: MakeDaemon, link: Link, engine: str) -> None:
    daemon = make_daemon(link)
    daemon.start("--engine", engine, "-m", "0")
    sent = {}
    for _ in range(40):
        sent = add(sent, link.udp(200, 100))
        daemon.do("trafdump")
        status = daemon.status()
        assert status["engine"] == engine
    daemon.stop()
    assert rows(daemon.dump) == sent
    (header,) = headers(daemon.dump)
    # Reconciled over the run (C3): what the kernel took for us was seen, or is told as dropped.
    assert header.counters.received == header.counters.seen + header.counters.dropped


def test_any_is_left_to_libpcap(make_daemon: MakeDaemon, link: Link) -> None:
    """auto falls back with one message; asked for by name, the ring says no."""
    daemon = make_daemon(link, interface="any")
    result = daemon.attempt("udp port 9000")
    assert result.returncode == 0
    lines = [line for line in result.stderr.splitlines() if "libpcap" in line]
    assert len(lines) == 1, result.stderr
    sent = link.udp(5, 100)
    time.sleep(SETTLE)
    daemon.stop()
    assert rows(daemon.dump) == sent
    (header,) = headers(daemon.dump)
    assert (header.engine, header.counting) == ("pcap", "as-captured")  # several MTUs, so none
    refused = daemon.attempt("--engine", "ring")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "--engine pcap" in refused.stderr


def test_a_tunnel_without_link_layer(make_daemon: MakeDaemon, link: Link) -> None:
    """Frames that begin with IP: whichever engine takes them, the same comes out."""
    far = link.far.namespace
    try:
        far.run("ip", "tuntap", "add", "bttun", "mode", "tun")
    except subprocess.CalledProcessError as why:
        pytest.skip(f"no tun device here: {why.stderr.strip()}")
    try:
        far.run("ip", "addr", "add", "10.79.0.1/24", "dev", "bttun")
        far.run("ip", "link", "set", "bttun", "up")
        found = []
        for engine in ("auto", "pcap"):
            daemon = make_daemon(link, interface="bttun")
            daemon.start("--engine", engine, "udp")
            with far.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind(("10.79.0.1", 5000))
                sender.sendto(bytes(100), ("10.79.0.9", 9000))
            time.sleep(SETTLE)
            daemon.stop()
            found.append(rows(daemon.dump))
            daemon.dump.unlink()
        assert found[0] == found[1]
    finally:
        far.run("ip", "link", "del", "bttun")


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A directory of the user nobody's, which it can reach."""
    path = Path(tempfile.mkdtemp(prefix="bt-nobody-"))
    shutil.chown(path, "nobody")
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("engine", ["auto", "pcap"])
def test_one_capability_is_enough(nobodys: Path, make_daemon: MakeDaemon, link: Link, engine: str) -> None:
    """CAP_NET_RAW, and no other privilege."""
    drop = ("setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw")
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is missing")
    readable = subprocess.run(
        [*drop, *program("trafd"), "-V"], capture_output=True, text=True, cwd="/", env=environment()
    )
    if readable.returncode:
        pytest.skip(f"nobody cannot read {PROJECT} and its Python")
    daemon = make_daemon(link, nobodys)
    line = [*drop, *program("trafd"), "--root", nobodys, "-i", daemon.interface, "--engine", engine, "-m", "0"]
    started = subprocess.run(
        daemon.namespace.command(*line), capture_output=True, text=True, env=environment(), cwd="/", timeout=30
    )
    assert (started.returncode, started.stderr) == (0, "")
    assert daemon.status()["engine"] == ("ring" if engine == "auto" else "pcap")
    sent = link.udp(5, 100)
    time.sleep(SETTLE)
    daemon.do("trafsave")
    assert rows(daemon.log) == sent


@pytest.mark.parametrize(
    ("ports", "key"),
    [("all", (50_000, 9000)), ("service", (0, 9000)), ("none", (0, 0))],
)
def test_ports(daemon: Daemon, link: Link, ports: str, key: tuple[int, int]) -> None:
    daemon.start("--ports", ports)
    link.udp(3, 100, sport=50_000)
    time.sleep(SETTLE)
    daemon.stop()
    ((_, sport, _, dport, proto),) = rows(daemon.dump)
    assert (sport, dport, proto) == (*key, 17)


def test_prefixes(daemon: Daemon, link: Link) -> None:
    daemon.start("--prefix-len", "16,32", "-X")
    sent = link.spoofed(1000)
    link.udp(2, 100, v6=True)
    time.sleep(SETTLE)
    daemon.stop()
    records = list(bpft.open(daemon.dump).records())
    assert all(str(record.src).endswith(".0.0") for record in records if record.version == 4)
    assert sum(record.packets or 0 for record in records if record.version == 4) == sent[0]
    assert [str(record.dst) for record in records if record.version == 6] == ["fd77::"]
    assert headers(daemon.dump)[0].prefix_len == (16, 32)


@pytest.mark.parametrize("words", [["--ports", "service"], ["--vlan"], ["--prefix-len", "24,48"], ["-X"]])
def test_a_dump_of_other_keys_is_recovered_not_resumed(daemon: Daemon, link: Link, words: list[str]) -> None:
    """E6: tables of different keys are never added up in one."""
    daemon.start("-m", "0")
    first = link.udp(3, 100)
    daemon.stop()
    result = daemon.attempt("-r", "-m", "0", *words)
    assert result.returncode == 0
    assert "not resumed" in result.stderr
    assert rows(daemon.log) == first
    daemon.stop()
    daemon.start("-r", *words)
    assert len(headers(daemon.log)) == 1


def test_a_dump_of_another_engine_goes_on(daemon: Daemon, link: Link) -> None:
    """The engine is no part of the key; the whole is called as exact as its least exact part."""
    daemon.start("--engine", "pcap")
    first = link.udp(3, 100)
    daemon.stop()
    daemon.start("-r", "--engine", "ring")
    second = link.udp(4, 100)
    daemon.stop()
    assert rows(daemon.dump) == add(first, second)
    (header,) = headers(daemon.dump)
    assert (header.engine, header.counting) == ("ring", "wire-estimated")


def test_status(make_daemon: MakeDaemon, link: Link) -> None:
    daemon = make_daemon(link)
    assert run("bpft", "status", "--root", daemon.root).stderr == "bpft: no trafd is running\n"
    daemon.start("-m", "0", "--max-flows", "1000")
    link.udp(42, 1000)
    link.tagged(1, 1)
    with link.near.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((link.near.interface, 0))
        sender.send(bytes.fromhex((link.far.mac + link.near.mac).replace(":", "")) + b"\x88\xb5" + bytes(46))
    time.sleep(SETTLE)
    status = daemon.status()
    assert (status["engine"], status["counting"], status["flows"], status["packets"]) == ("ring", "wire-exact", 2, 43)
    assert (status["seen"], status["skipped"], status["dropped"]) == (44, {"non-ip": 1}, 0)
    assert (status["max_flows"], status["saved_ns"], status["folded"]) == (1000, None, 0)
    assert status["rate_bps"] > 0
    short = run("bpft", "status", "--root", daemon.root).stdout
    assert f"{daemon.interface}: 44 frames seen, 43 counted, 1 skipped (non-ip 1)\n" in short
    daemon.do("trafsave")
    assert daemon.status()["saved_ns"] > 0
    text = run("bpft", "status", "-l", "--root", daemon.root)
    assert (text.returncode, text.stderr) == (0, "")
    assert f"{daemon.interface}: capturing" in text.stdout
    assert "44 frames seen" not in text.stdout  # a save begins anew
    assert "0 by the kernel" in text.stdout
    gone = run("bpft", "status", "--root", daemon.root, "nope0", f"{daemon.interface[:-1]}?")
    assert gone.returncode == 1
    assert daemon.interface in gone.stdout
    assert gone.stderr.startswith("bpft: nope0: no trafd runs here")


def test_a_flood_stays_within_its_memory(daemon: Daemon, link: Link) -> None:
    """--max-memory: every packet and byte is accounted, who was heavy before is still named, and it is told."""
    budget, flows = 16_000_000, 400_000
    daemon.start_foreground("-m", "0", "--max-memory", "16M")
    idle = daemon.memory()
    heavy = add(*(link.udp(60, 1400, sport=5000 + n) for n in range(10)))
    most = 0
    packets = everything = 0
    for seed in range(8):
        part = link.spoofed(flows // 8, seed)
        packets, everything = packets + part[0], everything + part[1]
        daemon.do("trafdump")
        most = max(most, daemon.memory())
    status = daemon.status()
    assert (status["packets"], status["dropped"]) == (600 + packets, 0)
    assert status["folded"] > 0
    assert most - idle <= budget
    daemon.do("trafsave")
    assert daemon.memory() - idle <= budget // 2  # what was saved is held no more
    daemon.stop()
    held = rows(daemon.log)
    assert heavy.items() <= held.items()
    assert len(held) <= status["max_flows"]
    total = [sum(column) for column in zip(*held.values(), strict=True)]
    assert total[:2] == [600 + packets, 600 * 1428 + everything]
    assert daemon.foreground and daemon.foreground.stderr
    assert daemon.foreground.stderr.read().count("summed up") == 1
