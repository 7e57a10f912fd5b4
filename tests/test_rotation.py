"""Rotation: by anyone or by trafd itself, nothing lost, nothing overwritten, and the chain goes on (SEMANTICS E6)."""

import contextlib
import subprocess
import sys
import threading
from datetime import UTC, timedelta, timezone
from pathlib import Path

import pytest
from blocks import contents, table, traffic
from lives import HOUR, NOON, Crash, chained, dump, epoch, grow, header, intact, some, totals

from bpft import logfile, messages
from bpft.block import Block, load_table
from bpft.daemon.recovery import recover
from bpft.daemon.settings import Settings
from bpft.errors import CannotRead, CannotWrite, UsageError
from bpft.logfile import Damage, LogWriter, scan
from bpft.merge import merge
from bpft.paths import paths
from bpft.record import InterfaceDelta
from bpft.report.answer import Question, answer
from bpft.report.source import Sources
from bpft.retention import Compaction, Reduction, compact
from bpft.rotation import Rotation, rotation, zone

DAILY = rotation("daily", "UTC")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(messages, "warning", found.append)
    monkeypatch.setattr(messages, "notice", lambda text: None)
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "trafd.eth0"


def files(log: Path) -> dict[str, int]:
    """Each file beside log, and how many blocks it has."""
    return {path.name: len(intact(path)) for path in sorted(log.parent.iterdir()) if path.is_file()}


def save(writer: LogWriter, *numbers: int) -> None:
    for number in numbers:
        writer.append(header(number), some(number))


# ---- by anyone ----


def test_the_chain_goes_on_in_the_new_file(log: Path) -> None:
    writer = LogWriter(log)
    save(writer, 0, 1)
    aside = log.parent / "elsewhere"
    log.rename(aside)
    save(writer, 2, 3)
    [first, second], last = intact(log), intact(aside)[-1]
    assert (first.previous, first.header.sequence) == (last.id, 2)
    assert (second.previous, second.header.sequence) == (first.id, 3)


@pytest.mark.parametrize("name", ["trafd.eth0.1", "trafd.eth0-20261121", "trafd.eth0.old"])
def test_a_new_writer_finds_the_renamed_log(log: Path, name: str) -> None:
    grow(log, [0, 1])
    log.rename(log.with_name(name))
    log.with_name("trafd.eth0.2").write_text("no log")
    grow(log.with_name("trafd.eth0.5"), [9], interface="eth0.5")
    log.with_name("trafd.eth0.1.gz").mkdir()
    [block] = grow(log, [2])
    assert (block.previous, block.header.sequence) == (intact(log.with_name(name))[-1].id, 2)


def test_a_log_of_another_interface_is_no_predecessor(log: Path) -> None:
    grow(log.with_name("trafd.eth0.5"), [0], interface="eth0.5")
    [block] = grow(log, [1])
    assert (block.previous, block.header.sequence) == (b"", 0)


def test_renaming_under_a_running_writer_loses_nothing(log: Path) -> None:
    writer, stop = LogWriter(log), threading.Event()
    saved = 0

    def append() -> None:
        nonlocal saved
        while not stop.is_set():
            save(writer, saved)
            saved += 1

    thread = threading.Thread(target=append)
    thread.start()
    for number in range(20):
        with contextlib.suppress(FileNotFoundError):
            log.rename(log.with_name(f"trafd.eth0.{number}"))
        stop.wait(0.01)
    stop.set()
    thread.join()
    pieces = list(log.parent.iterdir())
    assert sorted(block.header.sequence for path in pieces for block in intact(path)) == list(range(saved))
    merge([str(path) for path in pieces], log.parent / "all")
    assert chained(log.parent / "all")


