"""How a log grows, by its own blocks, and what it comes to in a year of what is kept."""

import os
from pathlib import Path

import pytest
from blocks import record, table
from lives import HOUR, NOON, grow, header, intact

from bpft.growth import Growth, growth
from bpft.keeping import apply, keep
from bpft.logfile import LogWriter
from bpft.rotation import rotation

DAY = 24


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "trafd.eth0"


def test_a_day_of_hours(log: Path) -> None:
    grow(log, range(30))
    found = growth(log)
    assert found.size == log.stat().st_size
    assert found.saved_ns == NOON + 30 * HOUR
    assert found.per_day == found.size * 24 // 30
    assert found.per_year(None) == found.per_day * 365


def test_only_the_last_week_counts(log: Path) -> None:
    writer = LogWriter(log)
    for number in range(0, 10 * DAY, 6):
        rows = b"".join(record(src=source) for source in range(1000 if number < 2 * DAY else 1))
        writer.append(header(number, 6 * HOUR), table((4, rows)))
    small = intact(log)[-1].length
    assert growth(log).per_day == pytest.approx(4 * small, rel=0.02)


def test_too_little_says_nothing(log: Path) -> None:
    LogWriter(log).append(header(0, HOUR // 10), table((4, record())))
    assert (growth(log).per_day, growth(log).per_year(None)) == (None, None)
    assert growth(log).saved_ns


@pytest.mark.parametrize("there", [True, False])
def test_no_log(log: Path, there: bool) -> None:
    assert growth(log if there else log / "none" / "trafd.eth0") == Growth()


def test_undated_blocks_say_nothing(log: Path) -> None:
    LogWriter(log).append(header(0, begin_ns=1, end_ns=HOUR, clock_synchronised=False), table((4, record())))
    assert growth(log).saved_ns == 0


def test_rotated_files_count_and_damage_ends_the_look(log: Path) -> None:
    writer = LogWriter(log, rotation("daily", "UTC"))
    for number in range(40):
        writer.append(header(number), table((4, record())))
    found = growth(log)
    assert found.size > 2 * log.stat().st_size
    assert found.full_ns == 40 * HOUR
    with log.with_name("trafd.eth0-2026-11-22").open("ab") as file:
        file.write(b"garbage")
    assert 0 < growth(log).full_ns < 40 * HOUR


def test_what_is_rolled_up_is_measured(log: Path) -> None:
    log.with_name(".trafd.eth0.lock").touch()
    grow(log, range(0, 60 * DAY, 2))
    stages = keep("31d,400d:day+no-ports")
    before = growth(log)
    assert before.per_day
    assert before.per_year(stages) == before.per_day * 365  # Nothing is known of what it shrinks to.
    list(apply(log, stages, NOON / 1e9 + 60 * DAY * 3600, None, []))
    after = growth(log)
    assert after.per_day == before.per_day
    year = after.per_year(stages)
    assert year
    rolled = after.rolled_bytes / (after.rolled_ns / HOUR / DAY)
    assert year == pytest.approx(31 * after.per_day + 334 * rolled, rel=0.01)


@pytest.mark.parametrize(
    ("stages", "days"), [("31d", 31), ("400d", 365), ("31d,90d:day", 90), ("forever", 365), ("0h,100d:day", 100)]
)
def test_what_is_deleted_takes_nothing(stages: str, days: int) -> None:
    found = Growth(full_bytes=24_000, full_ns=24 * HOUR)
    assert found.per_year(keep(stages)) == days * 24_000


def test_thousands_of_blocks_are_not_all_read(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpft.growth._MOST_BLOCKS", 5)
    grow(log, range(30))
    assert growth(log).full_ns == 5 * HOUR


def test_a_log_that_must_not_be_read(log: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    grow(log, [0])
    log.chmod(0)
    with pytest.raises(Exception, match="permission"):
        growth(log)
