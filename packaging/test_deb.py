"""The Debian package in a Debian without anything else: installs, counts, upgrades, is removed and purged; needs root.

The tests go on from each other.
"""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from trees import DATAGRAMS

NAMESPACE = "bpft-deb"

pytestmark = trees.needs_root


class Machine:
    """A copy of the tree with the package beside it; programs run in a network of their own, apt in the host's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        mounts = f"mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", f"{mounts} && echo ready && exec sleep infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout
        with self._holder.stdout as told:
            assert told.readline() == b"ready\n"

    def command(self, *words: str, network: bool = False) -> list[str]:
        isolated = [] if network else ["ip", "netns", "exec", NAMESPACE]
        return ["nsenter", "-t", str(self._holder.pid), "-m", *isolated, "chroot", str(self.root), *words]

    def run(self, *words: str, code: int = 0, network: bool = False) -> str:
        """Both of its outputs."""
        return trees.run(self.command(*words, network=network), code)

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def pid(self) -> int:
        return int((self.root / "run/bpft/trafd.lo.pid").read_text())

    def end(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                inside = (process / "root").readlink() == self.root
            except OSError:  # it has ended
                continue
            if inside:
                os.kill(int(process.name), signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    root = tmp_path_factory.mktemp("debian") / "root"
    trees.plant(root)
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    machine = Machine(root)
    try:
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        machine.run("apt-get", "-qq", "update", network=True)
        yield machine
    finally:
        machine.end()
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)
        shutil.rmtree(root)


def send() -> None:
    subprocess.run(["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", trees.SENDER], check=True)
    time.sleep(0.3)


def test_one_command_installs_it_and_nothing_runs(machine: Machine) -> None:
    before = time.monotonic()
    machine.run("apt-get", "install", "--yes", "--no-install-recommends", "/bpft.deb", network=True)
    print(f"installed in {time.monotonic() - before:.0f} s")
    assert re.search(r"(?m)^bpft:x:\d+:\d+::?", machine.run("getent", "passwd", "bpft"))
    assert machine.run("stat", "-c", "%U:%G %a", "/var/lib/bpft") == "bpft:bpft 750\n"
    assert not list((machine.root / "var/lib/bpft").iterdir())
    assert not list((machine.root / "run").glob("bpft/*"))
    assert not list((machine.root / "etc/systemd/system").glob("*/trafd*"))
    assert not machine.has("usr/lib/python3/dist-packages/pylibpcap")


def test_the_second_command_answers(machine: Machine) -> None:
    of_a_capture = machine.run("bpft", "report", "/monday.pcap", "--by", "host", "-n")
    assert re.search(r"192\.168\.1\.20 +292 +226 kB +237 kB", of_a_capture)
    terminal, inside = pty.openpty()
    command = machine.command("trafd", "--foreground", "-m", "0", "-i", "lo")
    shown = b""
    with subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, start_new_session=True) as live:
        deadline = time.monotonic() + 10
        while b"trafd" not in shown and time.monotonic() < deadline:
            shown += os.read(terminal, 65536)
        send()
        while not re.search(rb"127\.0\.0\.1.* kB", shown) and time.monotonic() < deadline:
            shown += os.read(terminal, 65536)
        live.send_signal(signal.SIGTERM)
        os.close(inside)
    os.close(terminal)
    assert re.search(rb"127\.0\.0\.1.* kB", shown), shown


def test_every_program_starts_with_debians_packages(machine: Machine) -> None:
    for program in ("bpft", "trafd", "trafdump", "trafsave", "trafstart", "trafstop"):
        assert program in machine.run(program, "--version")
        assert machine.run("head", "-1", f"/usr/bin/{program}") == "#! /usr/bin/python3 -I\n"
    for line in machine.run("bpft", "--help").partition("Commands:")[2].splitlines():
        if line.startswith("  ") and line[2] != " ":
            assert "Usage" in machine.run("bpft", line.split()[0], "--help")


def test_an_upgrade_goes_on_with_what_ran(machine: Machine) -> None:
    machine.run("rm", "-rf", "/var/lib/bpft/tmp", "/var/lib/bpft/trafd.lo")
    machine.run("trafd", "-m", "0", "-f", "mine", "-i", "lo", "udp and not port 53")
    old = machine.pid()
    send()
    told = machine.run("dpkg", "-i", "/newer.deb")
    assert "lo: stopped" in told
    assert machine.pid() != old
    send()
    machine.run("trafsave")
    log = "/var/lib/bpft/trafd.mine"
    assert f"127.0.0.1,127.0.0.1,{2 * DATAGRAMS}," in machine.run(
        "bpft", "report", log, "--by", "pair", "--format", "csv"
    )
    assert "udp and not port 53" in machine.run("bpft", "info", log)


def test_an_upgrade_starts_nothing_that_did_not_run(machine: Machine) -> None:
    machine.run("trafstop")
    machine.run("dpkg", "-i", "/bpft.deb")
    machine.run("dpkg", "-i", "/newer.deb")
    assert not machine.has("run/bpft/trafd.lo.pid")


def test_systemd_is_asked_to_restart_and_stop_the_instances(machine: Machine) -> None:
    asked = machine.root / "asked"
    systemctl = machine.root / "usr/local/sbin/systemctl"
    systemctl.write_text('#!/bin/sh\necho "$*" >>/asked\n')
    systemctl.chmod(0o755)
    (machine.root / "run/systemd/system").mkdir(parents=True)
    environment = ["env", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"]
    machine.run(*environment, "dpkg", "-i", "/newer.deb")
    assert "try-restart trafd@*.service" in asked.read_text()
    asked.unlink()
    machine.run(*environment, "dpkg", "--remove", "bpft")
    assert "stop trafd@*.service" in asked.read_text()
    systemctl.unlink()
    (machine.root / "run/systemd/system").rmdir()
    machine.run("dpkg", "-i", "/newer.deb")


def test_removing_stops_and_keeps_what_was_recorded(machine: Machine) -> None:
    machine.run("trafd", "-m", "0", "-f", "mine", "-i", "lo")
    pid = machine.pid()
    send()
    assert "lo: stopped" in machine.run("dpkg", "--remove", "bpft")
    assert not machine.has("run/bpft/trafd.lo.pid")
    assert not Path(f"/proc/{pid}/exe").exists()
    assert machine.has("var/lib/bpft/trafd.mine")
    assert machine.has("var/lib/bpft/tmp/trafd.mine")
    assert not machine.has("usr/lib/python3/dist-packages/bpft")


def test_purging_leaves_nothing_and_asks_nothing(machine: Machine) -> None:
    machine.run("dpkg", "--purge", "bpft")
    machine.run("dpkg", "--status", "bpft", code=1)
    found = machine.run(
        "find", "/", "-xdev", "(", "-name", "*bpft*", "-o", "-name", "*traf*", ")", "-not", "-path", "/proc/*"
    )
    assert set(found.split()) == {"/bpft.deb"}
