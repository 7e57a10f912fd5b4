"""Traffic, dumps and saves for a while: memory and descriptors stay where they were after the first rounds.

BPFT_SOAK_SECONDS sets how long (`make soak`); by itself it is short.
"""

import os
import time
from pathlib import Path

from lab import Link
from suite import Daemon, total
from suite import rows as rows_of


def resident(pid: int) -> int:
    """Bytes of private memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_soak(daemon: Daemon, link: Link) -> None:
    seconds = float(os.environ.get("BPFT_SOAK_SECONDS", "8"))
    daemon.start()
    sent, rounds, begin = 0, 0, time.monotonic()
    memory = files = 0
    while time.monotonic() - begin < seconds or rounds < 12:
        sent += link.spoofed(2000)[0]
        sent += next(iter(link.udp(100, 400).values()))[0]
        time.sleep(0.1)
        daemon.do("trafdump" if rounds % 3 else "trafsave")
        rounds += 1
        if rounds == 9:
            memory, files = resident(daemon.pid), descriptors(daemon.pid)
    assert resident(daemon.pid) - memory <= 1 << 20
    assert descriptors(daemon.pid) == files
    daemon.stop()
    assert total(rows_of(daemon.log))[0] + total(rows_of(daemon.dump))[0] == sent
