"""The tap: one table through captures that end and begin again."""

import os
import threading
from pathlib import Path

import pytest
from daemon_parts import add, sums

from bpft.core import LiveError, Table
from bpft.daemon import tap as tap_module
from bpft.daemon.settings import Settings
from bpft.daemon.tap import NOT_THERE, Tap
from bpft.errors import CannotCapture
from bpft.host.interface import InterfaceInfo
from bpft.paths import paths


class FakeCapture:
    """core.Capture's calls; counts what count() is told, ends when told so."""

    link_type = 1
    error = ""
    engine, exact, fallback, buffer_bytes = "ring", True, "", 1 << 26

    def __init__(self) -> None:
        self.table: Table | None = None
        self.received = 0
        self.closed = False
        self.outcome = "stopped"
        self._end = threading.Event()

    def count(self, packets: int) -> None:
        assert self.table is not None
        add(self.table, 1, packets, packets * 100)
        self.received += packets

    def end(self, outcome: str) -> None:
        self.outcome = outcome
        self.error = "The interface disappeared"
        self._end.set()

    def run(self, table: Table, count: int = 0) -> str:
        assert self.table is not None, "a table is put in before the thread starts"
        self._end.wait()
        return self.outcome

    def swap(self, table: Table, merge: bool = False, settle: bool = False) -> Table:
        assert not self.closed
        previous, self.table = self.table, table
        if merge and previous is not None:
            table.merge(previous)
        return table if previous is None else previous

    def stop(self) -> None:
        self._end.set()

    def stats(self) -> tuple[int, int, int]:
        if self.outcome == "gone":
            raise LiveError(-1, "gone")
        return self.received, 1, 0

    def fds(self) -> tuple[int, ...]:
        return (98, 99)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[FakeCapture]:
    """The captures opened so far."""
    found: list[FakeCapture] = []

    def open_live(*_: object, **__: object) -> FakeCapture:
        found.append(FakeCapture())
        return found[-1]

    monkeypatch.setattr(tap_module, "open_live", open_live)
    monkeypatch.setattr(tap_module.host, "interface_info", lambda name: InterfaceInfo(name, up=True, index=7, mtu=1500))
    return found


def settings(tmp_path: Path) -> Settings:
    return Settings("nope0", "x", paths(str(tmp_path)), filter="udp", promiscuous=False)


def test_a_table_put_in_before_the_start_is_counted_into(tmp_path: Path, opened: list[FakeCapture]) -> None:
    """-r: what was dumped goes on."""
    tap = Tap(settings(tmp_path))
    assert tap.descriptors == [98, 99]
    resumed = Table()
    add(resumed, 1, 5, 500)
    tap.swap(resumed)
    tap.start()
    opened[0].count(2)
    assert sums(tap.swap(Table())) == {1: (7, 700)}
    tap.stop()


def test_stopping_leaves_the_table_with_the_tap(tmp_path: Path, opened: list[FakeCapture]) -> None:
    tap = Tap(settings(tmp_path))
    tap.start()
    opened[0].count(2)
    tap.stop()
    assert opened[0].closed
    assert not tap.capturing
    more = Table()
    add(more, 1, 1, 100)
    tap.swap(more, merge=True)
    assert sums(tap.swap(Table())) == {1: (3, 300)}
    assert tap.kernel() == (2, 1, 0)
    tap.stop()


def test_gone_and_back(tmp_path: Path, opened: list[FakeCapture], monkeypatch: pytest.MonkeyPatch) -> None:
    tap = Tap(settings(tmp_path))
    ended = tap.start()
    opened[0].count(2)
    assert tap.kernel() == (2, 1, 0)
    opened[0].end("gone")
    assert tap.outcome() == ("gone", "The interface disappeared")
    tap.release()
    assert tap.kernel() == (2, 1, 0)  # the last figures stand
    monkeypatch.setattr(tap_module.host, "interface_info", lambda name: None)
    assert tap.reopen() == NOT_THERE
    monkeypatch.setattr(tap_module.host, "interface_info", lambda name: InterfaceInfo(name, up=True, index=8))
    assert tap.reopen() == ""
    assert tap.start(3) == ended
    opened[1].count(4)
    assert tap.kernel() == (6, 2, 0)
    header = tap.header("dump")
    assert (header.interface_index, header.link_types) == (8, (1,))
    assert sums(tap.swap(Table())) == {1: (6, 600)}
    tap.stop()


