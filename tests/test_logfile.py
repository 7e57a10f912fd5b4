"""Logs and dumps: nothing acknowledged is lost, nothing damaged is believed, and damage costs only itself."""

import contextlib
import errno
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blocks import contents, record, table, traffic

from bpft import core, lognames, messages
from bpft.block import END_SIZE, MAGIC, Block, load_table, write_block
from bpft.errors import BlockDamaged, CannotRead, CannotWrite, NotALog
from bpft.logfile import Damage, LogWriter, is_log, read_dump, scan, sniff, write_dump
from bpft.lognames import siblings
from bpft.record import Header


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    for level in ("warning", "error"):
        monkeypatch.setattr(messages, level, said.append)
    return said


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "trafd.eth0"


def header(number: int = 0) -> Header:
    return Header(epoch=bytes([number]) * 16, begin_ns=number, end_ns=number + 1)


def some(number: int = 0) -> core.Table:
    return table((4, record(src=number, packets=number + 1)), (6, record(6, dst=number)))


def fill(log: Path, blocks: int = 3) -> list[Block]:
    writer = LogWriter(log)
    for number in range(blocks):
        writer.append(header(number), some(number))
    found = [block for block in scan(log) if isinstance(block, Block)]
    assert len(found) == blocks
    return found


def summary(log: Path, check: bool = True) -> list[tuple[int, int, str]]:
    """What a scan finds: (offset, length, reason; "" for a block)."""
    return [(f.offset, f.length, f.reason if isinstance(f, Damage) else "") for f in scan(log, check)]


# ---- appending ----


def test_blocks_are_appended_in_a_chain(log: Path) -> None:
    writer = LogWriter(log)
    assert not log.exists()
    results = [writer.append(header(number), some(number)) for number in range(3)]
    found = [block for block in scan(log) if isinstance(block, Block)]
    assert [(b.id, b.offset, b.length) for b in found] == [(r.id, r.offset, r.length) for r in results]
    assert [b.header.sequence for b in found] == [0, 1, 2]
    assert [b.previous for b in found] == [b"", results[0].id, results[1].id]
    assert [b.header.role for b in found] == ["save"] * 3
    assert [contents(load_table(b)) for b in found] == [contents(some(number)) for number in range(3)]
    assert found[-1].offset + found[-1].length == log.stat().st_size
    assert log.stat().st_mode & 0o777 == 0o640
    assert LogWriter(log).append(header(3), some(3)).offset == found[-1].offset + found[-1].length


def test_everything_is_synced_before_it_is_acknowledged(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []
    real_write, real_fsync = os.write, os.fsync

    def name(fd: int) -> str:
        return Path(f"/proc/self/fd/{fd}").readlink().name

    monkeypatch.setattr(os, "write", lambda fd, data: calls.append(("write", name(fd))) or real_write(fd, data))
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(("fsync", name(fd))) or real_fsync(fd))
    LogWriter(log).append(header(), some())
    assert calls[-2:] == [("fsync", log.name), ("fsync", log.parent.name)]
    calls.clear()
    LogWriter(log).append(header(), some())  # The one who made the file may have died before he synced the directory.
    assert calls[-2:] == [("fsync", log.name), ("fsync", log.parent.name)]
    assert set(calls[:-2]) == {("write", log.name)}


