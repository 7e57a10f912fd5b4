"""Interfaces come, go, go down and get other names: nothing held or captured is lost, nothing leaks, nothing spins.

BPFT_CYCLES sets how many times each kind comes and goes; by itself it is few.
"""

import fcntl
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Link, Namespace, add
from suite import Daemon, rows, total, until

from bpft import core
from bpft.control_client import ask
from bpft.paths import paths

CYCLES = int(os.environ.get("BPFT_CYCLES", "6"))
BACK_WITHIN_S = 2.0
SAVE_EVERY = 25  # cycles, from the third on: each that is not saved is a gap to be remembered
MEMORY_ROUNDS = 3  # after so many cycles memory and descriptors stay what they are
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def state(daemon: Daemon) -> dict[str, Any]:
    return ask(paths(str(daemon.root)), daemon.interface, "status")


def counts(daemon: Daemon) -> bool:
    return state(daemon)["state"] == "capturing"


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def rests(daemon: Daemon, seconds: float = 2.0) -> None:
    """It takes at most a hundredth of the processor; a hundredth of a second more for how finely it is told."""
    before = processor_seconds(daemon.pid)
    time.sleep(seconds)
    assert round(processor_seconds(daemon.pid) - before, 2) <= round(seconds / 100 + 0.01, 2)


class Tun:
    """A tunnel that lives as long as somebody holds it; what is written arrives on it."""

    def __init__(self, namespace: Namespace, name: str) -> None:
        with namespace.entered():
            self._fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self._fd, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TUN | IFF_NO_PI))
        namespace.run("ip", "link", "set", name, "up")

    def udp(self, count: int, size: int = 100) -> dict[Any, tuple[int, int, int]]:
        source, target = b"\x0a\x4e\x00\x01", b"\x0a\x4e\x00\x02"
        total = 28 + size
        packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 17, 0, source, target)
        packet += struct.pack(">HHHH", 1, 2, 8 + size, 0) + bytes(size)
        for _ in range(count):
            os.write(self._fd, packet)
        return {("10.78.0.1", 1, "10.78.0.2", 2, 17): (count, count * total, count * size)}

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def tun_daemon(namespaces: tuple[Namespace, Namespace], tmp_path: Path) -> Iterator[Daemon]:
    if not Path("/dev/net/tun").exists():
        pytest.skip("this kernel has no tunnels")
    daemon = Daemon(namespaces[0], "tn0", tmp_path)
    yield daemon
    daemon.close()


def cycled(daemon: Daemon, make: Callable[[], Any], sent: Callable[[Any], Any], options: tuple[str, ...]) -> None:
    """The interface made by make comes, has traffic and goes in the same breath, again and again."""
    device = make()
    daemon.start("-m", "0", *options)
    expected: Any = {}
    memory = files = 0
    slowest = 0.0
    for cycle in range(CYCLES):
        if cycle:
            device = make()
            slowest = max(slowest, until(lambda: counts(daemon), BACK_WITHIN_S, "counting again"))
        expected = add(expected, sent(device))
        device.close()
        until(lambda: not counts(daemon), BACK_WITHIN_S, "noticing that it is gone")
        if cycle % SAVE_EVERY == 2:
            daemon.do("trafsave")
        if cycle == MEMORY_ROUNDS:
            memory, files = daemon.memory(), descriptors(daemon.pid)
    print(f"{CYCLES} cycles, at most {slowest:.3f} s until counting again", end=" ")
    until(lambda: descriptors(daemon.pid) <= files, 2, "as many descriptors as before")
    assert daemon.memory() - memory <= 1 << 20
    rests(daemon)
    daemon.do("trafdump")
    held = add(rows(daemon.log), rows(daemon.dump))
    assert {key: held.get(key) for key in expected} == expected


@pytest.mark.parametrize("engine", ["ring", "pcap"])
def test_a_tunnel_comes_and_goes(tun_daemon: Daemon, engine: str) -> None:
    cycled(tun_daemon, lambda: Tun(tun_daemon.namespace, "tn0"), lambda tun: tun.udp(10), ("--engine", engine))


@pytest.mark.parametrize("engine", ["ring", "pcap"])
def test_an_ethernet_comes_and_goes(
    make_daemon: Callable[[Link], Daemon], namespaces: tuple[Namespace, Namespace], engine: str
) -> None:
    link = Link(*namespaces, 7)
    daemon = make_daemon(link)
    link.close()
    cycled(daemon, lambda: Link(*namespaces, 7), lambda link: link.udp(10, 300), ("--engine", engine))


@pytest.mark.parametrize("engine", ["ring", "pcap"])
def test_down_costs_nothing_and_up_goes_on(daemon: Daemon, link: Link, engine: str) -> None:
    daemon.start("-m", "0", "--engine", engine)
    before = link.udp(5, 100)
    link.far.namespace.run("ip", "link", "set", link.far.interface, "down")
    rests(daemon)
    link.far.configure(link.near)
    after = link.udp(7, 100)
    daemon.stop()
    assert rows(daemon.dump) == add(before, after)


