"""bpft compact and bpft forget: sums stay exact, nothing appended meanwhile is lost, what is replaced is named."""

import contextlib
import fcntl
import os
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import pytest
from blocks import FORMAT, dense, record, table
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import HOUR, NOON, Crash, chained, counting, dump, epoch, figures, grow, header, intact, keys, some, totals

from bpft import lognames, newfile
from bpft.block import Block
from bpft.cli.main import run
from bpft.errors import CannotRead, CannotWrite, NotALog, UsageError
from bpft.logfile import LogWriter, write_dump
from bpft.merge import merge
from bpft.record import Header
from bpft.retention import Compaction, Damaged, DumpInUse, Reduction, age, compact, forget, network, period_of
from bpft.rotation import zone

NEVER = 1e12  #: a cutoff that all blocks lie before
DAYS = Compaction(NEVER, "day", UTC)
NET = ip_network("10.0.0.2")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "trafd.eth0"


# ---- compact: sums ----


def test_days_are_summed_and_name_what_they_replace(log: Path) -> None:
    before = grow(log, range(30))
    summed, counted = keys(before), figures(before)
    done = compact(log, DAYS)
    assert (done.read, done.written, done.changed) == (30, 2, 30)
    after = intact(log)
    assert (keys(after), figures(after)) == (summed, counted)
    days = before[:12], before[12:]
    assert [block.header.replaces for block in after] == [tuple(b.id for b in day) for day in days]
    assert [block.header.epochs for block in after] == [tuple(b.header.epoch for b in day) for day in days]
    first = after[0].header
    assert (first.begin_ns, first.end_ns) == (NOON, NOON + 12 * HOUR)
    assert (first.boot_begin_ns, first.boot_end_ns, first.gaps) == (0, 12 * HOUR, ())
    assert (first.source, first.role, first.epoch, first.sequence) == ("compacted", "save", b"", 11)
    assert first.counters.seen == first.counters.counted + sum(first.counters.skipped.values())
    assert chained(log)
    assert done.length == log.stat().st_size < done.length_before


def test_compacting_again_changes_nothing_and_rolls_on(log: Path) -> None:
    before = grow(log, range(30))
    summed, counted = keys(before), figures(before)
    compact(log, DAYS)
    data = log.read_bytes()
    assert compact(log, DAYS).changed == 0
    assert log.read_bytes() == data
    grow(log, range(30, 33))
    assert compact(log, DAYS).written == 2
    assert len(intact(log)[1].header.epochs) == 21
    compact(log, DAYS._replace(unit="month"))
    [block] = intact(log)
    more = (*(b.header.epoch for b in before), *(epoch(1000 + number) for number in range(30, 33)))
    assert block.header.epochs == more
    assert keys([block]) == summed + keys(_fresh(range(30, 33), log.with_name("fresh")))
    assert figures([block])["seen"] == counted["seen"] + 21


def _fresh(numbers: range, path: Path) -> list[Block]:
    return grow(path, numbers)


def test_what_is_young_stays_byte_for_byte(log: Path) -> None:
    before = grow(log, range(30))
    midnight = NOON // 10**9 + 12 * 3600
    compact(log, DAYS._replace(cutoff_s=midnight + 17 * 3600))
    after = intact(log)
    assert [block.id for block in after[1:]] == [block.id for block in before[12:]]
    assert len(after) == 19
    assert chained(log)
    assert compact(log, DAYS._replace(cutoff_s=midnight - 1)).changed == 0


def test_the_last_block_of_a_log_that_trafd_owns_stays(log: Path) -> None:
    last = grow(log, range(3))[-1]
    log.with_name(".trafd.eth0.lock").touch()
    compact(log, DAYS)
    assert [block.rows > 0 for block in intact(log)] == [True, True]
    assert intact(log)[-1].id == last.id


def test_only_what_is_of_one_kind_is_summed(log: Path) -> None:
    for number, fields in enumerate(
        (
            {},
            {"interface": "eth1"},
            {"filter": "udp"},
            {"host": "other"},
            {"hardware": True},
            {"counting": "wire-exact"},
        )
    ):
        grow(log, [number], **fields)
    assert compact(log, DAYS).changed == 0


