"""What systemd hears of a trafd: the words of sd_notify(3), and a watchdog that is fed only by work."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest
from test_daemon_loop import Rig

from bpft.daemon.notify import Notifier


class Manager:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self, within: float = 5.0) -> dict[str, str]:
        """The next datagram; empty where none comes."""
        self._socket.settimeout(within)
        try:
            lines = self._socket.recv(65536).decode().split("\n")
        except TimeoutError:
            return {}
        return dict(line.split("=", 1) for line in lines)

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address, **more}

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    it = Manager(str(tmp_path / "n.sock") if request.param == "path" else f"@bpft-test-{os.getpid()}")
    yield it
    it.close()


def test_each_word_is_one_datagram(manager: Manager) -> None:
    notifier = Notifier(manager.environment())
    notifier.ready()
    notifier.status("a\nREADY=1")
    notifier.alive("5 flows")
    notifier.stopping()
    assert manager.heard() == {"READY": "1", "STATUS": "capturing"}
    assert manager.heard() == {"STATUS": r"a\x0aREADY=1"}
    assert manager.heard() == {"WATCHDOG": "1", "STATUS": "5 flows"}
    assert manager.heard() == {"STOPPING": "1", "STATUS": "writing the table"}


@pytest.mark.parametrize(
    ("environment", "every_s"),
    [
        ({}, 60),
        ({"WATCHDOG_USEC": "180000000"}, 90),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 1),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 60),
        ({"WATCHDOG_USEC": "soon"}, 60),
        ({"WATCHDOG_USEC": "0"}, 60),
    ],
)
def test_half_of_what_the_watchdog_waits_for(environment: dict[str, str], every_s: float) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/x", **environment}).every_s == every_s


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "x"])
def test_without_a_manager_it_is_silent(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1"})
    notifier.ready()
    assert notifier.every_s is None
    assert capsys.readouterr().err == ""


def test_a_manager_that_is_gone_or_full_costs_a_message_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bpft.daemon.notify._PATIENCE_S", 0.01)
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "n.sock")})
    notifier.ready()
    assert "NOTIFY_SOCKET: No such file" in capsys.readouterr().err
    manager = Manager(str(tmp_path / "n.sock"))
    for _ in range(1000):
        notifier.stopping()
        if told := capsys.readouterr().err:
            break
    manager.close()
    assert told == "trafd: warning: NOTIFY_SOCKET: nobody reads it\n"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Rig, Manager]]:
    """A loop with a watchdog that waits for 0.1 s."""
    manager = Manager(str(tmp_path / "n.sock"))
    rig = Rig(tmp_path, notifier=Notifier(manager.environment(WATCHDOG_USEC="100000")))
    yield rig, manager
    rig.close()
    manager.close()


def running(rig: Rig) -> threading.Thread:
    thread = threading.Thread(target=rig.run)
    thread.start()
    return thread


def test_the_loop_feeds_the_watchdog_and_tells_the_end(watched: tuple[Rig, Manager]) -> None:
    rig, manager = watched
    rig.tap.count(1, 3, 300)
    thread = running(rig)
    for _ in range(3):
        word = manager.heard()
        assert word["WATCHDOG"] == "1"
        assert "1 flow, 3 packets, 300 B" in word["STATUS"]
    rig.signals.send(SIGTERM)
    thread.join(10)
    last = manager.heard()
    while "WATCHDOG" in last:
        last = manager.heard()
    assert last["STOPPING"] == "1"


def test_a_dead_capture_thread_is_not_hidden(watched: tuple[Rig, Manager]) -> None:
    rig, manager = watched
    rig.tap.working = False
    thread = running(rig)
    assert manager.heard(0.5) == {}
    rig.tap.working = True
    assert manager.heard()["WATCHDOG"] == "1"
    rig.signals.send(SIGTERM)
    thread.join(10)


def test_a_capture_that_never_answers_starves_the_watchdog(
    watched: tuple[Rig, Manager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exchanging the table waits for the capture's thread: where that hangs, the loop does."""
    rig, manager = watched
    real, answered = rig.tap.swap, threading.Event()

    def stuck(*arguments: object, **options: object) -> object:
        answered.wait(10)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(rig.tap, "swap", stuck)
    thread = running(rig)
    assert manager.heard(0.5) == {}
    answered.set()
    assert manager.heard()["WATCHDOG"] == "1"
    rig.signals.send(SIGTERM)
    thread.join(10)


def test_a_vanished_interface_is_told_and_waited_for_alive(watched: tuple[Rig, Manager]) -> None:
    rig, manager = watched
    rig.tap.end("gone")
    thread = running(rig)
    assert manager.heard() == {"STATUS": "waiting for the interface"}
    word = manager.heard()
    assert word["WATCHDOG"] == "1"
    assert word["STATUS"].startswith("waiting for the interface")
    rig.signals.send(SIGTERM)
    thread.join(10)
