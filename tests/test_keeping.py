"""How long what is kept: stages by age, deletion behind the last, a budget that deletes nothing; sums stay exact."""

from datetime import UTC, timedelta
from pathlib import Path

import pytest
from blocks import record, table
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import HOUR, NOON, chained, counting, figures, grow, header, intact, keys, totals

from bpft import keeping, verify
from bpft.cli.main import run
from bpft.errors import UsageError
from bpft.keeping import Stage, keep
from bpft.logfile import LogWriter
from bpft.record import Header
from bpft.retention import Reduction, compact, expire
from bpft.rotation import rotation

DAY = 24
NOW = NOON // 10**9  # of hour 0


def at(hours: float) -> float:
    """UTC seconds, so many hours behind NOON."""
    return NOW + hours * 3600


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "trafd.eth0"
    path.with_name(".trafd.eth0.lock").touch()  # A trafd appends to it.
    return path


def apply(log: Path, text: str, now_s: float) -> list[str]:
    troubles: list[str] = []
    done = list(keeping.apply(log, keep(text), now_s, UTC, troubles))
    assert troubles == []
    return done


# ---- what is asked for ----


def test_the_services_keep() -> None:
    assert keep(keeping.SERVICE).stages == (
        Stage(timedelta(days=31)),
        Stage(timedelta(days=400), "day", Reduction(drop_ports=True)),
    )


def test_all_forms() -> None:
    assert keep("12h,1w:hour,1y:month+/24/48+no-ports,forever:month+/16/32+no-ports").stages[2:] == (
        Stage(timedelta(hours=8766), "month", Reduction(True, (24, 48))),
        Stage(None, "month", Reduction(True, (16, 32))),
    )


BAD = (
    ", ; 31 ; 31d, ; 31d,12h:day ; 31d:weekly ; 31d,400d"
    " ; forever,31d:day ; 0h ; 31d,forever:day+day ; 31d:/33/48 ; 31d:/24 ; 1d:day,2d: ; 31d,400d:day no-ports"
)


@pytest.mark.parametrize("text", ["", *BAD.split(" ; ")])
def test_what_makes_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match=r"--keep .*: use stages of age and form"):
        keep(text)


# ---- by age ----


def test_stages_one_after_the_other(log: Path) -> None:
    before = grow(log, range(0, 100 * DAY, 6))
    told = apply(log, "31d,400d:day+no-ports", at(100 * DAY))
    assert len(told) == 1
    assert told[0].startswith(f"{log}: 400 blocks became ")
    after = intact(log)
    full = [block for block in after if block.header.key_mode == "full"]
    assert [block.id for block in full] == [block.id for block in before[-len(full) :]]
    assert 31 * 4 <= len(full) <= 32 * 4  # A day counts once it is that old as a whole.
    assert keys(after, ports=False) == keys(before, ports=False)
    assert figures(after) == figures(before)
    assert chained(log)
    assert apply(log, "31d,400d:day+no-ports", at(100 * DAY)) == []


def test_what_is_behind_the_last_stage_is_deleted(log: Path) -> None:
    before = grow(log, range(0, 50 * DAY, 12))
    told = apply(log, "10d,30d:day", at(50 * DAY))
    assert told[-1].startswith(f"{log}: 20 blocks older than 30 d deleted; ")
    after = intact(log)
    oldest = min(block.header.begin_ns for block in after)
    assert NOON + 19 * DAY * HOUR <= oldest <= NOON + 20 * DAY * HOUR
    kept = [block for block in before if block.header.begin_ns >= oldest]
    assert totals(after) == totals(kept)
    [checked] = verify.verify([log])
    assert not checked.findings


def test_the_last_block_stays_whatever_its_age(log: Path) -> None:
    last = grow(log, range(3))[-1]
    assert apply(log, "1d", at(90 * DAY)) == [f"{log}: 2 blocks older than 1 d deleted; {told_sizes(log, 3)}"]
    assert [block.id for block in intact(log)] == [last.id]
    LogWriter(log).append(header(90 * DAY), table((4, record())))
    assert intact(log)[-1].header.sequence == 3


