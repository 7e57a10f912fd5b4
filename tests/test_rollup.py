"""Retention at work: when it runs, that it runs beside the daemon, and what it says."""

import os
import time
from pathlib import Path

import pytest
from lives import HOUR, header, intact, some

from bpft import host, messages
from bpft.daemon import rollup
from bpft.daemon.rollup import RollUp
from bpft.daemon.settings import Settings
from bpft.logfile import LogWriter
from bpft.paths import paths

DAY_NS = 86_400 * 10**9
NOW = 1_800_000_000 * 10**9


@pytest.fixture(autouse=True)
def no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests may have a clock that nobody keeps right."""
    monkeypatch.setattr(host, "clock_synchronised", lambda: None)


class Rig:
    """Clocks that stand until they are moved; starts are counted, not made."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
        options = {"retention": "31d", "zone": "UTC"} | options
        self.settings = Settings("eth0", "eth0", paths(str(root)), **options)  # type: ignore[arg-type]
        self.settings.paths.logs.mkdir(parents=True)
        self.log = self.settings.paths.log("eth0")
        self.utc_ns, self.boot_ns, self.started = NOW, 10**12, 0
        monkeypatch.setattr(host, "utc_ns", lambda: self.utc_ns)
        monkeypatch.setattr(host, "boottime_ns", lambda: self.boot_ns)
        self.it = RollUp(self.settings)
        monkeypatch.setattr(self.it, "_start", self._start)

    def _start(self) -> None:
        self.started += 1

    def save(self, hours: float = 1) -> int:
        """An hour later; how often it was started so far."""
        self.utc_ns += int(hours * 3600e9)
        self.boot_ns += int(hours * 3600e9)
        self.it.saved()
        return self.started


def test_once_a_day_after_the_second_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch)
    assert [rig.save() for _ in range(4)] == [0, 1, 1, 1]
    assert [rig.save(12) for _ in range(4)] == [2, 2, 3, 3]


def test_nothing_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, retention="")
    assert [rig.save() for _ in range(4)][-1] == 0


def test_not_by_a_clock_that_was_just_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch)
    rig.save()
    rig.utc_ns += 5000 * DAY_NS
    assert rig.save() == 0
    rig.utc_ns -= 5000 * DAY_NS
    assert rig.save() == 0
    assert rig.save() == 1


@pytest.mark.parametrize(
    ("synchronised", "starts"), [(False, [0, 0, 0, 0, 0, 0, 1, 2, 3]), (None, [*range(9)]), (True, [*range(9)])]
)
def test_a_clock_far_ahead_of_the_log_that_nobody_keeps_right_gets_a_week(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    synchronised: bool | None,
    starts: list[int],
) -> None:
    """Else a board that starts in 2032 by its broken clock deletes all that it ever saved."""
    rig = Rig(tmp_path, monkeypatch)
    LogWriter(rig.log).append(header(begin_ns=NOW - 2000 * DAY_NS - HOUR, end_ns=NOW - 2000 * DAY_NS), some())
    monkeypatch.setattr(host, "clock_synchronised", lambda: synchronised)
    rig.it = RollUp(rig.settings)
    monkeypatch.setattr(rig.it, "_start", rig._start)
    assert [rig.save(24) for _ in range(9)] == starts
    assert capsys.readouterr().err.count("2002 days ahead of the log, and nothing keeps it right") == (
        synchronised is False
    )


def test_a_log_of_yesterday_raises_no_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch)
    LogWriter(rig.log).append(header(begin_ns=NOW - DAY_NS - HOUR, end_ns=NOW - DAY_NS), some())
    monkeypatch.setattr(host, "clock_synchronised", lambda: False)
    rig.it = RollUp(rig.settings)
    monkeypatch.setattr(rig.it, "_start", rig._start)
    assert [rig.save() for _ in range(3)] == [0, 1, 1]


def test_not_in_1970(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch)
    rig.utc_ns = 0
    assert [rig.save() for _ in range(30)][-1] == 0


def test_a_budget_does_not_wait_for_tomorrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, retention="", budget=1_000_000)
    rig.log.write_bytes(bytes(1_000_000))
    assert [rig.save(0.01) for _ in range(3)] == [0, 1, 1]
    rig.log.with_name("trafd.eth0.1").write_bytes(b"x")
    assert [rig.save(0.01) for _ in range(2)] == [2, 3]
    rig.it._is_stuck = True  # It could not: tomorrow again.
    assert [rig.save(0.01) for _ in range(2)] == [3, 3]


def test_a_directory_that_goes_away_harms_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, retention="", budget=1_000_000)
    rig.log.parent.rmdir()
    assert [rig.save(0.01) for _ in range(3)] == [0, 1, 1]


# ---- the real thing ----


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(messages, "notice", lambda text: found.append(f"notice {text}"))
    monkeypatch.setattr(messages, "error", lambda text: found.append(f"error {text}"))
    return found


def finish(it: RollUp) -> None:
    deadline = time.monotonic() + 60
    while it.is_running and time.monotonic() < deadline:
        it.poll()
        time.sleep(0.02)
    assert not it.is_running


def at_work(root: Path, damaged: bool = False, **options: object) -> tuple[RollUp, Path]:
    settings = Settings("eth0", "eth0", paths(str(root)), zone="UTC", **options)  # type: ignore[arg-type]
    settings.paths.logs.mkdir(parents=True)
    settings.paths.lock("eth0").touch()
    writer, begin = LogWriter(settings.paths.log("eth0")), time.time_ns() // DAY_NS * DAY_NS - 100 * DAY_NS
    for number in range(40):
        times = {"begin_ns": begin + number * HOUR, "end_ns": begin + (number + 1) * HOUR}
        writer.append(header(number, **times), some(number))  # type: ignore[arg-type]
    if damaged:
        with settings.paths.log("eth0").open("ab") as file:
            file.write(b"x")
    it = RollUp(settings)
    it.saved()
    it.saved()
    return it, settings.paths.log("eth0")


def test_it_rolls_up_and_tells(tmp_path: Path, told: list[str]) -> None:
    it, log = at_work(tmp_path, retention="31d,forever:day+no-ports")
    assert it.is_running
    it.saved()  # Another save meanwhile starts no second one.
    finish(it)
    assert [line.partition(" blocks")[0] for line in told] == [f"notice {log}: 40"]
    assert len(intact(log)) < 5


def test_a_failure_is_an_error(tmp_path: Path, told: list[str]) -> None:
    it, log = at_work(tmp_path, retention="31d", damaged=True)
    finish(it)
    [line] = told
    assert line.startswith(f"error {log}: 1 bytes at byte ")
    assert line.endswith("first make a repaired copy: bpft verify --repair")
    it.saved()
    assert not it.is_running


def test_a_daemon_that_stops_breaks_it_off(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "_bpft", lambda: (["sh", "-c", "exec sleep 1000", "sh"], dict(os.environ)))
    it, log = at_work(tmp_path, retention="31d")
    began = time.monotonic()
    it.close()
    assert not it.is_running
    assert time.monotonic() - began < 5
    assert len(intact(log)) == 40


def test_it_cannot_be_run(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "_bpft", lambda: (["/nowhere/bpft"], {}))
    it, log = at_work(tmp_path, retention="31d")
    assert not it.is_running
    assert told == [f"error {log}: cannot run /nowhere/bpft: No such file or directory; nothing is rolled up"]
