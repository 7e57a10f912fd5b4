"""bpft top on a terminal, as tmux shows it: keys, sizes, no colours, no library; and what keys do."""

import os
import re
import shutil
import signal as signals
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import programs
import pytest
from blocks import record, table
from looked_at import SECOND, Daemon, at

from bpft.core import Table
from bpft.record import Counters, Header
from bpft.report.resolve import HostNames
from bpft.report.scope import Scopes
from bpft.top.change import change
from bpft.top.label import Labels
from bpft.top.page import page
from bpft.top.source import Reading
from bpft.top.viewer import QUIT, SWITCH, Viewer
from bpft.top.watch import Watch

NEAR = 0x0A000000
HOSTS = 50


def traffic(look: int) -> tuple[Header, Table]:
    """Host n sends n kB a second to a server, which answers; a second passes from look to look."""
    rows = b"".join(
        record(src=NEAR + n, dst=0x01010101, sport=40000 + n, dport=443, flags=2, packets=1 + look, all=1000 * n * look)
        + record(src=0x01010101, dst=NEAR + n, sport=443, dport=40000 + n, flags=1, packets=1 + look, all=10 + look)
        for n in range(1, HOSTS + 1)
    )
    six = record(6, src=0x20010DB8 << 96 | 1, dst=0x20010DB8 << 96 | 2, sport=50000, dport=53, proto=17, all=99 + look)
    return at(look + 1, counters=Counters(received=10_000, dropped=look)), table((4, rows), (6, six))


# ---- keys and pages ----


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def viewer() -> Viewer:
    watch = Watch(Labels(HostNames(patience=0.0), numeric=True), Scopes())
    made = Viewer(watch, {"eth0": True, "wlan0": True})
    last = None
    for look in range(4):
        header, held = traffic(look)
        dense = {version: held.view(version).records(0, 1000) for version in (4, 6)}
        watch.take(Reading(header, dense, None if last is None else change(last, dense), 10**9))
        last = dense
    return made


def text(viewer: Viewer) -> list[str]:
    """The lines of its page, each as wide as the screen."""
    lines = ["".join(text for _, text in line) for line in page(viewer)]
    assert len(lines) == viewer.height
    assert {len(line) for line in lines} == {viewer.width}
    return [line.rstrip() for line in lines]


def rows(viewer: Viewer) -> list[list[str]]:
    return [line.split() for line in text(viewer)[5:-1] if line.strip()]