def test_readers_while_one_writes_see_whole_blocks(log: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from lives import grow, header, some
from bpft.logfile import LogWriter
writer = LogWriter({str(log)!r})
for number in range(60):
    writer.append(header(number), some(number, 400))
"""
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        most = looks = 0
        while child.poll() is None:
            if log.exists():
                found = list(scan(log))
                assert not [one for one in found if isinstance(one, Damage)]
                assert most <= len(found)
                most, looks = len(found), looks + 1
    assert child.returncode == 0
    assert looks > 3
    assert len(intact(log)) == 60


def test_a_dump_saved_in_a_rotated_or_compacted_log_is_stale(tmp_path: Path) -> None:
    where = paths(str(tmp_path))
    where.dumps.mkdir(parents=True)
    settings = Settings("eth0", "eth0", where, min_all=0)
    log = where.log("eth0")
    grow(log, range(4))
    compact(log, Compaction(1e12, "month", UTC))
    log.rename(log.with_name("trafd.eth0-2026-11"))
    dump(where.dump("eth0"), 2)
    assert recover(settings, LogWriter(log)) is None
    assert not where.dump("eth0").exists()
    assert not log.exists()


# ---- by trafd ----


def test_a_day_has_a_log(log: Path, told: list[str]) -> None:
    writer = LogWriter(log, DAILY)
    save(writer, *range(11, 13), *range(35, 38))
    assert files(log) == {"trafd.eth0": 2, "trafd.eth0-2026-11-21": 1, "trafd.eth0-2026-11-22": 2}
    assert intact(log)[0].previous == intact(log.with_name("trafd.eth0-2026-11-22"))[-1].id
    assert [block.header.sequence for block in intact(log)] == [3, 4]
    assert not told


def test_the_middle_of_a_block_decides_in_the_zone(log: Path) -> None:
    for offset, expected in ((0, [1, 1]), (1, [1, 1]), (-1, [2])):
        there = log.with_name(f"zone{offset}")
        writer = LogWriter(there, Rotation("%Y-%m-%d", 0, timezone(timedelta(hours=offset))))
        save(writer, 11 - offset, 12)
        found = [len(intact(path)) for path in log.parent.glob(f"zone{offset}*")]
        assert sorted(found) == expected, offset


def test_months(log: Path) -> None:
    writer = LogWriter(log, rotation("monthly", "Europe/Rome"))
    save(writer, 0, 24 * 9 + 10, 24 * 9 + 11, 24 * 41)
    assert files(log) == {"trafd.eth0": 1, "trafd.eth0-2026-11": 2, "trafd.eth0-2026-12": 1}


def test_a_clock_set_back_begins_no_new_log(log: Path) -> None:
    save(LogWriter(log, DAILY), 30, 0, 31)
    assert files(log) == {"trafd.eth0": 1, "trafd.eth0-2026-11-21": 2}


def test_no_log_exceeds_the_size_but_for_a_large_block(log: Path, told: list[str]) -> None:
    save(LogWriter(log), 0)
    one = log.stat().st_size
    writer = LogWriter(log, rotation(str(one * 3)))
    save(writer, *range(1, 8))
    writer.append(header(8), table((4, traffic(3000))))
    save(writer, 9)
    assert files(log) == {
        "trafd.eth0": 1,
        "trafd.eth0-2026-11-21": 2,
        "trafd.eth0-2026-11-21.2": 2,
        "trafd.eth0-2026-11-21.3": 2,
        "trafd.eth0-2026-11-21.4": 2,
        "trafd.eth0-2026-11-21.5": 1,
    }
    sizes = sorted(path.stat().st_size for path in log.parent.iterdir())
    assert all(size <= one * 3 for size in sizes[:-1])
    merge([str(path) for path in log.parent.iterdir()], log.parent / "all")
    assert chained(log.parent / "all")
    assert [block.header.sequence for block in intact(log.parent / "all")] == list(range(10))
    assert not told


def test_a_name_that_is_taken_is_left_alone(log: Path) -> None:
    log.with_name("trafd.eth0-2026-11-21").write_text("mine")
    log.with_name("trafd.eth0-2026-11-21.2").symlink_to("nowhere")
    log.with_name("trafd.eth0-2026-11-21.3").mkdir()
    save(LogWriter(log, DAILY), 0, 30)
    assert log.with_name("trafd.eth0-2026-11-21").read_text() == "mine"
    assert len(intact(log.with_name("trafd.eth0-2026-11-21.4"))) == 1


def test_where_renaming_fails_the_log_grows_on(log: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    writer = LogWriter(log, DAILY)
    save(writer, 0)
    with monkeypatch.context() as patch:
        patch.setattr("os.rename", refused)
        save(writer, 30)
    assert files(log) == {"trafd.eth0": 2}
    [text] = told
    assert "cannot be renamed to" in text
    assert "it grows on" in text
    save(writer, 60)
    assert files(log) == {"trafd.eth0": 1, "trafd.eth0-2026-11-22": 2}


@pytest.mark.parametrize("when", ["daily", "2kB"])
def test_whatever_call_fails_what_was_acknowledged_is_there(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(messages, "error", told.append)
    for number in range(1000):
        log = tmp_path / str(number) / "trafd.eth0"
        log.parent.mkdir()
        save(LogWriter(log), 0, 1)
        acknowledged = {0, 1}
        with Crash(number) as crash, contextlib.suppress(CannotWrite, CannotRead, OSError):
            writer = LogWriter(log, rotation(when, "UTC"))
            for later in (30, 31, 60):
                save(writer, later)
                acknowledged.add(later)
        found = [b for path in log.parent.iterdir() for b in scan(path) if isinstance(b, Block)]
        hours = [(block.header.begin_ns - NOON) // HOUR for block in found]
        assert acknowledged <= set(hours)
        assert len(hours) == len(set(hours)) <= len(acknowledged) + 1
        if not crash.happened:
            break
        save(LogWriter(log, rotation(when, "UTC")), 90)
        assert contents(load_table(intact_tail(log))) == contents(some(90))
    assert number > 12


def intact_tail(log: Path) -> Block:
    block = [one for one in scan(log) if isinstance(one, Block)][-1]
    assert block.header.epoch == epoch(1090)
    return block


def test_what_to_rotate_by_teaches() -> None:
    assert rotation("10MB") == Rotation("", 10_000_000)
    assert rotation("64KiB") == Rotation("", 65536)
    assert rotation("500", "Europe/Rome") == Rotation("", 500, zone("Europe/Rome"))
    for wrong in ("weekly", "0", "10 parsecs", "-1", "", "1.5MB"):
        with pytest.raises(UsageError, match="use daily, monthly or a size as 10MB"):
            rotation(wrong)
    for wrong in ("Rome", "../etc/passwd", "/etc/passwd", "Europe", "a\0b"):
        with pytest.raises(UsageError, match="is not known here"):
            rotation("daily", wrong)


# ---- reports ----


def test_a_report_without_a_file_reads_rotated_logs(tmp_path: Path) -> None:
    where = paths(str(tmp_path))
    where.logs.mkdir(parents=True)
    save(LogWriter(where.log("eth0"), DAILY), 0, 1, 30, 60)
    (where.logs / ".trafd.eth0.rewriting").write_text("what a crash left")
    sources = Sources()
    sources.add_recorded(where)
    found = answer(Question(), sources)
    everything = [block for path in where.logs.glob("trafd.*") for block in intact(path)]
    assert len(everything) == 4
    assert found.totals == totals(everything)
    assert not sources.troubles


def test_a_report_counts_originals_and_compacted_once(log: Path) -> None:
    grow(log, range(30))
    original = totals(intact(log))
    compact(log, Compaction(1e12, "day", UTC), log.with_name("days"))
    sources = Sources()
    for name in (log, log.with_name("days")):
        sources.add(str(name))
    found = answer(Question(), sources)
    assert found.totals == original
    assert found.coverage.blocks == 2
    assert not found.troubles


def test_a_report_leaves_out_what_overlaps_in_part_and_says_so(log: Path) -> None:
    blocks = grow(log, range(6))
    data = log.read_bytes()
    for name, part in (("head", data[: blocks[4].offset]), ("tail", data[blocks[3].offset :])):
        log.with_name(name).write_bytes(part)
        compact(log.with_name(name), Compaction(1e12, "month", UTC), log.with_name(f"{name}.month"))
    sources = Sources()
    for name in ("head", "tail"):
        sources.add(str(log.with_name(f"{name}.month")))
    found = answer(Question(), sources)
    assert found.totals == totals(blocks[:4])
    assert len(found.troubles) == 1
    assert "tail.month" in found.troubles[0]
    assert "is left out: it stands in part" in found.troubles[0]


def test_dumps_are_not_rotated(log: Path) -> None:
    dump(log, 0)
    dump(log, 30)
    assert [block.header.epoch for block in intact(log)] == [epoch(1030)]
    assert logfile.read_dump(log).header.role == "dump"


def test_a_report_on_compacted_blocks_adds_up_and_tells_of_networks(log: Path) -> None:
    grow(log, range(3), loopback=True, delta=InterfaceDelta(100, 0, 3, 0, HOUR - 10**9, 0))
    reduction = Reduction(prefix_len=(24, 48))
    compact(log, Compaction(1e12, "day", UTC, reduction))
    sources = Sources()
    sources.add(str(log))
    lines = answer(Question(), sources).completeness.lines()
    assert lines[0].startswith("accounted ")
    assert "addresses may stand for networks: some blocks keep only /24 and /48" in lines


def test_a_clock_that_is_not_set_begins_no_day(log: Path) -> None:
    """Nothing is ever named after 1970."""
    writer = LogWriter(log, DAILY)
    for number, (begin, synchronised) in enumerate(
        ((HOUR, False), (NOON, True), (2 * HOUR, False), (NOON + HOUR, True))
    ):
        fields = {"begin_ns": begin, "end_ns": begin + HOUR // 2, "clock_synchronised": synchronised}
        writer.append(header(number, **fields), some(number))  # type: ignore[arg-type]
    assert [path.name for path in log.parent.iterdir()] == [log.name]
    writer.append(header(24), some(24))
    assert sorted(path.name for path in log.parent.iterdir()) == [log.name, f"{log.name}-2026-11-21"]


def test_a_log_that_ends_without_a_date_is_set_aside_without_one(log: Path) -> None:
    writer = LogWriter(log, rotation("1kB"))
    for number in range(2):
        writer.append(header(number, begin_ns=1, end_ns=2, clock_synchronised=False), some(number))
    assert sorted(path.name for path in log.parent.iterdir()) == [log.name, f"{log.name}-undated"]
