"""What was recorded before the clock was set: told apart, never of 1970, never missing without a word."""

import json
from pathlib import Path

import pytest
from blocks import record, table
from lives import HOUR, NOON, grow, header

from bpft.cli.main import run
from bpft.logfile import LogWriter
from bpft.record import Counters, Header
from bpft.report.completeness import Completeness
from bpft.report.coverage import Coverage
from bpft.report.period import Period


def undated(number: int = 0) -> Header:
    """Half an hour, 20 s after the machine began in 1970."""
    begin = 20 * 10**9
    counters = Counters(seen=1, counted=1, direction={"rx": (1, 5000, 1, 5000)})
    fields = {"begin_ns": begin, "end_ns": begin + HOUR // 2, "clock_synchronised": False, "counters": counters}
    return header(number + 500, **fields)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "trafd.eth0"
    LogWriter(path).append(undated(), table((4, record(src=9, all=4986))))
    grow(path, range(2))
    return path


def test_only_a_clock_that_was_not_set_makes_a_block_undated() -> None:
    assert undated().is_undated
    assert not header(0, clock_synchronised=False).is_undated  # A machine without NTP.
    assert not Header(begin_ns=1, end_ns=2, source="import").is_undated  # Nobody said so.
    assert not Header(begin_ns=1, end_ns=2, clock_synchronised=True).is_undated


def test_an_undated_block_lies_in_no_period() -> None:
    assert Period().takes(undated())
    assert not Period(end=NOON).takes(undated())
    assert not Period(begin=0, end=NOON).takes(undated())
    assert Period(end=NOON + HOUR).takes(header(0))


def test_the_time_covered_knows_its_length_not_its_date() -> None:
    coverage = Coverage()
    coverage.add(undated(), "x")
    assert (coverage.begin_ns, coverage.end_ns, coverage.covered_ns) == (0, 0, HOUR // 2)
    coverage.add(header(0), "x")
    assert (coverage.begin_ns, coverage.end_ns) == (NOON, NOON + HOUR)
    assert coverage.covered_ns == HOUR * 3 // 2


def test_it_is_told() -> None:
    completeness = Completeness()
    completeness.add(undated())
    completeness.leave_out(undated())
    completeness.leave_out(header(0))
    lines = completeness.lines()
    block = "1 block (30 min, 5.00 kB in frames) recorded before the clock was set"
    assert f"{block}: no date is known of that part" in lines
    assert f"left out, as no date is known of it: {block}" in lines


def test_a_report_of_everything_counts_it(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "-n", str(log)]) == 0
    shown = capsys.readouterr().out
    assert "1970" not in shown
    assert "1 block (30 min, 5.00 kB in frames) recorded before the clock was set: no date is known" in shown
    assert run(["report", "--json", str(log)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["begin_ns"] == NOON
    assert found["covered_ns"] == 5 * HOUR // 2
    assert found["completeness"]["blocks_undated"] == 1
    assert found["totals"]["all"] == 4986 + sum(3 * (100 + number) + 900 for number in range(2))


def test_info_tells_how_many(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(log)]) == 0
    shown = capsys.readouterr().out
    assert "1970" not in shown
    assert "; 1 block recorded before the clock was set\n" in shown


def test_info_of_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LogWriter(tmp_path / "x").append(undated(), table((4, record())))
    assert run(["info", str(tmp_path / "x")]) == 0
    assert "  time       1 block recorded before the clock was set\n" in capsys.readouterr().out


def test_a_report_of_a_period_leaves_it_out_and_says_so(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "-n", "-e", "2026-12-01", str(log)]) == 0
    shown = capsys.readouterr().out
    assert "left out, as no date is known of it: 1 block (30 min, 5.00 kB in frames) recorded before" in shown
    assert "0.0.0.9" not in shown


def test_a_period_with_nothing_that_has_a_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "trafd.eth0"
    LogWriter(log).append(undated(), table((4, record())))
    assert run(["report", "-b", "1970-01-01", str(log)]) == 1
    assert capsys.readouterr().err == (
        "bpft: everything was recorded before the clock was set, and lies in no period: leave -b and -e away\n"
    )