def told_sizes(log: Path, blocks: int) -> str:
    copy = log.with_name("copy")
    grow(copy, range(blocks))
    return f"{keeping.messages.size(copy.stat().st_size)} before, {keeping.messages.size(log.stat().st_size)} now"


def test_a_file_that_holds_nothing_any_more_goes(log: Path) -> None:
    writer = LogWriter(log, rotation("monthly", "UTC"))
    for day in range(0, 100, 5):
        writer.append(header(day * DAY), table((4, record())))
    other = log.with_name("trafd.eth0.5")  # The log of another interface, by its lock.
    grow(other, [0])
    other.with_name(".trafd.eth0.5.lock").touch()
    stranger = log.with_name("trafd.eth0.txt")
    stranger.write_text("notes")
    assert len(keeping.files(log)) == 4
    told = apply(log, "40d", at(95 * DAY))
    assert len(told) == 3
    assert [path.name for path in keeping.files(log)] == ["trafd.eth0-2027-01", "trafd.eth0"]
    assert len(intact(other)) == 1
    assert stranger.read_text() == "notes"


# ---- before the clock was set ----


def undated(hours: int, minutes: int = 30) -> Header:
    """A block of a machine that began in 1970."""
    begin = hours * HOUR
    return header(
        hours + 5000, begin_ns=begin, end_ns=begin + minutes * HOUR // 60, clock_synchronised=False, host="probe"
    )


def test_blocks_without_a_date_are_as_old_as_the_next_that_has_one(log: Path) -> None:
    writer = LogWriter(log)
    for number in range(2):
        writer.append(undated(number), table((4, record(src=number + 1))))
    grow(log, range(0, 40 * DAY, 12))
    before = intact(log)
    assert apply(log, "60d,90d:day+no-ports", at(40 * DAY)) == []
    apply(log, "31d,90d:day+no-ports", at(40 * DAY))
    after = intact(log)
    assert [block.header.is_undated for block in after[:3]] == [True, True, False]
    assert [block.header.key_mode for block in after[:2]] == ["no-ports", "no-ports"]
    assert keys(after, ports=False) == keys(before, ports=False)
    apply(log, "31d,35d:day+no-ports", at(40 * DAY))
    assert not any(block.header.is_undated for block in intact(log))


def test_blocks_without_a_date_that_nothing_follows_stay(log: Path) -> None:
    writer = LogWriter(log)
    for number in range(3):
        writer.append(undated(number), table((4, record())))
    data = log.read_bytes()
    assert apply(log, "1d,2d:month+no-ports", at(5000 * DAY)) == []
    assert log.read_bytes() == data


# ---- by size ----


def fit(log: Path, budget: int, text: str = "", now_s: float = at(40 * DAY)) -> list[str]:
    troubles: list[str] = []
    done = list(keeping.fit(log, budget, keep(text) if text else None, now_s, UTC, troubles))
    assert troubles == []
    return done


def test_a_budget_rolls_up_the_oldest_first(log: Path) -> None:
    before = grow(log, range(0, 40 * DAY, 2))
    size = log.stat().st_size
    budget = size * 7 // 10
    told = fit(log, budget, "100d,400d:day+no-ports")
    assert told
    assert all("over its budget of" in line for line in told)
    after = intact(log)
    assert log.stat().st_size <= budget * 0.91
    full = [block for block in after if block.header.key_mode == "full"]
    assert len(full) > len(before) // 4  # No more than had to be.
    assert [block.id for block in full] == [block.id for block in before[-len(full) :]]
    assert keys(after, ports=False) == keys(before, ports=False)
    assert chained(log)
    assert fit(log, budget, "100d,400d:day+no-ports") == []


