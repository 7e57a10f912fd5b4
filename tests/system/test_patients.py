"""bpft doctor on real interfaces, daemons and disks."""

import ctypes
import json
import os
import shlex
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Link, Namespace
from suite import Daemon, environment, headers, program, run, until

Found = dict[str, list[dict[str, Any]]]


def doctor(daemon: Daemon) -> tuple[int, Found]:
    """The exit status, and the findings of each check."""
    result = run("bpft", "doctor", "--json", "--root", daemon.root, namespace=daemon.namespace)
    assert result.stderr == ""
    found: Found = {}
    for one in json.loads(result.stdout)["checks"]:
        found.setdefault(one["check"], []).append(one)
    return result.returncode, found


def follow(daemon: Daemon, one: dict[str, Any]) -> None:
    """Types the commands of a remedy, as it stands there."""
    tools = ("bpft", "trafd", "trafstart", "trafstop")
    functions = [f'{tool}() {{ {shlex.join(program(tool))} "$@"; }}' for tool in tools]
    lines = "\n".join([*functions, one["remedy"].partition("  (")[0]])
    result = subprocess.run(
        daemon.namespace.command("sh", "-c", lines),
        env=environment(BPFT_ROOT=str(daemon.root)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
    )
    assert result.returncode == 0, result.stderr


def status(found: Found, check: str) -> list[str]:
    return [one["status"] for one in found[check]]


@pytest.fixture
def bridge(link: Link) -> Iterator[str]:
    """The link's far end is a port of it meanwhile."""
    ip = link.far.namespace.run
    ip("ip", "link", "add", "btbr0", "type", "bridge")
    ip("ip", "link", "set", link.far.interface, "master", "btbr0")
    ip("ip", "link", "set", "btbr0", "up")
    yield "btbr0"
    ip("ip", "link", "set", link.far.interface, "nomaster")
    ip("ip", "link", "del", "btbr0")
    link.far.configure(link.near)


def test_a_daemon_that_is_well(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    link.udp(100, 1000)
    time.sleep(0.2)
    daemon.do("trafsave")
    code, found = doctor(daemon)
    assert code == 0, found
    notes = [one for of_one in found.values() for one in of_one if one["status"] not in ("ok",)]
    assert {one["check"] for one in notes} <= {"clock", "packages"}, notes


def test_bridge_and_port(make_daemon: Callable[..., Daemon], link: Link, bridge: str) -> None:
    port, whole = make_daemon(link), make_daemon(link, interface=bridge)
    port.start()
    code, found = doctor(port)
    assert status(found, "twice") == ["ok"]
    whole.start()
    code, found = doctor(port)
    assert code == 1
    (one,) = found["twice"]
    assert (one["status"], one["remedy"]) == ("problem", f"trafstop {port.interface}")
    assert f"{port.interface} is a port of it" in one["seen"]
    port.do("trafstop")
    code, found = doctor(port)
    assert status(found, "twice") == ["ok"]


def test_an_interface_that_is_down_and_one_that_is_gone(
    make_daemon: Callable[..., Daemon], link: Link, bridge: str
) -> None:
    daemon = make_daemon(link, interface=bridge)
    daemon.start()
    link.far.namespace.run("ip", "link", "set", bridge, "down")
    code, found = doctor(daemon)
    assert code == 1
    assert [(one["subject"], one["remedy"]) for one in found["interfaces"]] == [(bridge, f"ip link set {bridge} up")]
    link.far.namespace.run("ip", "link", "del", bridge)
    until(lambda: "not there" in json.dumps(doctor(daemon)[1]["interfaces"]), 5, "the doctor sees that it is gone")
    link.far.namespace.run("ip", "link", "add", bridge, "type", "bridge")


def test_a_daemon_that_was_killed(daemon: Daemon, link: Link) -> None:
    """What it left is found, and the remedy, done to the letter, leaves nothing to find."""
    daemon.start("-m", "0")
    sent = link.udp(100, 1000)
    time.sleep(0.2)
    daemon.do("trafdump")
    daemon.kill(signal.SIGKILL)
    until(lambda: not daemon.alive(), 5, "it is gone")
    code, found = doctor(daemon)
    assert code == 1
    (left,), (waits,) = found["stale"], found["waiting"]
    assert left["status"] == waits["status"] == "problem"
    assert "pid file and socket" in left["seen"]
    frames = sum(everything + 14 * packets for packets, everything, _ in sent.values())
    assert waits["seen"].startswith(f"{frames / 1000:.0f} kB of traffic wait in {daemon.dump} since")
    assert waits["remedy"] == f"trafstart {daemon.interface}"
    again = run("trafstart", "--root", daemon.root, daemon.interface, namespace=daemon.namespace)
    assert again.returncode == 0, again.stderr
    code, found = doctor(daemon)
    assert code == 0, found


def test_dropped_packets_and_the_buffer_that_would_hold_them(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0", "--ports", "service", "--save-every", "1h", "--buffer", "1M")
    daemon.kill(signal.SIGSTOP)
    sent, _, _ = link.spoofed(100_000)
    daemon.kill(signal.SIGCONT)
    time.sleep(0.3)
    code, found = doctor(daemon)
    (one,) = found["drops"]
    assert (code, one["status"]) == (1, "problem")
    assert f"of {sent:,}" in one["seen"]
    follow(daemon, one)
    assert doctor(daemon)[0] == 0
    now = daemon.status()
    assert now["buffer"] > 2_000_000
    assert (now["key_mode"], bool(now["next_save_ns"])) == ("service", True)


def test_a_small_disk(make_daemon: Callable[..., Daemon], link: Link, disk: Path) -> None:
    daemon = make_daemon(link, disk / "small")
    daemon.start("-m", "0")
    code, found = doctor(daemon)
    assert code == 1
    (one,) = found["disk"]
    assert one["status"] == "problem"
    assert "left: the next save may not fit" in one["seen"]


def test_a_torn_log(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    link.udp(10, 100)
    daemon.do("trafsave")
    with daemon.log.open("ab") as log:
        log.write(b"torn")
    code, found = doctor(daemon)
    assert code == 1
    (one,) = found["logs"]
    assert "hold no whole block" in one["seen"]
    follow(daemon, one)
    assert doctor(daemon)[0] == 0
    assert sum(header.counters.counted for header in headers(daemon.log)) == 10
    link.udp(10, 100)
    daemon.do("trafsave")
    assert sum(header.counters.counted for header in headers(daemon.log)) == 20


def test_without_root_nothing_passes_unseen(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    daemon.do("trafsave")
    line = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    for parent in daemon.root.parents:
        if parent.owner() == "root" and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    daemon.root.chmod(0o755)
    result = subprocess.run(
        daemon.namespace.command(*line, *program("bpft"), "doctor", "--json", "--root", daemon.root),
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
    )
    if not result.stdout:
        pytest.skip(f"another user cannot run this interpreter: {result.stderr.strip()[-200:]}")
    assert result.returncode == 1
    found = json.loads(result.stdout)["checks"]
    problems = {one["check"] for one in found if one["status"] == "problem"}
    assert problems == {"reading", "control"}
    assert all(one["remedy"] for one in found if one["status"] == "problem"), found
    unmade = {one["check"] for one in found if one["status"] == "unchecked"}
    assert unmade >= {"drops", "completeness", "disk", "saves", "waiting", "logs", "clock"}


# ---- XDP, with a program of two instructions ----

_BPF = 321  # the number of bpf(2) on x86_64; elsewhere the test is skipped
_PASS = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 2, 0x95, 0, 0, 0)  # r0 = XDP_PASS; exit


def _xdp_pass() -> int:
    """A descriptor of a program that lets everything pass.  OSError where there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    code, licence = ctypes.create_string_buffer(_PASS), ctypes.create_string_buffer(b"GPL")
    wanted = struct.pack("=IIQQ", 6, 2, ctypes.addressof(code), ctypes.addressof(licence)).ljust(128, b"\0")
    found = int(libc.syscall(_BPF, 5, wanted, len(wanted)))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def _attach(interface: str, program: int) -> None:
    """program -1: take it away."""
    import socket

    nested = struct.pack("=HHi", 8, 1, program) + struct.pack("=HHI", 8, 3, 2)  # IFLA_XDP_FD, IFLA_XDP_FLAGS: generic
    body = struct.pack("=BBHiII", 0, 0, 0, socket.if_nametoindex(interface), 0, 0)
    body += struct.pack("=HH", 4 + len(nested), 43 | 0x8000) + nested
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), 19, 5, 1, 0) + body)
        code = -struct.unpack_from("=i", kernel.recv(4096), 16)[0]
    if code:
        raise OSError(code, os.strerror(code))


def test_an_xdp_program(daemon: Daemon, link: Link, namespaces: tuple[Namespace, Namespace]) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the number of bpf(2) is known for x86_64 only")
    try:
        program = _xdp_pass()
    except OSError as why:
        pytest.skip(f"no XDP program can be loaded here: {why}")
    daemon.start("-m", "0")
    with daemon.namespace.entered():
        _attach(daemon.interface, program)
        os.close(program)
    code, found = doctor(daemon)
    with daemon.namespace.entered():
        _attach(daemon.interface, -1)
    (one,) = found["xdp"]
    assert code == 1
    assert "(generic) comes before the tap" in one["seen"]
    assert status(doctor(daemon)[1], "xdp") == ["ok"]
