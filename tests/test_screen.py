"""The live table of --foreground."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest
from daemon_parts import add

from bpft import messages
from bpft.cli.screen import TerminalScreen, hosts
from bpft.core import Table
from bpft.daemon.loop import Shown

_SHOWN = Shown("eth0", True, 100, 3, 60.0)


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, int]]:
    """A terminal, and the other side of it."""
    outer, inner = pty.openpty()
    with os.fdopen(inner, "w") as stream:
        yield stream, outer
    os.close(outer)
    messages.before = None


def table() -> Table:
    it = Table()
    record = struct.Struct("=4s4s2s2sBBHQQQ")
    for src, dst, size in ((1, 2, 5000), (2, 1, 1000), (3, 3, 70)):
        ends = bytes((10, 0, 0, src)), bytes((10, 0, 0, dst))
        it.add_records(4, record.pack(*ends, b"\0\1", b"\0\2", 6, 0, 0, 10, size, 0))
    six = struct.Struct("=16s16s2s2sBBHQQQ")
    it.add_records(6, six.pack(b"\xfd" + bytes(15), b"\xfd" + bytes(14) + b"\1", b"\0\1", b"\0\2", 6, 0, 0, 1, 90, 0))
    return it


def test_hosts_with_what_they_sent_and_received() -> None:
    lines = [line.split() for line in hosts(table(), 3)]
    assert lines[0] == ["Host", "Sent", "Received", "All", "Packets"]
    assert [line[0] for line in lines[1:]] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert lines[1][1:] == ["5.00", "kB", "1.00", "kB", "6.00", "kB", "20"]
    assert len(list(hosts(table(), 15))) == 1 + 5
    assert len(list(hosts(Table(), 15))) == 1


def read(outer: int) -> str:
    """What comes until it is quiet: a terminal hands on what was written in its own time."""
    found = b""
    while select.select([outer], [], [], 0.1)[0]:
        found += os.read(outer, 65536)
    return found.decode()


@pytest.mark.parametrize(("columns", "lines"), [(100, 30), (0, 0), (40, 8)])
def test_drawn_over_itself(terminal: tuple[TextIO, int], columns: int, lines: int) -> None:
    stream, outer = terminal
    fcntl.ioctl(stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    screen = TerminalScreen(stream)
    it = table()
    screen.draw(it, _SHOWN)
    first = read(outer)
    assert "eth0" in first
    assert "10.0.0.2" in first
    assert "Ctrl-C saves" in first
    assert max(len(line) for line in first.splitlines()) < (columns or 80)
    assert first.count("\n") < (lines or 24)
    if not columns:
        assert "3 packets dropped" in first
    screen.draw(it, _SHOWN)
    assert read(outer).startswith(f"\x1b[{first.count(chr(10))}A\x1b[J")


def test_messages_scroll_by_above(terminal: tuple[TextIO, int], monkeypatch: pytest.MonkeyPatch) -> None:
    stream, outer = terminal
    monkeypatch.setattr(sys, "stderr", stream)
    screen = TerminalScreen(stream)
    screen.draw(table(), _SHOWN)
    drawn = read(outer).count("\n")
    messages.info("saved")
    assert read(outer) == f"\x1b[{drawn}A\x1b[Jtrafd: saved\r\n"
    screen.draw(table(), _SHOWN)
    assert read(outer).startswith("eth0")


def test_the_cap_and_the_wait_are_shown(terminal: tuple[TextIO, int]) -> None:
    capped = Table(max_flows=2)
    for port in range(50):
        add(capped, port, 1, 100)
    assert any(line.startswith(("other", "0.0.0.0")) for line in hosts(capped, 5))
    stream, outer = terminal
    TerminalScreen(stream).draw(capped, Shown("eth0", False, 0, 0, 1.0))
    assert "waiting for the interface" in read(outer)


def test_a_terminal_held_with_ctrl_s_is_not_waited_for(terminal: tuple[TextIO, int]) -> None:
    stream, _outer = terminal
    screen = TerminalScreen(stream)
    termios.tcflow(stream.fileno(), termios.TCOOFF)
    screen.draw(table(), _SHOWN)
    screen.clear()
    termios.tcflow(stream.fileno(), termios.TCOON)
