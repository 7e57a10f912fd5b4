"""The control socket against rubbish, slow and dead clients; and the client against a strange daemon."""

import contextlib
import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpft.control_client import NoAnswer, SocketAddress, ask, fetch, listens, runs, tell
from bpft.daemon import control as control_module
from bpft.daemon.control import MAX_CLIENTS, Control
from bpft.daemon.pidfile import HeldFile
from bpft.errors import AlreadyCounted, CannotWrite, NotRunning, Unreachable
from bpft.paths import paths
from bpft.source import Source


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    it = Control(tmp_path / "c.sock")
    yield it
    it.close()
    it.hang_up()


def connect(tmp_path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(str(tmp_path / "c.sock"))
    return connection


def turn(control: Control, wait: float = 0.0) -> list[str]:
    """One turn of the loop, in which each request is answered; the commands that came."""
    poll = select.poll()
    for fd, events in control.watched().items():
        poll.register(fd, events)
    requests = control.serve(dict(poll.poll(wait * 1000)))
    for client, command in requests:
        control.answer(client, True, f"did {command}", records=3)
    return [command for _, command in requests]


def test_a_request_and_its_answer(control: Control, tmp_path: Path) -> None:
    with connect(tmp_path) as client:
        client.sendall(b'{"command": "dump"}\n')
        assert turn(control) == []  # accepted
        assert turn(control) == ["dump"]
        assert json.loads(client.recv(4096)) == {"ok": True, "message": "did dump", "records": 3}
        assert client.recv(1) == b""


def test_only_user_and_group_may_ask(control: Control, tmp_path: Path) -> None:
    assert (tmp_path / "c.sock").stat().st_mode & 0o777 == 0o660


def test_a_request_in_pieces_or_without_an_end(control: Control, tmp_path: Path) -> None:
    with connect(tmp_path) as client:
        turn(control)
        for byte in b'{"command": "save"}':
            client.sendall(bytes([byte]))
            assert turn(control) == []
        client.shutdown(socket.SHUT_WR)
        assert turn(control) == ["save"]
        assert b"did save" in client.recv(4096)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n",
        b"\xff\xfe\n",
        b"[]\n",
        b'"dump"\n',
        b'{"command": ["dump"]}\n',
        b'{"command": "format c:"}\n',
        b'{"commando": "dump"}\n',
        b"[" * 3000 + b"\n",
        b"x" * 5000,
    ],
)
def test_rubbish_is_told_so(control: Control, tmp_path: Path, rubbish: bytes) -> None:
    with connect(tmp_path) as client:
        turn(control)
        client.sendall(rubbish)
        for _ in range(3):
            assert turn(control) == []
        with contextlib.suppress(ConnectionResetError):
            assert json.loads(client.recv(4096))["ok"] is False
    assert len(control.watched()) == 1


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=6000))
def test_no_bytes_hurt(control: Control, tmp_path: Path, rubbish: bytes) -> None:
    with connect(tmp_path) as client:
        turn(control)
        client.sendall(rubbish)
    for _ in range(4):
        turn(control)
    assert len(control.watched()) == 1


def test_who_says_nothing_is_cut_off(control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "PATIENCE_S", 0.02)
    with connect(tmp_path) as client:
        turn(control)
        assert control.deadline() is not None
        time.sleep(0.03)
        turn(control)
        assert client.recv(1) == b""
    assert control.deadline() is None


def test_who_waits_is_not_cut_off_and_may_die(control: Control, tmp_path: Path) -> None:
    client = connect(tmp_path)
    client.sendall(b'{"command": "save"}\n')
    control.serve(dict.fromkeys(control.watched(), select.POLLIN))
    ((waiting, command),) = control.serve(dict.fromkeys(control.watched(), select.POLLIN))
    assert command == "save"
    assert control.deadline() is None
    client.close()
    assert turn(control) == []
    control.answer(waiting, True, "done")
    assert len(control.watched()) == 1


def test_a_slow_reader_blocks_nobody(control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "PATIENCE_S", 0.2)
    with connect(tmp_path) as client:
        client.sendall(b'{"command": "status"}\n')
        control.serve(dict.fromkeys(control.watched(), select.POLLIN))
        ((waiting, _),) = control.serve(dict.fromkeys(control.watched(), select.POLLIN))
        began = time.monotonic()
        control.answer(waiting, True, "x" * 5_000_000)
        assert time.monotonic() - began < 0.2
        with connect(tmp_path) as other:
            other.sendall(b'{"command": "dump"}\n')
            turn(control)
            assert turn(control) == ["dump"]
        time.sleep(0.25)
        turn(control)
    assert len(control.watched()) == 1


def test_a_long_answer_may_take_its_time_but_not_for_ever(
    control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "PATIENCE_S", 0.1)
    monkeypatch.setattr(control_module, "SLOWEST", 10_000_000)
    (tmp_path / "body").write_bytes(bytes(5_000_000))
    with connect(tmp_path) as client:
        client.sendall(b'{"command": "table"}\n')
        control.serve(dict.fromkeys(control.watched(), select.POLLIN))
        ((waiting, _),) = control.serve(dict.fromkeys(control.watched(), select.POLLIN))
        control.answer(waiting, True, "x", Source(tmp_path / "body"))
        time.sleep(0.2)
        turn(control)
        assert len(control.watched()) == 2
        time.sleep(0.5)
        turn(control)
        assert len(control.watched()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b'{"ok": true, "message": "", "length": 10}\nshort',
        b'{"ok": true, "message": "", "length": 5}\nlonger',
        b'{"ok": true, "message": "", "length": 5}\nblock',
        b'{"ok": true, "message": ""}\n',
        b'{"ok": false, "message": "not a request"}\n',
        b"",
    ],
)
def test_fetch_from_a_strange_daemon(tmp_path: Path, answer: bytes) -> None:
    thread = daemon_that_says(tmp_path, answer)
    with pytest.raises(NoAnswer, match="eth0"):
        fetch(paths(str(tmp_path)), "eth0")
    thread.join()