def test_gaps_are_added_up(log: Path) -> None:
    grow(log, [0, 1], gaps=((NOON + 1, NOON + 2),))
    grow(log, [4])
    compact(log, DAYS)
    [block] = intact(log)
    assert block.header.gaps == ((NOON + 1, NOON + 2), (NOON + 2 * HOUR, NOON + 4 * HOUR))
    assert block.header.delta is not None
    assert block.header.delta.covered_ns == 3 * HOUR


def test_what_blocks_disagree_on_is_not_known(log: Path) -> None:
    grow(log, [0], mtu=1500, labels={"site": "Rome", "rack": "1"}, link_types=(1,), clock_synchronised=True)
    grow(log, [1], mtu=9000, labels={"site": "Rome", "rack": "2"}, link_types=(1, 0), boot_begin_ns=7, boot_end_ns=8)
    compact(log, DAYS)
    head = intact(log)[0].header
    assert (head.mtu, head.labels, head.link_types) == (None, {"site": "Rome"}, (1, 0))
    assert (head.clock_synchronised, head.boot_begin_ns) == (None, None)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), dense(4, 8), dense(6, 8)), min_size=1, max_size=6),
    st.sampled_from(["hour", "day", "month", None]),
    st.booleans(),
    st.none() | st.tuples(st.integers(0, 32), st.integers(0, 128)),
)
def test_sums_are_those_of_plain_python(
    tmp_path_factory: pytest.TempPathFactory, rows: list, unit: str | None, drop: bool, cut: tuple[int, int] | None
) -> None:
    log = tmp_path_factory.mktemp("any") / "trafd.eth0"
    writer = LogWriter(log)
    for number, (hour, four, six) in enumerate(rows):
        writer.append(header(hour, epoch=epoch(number)), table((4, four), (6, six)))
    before = intact(log)
    expected: Counter[tuple[object, ...]] = Counter()
    for key, value in keys(before).items():
        expected[_reduced(key, drop, cut)] = (expected[_reduced(key, drop, cut)] + value) % (1 << 64)
    counted = figures(before)
    reduction = Reduction(drop, cut) if drop or cut is not None else None
    compact(log, Compaction(NEVER, unit, UTC, reduction))  # type: ignore[arg-type]
    after = intact(log)
    found: Counter[tuple[object, ...]] = Counter()
    for key, value in keys(after).items():
        found[_reduced(key, drop, cut)] = (found[_reduced(key, drop, cut)] + value) % (1 << 64)
    assert (+found, figures(after)) == (+expected, counted)
    assert chained(log)
    if cut is not None:
        assert all(_cut(group.version, block, cut) for block in after for group in block.groups())


def _reduced(key: tuple[object, ...], drop: bool, cut: tuple[int, int] | None) -> tuple[object, ...]:
    """A key as it has to be after a reduction."""
    if key[1] == "other":
        return key
    version, src, dst, sport, dport, *rest = key
    if cut is not None:
        keep = cut[0 if version == 4 else 1]
        src, dst = (ip_network((address, keep), strict=False).network_address.packed for address in (src, dst))
    return (version, src, dst, *((b"\0\0", b"\0\0") if drop else (sport, dport)), *rest)


def _cut(version: int, block: Block, cut: tuple[int, int]) -> bool:
    keep = cut[0 if version == 4 else 1]
    known = block.header.prefix_len or (32, 128)
    return all(
        ip_address(address) == ip_network((address, keep), strict=False).network_address
        for group in block.groups()
        if group.version == version
        for found in FORMAT[version].iter_unpack(group.records())
        for address in found[:2]
    ) and known == (min(cut[0], 32), min(cut[1], 128))


