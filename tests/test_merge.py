"""bpft merge: no block and no epoch twice, whole or not at all, and intact blocks byte for byte."""

import contextlib
from pathlib import Path

import pytest
from blocks import record, table
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import HOUR, Crash, chained, counting, dump, epoch, figures, grow, header, intact, keys, totals
from old_files import Entry
from old_files import block as old_block

from bpft.blockscan import is_log
from bpft.cli.main import run
from bpft.errors import CannotRead, CannotWrite, NotALog
from bpft.lineage import Mark, lineage
from bpft.logfile import LogWriter
from bpft.merge import Torn, merge
from bpft.retention import Compaction, compact
from bpft.verify import verify

NEVER = 1e12  #: a cutoff that all blocks lie before


def names(*paths: Path) -> list[str]:
    return [str(path) for path in paths]


def test_logs_are_put_together_by_time(tmp_path: Path) -> None:
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    first = grow(one, [0, 2, 4])
    second = grow(two, [1, 3], interface="eth1", epoch=b"")
    done = merge(names(one, two), out)
    assert (done.read, done.written, done.left_out, done.troubles) == (5, 5, 0, [])
    found = intact(out)
    assert [block.id for block in found] == [b.id for b in (first[0], second[0], first[1], second[1], first[2])]
    assert chained(out)
    assert done.length == out.stat().st_size == one.stat().st_size + two.stat().st_size
    assert out.stat().st_mode & 0o777 == 0o640


def test_the_same_block_is_in_it_once(tmp_path: Path) -> None:
    one, two, out, again = (tmp_path / name for name in ("one", "two", "out", "again"))
    grow(one, range(4))
    blocks = intact(one)
    two.write_bytes(one.read_bytes()[blocks[2].offset :])
    grow(two, [4, 5])
    done = merge(names(two, one, one), out)
    assert (done.written, done.left_out) == (6, 6)
    assert keys(intact(out)) == keys(counting(one, two))
    assert chained(out)
    merge(names(out, one, two), again)
    assert again.read_bytes() == out.read_bytes()


def test_a_chain_holds_where_the_clock_was_set_back_and_files_share_a_block(tmp_path: Path) -> None:
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    first, second, third = grow(two, [5, 2, 3])
    one.write_bytes(two.read_bytes()[: third.offset])
    two.write_bytes(two.read_bytes()[second.offset :])
    for files in ([one, two], [two, one]):
        out.unlink(missing_ok=True)
        merge(names(*files), out)
        assert [block.id for block in intact(out)] == [first.id, second.id, third.id]
        assert verify([out])[0].findings == []


