"""When the disk is full, the table huge, or the daemon too slow: nothing is lost without being said."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import Link, add
from suite import Daemon, environment, program, report, until


def totals(path: Path) -> tuple[int, int, int]:
    """Packets, all and data of a log or dump, however many rows it has."""
    sums = report(path)["everything"]
    return sums["packets"], sums["all"], sums["data"]


@pytest.fixture
def small(make_daemon: Callable[[Link, Path], Daemon], link: Link, disk: Path) -> Iterator[Daemon]:
    """A daemon that has its files on the small disk."""
    daemon = make_daemon(link, disk)
    yield daemon
    daemon.close()
    for entry in disk.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def fill(disk: Path) -> Path:
    """Takes all the space that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    return filler


def test_a_full_disk_loses_nothing(small: Daemon, link: Link, disk: Path) -> None:
    """E3, E2: neither save nor dump works, both say so; the table waits in memory until there is room."""
    small.start("-m", "0")
    first = link.spoofed(50)
    time.sleep(0.2)
    small.do("trafsave")
    assert totals(small.log) == first
    filler = fill(disk)
    second = link.spoofed(5000, 1)
    time.sleep(0.2)
    for tool in ("trafsave", "trafdump", "trafsave"):
        result = small.tool(tool)
        assert result.returncode == 1
        assert "No space left" in result.stdout + result.stderr
        assert small.alive()
        assert totals(small.log) == first
    filler.unlink()
    third = link.spoofed(10)
    time.sleep(0.2)
    small.do("trafsave")
    assert totals(small.log) == tuple(map(sum, zip(first, second, third, strict=True)))


def test_stopping_on_a_full_disk_waits_for_room(small: Daemon, link: Link, disk: Path) -> None:
    """E5: TERM is tried again until it works."""
    small.start("-m", "0")
    sent = link.spoofed(5000)
    filler = fill(disk)
    small.kill(signal.SIGTERM)
    time.sleep(1.5)
    assert small.alive()
    filler.unlink()
    until(lambda: not small.alive(), 15, "the daemon ends")
    assert totals(small.dump) == sent


def test_saving_a_million_flows_does_not_stop_the_capture(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    flood = link.spoofed(1_000_000)
    time.sleep(0.3)
    line = [*program("trafsave"), "--root", str(daemon.root), daemon.interface]
    save = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    meanwhile = {}
    rounds = 0
    while save.poll() is None:
        meanwhile = add(meanwhile, link.udp(10, 100))
        rounds += 1
        time.sleep(0.005)
    assert save.returncode == 0, save.stdout.read() if save.stdout else ""
    save.communicate()
    assert rounds > 2
    daemon.do("trafsave")
    daemon.stop()
    after = next(iter(meanwhile.values()))
    assert totals(daemon.log) == tuple(map(sum, zip(flood, after, strict=True)))


def test_dropped_packets_are_told_to_the_last_one(daemon: Daemon, link: Link) -> None:
    """The daemon sleeps while more comes than the kernel's buffer holds: counted and dropped make what was sent."""
    daemon.start_foreground("-m", "0")
    daemon.kill(signal.SIGSTOP)
    sent = 0
    for burst in range(20):
        sent += link.spoofed(100_000, burst)[0]
    daemon.kill(signal.SIGCONT)
    time.sleep(0.5)
    daemon.do("trafsave")
    daemon.stop()
    assert daemon.foreground and daemon.foreground.stderr
    messages = daemon.foreground.stderr.read()
    dropped = re.findall(r"([\d,]+) packets? of [\d,]+ dropped", messages)[-1].replace(",", "")
    counted = totals(daemon.log)[0]
    assert 0 < counted < sent
    assert counted + int(dropped) == sent