def test_ports_go_with_age_and_protocols_stay(log: Path) -> None:
    before = grow(log, [0, 1])
    compact(log, Compaction(NEVER, reduction=Reduction(drop_ports=True)))
    after = intact(log)
    assert totals(after) == totals(before)
    assert [block.header.key_mode for block in after] == ["no-ports", "no-ports"]
    assert [block.header.epoch for block in after] == [block.header.epoch for block in before]
    assert [block.header.replaces for block in after] == [(block.id,) for block in before]
    assert all(group.has_proto and not group.has_ports for block in after for group in block.groups())
    data = log.read_bytes()
    assert compact(log, Compaction(NEVER, reduction=Reduction(drop_ports=True))).changed == 0
    assert log.read_bytes() == data
    compact(log, Compaction(NEVER, reduction=Reduction(prefix_len=(24, 48))))
    compact(log, Compaction(NEVER, reduction=Reduction(prefix_len=(16, 64))))
    assert [block.header.prefix_len for block in intact(log)] == [(16, 48)] * 2
    assert len(intact(log)[0].header.replaces) == 3
    assert totals(counting(log)) == totals(before)


# ---- compact: time ----


@pytest.mark.parametrize(
    ("when", "unit", "name", "begin", "hours"),
    [
        ("2026-10-25T00:30:00", "hour", "Europe/Rome", "2026-10-25T00:00:00", 1),
        ("2026-10-25T01:30:00", "hour", "Europe/Rome", "2026-10-25T01:00:00", 1),
        ("2026-10-25T12:00:00", "day", "Europe/Rome", "2026-10-24T22:00:00", 25),
        ("2026-03-29T12:00:00", "day", "Europe/Rome", "2026-03-28T23:00:00", 23),
        ("2026-02-28T23:30:00", "month", "Europe/Rome", "2026-02-28T23:00:00", 743),
        ("2026-02-28T23:30:00", "month", "UTC", "2026-02-01T00:00:00", 672),
        ("2026-12-31T23:59:59", "month", "UTC", "2026-12-01T00:00:00", 744),
        ("2026-11-21T12:00:00", "hour", "Asia/Kolkata", "2026-11-21T11:30:00", 1),
    ],
)
def test_periods_follow_the_clock_of_a_zone(when: str, unit: str, name: str, begin: str, hours: int) -> None:
    instant = int(datetime.fromisoformat(when + "+00:00").timestamp()) * 10**9
    found = period_of(Header(begin_ns=instant - 5, end_ns=instant + 5), unit, zone(name))  # type: ignore[arg-type]
    first = int(datetime.fromisoformat(begin + "+00:00").timestamp())
    assert found == (first, first + hours * 3600)


def test_ages_and_networks_teach() -> None:
    assert age("31d").total_seconds() == 31 * 86400
    for wrong in ("31", "d", "-1d", "1m", ""):
        with pytest.raises(UsageError, match="use a number and h, d, w or y"):
            age(wrong)
    with pytest.raises(UsageError, match="has host bits set; use an address or a network"):
        network("10.0.0.1/8")
    with pytest.raises(UsageError, match="Rome' is not known here"):
        zone("Rome")


# ---- compact and forget: never a byte lost ----


def test_whatever_call_fails_the_log_is_the_old_one_or_the_new(log: Path) -> None:
    grow(log, range(3))
    old = log.read_bytes()
    compact(log, DAYS, log.with_name("new"))
    new = log.with_name("new").read_bytes()
    for number in range(1000):
        log.write_bytes(old)
        with Crash(number) as crash, contextlib.suppress(CannotWrite, CannotRead, OSError):
            compact(log, DAYS)
        assert log.read_bytes() in (old, new)
        if not crash.happened:
            break
        LogWriter(log).append(header(40), some(40))
        compact(log, DAYS)
        assert len(intact(log)) == 2
    assert number > 8


