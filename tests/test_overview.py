"""The overview: sums of days and months against plain arithmetic, what counts when, how it is printed."""

import io
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import blocks
import programs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft import blockscan, core
from bpft.block import read_block, write_block
from bpft.cli.group import run
from bpft.paths import Paths, paths
from bpft.record import Counters, Header, InterfaceDelta
from bpft.report import live, overview
from bpft.report.overview import Overview, Stretch, overviews
from bpft.report.period import SECOND, Period, read_words
from bpft.report.render import overview as render
from bpft.series import Series
from bpft.source import Source

HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
NAMES = ("today", "yesterday", "this month")
#: A Sunday; in New York the clocks went back an hour three weeks before.
NOW = datetime.fromisoformat("2026-11-22T10:30:00-05:00")
NOW_NS = int(NOW.timestamp()) * SECOND


@pytest.fixture(autouse=True)
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    found = paths(str(tmp_path))
    found.dumps.mkdir(parents=True)
    return found


def periods(now: datetime = NOW) -> dict[str, Period]:
    return {name: read_words(name.split(), now) for name in NAMES}


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone().timestamp()) * SECOND


def header(begin: int, end: int, rx: int = 0, tx: int = 0, **more: object) -> Header:
    given = {
        "begin_ns": begin,
        "end_ns": end,
        "interface": "eth0",
        "host": "gate",
        "epoch": random.randbytes(16),
        "hardware": True,
        "counting": "wire-exact",
        "counters": Counters(seen=2, counted=2, direction={"rx": (1, rx, 1, rx), "tx": (1, tx, 1, tx)}),
        "delta": InterfaceDelta(rx_bytes=rx, tx_bytes=tx, covered_ns=end - begin),
    }
    return Header(**given | more)  # type: ignore[arg-type]


def append(path: Path, *headers: Header, records: bytes = b"") -> None:
    table = blocks.table((4, records))
    with path.open("ab") as file:
        for one in headers:
            file.write(b"".join(write_block(one, table)))


def hourly(path: Path, first: int, last: int) -> None:
    """A block for each hour, of 1000 bytes received and 10 sent."""
    append(path, *(header(begin, begin + HOUR, 1000, 10) for begin in range(first, last, HOUR)))


def only(where: Paths, troubles: list[str] | None = None) -> Overview:
    mine: list[str] = []
    found = overviews(where, periods(), (), mine if troubles is None else troubles)
    assert not mine and len(found) == 1
    return found[0]