def test_a_block_made_of_others_stays_behind_the_one_it_goes_on_from(tmp_path: Path) -> None:
    """Of two that stood around a third: it goes on from that, and that from one of the two."""
    log, copy, out = (tmp_path / name for name in ("log", "copy", "out"))
    grow(log, [0])
    grow(log, [1], length_ns=HOUR // 2)
    grow(log, [2, 1, 9])
    compact(log, Compaction(NEVER, "hour"), copy)
    for files in ([copy, log], [log, copy]):
        out.unlink(missing_ok=True)
        merge(names(*files), out)
        assert chained(out)
        assert verify([out])[0].findings == []


def test_of_one_epoch_the_later_block_counts(tmp_path: Path) -> None:
    early, late, out, more = (tmp_path / name for name in ("early", "late", "out", "more"))
    dump(early, 1, length_ns=HOUR // 2)
    grow(late, [0, 1])
    merge(names(early, late), out)
    assert out.read_bytes() == late.read_bytes()
    merge(names(early), more)
    [rewritten] = intact(more)
    assert (rewritten.header.role, rewritten.header.epoch) == ("save", epoch(1001))
    assert rewritten.header.replaces == (intact(early)[0].id,)
    assert [block.id for block in counting(early, more)] == [rewritten.id]
    assert counting(more, late)[-1].id == intact(late)[-1].id


def test_a_save_that_another_makes_void_is_named_so_that_its_chain_holds(tmp_path: Path) -> None:
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    grow(one, [0])
    grow(one, [1], length_ns=HOUR // 2)
    grow(one, [2])
    grow(two, [1])
    merge(names(one, two), out)
    assert keys(intact(out)) == keys(counting(one, two))
    assert len(intact(out)) == 3
    assert intact(one)[1].id in [old for block in intact(out) for old in block.header.replaces]
    assert len(counting(one, two, out)) == 3


def test_originals_and_what_was_made_of_them_count_once(tmp_path: Path) -> None:
    log, day, out, copy = (tmp_path / name for name in ("log", "day", "out", "copy"))
    grow(log, range(30))
    compact(log, Compaction(NEVER, "day"), day)
    assert len(intact(day)) == 2
    merge(names(log, day), out)
    assert out.read_bytes() == day.read_bytes()
    assert totals(counting(log, day, out)) == totals(intact(log))
    compact(day, Compaction(NEVER, "month"), copy)
    assert totals(counting(log, copy)) == totals(counting(log, day, copy)) == totals(intact(log))
    dump(log.with_name("dump"), 3)
    assert totals(counting(tmp_path / "dump", copy)) == totals(intact(log))


def test_blocks_that_overlap_in_part_are_refused(tmp_path: Path) -> None:
    log, head, tail, out = (tmp_path / name for name in ("log", "head", "tail", "out"))
    blocks = grow(log, range(6))
    data = log.read_bytes()
    head.write_bytes(data[: blocks[4].offset])
    tail.write_bytes(data[blocks[2].offset :])
    for part in (head, tail):
        compact(part, Compaction(NEVER, "month"), part.with_suffix(".month"))
    with pytest.raises(Torn, match="merge what they were made of"):
        merge(names(head.with_suffix(".month"), tail.with_suffix(".month")), out)
    assert not out.exists()
    compact(log, Compaction(NEVER, "month"), tmp_path / "all")
    merge(names(head.with_suffix(".month"), tail.with_suffix(".month"), log, tmp_path / "all"), out)
    assert len(intact(out)) == 1
    assert totals(intact(out)) == totals(intact(log))


def test_blocks_of_one_interface_and_interval_are_summed(tmp_path: Path) -> None:
    one, out = tmp_path / "one", tmp_path / "out"
    grow(one, range(3))
    grow(tmp_path / "three", [1], interface="eth1", epoch=epoch(8))
    for number in range(1, 4):
        grow(tmp_path / f"b{number}", [number], length_ns=HOUR + 1, host="other", epoch=epoch(number))
    files = [one, tmp_path / "b1", tmp_path / "b2", tmp_path / "b3", tmp_path / "three"]
    done = merge(names(*files), out, sum_equal=True)
    assert (done.read, done.written) == (7, 5)
    assert figures(intact(out)) == figures(counting(*files))
    assert keys(intact(out)) == keys(counting(*files))
    assert [len(block.header.epochs) for block in intact(out)] == [0, 2, 0, 2, 0]
    assert totals(counting(*files, out)) == totals(intact(out))


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    log, other = tmp_path / "log", tmp_path / "other"
    grow(log, [0])
    grow(other, [1])
    before = other.read_bytes()
    for force in (False, True):
        with pytest.raises(CannotWrite, match="it is a log, which is never overwritten"):
            merge(names(log), other, force=force)
    assert other.read_bytes() == before
    other.write_text("no log")
    with pytest.raises(CannotWrite, match="it is there already"):
        merge(names(log), other)
    assert other.read_text() == "no log"
    merge(names(log), other, force=True)
    assert other.read_bytes() == log.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "other"]
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(CannotWrite, match="it is there already"):
        merge(names(log), tmp_path / "link", force=True)


def test_damage_is_told_and_the_rest_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    blocks = grow(log, range(3))
    data = bytearray(log.read_bytes())
    data[blocks[1].offset + 100] ^= 1
    log.write_bytes(data)
    assert run(["merge", str(log), "-o", str(out)]) == 1
    assert f"bpft: {log}: {blocks[1].length} bytes at byte {blocks[1].offset} are left out" in capsys.readouterr().err
    assert [block.id for block in intact(out)] == [blocks[0].id, blocks[2].id]


def test_what_is_no_log_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(NotALog):
        merge(names(tmp_path / "text"), tmp_path / "out")
    assert run(["merge", str(tmp_path / "nowhere"), "-o", str(tmp_path / "out")]) == 1
    assert run(["merge", str(tmp_path / "text")]) == 127
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().err.count("\n") == 2


def test_whatever_call_fails_the_new_log_is_whole_or_not_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    grow(log, range(2))
    for number in range(1000):
        out = tmp_path / f"out{number}"
        with Crash(number) as crash, contextlib.suppress(CannotWrite, CannotRead, OSError):
            merge(names(log), out)
        assert not out.exists() or out.read_bytes() in (b"", log.read_bytes())
        if not crash.happened:
            break
        if not out.exists() or not out.stat().st_size:
            merge(names(log), out)
        assert out.read_bytes() == log.read_bytes()
    assert number > 6


marks = st.lists(
    st.builds(
        lambda number, origins, end, is_save: Mark(
            epoch(number), tuple(map(epoch, sorted(origins))), (True, end, is_save), (), is_save
        ),
        st.integers(0, 9),
        st.sets(st.integers(0, 5), min_size=1, max_size=3),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(marks)
def test_no_epoch_counts_twice_and_none_is_lost_but_to_torn_blocks(found: list[Mark]) -> None:
    kin = lineage(found)
    counted = [origin for place in kin.counts for origin in found[place].origins]
    assert len(counted) == len(set(counted))
    torn = {origin for place in kin.torn for origin in found[place].origins}
    known = {mark.id: mark for mark in found}
    if len(known) == len(found):
        assert {origin for mark in found for origin in mark.origins} - set(counted) <= torn
        void = [place for places in kin.stands_for.values() for place in places]
        assert sorted([*kin.counts, *kin.torn, *void]) == list(range(len(found)))


def test_tables_without_records_are_merged_too(tmp_path: Path) -> None:
    LogWriter(tmp_path / "log").append(header(0), table())
    merge(names(tmp_path / "log"), tmp_path / "out", sum_equal=True)
    assert [block.rows for block in intact(tmp_path / "out")] == [0]


#: Logs, each of blocks as (hour, part of it): of one hour the larger part was written later, and holds the smaller.
stacks = st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 2)), max_size=5), min_size=1, max_size=4).filter(
    any
)


