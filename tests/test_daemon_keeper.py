"""Dump, save and stop (SEMANTICS E1-E3, E5, E9): whatever fails, whenever, no byte is lost or counted twice."""

import struct
from pathlib import Path

import pytest
from daemon_parts import FULL, FakeTap, Sums, add, make, sums
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpft import messages
from bpft.core import Table
from bpft.daemon.keeper import WARN_EVERY_S, Keeper


def total(parts: list[Sums]) -> Sums:
    table = Table()
    for part in parts:
        for port, (packets, all_bytes) in part.items():
            add(table, port, packets, all_bytes)
    return sums(table)


def test_a_dump_goes_on_with_the_table(tmp_path: Path) -> None:
    keeper, tap, disk = make(tmp_path)
    epoch = keeper.epoch.id
    tap.count(1, 2, 200)
    assert keeper.dump().ok
    tap.count(1, 1, 100)
    assert keeper.dump().ok
    assert disk.dumped
    header, dumped = disk.dumped
    assert dumped == {1: (3, 300)}
    assert header.epoch == epoch == keeper.epoch.id
    assert header.role == "dump"
    assert header.counters.seen == header.counters.received == 3


def test_an_empty_table_is_dumped_and_saved_too(tmp_path: Path) -> None:
    keeper, _tap, disk = make(tmp_path)
    assert keeper.dump().ok
    assert keeper.save().ok
    assert disk.dumped
    assert disk.dumped[1] == disk.blocks[0][1] == {}


def test_the_sums_of_a_run_outlive_saves_and_leave_out_what_was_resumed(tmp_path: Path) -> None:
    keeper, tap, disk = make(tmp_path)
    resumed = Table()
    add(resumed, 1, 5, 500)
    tap.table.merge(resumed)
    keeper = Keeper(keeper._settings, tap, disk, disk.write_dump, keeper.epoch, resumed)
    tap.count(1, 2, 200)
    assert keeper.save().ok
    tap.count(2, 1, 100)
    with keeper.frozen() as table:
        of_run = keeper.since_start(table)
    assert (of_run["seen"], of_run["counted"], of_run["packets"], of_run["all"], of_run["non-ip"]) == (3, 3, 3, 300, 0)


def test_a_save_begins_a_new_epoch_at_the_instant_the_old_one_ends(tmp_path: Path) -> None:
    keeper, tap, disk = make(tmp_path, min_all=7)
    tap.count(1, 1, 100)
    keeper.dump_path.parent.mkdir(parents=True)
    keeper.dump_path.write_bytes(b"a dump of this epoch")
    assert keeper.save().ok
    tap.count(2, 1, 100)
    assert keeper.save().ok
    (first, saved, min_all), (second, saved_too, _) = disk.blocks
    assert (saved, saved_too, min_all) == ({1: (1, 100)}, {2: (1, 100)}, 7)
    assert first.epoch != second.epoch
    assert len(first.epoch) == 16
    assert first.end_ns == second.begin_ns
    assert first.boot_end_ns == second.boot_begin_ns
    assert second.counters.received == 1
    assert not keeper.dump_path.exists()


@pytest.mark.parametrize("why", [FULL, OSError(5, "Input/output error"), MemoryError()])
def test_a_failed_save_keeps_table_epoch_and_dump(tmp_path: Path, why: Exception) -> None:
    keeper, tap, disk = make(tmp_path)
    keeper.dump_path.parent.mkdir(parents=True)
    keeper.dump_path.write_bytes(b"a dump of this epoch")
    epoch = keeper.epoch.id
    tap.count(1, 1, 100)
    disk.failing, disk.busy = why, 5
    outcome = keeper.save()
    assert not outcome.ok
    assert "nothing is lost" in outcome.message
    assert keeper.dump_path.exists()
    assert keeper.epoch.id == epoch
    disk.failing, disk.busy = None, 0
    assert keeper.save().ok
    header, saved, _ = disk.blocks[0]
    assert saved == {1: (1, 100), 9: (5, 500)}
    assert header.epoch == epoch
    assert header.counters.seen == header.counters.received == 6


@pytest.mark.parametrize("why", [struct.error("int too large"), ValueError("a mistake"), ZeroDivisionError()])
def test_an_error_nobody_thought_of_keeps_table_and_daemon_as_well(tmp_path: Path, why: Exception) -> None:
    keeper, tap, disk = make(tmp_path)
    tap.count(1, 1, 100)
    disk.failing = why
    for action in (keeper.save, keeper.dump):
        outcome = action()
        assert not outcome.ok
        assert repr(why) in outcome.message
    assert sums(tap.table) == {1: (1, 100)}
    disk.failing = None
    assert keeper.save().ok
    assert disk.blocks[0][1] == {1: (1, 100)}