class Fault:
    """Makes the Nth of some system calls fail; a write may first take half of what it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], number: int, code: int) -> None:
        self.left = number
        self.code = code
        self.failed = 0
        for name in names:
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                self.failed += 1
                raise OSError(self.code, os.strerror(self.code))
            if real.__name__ == "write" and len(args[1]) > 1:
                return real(args[0], args[1][: len(args[1]) // 2])  # short writes are finished
            return real(*args, **more)

        return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("number", [0, 1, 2, 5, 10, 20])
def test_a_failing_append_leaves_the_log_as_it_was(log: Path, number: int, code: int, warnings: list[str]) -> None:
    fill(log, 2)
    before = log.read_bytes()
    writer = LogWriter(log)
    with pytest.MonkeyPatch.context() as patch:
        fault = Fault(patch, ("write",), number, code)
        with pytest.raises(CannotWrite, match=os.strerror(code)):
            writer.append(header(2), some(2))
        assert fault.failed == 1
    assert log.read_bytes() == before
    writer.append(header(2), some(2))
    assert [reason for _, _, reason in summary(log)] == ["", "", ""]
    assert not warnings


def test_every_system_call_may_fail(tmp_path: Path, warnings: list[str]) -> None:
    """Whichever call fails, and all after it until the process ends: what was acknowledged is there, and only that."""
    names = ("open", "write", "fsync", "ftruncate")
    for number in range(1000):
        log = tmp_path / f"trafd.{number}"
        acknowledged = []
        with pytest.MonkeyPatch.context() as patch:
            fault = Fault(patch, names, number, errno.EIO)
            with contextlib.suppress(CannotWrite, CannotRead):
                writer = LogWriter(log)
                for block in range(2):
                    acknowledged.append(writer.append(header(block), some(block)).id)
        if not fault.failed:
            break
        for again in range(2, 4):
            acknowledged.append(LogWriter(log).append(header(again), some(again)).id)
        found = [f.id for f in scan(log) if isinstance(f, Block)]
        # A block whose directory entry alone could not be synced, and which could not be cut back, may be there.
        assert [block for block in found if block in acknowledged] == acknowledged
        assert len(found) - len(acknowledged) <= 1
    assert 30 < number < 999


def test_short_writes_are_finished(log: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Fault(patch, ("write",), 1000, errno.EIO)
        LogWriter(log).append(header(), some())
    assert [reason for _, _, reason in summary(log)] == [""]


def test_where_cutting_back_fails_nothing_is_appended_until_it_works(log: Path, warnings: list[str]) -> None:
    fill(log, 1)
    before = log.read_bytes()
    writer = LogWriter(log)
    with pytest.MonkeyPatch.context() as patch:
        Fault(patch, ("write",), 2, errno.ENOSPC)
        patch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        for _ in range(2):
            with pytest.raises(CannotWrite):
                writer.append(header(1), some(1))
            torn = log.read_bytes()
            assert torn.startswith(before)
            assert len(torn) > len(before)
        assert f"cannot be cut back to byte {len(before)}" in warnings[0]
    writer.append(header(1), some(1))
    assert [reason for _, _, reason in summary(log)] == ["", ""]
    assert len(warnings) == 1


def test_what_another_writer_appended_is_never_cut_off(log: Path, warnings: list[str]) -> None:
    fill(log, 1)
    writer = LogWriter(log)
    with pytest.MonkeyPatch.context() as patch:
        Fault(patch, ("write",), 2, errno.ENOSPC)
        patch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        with pytest.raises(CannotWrite):
            writer.append(header(1), some(1))
    theirs = LogWriter(log).append(header(2), some(2))
    ours = writer.append(header(3), some(3))
    assert [f.id for f in scan(log) if isinstance(f, Block)][1:] == [theirs.id, ours.id]


def test_a_torn_tail_stays_and_is_named(log: Path, warnings: list[str]) -> None:
    first, second = fill(log, 2)
    with log.open("r+b") as file:
        file.truncate(second.offset + second.length - 5)
    torn = log.read_bytes()
    result = LogWriter(log).append(header(7), some(7))
    assert log.read_bytes().startswith(torn)
    assert f"{log}: bytes {second.offset} to {len(torn)}" in warnings[0]
    assert [(offset, length, bool(reason)) for offset, length, reason in summary(log)] == [
        (0, first.length, False),
        (second.offset, second.length - 5, True),
        (len(torn), result.length, False),
    ]
    last = list(scan(log))[-1]
    assert isinstance(last, Block)
    assert (last.previous, last.header.sequence) == (first.id, 1)


def test_a_damaged_last_block_is_not_chained_to(log: Path, warnings: list[str]) -> None:
    first, second = fill(log, 2)
    data = bytearray(log.read_bytes())
    data[second.sections[0][0] + 12] ^= 1
    log.write_bytes(data)
    LogWriter(log).append(header(7), some(7))
    last = list(scan(log))[-1]
    assert isinstance(last, Block)
    assert last.previous == first.id
    assert len(warnings) == 1


def test_a_foreign_file_is_not_appended_to(log: Path, tmp_path: Path) -> None:
    log.write_bytes(b"not a log at all\n" * 100)
    with pytest.raises(CannotWrite, match="no block of a log"):
        LogWriter(log)
    late = tmp_path / "trafd.late"
    writer = LogWriter(late)
    late.write_bytes(b"came between")
    with pytest.raises(CannotWrite, match="no block of a log"):
        writer.append(header(), some())
    assert late.read_bytes() == b"came between"


def test_a_link_is_not_followed_for_writing(log: Path, tmp_path: Path) -> None:
    fill(tmp_path / "real", 1)
    log.symlink_to(tmp_path / "real")
    with pytest.raises(CannotWrite):
        LogWriter(log)
    assert len(summary(log)) == 1  # readers follow


def test_a_directory_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="no file can be made"):
        LogWriter(tmp_path / "nowhere" / "trafd.eth0")


def test_a_rename_under_the_writer_begins_a_new_file(log: Path) -> None:
    writer = LogWriter(log)
    writer.append(header(0), some(0))
    log.rename(log.with_name("trafd.eth0.1"))
    writer.append(header(1), some(1))
    assert [len(summary(path)) for path in (log, log.with_name("trafd.eth0.1"))] == [1, 1]


def test_appenders_take_turns(log: Path) -> None:
    def append(number: int) -> None:
        for _ in range(10):
            LogWriter(log).append(header(number), some(number))

    threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list(scan(log))
    assert len(found) == 40
    assert all(isinstance(block, Block) for block in found)
    assert [b.previous for b in found[1:]] == [b.id for b in found[:-1]]  # type: ignore[union-attr]


def test_a_locked_log_is_waited_for_then_refused(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(log, 1)
    monkeypatch.setattr(lognames, "_PATIENCE", 0.1)
    with log.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(CannotWrite, match="another process keeps it locked"):
            LogWriter(log).append(header(), some())
        assert 0.1 <= time.monotonic() - began < 5
    LogWriter(log).append(header(), some())


def test_a_file_system_without_locks_is_a_clear_failure(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    writer = LogWriter(log)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(CannotWrite, match="No locks available"):
        writer.append(header(), some())
    assert log.stat().st_size == 0


def test_a_relative_path_survives_a_change_of_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    writer = LogWriter("trafd.eth0")
    monkeypatch.chdir("/")
    writer.append(header(), some())
    assert len(summary(tmp_path / "trafd.eth0")) == 1


def test_the_lock_ends_with_the_append_even_while_its_error_is_kept(log: Path) -> None:
    fill(log, 1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(CannotWrite) as kept:
        Fault(patch, ("write",), 0, errno.ENOSPC)
        LogWriter(log).append(header(), some())
    LogWriter(log).append(header(), some())
    assert kept.value.__cause__ is not None


# ---- what the log holds ----


def test_siblings_are_what_rotation_makes_of_a_name(log: Path) -> None:
    for name in ("trafd.eth0", "trafd.eth0-2026-11", "trafd.eth0.1", "trafd.eth01", ".trafd.eth0.lock", "trafd.eth"):
        log.with_name(name).touch()
    assert [path.name for path in siblings(log)] == ["trafd.eth0-2026-11", "trafd.eth0.1"]


# ---- scanning ----


def test_a_log_cut_anywhere_yields_all_whole_blocks_before_the_cut(log: Path, tmp_path: Path) -> None:
    found = fill(log, 3)
    data = log.read_bytes()
    ends = [block.offset + block.length for block in found]
    cut = tmp_path / "cut"
    cut.write_bytes(data)
    for length in range(len(data) - 1, -1, -1):
        os.truncate(cut, length)
        whole = [end for end in ends if end <= length]
        last = whole[-1] if whole else 0
        seen = summary(cut)
        assert [offset + size for offset, size, reason in seen if not reason] == whole
        assert [(o, s) for o, s, reason in seen if reason] == ([(last, length - last)] if length > last else [])


def test_a_flipped_bit_costs_only_its_block(log: Path) -> None:
    found = fill(log, 3)
    data = log.read_bytes()
    middle = found[1]
    with log.open("r+b", buffering=0) as file:
        for at in range(middle.offset, middle.offset + middle.length):
            os.pwrite(file.fileno(), bytes([data[at] ^ 1 << at % 8]), at)
            seen = summary(log)
            os.pwrite(file.fileno(), data[at : at + 1], at)
            assert [(o, n) for o, n, _ in seen] == [(b.offset, b.length) for b in found]
            assert [bool(reason) for _, _, reason in seen] == [False, True, False]


@pytest.mark.parametrize("check", [True, False])
def test_other_bytes_around_blocks_are_passed_over(log: Path, check: bool) -> None:
    found = fill(log, 2)
    data = log.read_bytes()
    first = found[0].length
    junk = [b"#!/bin/sh\n" * 9, MAGIC, MAGIC[:7] * 3, b"\x00" * (2 << 20)]
    log.write_bytes(junk[0] + junk[1] + data[:first] + junk[2] + data[first:] + junk[3])
    seen = summary(log, check)
    assert [length for _, length, _ in seen] == [99, first, 21, found[1].length, 2 << 20]
    assert [bool(reason) for _, _, reason in seen] == [True, False, True, False, True]
    assert is_log(log)


def test_a_magic_across_two_reads_is_found(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [block] = fill(log, 1)
    data = log.read_bytes()
    for before in range(95, 105):
        log.write_bytes(b"x" * before + data)
        monkeypatch.setattr("bpft.blockscan._CHUNK", 100)
        assert [(o, n) for o, n, _ in summary(log)] == [(0, before), (before, block.length)]


@pytest.mark.parametrize(("was", "now"), [(b"\r\n", b"\n"), (b"\n", b"\r\n")])
def test_a_transfer_as_text_is_noticed_and_named(log: Path, was: bytes, now: bytes) -> None:
    fill(log, 2)
    log.write_bytes(log.read_bytes().replace(was, now))
    [(_, _, reason)] = summary(log)
    assert "transfer as text" in reason
    assert is_log(log)


def test_a_block_that_must_not_be_read_here_costs_only_itself(log: Path) -> None:
    found = fill(log, 2)
    data = log.read_bytes()
    newer = bytearray(data[: found[0].length])
    newer[9] = 200
    log.write_bytes(bytes(newer) + data)
    lengths = [len(newer), found[0].length, found[1].length]
    assert [length for _, length, _ in summary(log)] == lengths
    assert "block format 200" in summary(log)[0][2]


def test_quick_scans_leave_the_records_to_verify(log: Path) -> None:
    found = fill(log, 2)
    data = bytearray(log.read_bytes())
    data[found[0].sections[0][0] + 20] ^= 1
    log.write_bytes(data)
    first, _ = scan(log, check=False)
    assert isinstance(first, Block)
    with pytest.raises(BlockDamaged):
        first.verify()
    with pytest.raises(BlockDamaged):
        load_table(first)
    assert isinstance(next(scan(log)), Damage)


def test_a_block_being_appended_is_not_there_yet(log: Path) -> None:
    found = fill(log, 1)
    pieces = list(write_block(header(5), some(5)))
    with log.open("ab", buffering=0) as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        writer.write(pieces[0])
        assert summary(log) == [(0, found[0].length, "")]
        fcntl.flock(writer, fcntl.LOCK_UN)
        assert len(summary(log)) == 2
        seen: Iterator[Block | Damage] = scan(log)
        next(seen)
        for piece in pieces[1:]:
            writer.write(piece)
    assert [type(f) for f in seen] == [Block]


def test_content_decides_what_is_a_log(log: Path, tmp_path: Path) -> None:
    fill(log, 1)
    data = log.read_bytes()
    assert sniff(data[:16])
    assert is_log(log)
    empty = tmp_path / "empty"
    empty.touch()
    os.mkfifo(tmp_path / "fifo")
    assert not is_log(__file__)
    with pytest.raises(CannotRead, match="no regular file"):
        is_log(tmp_path / "fifo")
    assert is_log(empty)  # of no blocks
    assert list(scan(empty)) == []
    with pytest.raises(CannotRead, match="No such file"):
        is_log(tmp_path / "absent")
    with pytest.raises(CannotRead, match="directory"):
        list(scan(tmp_path))


# ---- dumps ----


def test_a_dump_is_replaced_whole(tmp_path: Path) -> None:
    dump = tmp_path / "trafd.eth0"
    for number in range(2):
        write_dump(dump, header(number), some(number))
        block = read_dump(dump)
        assert (block.header.role, block.header.epoch) == ("dump", header(number).epoch)
        assert contents(load_table(block)) == contents(some(number))
    assert [path.name for path in tmp_path.iterdir()] == ["trafd.eth0"]
    assert dump.stat().st_mode & 0o777 == 0o640


def test_a_dump_never_replaces_a_log(log: Path) -> None:
    fill(log, 2)
    before = log.read_bytes()
    with pytest.raises(CannotWrite, match="never overwritten"):
        write_dump(log, header(), some())
    damaged = bytearray(before)
    damaged[0] ^= 1
    log.write_bytes(damaged)
    with pytest.raises(CannotWrite, match="never overwritten"):
        write_dump(log, header(), some())
    assert log.read_bytes() == damaged


def test_whichever_call_fails_the_dump_is_the_old_one_or_the_new(tmp_path: Path) -> None:
    for number in range(1000):
        dump = tmp_path / "trafd.eth0"
        write_dump(dump, header(0), some(0))
        with pytest.MonkeyPatch.context() as patch:
            fault = Fault(patch, ("open", "write", "fsync", "rename"), number, errno.ENOSPC)
            with contextlib.suppress(CannotWrite, CannotRead):
                write_dump(dump, header(1), some(1))
        assert read_dump(dump).header.epoch in (header(0).epoch, header(1).epoch)
        assert [path.name for path in tmp_path.iterdir()] == ["trafd.eth0"]
        if not fault.failed:
            assert read_dump(dump).header.epoch == header(1).epoch
            break
    assert 10 < number < 999


def test_what_a_crash_left_of_a_dump_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".trafd.eth0.new").write_bytes(b"half")
    write_dump(tmp_path / "trafd.eth0", header(), some())
    assert read_dump(tmp_path / "trafd.eth0").rows == 2


def test_a_damaged_dump_is_refused(tmp_path: Path) -> None:
    dump = tmp_path / "trafd.eth0"
    write_dump(dump, header(), some())
    data = dump.read_bytes()
    dump.write_bytes(data + b"x")
    assert read_dump(dump).length == len(data)
    for bad in (b"", b"text", data[:-1]):
        dump.write_bytes(bad)
        with pytest.raises(NotALog):
            read_dump(dump)
    flipped = bytearray(data)
    flipped[-END_SIZE - 9] ^= 1
    dump.write_bytes(flipped)
    with pytest.raises(BlockDamaged):
        read_dump(dump)
    write_dump(dump, header(), some())  # it holds no saves


def test_a_large_dump_needs_little_memory_to_write(tmp_path: Path) -> None:
    import tracemalloc

    some_traffic = table((4, traffic(200000)))
    tracemalloc.start()
    write_dump(tmp_path / "trafd.eth0", header(), some_traffic)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 65536 * 40 * 4
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(("end", "reason"), [(b"\n\x1a\n", "line ends"), (b"\r\n\x1aX", "magic is damaged")])
def test_converted_line_ends_are_told_from_other_damage(tmp_path: Path, end: bytes, reason: str) -> None:
    log = LogWriter(tmp_path / "log")
    log.append(Header(epoch=b"e" * 16), table((4, record())))
    data = log.path.read_bytes()
    log.path.write_bytes(data[:5] + end + data[9:])
    (found,) = scan(log.path)
    assert isinstance(found, Damage)
    assert reason in found.reason


def test_what_was_appended_counts_the_remainder_as_one(tmp_path: Path) -> None:
    flows = [record(src=n, all=10) for n in range(1, 6)]
    done = LogWriter(tmp_path / "log").append(Header(epoch=b"e" * 16), table((4, b"".join(flows))), min_all=5000)
    assert done.rows == 1