@settings(max_examples=60, deadline=None)
@given(stacks, st.lists(st.booleans(), min_size=4, max_size=4), st.booleans())
def test_merging_anything_sums_the_latest_of_each_epoch(
    tmp_path_factory: pytest.TempPathFactory, stacks: list[list[tuple[int, int]]], rolled: list[bool], again: bool
) -> None:
    place = tmp_path_factory.mktemp("any")
    files, latest = [], dict[int, int]()
    for number, (stack, roll) in enumerate(zip(stacks, rolled, strict=False)):
        log = place / str(number)
        log.touch()
        for hour, part in stack:
            latest[hour] = max(latest.get(hour, 0), part)
            rows = record(src=hour, packets=part, all=100 * part, data=part)
            LogWriter(log).append(header(hour, length_ns=HOUR * part // 2), table((4, rows)))
        if roll and stack:
            LogWriter(log).append(header(9 + number), table())  # keeps those before it from being the only ones
            copy = place / f"{number}.hours"
            compact(log, Compaction(NEVER, "hour"), copy)
            files.append(copy)
        files.append(log)
    out = place / "out"
    merge(names(*files), out)
    if again:
        merge(names(*files, out), place / "again")
        assert {block.id for block in intact(place / "again")} == {block.id for block in intact(out)}
    parts = sum(latest.values())
    assert totals(intact(out)) == totals(counting(*files)) == (parts, 100 * parts, parts)
    assert chained(out)
    assert not verify([out])[0].findings


@pytest.mark.parametrize("whole", [True, False])
def test_force_spares_logs_of_old_daemons(tmp_path: Path, whole: bool) -> None:
    log, old = tmp_path / "log", tmp_path / "old"
    grow(log, [0])
    data = old_block("v4", "little", [Entry(), Entry(src=5)]) * 2
    old.write_bytes(data if whole else data[:-7])
    before = old.read_bytes()
    with pytest.raises(CannotWrite, match="is a log, which is never overwritten"):
        merge(names(log), old, force=True)
    assert old.read_bytes() == before


def test_force_spares_a_log_whose_only_magic_is_damaged(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    grow(log, [0])
    out.write_bytes(b"\0" + log.read_bytes()[1:])
    assert is_log(out)
    with pytest.raises(CannotWrite, match="it is a log"):
        merge(names(log), out, force=True)


def test_nothing_makes_no_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").touch()
    assert run(["merge", "-o", str(tmp_path / "out"), str(tmp_path / "empty")]) == 1
    assert "is not made" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