def press(viewer: Viewer, *keys: str) -> None:
    for key in keys:
        assert viewer.press(key) == ""


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 10), (20, 5), (300, 100), (10, 2), (1, 1)])
@pytest.mark.parametrize("keys", [(), ("?",), ("2",), ("3", "/"), ("4", "u", "u"), ("p",)])
def test_a_page_is_as_large_as_the_screen(viewer: Viewer, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    viewer.width, viewer.height = size
    press(viewer, *keys)
    text(viewer)


def test_hosts(viewer: Viewer) -> None:
    lines = text(viewer)
    assert lines[0].split() == ["bpft", "top", "eth0", "(1", "of", "2)", "as", "of", lines[0].split()[-1]]
    assert "101 flows since" in lines[1]
    assert "3 packets dropped (0.03 %), 1 just now" in lines[1]
    assert lines[3].split() == ["Host", "bit/s", "in", "2s", "out", "2s", "*2s", "10s", "60s", "total"]
    assert lines[4].split()[0] == "all"
    assert rows(viewer)[0] == ["1.1.1.1", "10.2M", "400", "10.2M", "10.2M", "10.2M", "3.83MB"]
    assert rows(viewer)[1] == ["10.0.0.50", "8", "400k", "400k", "400k", "400k", "150kB"]


def test_addresses_of_one_network_are_told_apart(viewer: Viewer) -> None:
    """What does not fit goes from their middle; of names it is the end that goes."""
    net = 0xFD77_1234_5678_9ABC_DEF0_1234_5678_0000
    held = {6: b"".join(record(6, src=net + n, dst=net, all=1000 * n) for n in (1, 2))}
    viewer.watch.take(Reading(at(9), held, held, 10**9))
    press(viewer, "/", *"net fd77::/16", "enter")
    for width in (40, 80):
        viewer.width = width
        for view, count in (("1", 3), ("2", 2)):
            press(viewer, view)
            names = [line.partition("  ")[0] for line in text(viewer)[5:-1] if line]
            assert len(set(names)) == len(names) == count, names
    assert rows(viewer)[0][:2] == ["fd77:123~4:5678:0", "fd77:123~4:5678:2"]


def test_a_narrow_page_says_what_matters(viewer: Viewer) -> None:
    """Nothing is cut in its middle; what was lost is told rather than since when."""
    viewer.width, viewer.height = 40, 10
    lines = text(viewer)
    assert lines[0].startswith(" eth0 (1 of 2)  ") or lines[0].startswith(" bpft top  eth0 (1 of 2) ")
    assert lines[1].startswith(" 101 flows, 3 packets dropped")
    assert lines[2] == " 1 Hosts 2 Pairs 3 Services 4 Scopes"
    assert lines[-1] == " ? help  q quit  Tab view  s sort"
    press(viewer, "/", *"tcp", "enter")
    assert lines[0] != text(viewer)[2] == " 1 Hosts 2 3 4   /tcp"
    press(viewer, "/", *"x" * 60)
    assert text(viewer)[-1] == " filter: " + "x" * 30 + "_"


def test_fewer_rows_than_were_scrolled_by(viewer: Viewer) -> None:
    """A save began a new table: what is left of it is seen, not the emptiness behind it."""
    press(viewer, *["page down"] * 2)
    assert viewer.offset > 10
    held = {4: record(src=NEAR + 1, dst=0x01010101, all=1000)}
    for look in range(100):
        viewer.watch.take(Reading(at(20 + look), held, {}, 10**9))
    assert [row[0] for row in rows(viewer)] == ["1.1.1.1", "10.0.0.1"]
    press(viewer, "enter")
    assert [row[:2] for row in rows(viewer)] == [["10.0.0.1", "1.1.1.1"]], "the row that is marked"


def test_what_was_saved_a_moment_ago_is_seen_while_it_is_in_the_last_minute(viewer: Viewer) -> None:
    for look in range(4):
        viewer.watch.take(Reading(at(20 + look), {}, {}, 10**9))
    assert rows(viewer)[0][0] == "1.1.1.1"
    assert rows(viewer)[0][3] == "0"
    assert rows(viewer)[0][5] != "0"


def test_the_row_that_a_zoom_takes_is_marked(viewer: Viewer) -> None:
    def marked() -> list[str]:
        return ["".join(text for _, text in line).split()[0] for line in page(viewer) if "selected" in line[0][0]]

    assert marked() == ["1.1.1.1"]
    press(viewer, "down")
    assert marked() == ["10.0.0.50"]
    press(viewer, "s", "s", "s", "s")  # by what came in, of which it has least
    assert marked() == ["1.1.1.1"]
    press(viewer, "enter")
    assert "1.1.1.1" in text(viewer)[2]


def test_a_daemon_that_waits_for_its_interface(viewer: Viewer) -> None:
    now = at(30)
    viewer.watch.take(Reading(now._replace(gaps=((now.end_ns - 9 * SECOND, now.end_ns),)), {}, {}, 10**9))
    assert text(viewer)[1] == " waiting for the interface since 12:00:21, 0 flows, no packet dropped"
    viewer.watch.take(Reading(now._replace(gaps=((now.begin_ns, now.end_ns - SECOND),)), {}, {}, 10**9))
    assert text(viewer)[1].startswith(" 0 flows since 12:00:00, ")


def test_help_of_any_size(viewer: Viewer) -> None:
    press(viewer, "?")
    assert "  p or blank        pause: counting goes on" in "\n".join(text(viewer))
    viewer.width, viewer.height = 40, 10
    seen = text(viewer)[1:-1]
    for _ in range(5):
        press(viewer, "page down")
        seen += text(viewer)[1:-1]
    assert max(map(len, seen)) < 40
    assert "since the last save." in " ".join(line.strip() for line in seen)
    assert text(viewer)[-1].startswith(" Up Down more")
    press(viewer, "q")
    assert "Hosts" in text(viewer)[2], "any key goes back"


def test_a_name_that_is_learnt_later_fits_a_filter_from_then_on(tmp_path: Path, viewer: Viewer) -> None:
    names = HostNames(patience=0.0)
    viewer.watch.labels = Labels(names)
    press(viewer, "/", *"printer", "enter")
    assert rows(viewer) == [["nothing", "fits"]]
    names._known["10.0.0.7"] = "printer.example"
    assert [row[0] for row in rows(viewer)] == ["printer.example"]
    press(viewer, "n")
    assert rows(viewer) == [["nothing", "fits"]]


def test_a_look_that_comes_less_often_says_so(viewer: Viewer) -> None:
    header, held = traffic(9)
    dense = {version: held.view(version).records(0, 1000) for version in (4, 6)}
    viewer.watch.take(Reading(header, dense, {}, 18 * 10**9))
    assert text(viewer)[0].endswith(", each 18 s")
    assert rows(viewer)[0][1:4] == ["0", "0", "0"], "nothing moved in all that time"


def test_sorting(viewer: Viewer) -> None:
    press(viewer, "s", "s", "s")
    assert "*total" in text(viewer)[3]
    press(viewer, "s", "s")
    assert "*out 2s" in text(viewer)[3]
    assert [row[0] for row in rows(viewer)[:2]] == ["10.0.0.50", "10.0.0.49"]
    press(viewer, "S")
    assert "*in 2s" in text(viewer)[3]
    assert rows(viewer)[0][0] == "1.1.1.1"


def test_selecting_and_scrolling(viewer: Viewer) -> None:
    press(viewer, *["down"] * 30)
    assert viewer.offset == 30 - viewer.room + 1
    assert rows(viewer)[-1][0] == "10.0.0.21"
    press(viewer, "page down", "page down", "page down")
    assert rows(viewer)[-1][0] == "2001:db8::1" or rows(viewer)[-1][0] == "2001:db8::2"
    press(viewer, "home")
    assert viewer.offset == 0


def test_the_selection_stays_with_its_host(viewer: Viewer) -> None:
    press(viewer, "down", "down")
    assert viewer.selected is not None
    assert viewer.selected.addresses == ("10.0.0.49",)
    press(viewer, "p")
    found = viewer.picture()
    assert found is not None
    assert viewer.place(viewer.keys(found)) == 2


def test_zooming_and_back(viewer: Viewer) -> None:
    press(viewer, "down", "enter")
    assert "10.0.0.50" in text(viewer)[2]
    assert [row[:2] for row in rows(viewer)] == [["10.0.0.50", "1.1.1.1"]]
    press(viewer, "enter")
    assert [row[0] for row in rows(viewer)] == ["443/6"]
    press(viewer, "enter")
    assert sorted(row[0] for row in rows(viewer)) == ["1.1.1.1", "10.0.0.50"]
    assert text(viewer)[2].endswith("1 Hosts   2   3   4    10.0.0.50 > 10.0.0.50 + 1.1.1.1 > 443/6")
    viewer.width = 40
    assert text(viewer)[2] == " 1 Hosts 2 3 4   ...50 + 1.1.1.1 > 443/6"
    viewer.width = 80
    press(viewer, "esc", "esc", "esc")
    assert viewer.watch.view.name == "hosts"
    assert len(rows(viewer)) == viewer.room


def test_zooming_into_a_scope(viewer: Viewer) -> None:
    press(viewer, "4", "enter")
    assert text(viewer)[2].endswith("Internet")
    assert "2001:db8::1" in {row[0] for row in rows(viewer)} or "1.1.1.1" in {row[0] for row in rows(viewer)}
    press(viewer, "esc")
    assert viewer.watch.view.name == "scopes"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("10.0.0.4", {"10.0.0.4", "1.1.1.1"}),
        ("10.0.0.4/31", {"10.0.0.4", "10.0.0.5", "1.1.1.1"}),
        ("udp", {"2001:db8::1", "2001:db8::2"}),
        ("port 53 and ip6", {"2001:db8::1", "2001:db8::2"}),
        (":db8:", {"2001:db8::1", "2001:db8::2"}),
        (".0.4", {"10.0.0.4", *(f"10.0.0.4{n}" for n in range(10))}),
        ("nobody", set()),
    ],
)
def test_filters(viewer: Viewer, typed: str, shown: set[str]) -> None:
    press(viewer, "/", *typed, "enter")
    assert {row[0] for row in rows(viewer) if row != ["nothing", "fits"]} == shown
    assert f"/{typed}" in text(viewer)[2]
    press(viewer, "esc")
    assert len(rows(viewer)) == viewer.room


