"""The control loop (SEMANTICS E4, P3): what comes first, what coalesces, and an interface that comes and goes."""

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1

import pytest
from daemon_parts import FULL, FakeDisk, FakeTap, sums

from bpft.block import load_table
from bpft.control_client import NoAnswer, fetch
from bpft.core import Table
from bpft.daemon import loop as loop_module
from bpft.daemon import presence
from bpft.daemon.control import Control
from bpft.daemon.epoch import Epoch, cut
from bpft.daemon.keeper import Keeper
from bpft.daemon.loop import Loop, Shown
from bpft.daemon.notify import Notifier
from bpft.daemon.settings import Settings
from bpft.daemon.tap import NOT_THERE
from bpft.paths import paths


class LoopTap(FakeTap):
    """A tap whose capture ends when told so, and comes back when there says so."""

    def __init__(self) -> None:
        super().__init__()
        self.capturing = True
        self.working = True
        self.there = NOT_THERE
        self.tries = 0
        self.started_with: list[int] = []
        self._end = ""
        self._pipe = os.pipe()

    def start(self, count: int = 0) -> int:
        self.started_with.append(count)
        return self._pipe[0]

    def end(self, outcome: str) -> None:
        self._end = outcome
        os.write(self._pipe[1], b".")

    def outcome(self) -> tuple[str, str]:
        os.read(self._pipe[0], 1)
        return self._end, "The interface disappeared"

    def release(self) -> None:
        self.capturing = False

    def check_name(self) -> None: ...

    def reopen(self) -> str:
        self.tries += 1
        self.capturing = not self.there
        return self.there

    def close(self) -> None:
        for fd in self._pipe:
            os.close(fd)


class FakeSignals:
    """Signals as core.Signals gives them."""

    def __init__(self) -> None:
        self._pipe = os.pipe()
        self._pending: dict[int, bool] = {}

    def send(self, *numbers: int, typed: bool = False) -> None:
        self._pending |= dict.fromkeys(numbers, typed)
        os.write(self._pipe[1], b".")

    def fileno(self) -> int:
        return self._pipe[0]

    def take(self) -> dict[int, bool]:
        if self._pending:
            os.read(self._pipe[0], 100)
        taken, self._pending = self._pending, {}
        return taken

    def close(self) -> None:
        for fd in self._pipe:
            os.close(fd)


class Rig:
    """A loop with nothing real about it but its socket."""

    def __init__(self, tmp_path: Path, notifier: Notifier | None = None, **options: object) -> None:
        settings = Settings("nope0", "x", paths(str(tmp_path)), **options)  # type: ignore[arg-type]
        self.tap, self.signals = LoopTap(), FakeSignals()
        self.disk = FakeDisk(self.tap)
        self.keeper = Keeper(
            settings, self.tap, self.disk, self.disk.write_dump, Epoch.begin(cut("nope0", self.tap.kernel()))
        )
        self.socket = tmp_path / "c.sock"
        self.control = Control(self.socket)
        self.loop = Loop(settings, self.keeper, self.tap, self.control, self.signals, notifier)  # type: ignore[arg-type]
        self.done: list[str] = []
        for name in ("save", "dump"):
            self._watch(name)

    def _watch(self, name: str) -> None:
        real: Callable[[], object] = getattr(self.keeper, name)

        def watched() -> object:
            self.done.append(name)
            return real()

        setattr(self.keeper, name, watched)

    def run(self) -> None:
        """To the end; a signal or a request must already wait."""
        self.loop.run()

    def close(self) -> None:
        self.control.close()
        self.control.hang_up()
        self.tap.close()
        self.signals.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    it = Rig(tmp_path)
    yield it
    it.close()


@pytest.fixture
def foreground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(loop_module, "_has_terminal", lambda: True)
    it = Rig(tmp_path, foreground=True)
    yield it
    it.close()


