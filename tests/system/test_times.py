"""Timed dumps and saves of a real daemon, a clock that is set under it, and its log rolled up while it counts."""

import os
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest
from lab import Link
from lives import HOUR, header, intact, some, totals
from suite import Daemon, headers, report, rows, run, total, until

from bpft.logfile import LogWriter
from bpft.record import Counters, Header

SECOND = 10**9
DAY = 24 * HOUR
SLACK_NS = SECOND  # a loaded machine comes late
CLOCK = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The wall clock plus as many seconds as the file CLOCK_OFFSET says. */
int clock_gettime(clockid_t clock, struct timespec *at)
{
    int done = (int)syscall(SYS_clock_gettime, clock, at);
    const char *name = getenv("CLOCK_OFFSET");
    FILE *file = clock == CLOCK_REALTIME && name ? fopen(name, "r") : NULL;
    long long seconds = 0;

    if (file) {
        if (fscanf(file, "%lld", &seconds) == 1)
            at->tv_sec += seconds;
        fclose(file);
    }
    return done;
}
"""


class Clock:
    """A wall clock for daemons that are started while it is in the environment."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        compiler = shutil.which("cc") or pytest.skip("no C compiler to make a clock with")
        source, library, self._offset = directory / "clock.c", directory / "clock.so", directory / "offset"
        source.write_text(CLOCK)
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self.set(0)
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("CLOCK_OFFSET", str(self._offset))

    def set(self, seconds: int) -> None:
        """From now on it is ahead by so much."""
        fresh = self._offset.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(self._offset)


def saved(daemon: Daemon) -> list[Header]:
    return headers(daemon.log) if daemon.log.exists() else []


def test_saves_and_dumps_come_at_round_times(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0", "--dump-every", "1s", "--save-every", "3s")
    sent = 0
    dumps = set()
    while len(saved(daemon)) < 3:
        link.udp(7, 100)
        sent += 7
        if daemon.dump.exists():
            dumps.add(daemon.dump.stat().st_ino)
        time.sleep(0.1)
    status = daemon.status()
    assert 0 < status["next_save_ns"] - time.time_ns() <= 3 * SECOND
    assert time.time_ns() - status["saved_ns"] < 3 * SECOND + SLACK_NS
    daemon.stop()
    found = saved(daemon)
    for block in found:
        assert block.end_ns % (3 * SECOND) < SLACK_NS
    for one, other in pairwise(found):
        assert one.end_ns == other.begin_ns
    assert len(dumps) > 4
    assert report_packets(daemon) == sent


def report_packets(daemon: Daemon) -> int:
    """In log and dump together."""
    both = [rows(path) for path in (daemon.log, daemon.dump) if path.exists()]
    return sum(total(table)[0] for table in both if table)


def test_nothing_is_timed_unless_asked_for(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0")
    link.udp(1, 100)
    time.sleep(1.5)
    assert not daemon.dump.exists()
    assert not daemon.log.exists()
    assert daemon.status()["next_save_ns"] is None


def test_what_an_earlier_boundary_should_have_saved_is_saved_at_the_start(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0", "--save-every", "1d")
    link.udp(5, 100)
    daemon.stop()
    time.sleep(2.1)
    daemon.start("-m", "0", "-r", "--save-every", "2s")
    until(lambda: len(saved(daemon)) > 0, 1.9, "the resumed table is saved")
    assert total(rows(daemon.log))[0] == 5


def test_timers_cost_nothing(daemon: Daemon, link: Link) -> None:
    daemon.start("-m", "0", "--dump-every", "5min", "--save-every", "1h", "--keep", "31d")

    def ticks() -> int:
        return sum(map(int, Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))

    time.sleep(0.5)
    before = ticks()
    time.sleep(3)
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") <= 0.03 * 3


def test_a_machine_that_begins_in_1970(
    daemon: Daemon, link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(tmp_path, monkeypatch)
    now = int(time.time())
    clock.set(20 - now)
    daemon.start("-m", "0", "--save-every", "2s")
    link.udp(3, 100)
    until(lambda: len(saved(daemon)) >= 2, 8, "it saves in 1970 too")
    link.udp(4, 100)
    clock.set(0)
    set_ns = time.time_ns()
    until(lambda: any(block.end_ns > set_ns - SECOND for block in saved(daemon)), 8, "it saves by the true clock")
    daemon.stop()
    blocks = saved(daemon)
    dated = [block for block in blocks if not block.is_undated]
    assert len(blocks) > len(dated) > 0
    assert all(block.end_ns < 1000 * SECOND for block in blocks if block.is_undated)
    first = dated[0]
    assert set_ns - 4 * SECOND < first.begin_ns < set_ns + SECOND
    assert abs((first.end_ns - first.begin_ns) - (first.boot_end_ns - first.boot_begin_ns)) < SECOND  # type: ignore[operator]
    assert report_packets(daemon) == 7
    answer = report(daemon.log)
    assert answer["completeness"]["blocks_undated"] == len(blocks) - len(dated)
    assert answer["begin_ns"] == first.begin_ns


def test_a_clock_that_is_set_back_and_forth(
    daemon: Daemon, link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(tmp_path, monkeypatch)
    daemon.start("-m", "0", "--save-every", "2s")
    sent = 0
    for seconds in (0, 7200, -86_400, 3600, 0):
        clock.set(seconds)
        count = len(saved(daemon))
        link.udp(2, 100)
        sent += 2
        until(lambda: len(saved(daemon)) > count + 1, 10, f"two saves with the clock {seconds} s ahead")  # noqa: B023
    daemon.stop()
    for block in saved(daemon):
        assert 0 <= block.end_ns - block.begin_ns < 6 * SECOND
    assert report_packets(daemon) == sent


@pytest.mark.parametrize("how", [("--keep", "31d,forever:day+no-ports"), ("--budget", "1MB")])
def test_the_log_is_rolled_up_while_it_counts(daemon: Daemon, link: Link, how: tuple[str, str]) -> None:
    daemon.log.parent.mkdir(parents=True)
    writer, begin = LogWriter(daemon.log), time.time_ns() // DAY * DAY - 100 * DAY
    rolled = 480
    number = 0
    while number < rolled or (how[0] == "--budget" and daemon.log.stat().st_size < 1_100_000):
        at = begin + number * HOUR
        counters = Counters(seen=5, counted=5, direction={"rx": (5, 500, 5, 500)})
        fields = {"begin_ns": at, "end_ns": at + HOUR, "interface": daemon.interface, "counters": counters}
        writer.append(header(number, **fields), some(number, hosts=40))  # type: ignore[arg-type]
        number += 1
    # Counted until an hour ago: a clock far ahead of the log would be doubted.
    writer.append(
        header(number, **fields | {"begin_ns": time.time_ns() - 2 * HOUR, "end_ns": time.time_ns() - HOUR}),
        some(number),
    )
    before = totals(intact(daemon.log))
    size = daemon.log.stat().st_size
    daemon.start("-m", "0", "--save-every", "1s", *how)
    sent = 0
    begun = time.monotonic()
    while daemon.log.stat().st_size > size * 9 // 10:
        link.udp(3, 100)
        sent += 3
        assert time.monotonic() - begun < 30
        time.sleep(0.05)
    time.sleep(1.2)
    daemon.stop()
    checked = run("bpft", "verify", daemon.log)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    dumped = total(rows(daemon.dump))[0] if daemon.dump.exists() else 0
    found = totals(intact(daemon.log))
    assert (found[0] + dumped - before[0], found[2] + dumped * 100 - before[2]) == (sent, sent * 100)
