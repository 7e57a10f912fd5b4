"""Presence: when the interface is looked for, what is told, and that links which change all the time cost little."""

import os
import time
from collections.abc import Iterator

import pytest

from bpft.daemon import presence
from bpft.daemon.presence import Presence
from bpft.daemon.tap import DOWN, NOT_THERE
from bpft.host.watch import name_of, watch_links


class FakeTap:
    """Says why it does not come back, and counts who asks."""

    def __init__(self) -> None:
        self.capturing = True
        self.why = NOT_THERE
        self.checks = self.tries = 0

    def check_name(self) -> None:
        self.checks += 1

    def reopen(self) -> str:
        self.tries += 1
        self.capturing = not self.why
        return self.why


class FakeWatch:
    """A pipe; change() is a word from the kernel."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def fileno(self) -> int:
        return self._read

    def change(self) -> dict[int, int]:
        os.write(self._write, b".")
        return {self._read: 1}

    def take(self) -> None:
        os.read(self._read, 100)

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def watch() -> Iterator[FakeWatch]:
    it = FakeWatch()
    yield it
    it.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, to be set."""
    now = [1000.0]
    monkeypatch.setattr(presence.time, "monotonic", lambda: now[0])
    return now


def test_while_it_captures_only_a_change_is_a_reason_to_look(watch: FakeWatch, clock: list[float]) -> None:
    tap = FakeTap()
    it = Presence("eth0", tap, watch)  # type: ignore[arg-type]
    assert it.deadline() == 1000
    assert not it.look()
    assert (tap.checks, it.deadline()) == (1, float("inf"))
    assert it.watched() == {watch.fileno(): 1}
    it.hear({})
    assert not it.look()
    it.hear(watch.change())
    assert not it.look()
    assert (tap.checks, tap.tries) == (2, 0)


def test_changes_that_never_end_are_heard_five_times_a_second(watch: FakeWatch, clock: list[float]) -> None:
    tap = FakeTap()
    it = Presence("eth0", tap, watch)  # type: ignore[arg-type]
    it.look()
    for _ in range(100):
        if it.watched():
            it.hear(watch.change())
        it.look()
        assert it.deadline() <= clock[0] + presence.REST_S
        clock[0] += 0.01
    assert 5 <= tap.checks - 1 <= 6


def test_without_word_it_looks_each_second(clock: list[float]) -> None:
    tap = FakeTap()
    it = Presence("eth0", tap, None)
    assert it.watched() == {}
    for _ in range(50):
        it.hear({})
        it.look()
        clock[0] += 0.1
    assert tap.checks == 5


def test_a_lost_one_is_looked_for_at_once_then_rarely_and_at_each_change(
    watch: FakeWatch, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    tap = FakeTap()
    it = Presence("eth0", tap, watch)  # type: ignore[arg-type]
    it.look()
    tap.capturing = False
    it.lost()
    assert not it.look()
    assert (tap.tries, it.deadline()) == (1, 1010)
    for _ in range(100):
        clock[0] += 0.1
        it.look()
    assert tap.tries == 2
    tap.why = DOWN
    clock[0] += 0.3
    it.hear(watch.change())
    assert not it.look()
    tap.why = "no memory"
    clock[0] += 10
    assert not it.look()
    clock[0] += 1  # It is there: nothing will tell when it can be opened.
    assert not it.look()
    assert capsys.readouterr().err == f"trafd: eth0: {DOWN}\ntrafd: eth0: no memory\n", "each reason once"
    tap.why = ""
    it.hear(watch.change())
    assert it.look()
    assert tap.tries == 6


def test_the_kernels_own_watch() -> None:
    """What it says itself is only that something changed; nothing waits where nothing did."""
    found = watch_links()
    if found is None:
        pytest.skip("this system has none")
    begin = time.monotonic()
    found.take()
    assert time.monotonic() - begin < 1
    found.close()
    assert name_of(1 << 30) == ""