def test_a_budget_reaches_rotated_files_first(log: Path) -> None:
    writer = LogWriter(log, rotation("monthly", "UTC"))
    for number in range(0, 40 * DAY, 2):
        writer.append(header(number), table((4, record(sport=number))))
    before = [block for path in keeping.files(log) for block in intact(path)]
    newest = log.read_bytes()
    fit(log, keeping.size(log) * 95 // 100)
    assert log.read_bytes() == newest
    assert keys(counting(*keeping.files(log)), ports=False) == keys(before, ports=False)


def test_a_budget_that_nothing_meets_deletes_nothing(log: Path) -> None:
    before = grow(log, range(0, 40 * DAY, 12))
    troubles: list[str] = []
    told = list(keeping.fit(log, 100, None, at(80 * DAY), UTC, troubles))
    assert told
    [trouble] = troubles
    assert trouble.endswith(
        ", with a budget of 100 B, though all is rolled up; nothing was deleted: raise the budget or keep less"
    )
    after = intact(log)
    assert len(after) == 3  # Two months, and the last block.
    assert keys(after, ports=False) == keys(before, ports=False)
    assert list(keeping.fit(log, 100, None, at(80 * DAY), UTC, troubles)) == []
    assert len(troubles) == 2


@settings(max_examples=20)
@given(st.integers(5, 100), st.sampled_from(["", "2d,30d:day", "1d,3d:day+no-ports,30d:month+no-ports"]))
def test_any_budget_is_met_or_refused(percent: int, text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "trafd.eth0"
        before = grow(log, range(0, 10 * DAY, 3))
        budget = log.stat().st_size * percent // 100
        troubles: list[str] = []
        list(keeping.fit(log, budget, keep(text) if text else None, at(10 * DAY), UTC, troubles))
        assert (log.stat().st_size > budget) == bool(troubles)
        assert keys(intact(log), ports=False) == keys(before, ports=False)


# ---- what cannot be read ----


def test_a_damaged_file_stays_and_the_others_are_done(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = log.with_name("trafd.eth0-2026-11")
    grow(damaged, range(4))
    with damaged.open("ab") as file:
        file.write(b"garbage")
    data = damaged.read_bytes()
    grow(log, range(10 * DAY, 12 * DAY))
    troubles: list[str] = []
    [told] = keeping.apply(log, keep("1d,90d:day"), at(20 * DAY), UTC, troubles)
    assert told.startswith(f"{log}: 48 blocks became ")
    [trouble] = troubles
    assert trouble.startswith(f"{damaged}: 7 bytes at byte ")
    assert damaged.read_bytes() == data
    capsys.readouterr()
    assert run(["compact", "--keep", "forever:month", "--budget", "1M", str(log)]) == 1
    assert capsys.readouterr().err.startswith(f"bpft: {damaged}: 7 bytes at byte ")


# ---- the command ----


def test_the_command(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grow(log, range(0, 40 * DAY, 12))
    assert run(["compact", "--keep", "forever:day+no-ports", "--zone", "UTC", str(log)]) == 0
    assert " became " in capsys.readouterr().out
    assert run(["compact", "--keep", "forever:day+no-ports", "--zone", "UTC", str(log)]) == 0
    assert capsys.readouterr().out == f"{log}: nothing to compact\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--keep", "31d", "--to", "day"], "go with --zone alone"),
        (["--keep", "31d:wee"], "use stages"),
        (["--budget", "200"], "--budget '200': use a size"),
        (["--budget", "big"], "--budget 'big': use a size"),
    ],
)
def test_bad_commands(log: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    grow(log, [0])
    assert run(["compact", *arguments, str(log)]) == 127
    assert told in capsys.readouterr().err


def test_a_log_that_is_not_there(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compact", "--keep", "31d", str(log)]) == 1
    assert capsys.readouterr().err == f"bpft: {log}: no such log, nor one that rotation made of it\n"


def test_expire_and_compact_of_nothing(log: Path) -> None:
    log.touch()
    assert not expire(log, at(0)).is_other
    assert not compact(log, next(keep("forever:day").compactions(at(0), UTC))).is_other