def test_down_while_it_is_opened_is_no_silence_for_ever(link: Link) -> None:
    """Between the ring's opening and its filter, without an expression: when it is up again, it is heard."""
    end, table = link.far, core.Table()
    with end.namespace.entered():
        capture = core.Capture(end.interface, engine="ring")
    end.namespace.run("ip", "link", "set", end.interface, "down")
    with end.namespace.entered():
        capture.set_filter("")
    end.configure(link.near)
    counting = threading.Thread(target=capture.run, args=(table,))
    counting.start()
    sent = link.udp(7, 100)
    capture.stop()
    counting.join()
    capture.close()
    assert table.totals() == total(sent)


@pytest.mark.parametrize("engine", ["ring", "pcap"])
def test_another_name_is_not_followed(daemon: Daemon, link: Link, engine: str) -> None:
    """A trafd is of a name: it says where the device went, waits, and goes on when the name is back."""
    run, name = link.far.namespace.run, link.far.interface
    daemon.start_foreground("-m", "0", "--engine", engine)
    before = link.udp(5, 100)
    run("ip", "link", "set", name, "down")
    run("ip", "link", "set", name, "name", "elsewhere0")
    try:
        until(lambda: not counts(daemon), BACK_WITHIN_S, "noticing the other name")
        run("ip", "link", "set", "elsewhere0", "up")
        rests(daemon)
    finally:
        run("ip", "link", "set", "elsewhere0", "down")
        run("ip", "link", "set", "elsewhere0", "name", name)
        link.far.configure(link.near)
    until(lambda: counts(daemon), BACK_WITHIN_S, "counting again")
    after = link.udp(7, 100)
    daemon.stop()
    assert rows(daemon.dump) == add(before, after)
    assert daemon.foreground and daemon.foreground.stderr
    said = daemon.foreground.stderr.read()
    assert f"{name}: is called elsewhere0 now, and is not followed there; waiting for it to come back" in said
    assert f"{name}: is back, counting again" in said


@pytest.mark.parametrize("engine", ["ring", "pcap"])
def test_another_device_of_the_same_name_and_number(
    make_daemon: Callable[[Link], Daemon], namespaces: tuple[Namespace, Namespace], engine: str
) -> None:
    """Deleted and made anew at once, with the index it had: the old socket hears nothing of the new device."""
    link = Link(*namespaces, 8)
    daemon = make_daemon(link)
    daemon.start("-m", "0", "--engine", engine)
    before = link.udp(5, 100)
    run, name = daemon.namespace.run, daemon.interface
    index = run("cat", f"/sys/class/net/{name}/ifindex").strip()
    link.close()
    run("ip", "link", "add", name, "index", index, "type", "veth", "peer", "name", "elsewhere1")
    try:
        run("ip", "link", "set", "elsewhere1", "up")
        run("ip", "link", "set", name, "up")
        run("ip", "addr", "add", "10.79.0.1/24", "dev", name)
        run("ip", "neigh", "add", "10.79.0.2", "lladdr", "02:00:00:00:00:01", "dev", name, "nud", "permanent")

        def heard() -> bool:
            with daemon.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", ("10.79.0.2", 9))
            daemon.do("trafdump")
            return any(key[2] == "10.79.0.2" for key in rows(daemon.dump))

        until(heard, BACK_WITHIN_S + 1, "hearing the new device")
        held = rows(daemon.dump)
        assert {key: held.get(key) for key in before} == before
    finally:
        run("ip", "link", "del", name)


def test_any_outlives_all_of_them(namespaces: tuple[Namespace, Namespace], tmp_path: Path) -> None:
    daemon = Daemon(namespaces[1], "any", tmp_path)
    expected: Any = {}
    try:
        daemon.start("-m", "0")
        for _ in range(MEMORY_ROUNDS):
            link = Link(*namespaces, 9)
            expected = add(expected, link.udp(10, 200))
            link.close()
            assert counts(daemon)
        rests(daemon)
        daemon.do("trafdump")
        held = rows(daemon.dump)
        assert {key: held.get(key) for key in expected} == expected
    finally:
        daemon.close()


def test_a_silent_tunnel_is_gone_and_back_while_it_is_asked(tun_daemon: Daemon) -> None:
    """Saves and dumps are answered while the interface is away, and the wait costs nothing."""
    tun = Tun(tun_daemon.namespace, "tn0")
    tun_daemon.start("-m", "0")
    sent = tun.udp(3)
    tun.close()
    until(lambda: not counts(tun_daemon), BACK_WITHIN_S, "noticing that it is gone")
    rests(tun_daemon)
    tun_daemon.do("trafsave")
    assert rows(tun_daemon.log) == sent
    tun_daemon.stop()


def test_wireguard_comes_and_goes(namespaces: tuple[Namespace, Namespace], tmp_path: Path) -> None:
    run = namespaces[0].run
    try:
        run("ip", "link", "add", "wg77", "type", "wireguard")
    except subprocess.CalledProcessError:
        pytest.skip("this kernel has no wireguard")
    daemon = Daemon(namespaces[0], "wg77", tmp_path)
    try:
        run("ip", "link", "set", "wg77", "up")
        daemon.start("-m", "0")
        run("ip", "link", "del", "wg77")
        until(lambda: not counts(daemon), BACK_WITHIN_S, "noticing that it is gone")
        run("ip", "link", "add", "wg77", "type", "wireguard")
        run("ip", "link", "set", "wg77", "up")
        until(lambda: counts(daemon), BACK_WITHIN_S, "counting again")
    finally:
        daemon.close()
        run("ip", "link", "del", "wg77")