def test_a_filter_that_cannot_be_used_can_be_mended(viewer: Viewer) -> None:
    press(viewer, "/", *"host and", "enter")
    assert text(viewer)[1].startswith(" filter expression: can't parse filter expression: syntax error")
    assert text(viewer)[-1].startswith(" filter: host and_")
    press(viewer, *["backspace"] * 8, *"tcp", "enter")
    assert viewer.watch.filter == "tcp"
    press(viewer, "/", "esc")
    assert viewer.watch.filter == "tcp"


def test_a_pause_loses_nothing(viewer: Viewer) -> None:
    before = text(viewer)
    press(viewer, "p")
    for look in range(4, 9):
        header, held = traffic(look)
        dense = {version: held.view(version).records(0, 1000) for version in (4, 6)}
        gained = {4: record(src=NEAR + 9, dst=0x01010101, all=1000)}
        viewer.watch.take(Reading(header, dense, gained, 10**9))
    assert "PAUSED" in text(viewer)[0]
    assert text(viewer)[1:] == before[1:]
    press(viewer, " ")
    found = viewer.picture()
    assert found is not None
    assert found.windows[0].everything(0) == 2000
    assert found.windows[1].span_ns == 8 * 10**9


def test_switching_quitting_and_units(viewer: Viewer) -> None:
    assert viewer.press("i") == SWITCH
    assert viewer.interface == "wlan0"
    assert viewer.press("I") == SWITCH
    assert viewer.interface == "eth0"
    press(viewer, "u")
    assert rows(viewer)[0][-1] == "3.65MiB"
    press(viewer, "u")
    assert rows(viewer)[0][-1] == "3,825,650B"
    press(viewer, "?")
    assert "quit" in "".join(text(viewer))
    press(viewer, "x")
    assert viewer.press("q") == QUIT