def test_too_many_clients_wait_outside(control: Control, tmp_path: Path) -> None:
    clients = []
    for _ in range(MAX_CLIENTS + 2):
        clients.append(connect(tmp_path))
        turn(control)
    assert len(control.watched()) == MAX_CLIENTS
    for client in clients:
        client.close()
    while len(control.watched()) > 1:
        turn(control)


def test_a_leftover_is_replaced_and_the_socket_removed(tmp_path: Path) -> None:
    (tmp_path / "c.sock").write_text("left by a crash")
    control = Control(tmp_path / "c.sock")
    connect(tmp_path).close()
    control.close()
    assert not (tmp_path / "c.sock").exists()


def test_the_socket_of_another_daemon_is_left_alone(tmp_path: Path) -> None:
    """Somebody removed ours, and another one listens at its name."""
    first = Control(tmp_path / "c.sock")
    second = Control(tmp_path / "c.sock")
    first.close()
    connect(tmp_path).close()
    second.close()
    assert not (tmp_path / "c.sock").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite):
        Control(tmp_path / "absent" / "c.sock")


def test_paths_longer_than_an_address(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    control = Control(deep / "c.sock")
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    with socket.socket(socket.AF_UNIX) as client, SocketAddress(deep / "c.sock") as address:
        client.connect(address)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
    control.close()
    assert not (deep / "c.sock").exists()


# ---- the client ----


def _socket(tmp_path: Path) -> str:
    """Where the trafd of eth0 below tmp_path listens."""
    path = paths(str(tmp_path)).socket("eth0")
    path.parent.mkdir(parents=True)
    return os.path.relpath(path)


def daemon_that_says(tmp_path: Path, answer: bytes) -> threading.Thread:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(_socket(tmp_path))
    listener.listen()

    def serve() -> None:
        with listener:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_ask(tmp_path: Path) -> None:
    thread = daemon_that_says(tmp_path, b'{"ok": true, "message": "done"}\n')
    assert ask(paths(str(tmp_path)), "eth0", "dump") == {"ok": True, "message": "done"}
    thread.join()


@pytest.mark.parametrize("answer", [b"", b"{", b"rubbish\n", b"\xff\n", b"[]\n"])
def test_ask_a_strange_daemon(tmp_path: Path, answer: bytes) -> None:
    thread = daemon_that_says(tmp_path, answer)
    with pytest.raises(NoAnswer, match="eth0"):
        ask(paths(str(tmp_path)), "eth0", "dump")
    thread.join()


def test_ask_nobody(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="trafstart eth0"):
        ask(paths(str(tmp_path)), "eth0", "dump")
    Path(_socket(tmp_path)).write_text("")
    with pytest.raises(NotRunning):
        ask(paths(str(tmp_path)), "eth0", "dump")


def test_ask_one_whose_socket_was_removed(tmp_path: Path) -> None:
    """It is found by its lock, until it ends."""
    where = paths(str(tmp_path))
    where.run.mkdir(parents=True)
    held = HeldFile(where.interface_lock("eth0"), AlreadyCounted, "eth0")
    assert not runs(where, "eth0")
    held.write_pid()
    assert runs(where, "eth0")
    with pytest.raises(Unreachable, match=f"kill {os.getpid()}"):
        ask(where, "eth0", "stop")
    held.release()
    assert not runs(where, "eth0")
    where.interface_lock("eth0").write_text(f"{os.getpid()}\n")  # as after a crash, and the id is another's now
    assert not runs(where, "eth0")
    with pytest.raises(NotRunning):
        ask(where, "eth0", "stop")


def test_ask_one_who_sleeps(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(_socket(tmp_path))
        listener.listen()
        with pytest.raises(NoAnswer, match="timed out"):
            ask(paths(str(tmp_path)), "eth0", "dump", timeout=0.05)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b'{"ok": true, "message": "saved 3 records", "records": 3}\n', (True, "saved 3 records")),
        (b'{"ok": false, "message": "No space left"}\n', (False, "No space left")),
        (b'{"ok": true, "message": "to /a\\"b/\\u00fc"}\n', (True, 'to /a"b/\u00fc')),
        (b'{"message": "the other way round", "ok": true}\n', (True, "the other way round")),
        (b'{"ok": 1, "message": "no boolean"}\n', (False, "no boolean")),
    ],
)
def test_tell_reads_an_answer_with_and_without_json(tmp_path: Path, answer: bytes, found: tuple[bool, str]) -> None:
    thread = daemon_that_says(tmp_path, answer)
    assert tell(paths(str(tmp_path)), "eth0", "dump") == found
    thread.join()


def test_a_leftover_listens_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    assert not listens(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert not listens(path)
        listener.listen()
        assert listens(path)
    assert not listens(path)