def test_an_error_while_the_cut_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper, tap, _disk = make(tmp_path)
    tap.count(1, 1, 100)
    with monkeypatch.context() as patch:
        patch.setattr(tap, "kernel", lambda: 1 // 0)
        assert not keeper.save().ok
        assert not keeper.dump().ok
    assert sums(tap.table) == {1: (1, 100)}


def test_a_merge_that_takes_long_does_not_hold_up_the_capture(tmp_path: Path) -> None:
    """The capture is given an empty table before the backlog is merged outside of it (E2)."""
    keeper, tap, disk = make(tmp_path)
    tap.count(1, 1, 100)
    disk.busy = 1000
    before = tap.swaps
    keeper.dump()
    assert tap.swaps - before == 3
    assert sums(tap.table) == {1: (1, 100), 9: (1000, 100_000)}


def test_stopping_dumps(tmp_path: Path) -> None:
    keeper, tap, disk = make(tmp_path)
    tap.count(1, 1, 100)
    assert keeper.finish(False, lambda seconds: False).ok
    assert tap.stopped
    assert disk.dumped
    assert disk.dumped[1] == {1: (1, 100)}
    assert not disk.blocks


def test_a_typed_ctrl_c_saves(tmp_path: Path) -> None:
    keeper, tap, disk = make(tmp_path)
    tap.count(1, 1, 100)
    assert keeper.finish(True, lambda seconds: False).ok
    assert not disk.dumped
    assert disk.blocks[0][1] == {1: (1, 100)}


def test_stopping_appends_where_the_dump_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper, tap, disk = make(tmp_path)
    tap.count(1, 1, 100)

    def fails(*_: object) -> None:
        raise FULL

    monkeypatch.setattr(keeper, "_write_dump", fails)
    assert keeper.finish(False, lambda seconds: False).ok
    assert disk.blocks[0][1] == {1: (1, 100)}


def test_stopping_is_tried_again_until_there_is_room(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keeper, tap, disk = make(tmp_path)
    tap.count(1, 1, 100)
    disk.failing = FULL
    waits = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            disk.failing = None
        return False

    assert keeper.finish(False, wait).ok
    assert disk.dumped
    assert disk.dumped[1] == {1: (1, 100)}
    assert capsys.readouterr().err.count("cannot dump") == 1


def test_stopping_gives_up_when_told_so_and_says_what_is_lost(tmp_path: Path) -> None:
    keeper, tap, disk = make(tmp_path)
    tap.count(1, 1, 123_456)
    disk.failing = FULL
    outcome = keeper.finish(False, lambda seconds: True)
    assert not outcome.ok
    assert "123,456 bytes" in outcome.message


def test_drops_are_errors_only_when_they_rose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E9."""
    said: list[tuple[str, str]] = []
    for level in ("error", "info", "notice"):
        monkeypatch.setattr(messages, level, lambda text, level=level: said.append((level, text)))
    keeper, tap, _ = make(tmp_path)
    tap.count(1, 10, 1000)
    for drops in (0, 3, 3, 4):
        tap.drops = drops
        keeper.dump()
    assert [level for level, text in said if "dropped" in text] == ["info", "error", "info", "error"]
    assert "3 packets of 13 dropped" in next(text for level, text in said if level == "error")


def test_a_save_tells_the_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keeper, _tap, _disk = make(tmp_path)
    keeper.save()
    assert bytes(16).hex() in capsys.readouterr().err


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["count", "dump", "save", "peek"]),
        st.integers(1, 3),
        st.booleans(),
        st.integers(0, 2),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STEPS)
def test_in_any_order_each_byte_is_in_the_log_or_the_table_once(
    tmp_path: Path, steps: list[tuple[str, int, bool, int]]
) -> None:
    keeper, tap, disk = make(tmp_path)
    for what, port, fails, busy in steps:
        disk.failing, disk.busy = (FULL if fails else None), busy
        if what == "count":
            tap.count(port, port, port * 100)
        elif what == "dump":
            keeper.dump()
        elif what == "save":
            keeper.save()
        else:
            assert keeper.frames() == tap.counted.counters()["seen"]
        assert total([saved for _, saved, _ in disk.blocks] + [sums(tap.table)]) == sums(tap.counted)
    epochs = [header.epoch for header, _, _ in disk.blocks]
    assert len(set(epochs)) == len(epochs)
    assert (
        sum(header.counters.received for header, _, _ in disk.blocks) + int(str(tap.table.counters()["seen"]))
        == tap.counted.counters()["seen"]
    )


# ---- the cap ----


def test_the_cap_counts_every_table(tmp_path: Path) -> None:
    """--max-flows: the table that goes on, what counts while it is written, and both while they are added up."""
    keeper, tap, disk = make(tmp_path, max_flows=2400)
    tap.table.max_flows = keeper._settings.main_cap
    assert tap.table.max_flows == 2100
    _fill(tap, 0, 5000)
    with keeper.frozen() as table:
        assert 1500 < len(table) <= 2100
        assert 0 < tap.table.max_flows <= (2400 - len(table)) // 3
        _fill(tap, 5000, 5000)
        assert len(table) + 2 * len(tap.table) <= 2400
    assert tap.table.max_flows == 2100
    assert len(tap.table) <= 2100
    assert keeper.save().ok
    assert tap.table.max_flows == 2100
    assert tap.table.totals() == (0, 0, 0)
    assert sum(packets for packets, _ in disk.blocks[0][1].values()) == 10_000


def test_folds_are_told_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr("bpft.daemon.keeper.time.monotonic", lambda: now[0])
    keeper, tap, _disk = make(tmp_path, max_flows=240)
    tap.table.max_flows = keeper._settings.main_cap

    def told() -> int:
        with keeper.frozen():
            pass
        return capsys.readouterr().err.count("summed up")

    assert told() == 0
    _fill(tap, 0, 1000)
    assert told() == 1
    _fill(tap, 1000, 1000)
    assert told() == 0
    now[0] += WARN_EVERY_S
    assert told() == 1
    assert told() == 0
    keeper.save()
    now[0] += WARN_EVERY_S
    _fill(tap, 2000, 100)
    assert told() == 0


def _fill(tap: FakeTap, first: int, flows: int) -> None:
    for port in range(first, first + flows):
        tap.count(port, 1, 100)