def flows(one: Overview) -> list[tuple[int, int, int]]:
    return [(stretch.flow.into, stretch.flow.out, stretch.watched_ns // HOUR) for stretch in one.stretches]


# ---- what counts when ----


def test_days_and_months_are_those_of_the_local_clock(where: Paths) -> None:
    hourly(where.log("eth0"), at("2026-10-30"), at("2026-11-22T10:00"))
    assert flows(only(where)) == [(10_000, 100, 10), (24_000, 240, 24), (515_000, 5150, 515)]
    first = 24 + 1 + 20 * 24  # the first of November has an hour more
    assert first + 10 == 515


def test_a_block_over_midnight_is_divided_by_the_series_and_else_lies_where_its_middle_is(where: Paths) -> None:
    begin, midnight, end = at("2026-11-20T12:00"), at("2026-11-21"), at("2026-11-22T09:00")
    series = Series()
    series.add(begin, midnight, (500, 100, 1, 1))
    series.add(midnight, midnight + DAY, (1500, 0, 1, 1))
    series.add(midnight + DAY, end, (0, 300, 1, 1))
    append(where.log("eth0"), header(begin, end, 20_001, 4_000, series=series.pack()))
    assert flows(only(where)) == [(0, 3000, 9), (15_001, 0, 24), (20_001, 4000, 45)]
    where.log("eth0").unlink()
    append(where.log("eth0"), header(begin, end, 20_001, 4_000))
    assert flows(only(where)) == [(0, 0, 9), (20_001, 4000, 24), (20_001, 4000, 45)]


@given(
    st.lists(
        st.tuples(st.integers(0, 3 * DAY), st.integers(1, 2 * DAY), st.integers(0, 10**12), st.booleans()), max_size=8
    )
)
def test_nothing_is_lost_between_two_days(made: list[tuple[int, int, int, bool]]) -> None:
    """Whatever is divided, the parts are what was counted."""
    start = NOW_NS - 2 * DAY
    cuts = [start, start + DAY, start + DAY + HOUR, start + 3 * DAY, start + 6 * DAY]
    stretches = [Stretch("", Period(begin, end)) for begin, end in pairwise(cuts)]
    for begin, length, size, has_series in made:
        series = Series()
        for step in range(0, length if has_series else 0, HOUR):
            series.add(start + begin + step, start + begin + min(step + HOUR, length), (step % 7, step % 3, 0, 0))
        block = _Told(header(start + begin, start + begin + length, size, size // 3, series=series.pack()))
        passed = overview._Passed(block, [])  # type: ignore[arg-type]
        for stretch in stretches:
            passed.add_to(stretch)
    assert sum(stretch.flow.into for stretch in stretches) == sum(size for _, _, size, _ in made)
    assert sum(stretch.flow.out for stretch in stretches) == sum(size // 3 for _, _, size, _ in made)
    assert all(stretch.flow.into >= 0 and stretch.flow.out >= 0 for stretch in stretches)


class _Told:
    """A block that is only asked for its header."""

    def __init__(self, header: Header) -> None:
        self.header, self.rows = header, 0


def test_a_billing_day_moves_the_month(where: Paths) -> None:
    hourly(where.log("eth0"), at("2026-11-01"), at("2026-11-22T10:00"))
    asked = {name: read_words(name.split(), NOW, 17) for name in NAMES}
    assert overviews(where, asked, (), [])[0].stretches[2].flow.into == (5 * 24 + 10) * 1000


def test_the_estimate_goes_on_at_the_average_of_what_was_watched() -> None:
    day = Period(at("2026-11-22"), at("2026-11-23"))
    stretch = Stretch("today", day)
    assert stretch.estimate(NOW_NS) is None
    stretch.flow.into, stretch.watched = 3000, [(NOW_NS - 3 * HOUR, NOW_NS), (NOW_NS - 3 * HOUR, NOW_NS - HOUR)]
    assert stretch.estimate(NOW_NS) == 3000 + 13 * 1000 + 500
    assert stretch.estimate(at("2026-11-23")) is None
    stretch.watched = [(NOW_NS - HOUR // 3, NOW_NS)]
    assert stretch.estimate(NOW_NS) is None


def test_gaps_are_not_watched_and_hours_without_figures_are_not_known(where: Paths) -> None:
    begin, end = at("2026-11-22T02:00"), at("2026-11-22T06:00")
    series = Series()
    series.add(begin, begin + HOUR, (100, 0, 1, 0))
    series.add(end - HOUR, end, (300, 0, 1, 0))
    gap = (begin + HOUR, end - HOUR)
    append(where.log("eth0"), header(begin, end, 4000, 0, series=series.pack(), gaps=(gap,)))
    one = only(where)
    assert flows(one)[0] == (4000, 0, 2)
    assert one.hours == [None, None, 1000, None, None, 3000] + [None] * 18


# ---- what is read ----


def test_a_dump_and_what_a_daemon_holds_count_once(where: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = at("2026-11-22T08:00")
    append(where.log("eth0"), header(begin, begin + HOUR, 1000, 0, epoch=b"a" * 16))
    append(where.dump("eth0"), header(begin + HOUR, begin + HOUR + 60 * SECOND, 50, 0, epoch=b"b" * 16, role="dump"))
    one = only(where)
    assert (one.stretches[0].flow.into, one.running, one.saved_ns) == (1050, False, begin + HOUR)
    append(where.dump("wan"), header(begin, begin + HOUR, 77, 0, epoch=b"c" * 16, role="dump", interface="wan"))
    held = where.dump("held")
    append(held, header(begin + HOUR, NOW_NS, 70, 0, epoch=b"b" * 16, role="dump"))
    block = read_block(Source(held), 0)
    held.unlink()
    monkeypatch.setattr(live, "tables", lambda *_: [block])
    eth0, wan = overviews(where, periods(), (), [])
    assert (eth0.stretches[0].flow.into, eth0.running, eth0.seen_ns) == (1070, True, NOW_NS)
    assert (wan.stretches[0].flow.into, wan.running, wan.saved_ns) == (77, False, 0)
    assert [one.interface for one in overviews(where, periods(), ("wan",), [])] == ["wan"]


def test_of_an_old_log_only_the_end_is_read(where: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    hourly(where.log("eth0"), at("2026-01-01"), at("2026-11-22T10:00"))
    count = Counter[str]()
    real: Callable[..., object] = blockscan.read_block

    def counting(*arguments: object) -> object:
        count["blocks"] += 1
        return real(*arguments)

    monkeypatch.setattr(blockscan, "read_block", counting)
    assert flows(only(where))[2] == (515_000, 5150, 515)
    assert count["blocks"] == 515 + 1


def test_what_was_imported_behind_newer_blocks_hides_none_of_them(where: Paths) -> None:
    hourly(where.log("eth0"), at("2026-11-22T06:00"), at("2026-11-22T10:00"))
    old = at("2020-01-01")
    append(where.log("eth0"), header(old, old + DAY, 5, 5, source="import"))
    append(where.log("eth0"), header(1000, 2000 * SECOND, 5, 5, clock_synchronised=False))
    assert flows(only(where))[0] == (4000, 40, 4)


@pytest.mark.parametrize("damage", ["end", "middle"])
def test_damage_costs_no_more_than_itself(where: Paths, damage: str) -> None:
    hourly(where.log("eth0"), at("2026-11-22T06:00"), at("2026-11-22T10:00"))
    data = bytearray(where.log("eth0").read_bytes())
    if damage == "end":
        del data[-7:]
    else:
        data[len(data) // 4 * 2 + 30] ^= 0x55
    where.log("eth0").write_bytes(data)
    troubles: list[str] = []
    assert flows(only(where, troubles))[0] == (3000, 30, 3)
    (told,) = troubles
    assert re.fullmatch(rf"{where.log('eth0')}: \d+ bytes at byte \d+ are left out: .+", told)
    hourly(where.log("eth0"), at("2026-12-22T06:00"), at("2026-12-22T07:00"))
    ahead = {"today": read_words(["2026-12-22"], NOW)}
    assert overviews(where, ahead, (), troubles)[0].stretches[0].flow.into == 1000
    assert len(troubles) == (1 if damage == "middle" else 2)


def test_records_stand_in_for_counters_that_an_old_bpft_did_not_have(where: Paths) -> None:
    begin = at("2026-11-22T06:00")
    made = header(begin, begin + HOUR, source="import", counters=Counters(), delta=None)
    append(where.log("eth0"), made, records=blocks.record(all=1234, packets=0) + blocks.record(src=7, all=6))
    one = only(where)
    assert (one.stretches[0].flow.total, one.stretches[0].flow.unknown) == (1240, 1240)


def test_a_year_takes_less_than_a_second(where: Paths, tmp_path: Path) -> None:
    records = blocks.traffic(60)
    now = time.time_ns() // HOUR * HOUR
    append(
        where.log("eth0"),
        *(header(now - n * HOUR, now - (n - 1) * HOUR, 9, 9) for n in range(8760, 0, -1)),
        records=records,
    )
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "bpft", "-n", "--root", str(tmp_path)],
        env=programs.ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - begin < 1
    assert "this month" in done.stdout


# ---- who ----


def test_hosts_are_those_of_today_without_this_one(where: Paths) -> None:
    draw = random.Random(3)
    addresses = [0x0A000001 + n for n in range(8)]
    sums = {address: Counter[str]() for address in addresses}
    records, whole = b"", 0
    for n in range(400):
        src, dst, size = draw.choice(addresses), draw.choice(addresses), draw.randrange(40, 9000)
        records += blocks.record(src=src, dst=dst, sport=n, all=size)
        whole += size
        sums[src]["out"] += size
        sums[dst]["in"] += size
        sums[src]["all"] += size
        sums[dst]["all"] += size * (src != dst)
    other = blocks.record(flags=core.OTHER | core.NO_PORTS | core.NO_PROTO, all=10**7)
    begin = at("2026-11-22T06:00")
    append(where.log("eth0"), header(begin - 2 * DAY, begin - DAY, 1, 1), records=blocks.record(src=1, all=10**9))
    append(where.log("eth0"), header(begin, begin + HOUR, 1, 1, prefixes=("10.0.0.1/24",)), records=records + other)
    ranked = sorted(addresses[1:], key=lambda address: -sums[address]["all"])[:3]
    assert [(host.address, host.into, host.out, host.share) for host in only(where).hosts] == [
        (f"10.0.0.{address & 255}", sums[address]["in"], sums[address]["out"], sums[address]["all"] / (whole + 10**7))
        for address in ranked
    ]


def test_groups_are_no_hosts_where_there_are_others(where: Paths) -> None:
    begin = at("2026-11-22T06:00")
    groups = blocks.record(src=0, dst=0xFFFFFFFF, all=900) + blocks.record(src=0x0A000002, dst=0xE00000FB, all=800)
    append(where.log("eth0"), header(begin, begin + HOUR, 1, 1), records=groups)
    assert [host.address for host in only(where).hosts] == ["10.0.0.2"]
    where.log("eth0").unlink()
    append(where.log("eth0"), header(begin, begin + HOUR, 1, 1), records=blocks.record(src=0, dst=0xFFFFFFFF, all=9))
    assert {host.address for host in only(where).hosts} == {"0.0.0.0", "255.255.255.255"}


def test_a_table_of_many_days_still_tells_its_hosts(where: Paths) -> None:
    begin = at("2026-11-15T06:00")
    append(where.log("eth0"), header(begin, NOW_NS, 1, 1), records=blocks.record(src=0x0A000002, dst=0x0A000003, all=7))
    one = only(where)
    assert {host.address for host in one.hosts} == {"10.0.0.2", "10.0.0.3"}
    assert "hosts since Nov 15 06:00" in printed([one])


# ---- how it is told ----


def printed(found: list[Overview], now_ns: int = NOW_NS, **style: object) -> str:
    out = io.StringIO()
    render.write(found, now_ns, out, render.Style(**style))  # type: ignore[arg-type]
    return out.getvalue()


def test_a_long_name_gives_way(where: Paths) -> None:
    """As in a report; an address never does."""
    begin = at("2026-11-22T06:00")
    rows = blocks.record(src=0x0A000002, dst=0x0A000003, all=700)
    append(where.log("eth0"), header(begin, begin + HOUR, 1, 1), records=rows)
    long = "the-laptop-of-somebody-in-the-east-wing.office.example"
    told = printed([only(where)], names={"10.0.0.2": long})
    assert "\nthe-laptop-of-somebody-… " in told
    assert max(map(len, told.splitlines())) <= 80


def test_it_is_printed_as_this(where: Paths) -> None:
    hourly(where.log("eth0"), at("2026-11-01"), at("2026-11-22T09:00"))
    records = blocks.record(src=0x0A000002, dst=0xCB007109, all=700) + blocks.record(
        src=0xCB007109, dst=0x0A000003, all=300
    )
    begin = at("2026-11-22T09:00")
    append(
        where.log("eth0"), header(begin, begin + HOUR, 2_500_000, 125_000, prefixes=("10.0.0.1/24",)), records=records
    )
    assert printed([only(where)], names={"10.0.0.2": "laptop.lan"}) == (
        "eth0 on gate                  in       out     total      average    estimated\n"
        "today                    2.51 MB    125 kB   2.63 MB    585 bit/s      6.19 MB\n"
        "yesterday                24.0 kB     240 B   24.2 kB      2 bit/s\n"
        "this month               3.01 MB    130 kB   3.14 MB     13 bit/s      4.40 MB\n"
        "\n"
        "today by the hour       ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁██····························\n"
        "                        00          06          12          18\n"
        "\n"
        "hosts today                   in       out     total        share\n"
        "laptop.lan                   0 B     700 B     700 B         70 %  ████████▍\n"
        "10.0.0.3                   300 B       0 B     300 B         30 %  ███▋\n"
        "\n"
        "not counting; last save 10:00:00\n"
        "accounted this month: 100 % of what eth0 itself counted; no packet dropped\n"
        "\n"
        "estimated: so far, and the rest of the period at the average of what was watched\n"
    )


@pytest.mark.parametrize("units", ["si", "iec", "bytes"])
def test_columns_hold_what_is_in_them(where: Paths, units: str) -> None:
    begin = at("2026-11-22T08:00")
    records = blocks.record(6, src=0xFD << 120 | 1, dst=0x2001 << 112 | (1 << 64) - 1, all=10**15)
    with where.log("eth0").open("ab") as file:
        table = blocks.table((6, records))
        file.write(b"".join(write_block(header(begin, begin + HOUR, 10**15, 10**14), table)))
    lines = printed([only(where)], units=units).splitlines()
    ends = {line.index(word) + len(word) for line in lines for word in ("total",) if word in line and "  in" in line}
    assert len(ends) == 1
    assert all(line[ends.copy().pop()] == " " for line in lines if line.startswith(("today  ", "fd", "2001:")))
    assert "fd00::1" in "".join(lines)


def test_what_cannot_be_compared_or_was_dropped_is_said(where: Paths) -> None:
    begin = at("2026-11-22T08:00")
    append(
        where.log("eth0"),
        header(begin, begin + HOUR, 1000, 0, filter="tcp", counters=Counters(seen=1, counted=1, dropped=3)),
    )
    assert (
        "not comparable with eth0's own counters: only frames of the filter 'tcp' were counted; 3 packets dropped\n"
        in (printed([only(where)]))
    )


def test_what_does_not_add_up_is_said_loudly(where: Paths) -> None:
    begin = at("2026-11-22T08:00")
    skipped = Counters(seen=9, counted=5, skipped={"arp": 4})
    append(where.log("eth0"), header(begin, begin + HOUR, counters=skipped))
    assert "ADD UP" not in printed([only(where)])
    append(where.log("eth0"), header(begin + HOUR, begin + 2 * HOUR, counters=Counters(seen=9, counted=5)))
    assert "DOES NOT ADD UP: 4 frames of this month are neither counted nor skipped;" in printed([only(where)])


def test_letters_that_a_terminal_does_not_know_are_left_out(where: Paths) -> None:
    hourly(where.log("eth0"), at("2026-11-22T06:00"), at("2026-11-22T09:00"))
    assert printed([only(where)], drawn=False).isascii()
    assert printed([only(where)], bold=True).startswith("\x1b[1meth0 on gate")
    one = only(where)
    one.host = "ga\x1b[2Jte"
    assert "\x1b" not in printed([one])


# ---- the command ----


def test_bare_bpft_is_the_overview(where: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = time.time_ns()
    append(where.log("eth0"), header(now - HOUR, now, 1000, 10), records=blocks.record(all=5))
    assert run(["--json", "-n", "--root", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "bpft-overview-1"
    (one,) = document["interfaces"]
    assert (one["interface"], one["host"], one["running"], one["saved_ns"]) == ("eth0", "gate", False, now)
    assert set(one["periods"]) == {"today", "yesterday", "this_month"}
    assert {period["total"] for period in one["periods"].values()} <= {1010, None}
    assert len(one["hours_of_today"]) in (23, 24, 25)
    assert [host["share"] for host in one["hosts"]] == [1, 1]


def test_where_nothing_is_recorded_one_command_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--root", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err in (f"bpft: nothing is recorded yet; this starts it: {word}trafstart\n" for word in ("", "sudo "))


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_what_cannot_be_read_is_not_taken_for_nothing(
    where: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    where.log("eth0").write_bytes(b"not a log")
    assert run(["-n", *words, "--root", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"bpft: {where.log('eth0')}: 9 bytes at byte 0 are left out: ")
    assert told.err.count("\n") == 1


def test_an_interface_without_a_record_is_named(
    where: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hourly(where.log("eth0"), at("2026-11-22T06:00"), at("2026-11-22T07:00"))
    assert run(["-i", "eth7", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "bpft: nothing is recorded of eth7; there is eth0\n"