# ---- on a terminal ----

TMUX = shutil.which("tmux")
needs_tmux = pytest.mark.skipif(TMUX is None, reason="no tmux here")


class Terminal:
    """A command in a tmux of its own."""

    def __init__(self, place: Path, columns: int, lines: int, *command: str, **environment: str) -> None:
        self._socket = ["-S", str(place / "tmux"), "-f", "/dev/null"]
        settings = [f"{name}={value}" for name, value in {**programs.ENVIRONMENT, **environment}.items()]
        words = ["env", *settings, "sh", "-c", 'trap : INT; "$@"; echo "ended $?"; exec sleep 600', "sh", *command]
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(lines), *words)

    def _tmux(self, *words: str) -> str:
        return subprocess.run([str(TMUX), *self._socket, *words], check=True, capture_output=True, text=True).stdout

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def kill(self, signal: str) -> None:
        """The program, not the shells above it."""
        top = int(self._tmux("list-panes", "-F", "#{pane_pid}"))
        found = subprocess.run(["ps", "-eo", "pid,ppid,args"], check=True, capture_output=True, text=True).stdout
        lines = [line.split(None, 2) for line in found.splitlines()[1:]]
        below = {top}
        for pid, parent, _ in lines:  # in the order of their numbers
            if int(parent) in below:
                below.add(int(pid))
        (pid,) = (int(pid) for pid, _, args in lines if int(pid) in below and args.startswith(sys.executable))
        os.kill(pid, getattr(signals, f"SIG{signal}"))

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def shown(self, styled: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e"] if styled else []))

    def until(self, fits: Callable[[str], bool]) -> str:
        """What is shown once it fits."""
        deadline = time.monotonic() + 20
        while not fits(found := self.shown()):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def close(self) -> None:
        subprocess.run([str(TMUX), *self._socket, "kill-server"], check=False, capture_output=True)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path, "eth0", traffic)
    yield made
    made.close()


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def top(tmp_path: Path) -> list[str]:
    return [sys.executable, "-m", "bpft", "top", "-n", "--root", str(tmp_path), "--interval", "0.2"]