def test_what_a_daemon_appends_meanwhile_is_kept(log: Path) -> None:
    grow(log, range(5))
    writer, stop, appended = LogWriter(log), threading.Event(), []

    def append() -> None:
        while not stop.is_set():
            number = 100 + len(appended)
            appended.append(writer.append(header(number), some(number)).id)

    thread = threading.Thread(target=append)
    thread.start()
    try:
        for turn in range(12):
            compact(log, DAYS) if turn % 2 else forget(log, ip_network(f"10.0.0.{turn % 3 + 1}"))
    finally:
        stop.set()
        thread.join()
    everything = range(5), range(100, 100 + len(appended))
    expected = grow(log.with_name("expected"), [number for part in everything for number in part])
    assert len(appended) > 2
    assert totals(intact(log)) == totals(expected)
    assert figures(intact(log)) == figures(expected)
    assert chained(log)
    known = {old for block in intact(log) for old in (block.id, *block.header.replaces)}
    assert set(appended) <= known
    assert [path.name for path in log.parent.iterdir() if path.name.endswith(".rewriting")] == []


def test_what_comes_between_the_copy_and_the_lock_is_kept(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(log, range(3))
    lock = newfile.lock_log

    def late(path: Path) -> int:
        LogWriter(log).append(header(50), some(50))
        return lock(path)

    monkeypatch.setattr(newfile, "lock_log", late)
    compact(log, DAYS)
    assert [len(block.header.replaces) for block in intact(log)] == [3, 0]
    assert chained(log)


def test_a_log_renamed_meanwhile_stays_as_it_was(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(log, range(3))
    data, lock = log.read_bytes(), newfile.lock_log

    def late(path: Path) -> int:
        log.rename(log.with_name("trafd.eth0.1"))
        LogWriter(log).append(header(50), some(50))
        return lock(path)

    monkeypatch.setattr(newfile, "lock_log", late)
    with pytest.raises(CannotWrite, match="renamed meanwhile"):
        compact(log, DAYS)
    assert log.with_name("trafd.eth0.1").read_bytes() == data
    assert len(intact(log)) == 1


def test_two_rewriters_and_a_long_lock_are_refused(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(log, range(3))
    data = log.read_bytes()
    hidden = log.with_name(".trafd.eth0.rewriting")
    with hidden.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CannotWrite, match="another bpft is rewriting it"):
            compact(log, DAYS)
    hidden.unlink()
    monkeypatch.setattr(lognames, "_PATIENCE", 0.05)
    with log.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CannotWrite, match="another process keeps it locked"):
            compact(log, DAYS)
    assert log.read_bytes() == data
    assert not hidden.exists()


def test_what_is_somebody_elses_by_another_name_is_not_overwritten(log: Path, tmp_path: Path) -> None:
    """A hard link in the directory of a daemon's user, and root who compacts: the other file stays what it is."""
    grow(log, range(3))
    data = log.read_bytes()
    other = tmp_path / "passwd"
    other.write_text("root:x:0:0")
    other.chmod(0o600)
    log.with_name(".trafd.eth0.rewriting").hardlink_to(other)
    with pytest.raises(CannotWrite, match=r"\.trafd\.eth0\.rewriting: is no file, or another one by a second name"):
        compact(log, DAYS)
    assert (log.read_bytes(), other.read_text(), other.stat().st_mode & 0o777) == (data, "root:x:0:0", 0o600)


def test_owner_and_mode_stay(log: Path) -> None:
    grow(log, range(3))
    log.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(log, 12, 34)
    was = log.stat()
    compact(log, DAYS)
    now = log.stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
    assert now.st_ino != was.st_ino


def test_damage_is_never_written_over(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = grow(log, range(3))
    data = bytearray(log.read_bytes())
    data[blocks[1].offset + 200] ^= 4
    log.write_bytes(data)
    with pytest.raises(Damaged, match="bpft verify --repair"):
        compact(log, DAYS)
    with pytest.raises(Damaged):
        forget(log, NET)
    assert log.read_bytes() == data
    out = log.with_name("out")
    assert run(["compact", str(log), "--to", "day", "--zone", "UTC", "-o", str(out)]) == 1
    assert "are left out" in capsys.readouterr().err
    assert len(intact(out)[0].header.replaces) == 2


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(NotALog):
        compact(tmp_path / "text", DAYS)
    with pytest.raises(NotALog):
        forget(tmp_path / "text", NET)
    with pytest.raises(CannotRead):
        compact(tmp_path / "nowhere", DAYS)
    grow(tmp_path / "log", range(2))
    (tmp_path / "link").symlink_to("log")
    with pytest.raises(CannotWrite, match="is a link; name the file itself"):
        compact(tmp_path / "link", DAYS)
    assert (tmp_path / "link").is_symlink()


# ---- forget ----


def test_an_address_goes_and_the_sums_stay(log: Path) -> None:
    before = grow(log, [0, 1])
    done = forget(log, NET)
    assert (done.read, done.changed) == (2, 2)
    after = intact(log)
    assert totals(after) == totals(before)
    assert figures(after) == figures(before)
    assert not any(NET.network_address.packed in key for key in keys(after))
    assert NET.network_address.packed not in log.read_bytes()
    assert keys(after)[4, "other", "all"] == 201
    assert [(b.header.epoch, b.header.replaces) for b in after] == [(b.header.epoch, (b.id,)) for b in before]
    assert chained(log)
    data = log.read_bytes()
    assert forget(log, NET).changed == 0
    assert log.read_bytes() == data


nets = st.one_of(
    st.builds(lambda a, n: IPv4Network((a, n), strict=False), st.integers(0, 3), st.integers(0, 32)),
    st.builds(lambda a, n: IPv6Network((a, n), strict=False), st.integers(0, 3), st.integers(0, 128)),
)


@settings(max_examples=60, deadline=None)
@given(nets, dense(4, 20), dense(6, 20))
def test_only_records_of_the_address_are_folded(
    tmp_path_factory: pytest.TempPathFactory, net: IPv4Network | IPv6Network, four: bytes, six: bytes
) -> None:
    log = tmp_path_factory.mktemp("any") / "trafd.eth0"
    LogWriter(log).append(header(0), table((4, four), (6, six)))
    expected: Counter[tuple[object, ...]] = Counter()
    for key, value in keys(intact(log)).items():
        version = key[0]
        mine = key[1] != "other" and version == net.version and any(ip_address(a) in net for a in key[1:3])
        kept = (version, "other", key[-1]) if mine else key
        expected[kept] = (expected[kept] + value) % (1 << 64)
    forget(log, net)
    assert +keys(intact(log)) == +expected


def test_what_was_cut_to_a_prefix_no_longer_knows_an_address(log: Path) -> None:
    grow(log, [0])
    compact(log, Compaction(NEVER, reduction=Reduction(prefix_len=(24, 48))))
    assert forget(log, ip_network("10.0.0.0")).changed == 0
    assert forget(log, ip_network("10.0.0.0/24")).changed == 1


def test_a_dump_stays_a_dump_and_is_left_alone_while_trafd_runs(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    path, lock = tmp_path / "tmp" / "trafd.eth0", tmp_path / ".trafd.eth0.lock"
    dump(path, 1)
    lock.touch()
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DumpInUse, match="trafstop"):
            forget(path, NET)
    assert forget(path, NET).changed == 1
    [block] = intact(path)
    assert (block.header.role, block.header.epoch) == ("dump", epoch(1001))
    write_dump(path, header(1), some(1))


def test_forgotten_and_original_count_once(log: Path) -> None:
    grow(log, range(4))
    backup, merged = log.with_name("backup"), log.with_name("merged")
    backup.write_bytes(log.read_bytes())
    forget(log, NET)
    assert totals(counting(log, backup)) == totals(intact(backup))
    merge([str(backup), str(log)], merged)
    assert merged.read_bytes() == log.read_bytes()
    compact(backup, DAYS)
    compact(log, DAYS)
    assert totals(counting(log, backup)) == totals(intact(backup))


# ---- the commands ----


def test_the_commands_say_what_they_did(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(log, range(30))
    monkeypatch.setattr(time, "time", lambda: NOON / 1e9 + 40 * 3600)
    command = ["compact", str(log), "--to", "day", "--zone", "UTC"]
    assert run([*command, "--older-than", "40h"]) == 0
    assert capsys.readouterr().out == f"{log}: nothing to compact in 30 blocks\n"
    assert run([*command, "--older-than", "1d"]) == 0
    assert capsys.readouterr().out.startswith(f"{log}: 30 blocks became 19; ")
    assert run(["forget", "10.0.0.2", str(log)]) == 0
    assert capsys.readouterr().out == f"{log}: 10.0.0.2/32: 19 blocks of 19 rewritten\n"
    assert run(["forget", "10.0.0.2", str(log)]) == 0
    assert capsys.readouterr().out == f"{log}: 10.0.0.2/32: nothing known of it\n"
    assert run(["merge", str(log), str(log), "-o", str(log.with_name("out"))]) == 0
    size = log.stat().st_size / 1000
    assert capsys.readouterr().out == (
        f"{log.with_name('out')}: 19 blocks, {size:.1f} kB; 19 left out, others hold what they hold\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compact", "FILE"], "say how: --to, --drop-ports or --prefix-len"),
        (["compact", "FILE", "--to", "year"], "'year' is not one of"),
        (["compact", "FILE", "--to", "day", "--older-than", "x"], "--older-than 'x'"),
        (["compact", "FILE", "--to", "day", "--zone", "x/y"], "time zone 'x/y' is not known here"),
        (["compact", "FILE", "--prefix-len", "24"], "use two lengths"),
        (["compact", "FILE", "--prefix-len", "33,48"], "use two lengths"),
        (["forget", "10.0.0.1/8", "FILE"], "has host bits set"),
        (["forget", "10.0.0.1"], "Missing argument"),
    ],
)
def test_a_wrong_command_line_teaches(
    log: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    grow(log, [0])
    assert run([str(log) if word == "FILE" else word for word in arguments]) == 127
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_vlans_and_directions_stay_apart(log: Path) -> None:
    rows = b"".join(record(flags=flags, vlan=vlan) for flags in (0, 1, 2) for vlan in (0, 7))
    for number in range(2):
        LogWriter(log).append(header(number), table((4, rows)))
    compact(log, DAYS._replace(reduction=Reduction(True, (8, 8))))
    assert [block.rows for block in intact(log)] == [6]


def test_forget_goes_on_after_a_file_that_fails(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grow(log, [0])
    empty, bad = log.with_name("empty"), log.with_name("bad")
    empty.touch()
    bad.write_bytes(b"no log")
    assert run(["forget", "10.9.9.9", str(bad), str(empty), str(log)]) == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "bad: it holds no block" in told.err
    assert [line.split(":")[0] for line in told.out.splitlines()] == [str(empty), str(log)]
    assert run(["forget", "10.9.9.9", str(empty)]) == 0


def test_an_empty_file_is_compacted_already(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.touch()
    assert run(["compact", str(log), "--drop-ports"]) == 0
    assert "nothing to compact in 0 blocks" in capsys.readouterr().out
    assert run(["info", str(log)]) == 0
    with pytest.raises(NotALog, match="is not made"):
        compact(log, DAYS, log.with_name("out"))
    assert log.stat().st_size == 0


def test_a_day_that_begins_at_one_belongs_to_no_hour_of_the_day_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cairo, 2026-04-24: the clock went from 00:00 to 01:00."""
    monkeypatch.setenv("TZ", "Africa/Cairo")
    time.tzset()
    try:
        noon = int(datetime(2026, 4, 24, 10, tzinfo=UTC).timestamp()) * 10**9
        at = header()._replace(begin_ns=noon, end_ns=noon + 1)
        expected = tuple(
            int(datetime(2026, 4, day, hour, tzinfo=UTC).timestamp()) for day, hour in ((23, 22), (24, 21))
        )
        assert period_of(at, "day", None) == period_of(at, "day", zone("Africa/Cairo")) == expected
    finally:
        monkeypatch.undo()
        time.tzset()