@pytest.mark.parametrize(
    ("name", "said"),
    [("nope1", "is called nope1 now, and is not followed there"), ("", "The interface disappeared")],
)
def test_a_device_is_not_followed(
    tmp_path: Path, opened: list[FakeCapture], monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    """A tap is of a name: it ends when the device is called otherwise, or is no more."""
    monkeypatch.setattr(tap_module, "name_of", lambda index: "nope0" if index == 7 else "")
    tap = Tap(settings(tmp_path))
    tap.start()
    tap.check_name()
    assert tap.working
    monkeypatch.setattr(tap_module, "name_of", lambda index: name)
    tap.check_name()
    assert tap.outcome() == ("stopped", said)
    tap.release()
    assert tap.reopen() == ""
    tap.stop()


@pytest.mark.parametrize(
    ("interface", "info", "may"),
    [
        ("eth0", InterfaceInfo("eth0"), True),
        ("lo", InterfaceInfo("lo", loopback=True), False),
        ("any", None, False),
        ("nflog:1", None, True),
    ],
)
def test_what_may_have_to_be_opened_again(
    tmp_path: Path,
    opened: list[FakeCapture],
    monkeypatch: pytest.MonkeyPatch,
    interface: str,
    info: InterfaceInfo | None,
    may: bool,
) -> None:
    monkeypatch.setattr(tap_module.host, "interface_info", lambda name: info)
    tap = Tap(Settings(interface, "x", paths(str(tmp_path))))
    assert tap.may_vanish is may
    tap.start()
    opened[0].end("gone")
    tap.outcome()
    tap.release()
    assert tap.reopen() == ("" if info is None else "it is down")
    tap.stop()


def test_warnings_of_libpcap_and_a_small_buffer_are_told_once(
    tmp_path: Path, opened: list[FakeCapture], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FakeCapture, "error", "Promiscuous mode not supported")
    monkeypatch.setattr(FakeCapture, "buffer_bytes", 1 << 19)
    tap = Tap(settings(tmp_path))
    first = capsys.readouterr().err
    assert "warning: nope0: Promiscuous mode not supported\n" in first
    assert "warning: nope0: the kernel holds 524 kB for us, not " in first
    tap.release()
    assert tap.reopen() == ""
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(tap_module.sys, "platform", "freebsd14")
    assert tap_module._more(1 << 22) == "not 4.2 MB; allow it with: sysctl net.bpf.maxbufsize=4194304"
    tap.stop()


def test_a_fallback_is_told_once(
    tmp_path: Path, opened: list[FakeCapture], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """auto without the ring: one message, however often it opens; what is estimated once is not called exact again."""
    monkeypatch.setattr(FakeCapture, "engine", "pcap")
    monkeypatch.setattr(FakeCapture, "exact", False)
    monkeypatch.setattr(FakeCapture, "fallback", "its kind of link is left to libpcap")
    tap = Tap(settings(tmp_path))
    assert (tap.engine, tap.counting) == ("pcap", "wire-estimated")
    tap.start()
    opened[0].end("gone")
    tap.outcome()
    tap.release()
    assert tap.reopen() == ""
    assert capsys.readouterr().err == "trafd: nope0: counting through libpcap: its kind of link is left to libpcap\n"
    tap.release()
    monkeypatch.undo()
    monkeypatch.setattr(FakeCapture, "fallback", "")
    monkeypatch.setattr(tap_module, "open_live", lambda *_, **__: FakeCapture())
    monkeypatch.setattr(tap_module.host, "interface_info", lambda name: InterfaceInfo(name, up=True, index=7))
    assert tap.reopen() == ""
    assert (tap.header("save").engine, tap.header("save").counting) == ("ring", "wire-estimated")
    tap.stop()


@pytest.mark.parametrize(
    ("engine", "exact", "mtu", "counting"),
    [
        ("ring", True, None, "wire-exact"),
        ("pcap", False, 1500, "wire-estimated"),
        ("pcap", False, None, "as-captured"),
        ("reference", False, 1500, "as-captured"),
    ],
)
def test_how_merged_frames_are_counted(
    tmp_path: Path,
    opened: list[FakeCapture],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    exact: bool,
    mtu: int | None,
    counting: str,
) -> None:
    """C2: the engine says whether it is exact; an estimate needs an MTU, which "any" has not."""
    monkeypatch.setattr(FakeCapture, "engine", engine)
    monkeypatch.setattr(FakeCapture, "exact", exact)
    monkeypatch.setattr(tap_module.host, "interface_info", lambda name: InterfaceInfo(name, up=True, mtu=mtu))
    assert Tap(settings(tmp_path)).header("save").counting == counting
    monkeypatch.setattr(tap_module.host, "interface_info", lambda name: None)
    assert Tap(settings(tmp_path)).counting == (counting if exact else "as-captured")


def test_why_it_does_not_come_back(tmp_path: Path, opened: list[FakeCapture], monkeypatch: pytest.MonkeyPatch) -> None:
    tap = Tap(settings(tmp_path))
    tap.start()
    opened[0].end("gone")
    tap.outcome()
    tap.release()

    def refuse(*_: object, **__: object) -> FakeCapture:
        raise CannotCapture("nope0", "it is down; bring it up first")

    monkeypatch.setattr(tap_module, "open_live", refuse)
    assert "down" in tap.reopen()
    assert not tap.capturing


def test_what_a_block_says_of_the_interface(tmp_path: Path, opened: list[FakeCapture]) -> None:
    tap = Tap(settings(tmp_path))
    dump, save = tap.header("dump"), tap.header("save")
    assert (dump.role, dump.min_all, save.role, save.min_all) == ("dump", 0, "save", 1024)
    assert (save.interface, save.filter, save.key_mode, save.promiscuous) == ("nope0", "udp", "full", False)
    assert (save.source, save.engine, save.counting, save.snaplen, save.mtu) == (
        "live",
        "ring",
        "wire-exact",
        128,
        1500,
    )
    assert save.host == os.uname().nodename
    assert save.software.startswith("bpft ")