@needs_tmux
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_screen(tmp_path: Path, daemon: Daemon, terminals: list[Terminal], size: tuple[int, int]) -> None:
    pytest.importorskip("urwid")
    terminal = Terminal(tmp_path, *size, *top(tmp_path), TERM="tmux-256color")
    terminals.append(terminal)
    lines = terminal.until(lambda shown: "400k" in shown and "10.0.0.50" in shown).splitlines()
    assert len(lines) == size[1]
    assert lines[0].startswith(" bpft top  eth0")
    assert len([line for line in lines if "10.0.0." in line]) == size[1] - 7  # and the server
    assert ("in total" in lines[3]) == (size[0] == 120)
    assert lines[-1].startswith(" ? help  q quit")
    terminal.keys("2")
    terminal.until(
        lambda shown: " Hosts " in shown.splitlines()[3] and re.search("10.0.0.50 +1.1.1.1 +8 ", shown) is not None
    )
    terminal.keys("q")
    terminal.until(lambda shown: "ended 0" in shown)
    assert daemon.looks >= 2


@needs_tmux
def test_a_screen_that_changes_its_size(tmp_path: Path, daemon: Daemon, terminals: list[Terminal]) -> None:
    pytest.importorskip("urwid")
    terminal = Terminal(tmp_path, 80, 24, *top(tmp_path), TERM="tmux-256color")
    terminals.append(terminal)
    terminal.until(lambda shown: "10.0.0.50" in shown)
    for columns, lines in ((120, 40), (40, 12), (20, 4), (80, 24)):
        terminal.resize(columns, lines)
        shown = terminal.until(
            lambda shown, lines=lines: len(shown.splitlines()) == lines and "? help" in shown.splitlines()[-1]
        )
        assert max(map(len, shown.splitlines())) <= columns
    terminal.keys("C-c")
    terminal.until(lambda shown: "ended 0" in shown)


@needs_tmux
def test_colours_can_be_refused(tmp_path: Path, daemon: Daemon, terminals: list[Terminal]) -> None:
    pytest.importorskip("urwid")
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "curses.py").write_text("raise ImportError\n")
    without_curses = os.pathsep.join([str(tmp_path / "without"), programs.ENVIRONMENT["PYTHONPATH"]])
    for environment, colours in (
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "vt100"}, False),
        ({"TERM": "nobody-knows-it"}, True),
        ({"TERM": "vt100", "PYTHONPATH": without_curses}, True),
    ):
        place = tmp_path / str(len(terminals))
        place.mkdir()
        terminal = Terminal(place, 80, 24, *top(tmp_path), **{"TERM": "tmux-256color", **environment})
        terminals.append(terminal)
        terminal.until(lambda shown: "10.0.0.50" in shown)
        assert bool(re.search("[\\[;]44m", terminal.shown(styled=True))) == colours, environment


@needs_tmux
def test_without_the_library_the_page_is_drawn_over_itself(
    tmp_path: Path, daemon: Daemon, terminals: list[Terminal]
) -> None:
    (tmp_path / "urwid.py").write_text("raise ImportError\n")
    path = os.pathsep.join([str(tmp_path), programs.ENVIRONMENT["PYTHONPATH"]])
    terminal = Terminal(tmp_path, 80, 24, *top(tmp_path), TERM="tmux-256color", PYTHONPATH=path)
    terminals.append(terminal)
    lines = terminal.until(lambda shown: "400k" in shown).splitlines()
    assert lines[-1].startswith(" Ctrl-C ends; keys need ")
    assert len([line for line in lines if "10.0.0." in line]) == 17
    terminal.keys("C-c")
    terminal.until(lambda shown: "ended 0" in shown)


@needs_tmux
@pytest.mark.parametrize("signal", ["TERM", "HUP", "INT", "QUIT"])
@pytest.mark.parametrize("keys", ["", "</dev/null"])
def test_a_signal_puts_the_terminal_back(
    tmp_path: Path, daemon: Daemon, terminals: list[Terminal], signal: str, keys: str
) -> None:
    command = ["sh", "-c", f'echo before; "$@" {keys} & wait $!', "sh", *top(tmp_path)]
    if not keys:
        command = ["bash", "-c", 'trap : QUIT; echo before; "$@"', "bash", *top(tmp_path)]
    terminal = Terminal(tmp_path, 80, 24, *command, TERM="tmux-256color")
    terminals.append(terminal)
    terminal.until(lambda shown: "400k" in shown)
    terminal.kill(signal)
    shown = terminal.until(lambda shown: "ended 0" in shown)
    assert ("before" in shown) == (not keys), "it had a screen of its own"
    assert "Traceback" not in shown


