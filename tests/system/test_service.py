"""trafd as its unit runs it: notify protocol, watchdog, levels in the journal, and upgrades that show their gap."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from lab import Link
from suite import PROJECT, Daemon, environment, headers, program, run, until

UNIT = PROJECT / "share/systemd/trafd@.service"
_NUMBERS = count()


class Service:
    """What systemd does for a Type=notify service: its end of NOTIFY_SOCKET, and of the stream to the journal."""

    def __init__(self, daemon: Daemon, watchdog_s: float) -> None:
        self.daemon = daemon
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        place = daemon.root / f"notify-{next(_NUMBERS)}"  # A path: abstract names belong to a network namespace.
        self._manager.bind(str(place))
        self._manager.settimeout(10)
        (start,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.M)
        name, *words = shlex.split(start.replace("%i", daemon.interface))
        journal, stream = socket.socketpair()
        status = os.fstat(stream.fileno())
        with stream:
            self._process = subprocess.Popen(
                daemon.namespace.command(*program(name), "--root", daemon.root, *words),
                env=environment(
                    NOTIFY_SOCKET=str(place),
                    WATCHDOG_USEC=str(int(watchdog_s * 1e6)),
                    JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}",
                ),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        self._journal = journal.makefile()
        journal.close()

    def heard(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._manager.recv(65536).decode().split("\n"))

    def until(self, word: str) -> dict[str, str]:
        while word not in (heard := self.heard()):
            pass
        return heard

    def stop(self) -> list[str]:
        """TERM to the main process; what the journal got."""
        self.daemon.kill(signal.SIGTERM)
        assert self._process.wait(20) == 0
        with self._journal:
            return self._journal.read().splitlines()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._manager.close()


@pytest.fixture
def start(make_daemon: Callable[[Link], Daemon], link: Link) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def start(watchdog_s: float = 60) -> Service:
        made.append(Service(make_daemon(link), watchdog_s))
        return made[-1]

    yield start
    for service in made:
        service.close()


def test_the_unit_runs_as_systemd_expects_it(start: Callable[..., Service], link: Link) -> None:
    service = start(watchdog_s=0.4)
    assert service.heard() == {"READY": "1", "STATUS": "capturing"}
    assert service.daemon.tool("trafdump").returncode == 0  # READY means that requests are answered
    link.udp(5, 100)
    told = service.until("WATCHDOG")
    while "5 packets" not in told["STATUS"]:
        told = service.until("WATCHDOG")
    assert "flow" in told["STATUS"]
    service.daemon.kill(signal.SIGSTOP)
    until(lambda: not _more(service), 5, "what was sent before it stopped")
    service.daemon.kill(signal.SIGCONT)
    service.until("WATCHDOG")
    journal = service.stop()
    assert service.until("STOPPING")["STOPPING"] == "1"
    assert journal
    assert all(re.match(r"<[3-6]>", line) for line in journal), journal
    assert any(line.startswith(f"<5>{service.daemon.interface}: counting") for line in journal)


def _more(service: Service) -> bool:
    service._manager.settimeout(1)
    try:
        service.heard()
    except TimeoutError:
        return False
    finally:
        service._manager.settimeout(10)
    return True


def test_a_detached_trafd_says_nothing_to_the_manager_of_who_started_it(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        place = str(daemon.root / "notify")
        manager.bind(place)
        line = (*program("trafd"), "--root", daemon.root, "-i", daemon.interface)
        subprocess.run(daemon.namespace.command(*line), env=environment(NOTIFY_SOCKET=place), check=True)
        daemon.stop()
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)


def test_an_upgrade_loses_nothing_and_shows_its_gap(start: Callable[..., Service], link: Link) -> None:
    """TERM, then a start with -r: one block, one gap, and a report that says so."""
    first = start()
    first.until("READY")
    before = link.udp(5, 100)
    until(lambda: first.daemon.status()["packets"] == 5, 5, "packets are counted")
    first.stop()
    first.close()
    link.udp(7, 100)  # While nothing runs.
    second = start()
    second.until("READY")
    link.udp(2, 100)
    until(lambda: second.daemon.status()["packets"] == 7, 5, "packets are counted")
    second.daemon.do("trafsave")
    second.stop()
    (header,) = headers(second.daemon.log)
    ((gap_begin, gap_end),) = header.gaps
    assert header.begin_ns < gap_begin < gap_end < header.end_ns
    told = run("bpft", "report", second.daemon.log, "-n")
    assert "not watched for" in told.stdout
    answer = json.loads(run("bpft", "report", second.daemon.log, "--json", "--by", "proto").stdout)
    assert sum(packets for packets, *_ in before.values()) + 2 == answer["rows"][0]["packets"]