def test_pending_together_are_done_in_their_order(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.tap.count(1, 1, 100)
    rig.signals.send(SIGTERM, SIGUSR1, SIGHUP, SIGINT)
    rig.run()
    assert rig.done == ["save", "dump", "dump"]
    assert rig.disk.blocks[0][1] == {1: (1, 100)}
    assert rig.disk.dumped
    assert rig.disk.dumped[1] == {}
    told = capsys.readouterr().err
    assert told.index("saved") < told.index("dumped") < told.index("capturing for")


@pytest.mark.parametrize("number", [SIGTERM, SIGQUIT])
def test_term_and_quit_dump_and_stop(rig: Rig, number: int) -> None:
    rig.tap.count(1, 1, 100)
    rig.signals.send(number)
    rig.run()
    assert rig.tap.stopped
    assert rig.loop.outcome.ok
    assert rig.done == ["dump"]


def test_equal_signals_coalesce(rig: Rig) -> None:
    for _ in range(5):
        rig.signals.send(SIGHUP)
    rig.signals.send(SIGTERM)
    rig.run()
    assert rig.done == ["dump", "dump"]


def test_count_reached_is_as_term(rig: Rig) -> None:
    rig.tap.count(1, 1, 100)
    rig.tap.end("count")
    rig.run()
    assert rig.disk.dumped
    assert rig.disk.dumped[1] == {1: (1, 100)}


def test_in_the_background_a_typed_int_only_saves(rig: Rig) -> None:
    rig.signals.send(SIGINT, SIGTERM, typed=True)
    rig.run()
    assert rig.done == ["save", "dump"]


def test_a_typed_ctrl_c_saves_and_stops(foreground: Rig) -> None:
    foreground.tap.count(1, 1, 100)
    foreground.signals.send(SIGINT, typed=True)
    foreground.run()
    assert foreground.done == ["save"]
    assert foreground.disk.blocks[0][1] == {1: (1, 100)}


def test_in_the_foreground_kill_int_saves_and_goes_on(foreground: Rig) -> None:
    foreground.signals.send(SIGINT, SIGTERM)
    foreground.run()
    assert foreground.done == ["save", "dump"]


def test_a_typed_ctrl_c_on_a_full_disk_dumps_or_loses_with_a_word(foreground: Rig) -> None:
    foreground.disk.failing = FULL
    foreground.tap.count(1, 1, 100)
    foreground.signals.send(SIGINT, typed=True)
    threading.Timer(0.3, foreground.signals.send, (SIGTERM,)).start()
    foreground.run()
    assert not foreground.loop.outcome.ok
    assert "lost 1 record, 100 bytes" in foreground.loop.outcome.message


@pytest.mark.parametrize(("gone", "done"), [(False, ["dump", "dump"]), (True, ["save"])])
def test_hup_in_the_foreground(foreground: Rig, monkeypatch: pytest.MonkeyPatch, gone: bool, done: list[str]) -> None:
    """A shell passes the hang-up of its terminal on with kill(2): what counts is whether the terminal is gone."""
    monkeypatch.setattr(loop_module, "_has_terminal", lambda: not gone)
    foreground.signals.send(SIGHUP)
    if not gone:
        foreground.signals.send(SIGTERM)
    foreground.run()
    assert foreground.done == done


def ask(rig: Rig, *commands: str) -> list[socket.socket]:
    clients = []
    for command in commands:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        client.connect(str(rig.socket))
        client.sendall(json.dumps({"command": command}).encode() + b"\n")
        clients.append(client)
    return clients


def answers(clients: list[socket.socket]) -> list[dict[str, object]]:
    found = []
    for client in clients:
        with client:
            found.append(json.loads(client.makefile().readline()))
    return found


def test_everybody_who_asks_is_answered_after_the_effect(rig: Rig) -> None:
    rig.tap.count(1, 3, 300)
    clients = ask(rig, "save", "status", "dump", "stop")
    thread = threading.Thread(target=rig.run)
    thread.start()
    thread.join(10)
    rig.loop.answer_stop()
    save, status, dump, stop = answers(clients)
    assert all(answer["ok"] for answer in (save, status, dump, stop))
    assert save["message"] == f"saved 1 record, 300 B accounted, to {rig.keeper.log_path}"
    assert save["records"] == 1
    assert status["state"] == "capturing"
    assert str(stop["message"]).startswith("dumped")


def test_who_looks_at_the_table_gets_it_as_a_block(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger than a socket holds; counting goes on in the same epoch, and no file is left."""
    rig.keeper.dump_path.parent.mkdir(parents=True)
    for port in range(20_000):
        rig.tap.table.add_records(
            4,
            struct.pack(
                "=8s2s2sBBHQQQ", bytes(8), bytes(2), port.to_bytes(2, "big"), 17, 0, 0, port, 7**port % 10**9, 0
            ),
        )
    held = sums(rig.tap.table)
    monkeypatch.setattr("bpft.paths.Paths.socket_name", lambda *_: str(rig.socket))
    thread = threading.Thread(target=rig.run)
    thread.start()
    block = fetch(paths(str(rig.socket.parent)), "nope0", 5)
    again = fetch(paths(str(rig.socket.parent)), "nope0", 5)
    rig.signals.send(SIGTERM)
    thread.join(10)
    assert sums(load_table(block)) == sums(load_table(again)) == held
    assert block.header.epoch == rig.keeper.epoch.id
    assert block.header.role == "dump"
    assert not list(rig.keeper.dump_path.parent.iterdir())


def test_a_table_that_cannot_be_copied_is_told_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpft.paths.Paths.socket_name", lambda *_: str(rig.socket))
    thread = threading.Thread(target=rig.run)
    thread.start()
    with pytest.raises(NoAnswer, match=r"cannot copy the table: .* the table goes on"):
        fetch(paths(str(rig.socket.parent)), "nope0", 5)
    rig.signals.send(SIGTERM)
    thread.join(10)


def test_who_asks_over_the_socket_fills_no_log(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    clients = ask(rig, "status")
    thread = threading.Thread(target=rig.run)
    thread.start()
    assert answers(clients)[0]["ok"]
    rig.signals.send(SIGTERM)
    thread.join(10)
    assert "capturing for" not in capsys.readouterr().err


def test_a_failure_is_answered_as_one(rig: Rig) -> None:
    rig.disk.failing = FULL
    clients = ask(rig, "dump", "save")
    thread = threading.Thread(target=rig.run)
    thread.start()
    found = answers(clients)
    assert [answer["ok"] for answer in found] == [False, False]
    assert "No space left" in str(found[0]["message"])
    rig.disk.failing = None
    rig.signals.send(SIGTERM)
    thread.join(10)
    assert rig.loop.outcome.ok


def test_a_vanished_interface_is_dumped_waited_for_and_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(presence, "LOOK_EVERY_S", 0.02)
    rig = Rig(tmp_path, stop_after=10)
    rig.tap.count(1, 3, 300)
    rig.tap.end("gone")
    thread = threading.Thread(target=rig.run)
    thread.start()
    while rig.tap.tries < 5:
        time.sleep(0.005)
    assert rig.disk.dumped
    assert rig.disk.dumped[1] == {1: (3, 300)}
    rig.tap.there = ""
    while not rig.tap.capturing:
        time.sleep(0.005)
    time.sleep(0.1)
    tries = rig.tap.tries
    rig.tap.count(1, 1, 100)
    rig.signals.send(SIGTERM)
    thread.join(10)
    assert rig.tap.tries == tries
    assert rig.tap.started_with == [10, 7]
    header, dumped = rig.disk.dumped
    assert dumped == {1: (4, 400)}
    assert len(header.gaps) == 1
    assert capsys.readouterr().err.count("disappeared") == 1
    rig.close()


def test_commands_work_while_the_interface_is_gone(rig: Rig) -> None:
    rig.tap.count(1, 3, 300)
    rig.tap.end("gone")
    rig.signals.send(SIGINT)
    thread = threading.Thread(target=rig.run)
    thread.start()
    (status,) = answers(ask(rig, "status"))
    assert status["state"] == "waiting for the interface"
    rig.signals.send(SIGTERM)
    thread.join(10)
    assert rig.disk.blocks[0][1] == {1: (3, 300)}


def test_an_unexpected_error_still_dumps(rig: Rig) -> None:
    rig.tap.count(1, 3, 300)
    rig.signals.send(SIGUSR1)

    def mistake() -> tuple[int, int, int]:
        rig.tap.kernel = lambda: (0, 0, 0)  # type: ignore[method-assign]
        raise ZeroDivisionError

    rig.tap.kernel = mistake  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        rig.run()
    assert rig.disk.dumped
    assert rig.disk.dumped[1] == {1: (3, 300)}


class CountingScreen:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[Shown, dict[int, tuple[int, int]]]] = []

    def draw(self, table: Table, shown: Shown) -> None:
        self.shown.append((shown, sums(table)))
        if len(self.shown) == 3:
            raise OSError(5, "the terminal is gone")


def test_a_screen_sees_the_table_and_may_go_away(foreground: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_DRAW_EVERY_S", 0.01)
    monkeypatch.setattr(loop_module, "_DRAW_SHARE", 0)
    foreground.tap.count(1, 3, 300)
    screen = CountingScreen()
    threading.Timer(0.3, foreground.signals.send, (SIGTERM,)).start()
    foreground.loop.run(screen)
    assert len(screen.shown) == 3
    assert screen.shown[0][1] == {1: (3, 300)}
    assert screen.shown[0][0].interface == "nope0"
    assert sums(foreground.tap.table) == {1: (3, 300)}


def test_the_interface_is_read_when_five_minutes_of_utc_begin(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    step = loop_module.STEP_NS
    monkeypatch.setattr(loop_module.host, "utc_ns", lambda: 1000 * step - 2 * 10**9)
    real, cuts = rig.keeper.cut, []
    monkeypatch.setattr(rig.keeper, "cut", lambda: cuts.append(1) or real())
    due = loop_module._next_step()
    assert 1 < due - time.monotonic() <= 2
    rig.loop._observe_at = time.monotonic()
    rig.signals.send(SIGTERM)
    rig.run()
    assert len(cuts) == 2  # one for the series, one for the dump
    assert 0 < rig.loop._observe_at - due < 2