@needs_tmux
@pytest.mark.parametrize("keys", ["", "</dev/null"])
def test_a_terminal_that_does_not_know_its_size(
    tmp_path: Path, daemon: Daemon, terminals: list[Terminal], keys: str
) -> None:
    command = ["sh", "-c", f'stty cols 0 rows 0; "$@" {keys}', "sh", *top(tmp_path)]
    terminal = Terminal(tmp_path, 100, 40, *command, TERM="tmux-256color")
    terminals.append(terminal)
    lines = terminal.until(lambda shown: "400k" in shown).splitlines()
    assert lines[0].startswith(" bpft top  eth0")
    assert "out 2s" in lines[3]


@needs_tmux
def test_what_a_thread_dies_of_is_seen(tmp_path: Path, daemon: Daemon, terminals: list[Terminal]) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import bpft.top.source as source\n"
        "was, looks = source.Attached.read, []\n"
        "def read(self):\n    looks.append(1)\n    assert len(looks) < 4, 'the fourth look'\n    return was(self)\n"
        "source.Attached.read = read\n"
    )
    path = os.pathsep.join([str(tmp_path), programs.ENVIRONMENT["PYTHONPATH"]])
    terminal = Terminal(tmp_path, 80, 24, *top(tmp_path), TERM="tmux-256color", PYTHONPATH=path)
    terminals.append(terminal)
    shown = terminal.until(lambda shown: "ended 1" in shown)
    assert "AssertionError: the fourth look" in shown


@needs_tmux
def test_a_narrow_terminal_without_keys(tmp_path: Path, daemon: Daemon, terminals: list[Terminal]) -> None:
    """Its last line would wrap and push the first one out."""
    command = ["sh", "-c", '"$@" </dev/null', "sh", *top(tmp_path)]
    terminals.append(Terminal(tmp_path, 40, 10, *command, TERM="tmux-256color"))
    lines = terminals[0].until(lambda shown: "400k" in shown).splitlines()
    assert "eth0" in lines[0]
    assert lines[-1].startswith(" Ctrl-C ends; keys need a")


@needs_tmux
def test_without_a_keyboard(tmp_path: Path, daemon: Daemon, terminals: list[Terminal]) -> None:
    command = ["sh", "-c", '"$@" </dev/null', "sh", *top(tmp_path)]
    terminals.append(Terminal(tmp_path, 80, 24, *command, TERM="tmux-256color"))
    shown = terminals[0].until(lambda shown: "400k" in shown)
    assert shown.splitlines()[-1].startswith(" Ctrl-C ends; keys need ")


@needs_tmux
def test_several_interfaces(tmp_path: Path, daemon: Daemon, terminals: list[Terminal]) -> None:
    pytest.importorskip("urwid")
    other = Daemon(tmp_path, "wlan0", traffic)
    terminal = Terminal(tmp_path, 80, 24, *top(tmp_path), "eth0", "wlan0", TERM="tmux-256color")
    terminals.append(terminal)
    terminal.until(lambda shown: "eth0 (1 of 2)" in shown and "400k" in shown)
    terminal.keys("i")
    terminal.until(lambda shown: "wlan0 (2 of 2)" in shown and "400k" in shown)
    other.close()
    terminal.until(lambda shown: "wlan0: no trafd runs here; start one with: trafstart wlan0" in shown)
    terminal.keys("i")
    terminal.until(lambda shown: "eth0 (1 of 2)" in shown and "flows since" in shown)


@needs_tmux
def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path, daemon: Daemon, terminals: list[Terminal]) -> None:
    terminal = Terminal(tmp_path, 100, 40, *top(tmp_path), "-c", "2", "--top", "3", TERM="dumb")
    terminals.append(terminal)
    shown = terminal.until(lambda shown: "ended 0" in shown)
    assert shown.count("eth0: 101 flows") == 2
