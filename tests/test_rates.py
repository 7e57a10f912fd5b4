"""95th percentile and peak: of groups against SQL, of interfaces from their series (SEMANTICS R4); what prints them."""

import csv as stdlib_csv
import io
import json as stdlib_json
from pathlib import Path

import blocks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpft.core import Table
from bpft.logfile import LogWriter
from bpft.record import Counters, Header
from bpft.report.answer import Answer, Question, answer
from bpft.report.rates import interface_rate, rate_of
from bpft.report.render import csv, json, parquet, table
from bpft.report.source import Sources
from bpft.series import STEP_NS, Series

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 20400 * 24 * HOUR  # 2025-11-08, UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    __import__("time").tzset()


def asked(path: Path, by: str, **question: object) -> Answer:
    sources = Sources()
    sources.add(str(path))
    return answer(Question(by, **question), sources)  # type: ignore[arg-type]


def log(path: Path, *some: tuple[int, str, dict[int, int]], series: bytes = b"", **fields: object) -> Path:
    """Blocks of an hour: (hour, interface, bytes by the last byte of the source)."""
    for place, (hour, interface, moved) in enumerate(some):
        records = [(4, blocks.record(src=src, dst=99, packets=1, all=size)) for src, size in moved.items()]
        counters = Counters(seen=len(moved), counted=len(moved))
        header = Header(
            epoch=bytes([place + 1] * 16),
            begin_ns=DAY + hour * HOUR,
            end_ns=DAY + (hour + 1) * HOUR,
            interface=interface,
            counters=counters,
            series=series,
        )
        header = header._replace(**fields)  # type: ignore[arg-type]
        LogWriter(path).append(header, blocks.table(*records) if records else Table())
    return path


@settings(max_examples=100)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_the_percentile_is_that_of_sql(samples: list[int]) -> None:
    found = rate_of([(sample, place) for place, sample in enumerate(samples)])
    [[expected, peak, first]] = duckdb.sql(
        f"WITH t AS (SELECT unnest({samples}) v, unnest(range({len(samples)})) p)"
        " SELECT (SELECT min(v) FROM (SELECT v, cume_dist() OVER (ORDER BY v) AS below FROM t) WHERE below >= 0.95),"
        " max(v), min(p) FILTER (v = (SELECT max(v) FROM t)) FROM t"
    ).fetchall()
    assert found == (expected, peak, first)


def test_a_group_is_rated_over_all_hours_that_were_watched(tmp_path: Path) -> None:
    path = log(
        tmp_path / "log", *((hour, "eth0", {1: 450_000 * (hour + 1), 2: 900} if hour != 3 else {}) for hour in range(5))
    )
    first, second, *_ = asked(path, "src,hour").groups()
    assert (first.key, first.sums[1], first.buckets) == (("0.0.0.1",), 450_000 * (1 + 2 + 3 + 5), 5)
    assert first.samples == [(1000 * bits, DAY + hour * HOUR) for hour, bits in enumerate((1, 2, 3, 0, 5))]
    assert first.rate == (5000, 5000, DAY + 4 * HOUR)
    assert (second.key, second.rate) == (("0.0.0.2",), (2, 2, DAY))


def test_an_hour_half_watched_is_rated_by_that_half(tmp_path: Path) -> None:
    path = log(tmp_path / "log", (0, "eth0", {1: 450_000}), (1, "eth0", {1: 450_000}), gaps=((DAY, DAY + HOUR // 2),))
    [row, _] = asked(path, "hour").rows()
    assert row.bucket is not None
    assert row.bucket.covered_ns == HOUR // 2
    [group] = asked(path, "hour").groups()
    assert group.rate == (2000, 2000, DAY)


def test_interfaces_are_rated_by_their_own_hours(tmp_path: Path) -> None:
    path = log(tmp_path / "log", (0, "eth0", {1: 900}), (1, "eth0", {1: 900}), (0, "eth1", {1: 450_000}))
    found = {group.key: group for group in asked(path, "interface,hour").groups()}
    assert found[("eth1",)].rate == (1000, 1000, DAY)
    assert (found[("eth1",)].buckets, found[("eth0",)].buckets) == (1, 2)
    assert [group.key for group in asked(path, "interface,hour").groups(top=1)] == [("eth1",)]


def test_an_interface_is_rated_by_its_series_and_stray_seconds_are_left_out() -> None:
    series = Series()
    for step in range(20):
        series.add(DAY + step * STEP_NS, DAY + (step + 1) * STEP_NS, (300_000 * (step + 1) // 8, 0, 1, 0))
    series.add(DAY + 20 * STEP_NS, DAY + 20 * STEP_NS + SECOND, (10**9, 10**9, 1, 1))
    halves = [Series(), Series()]
    for point in series:
        half = halves[point.begin_ns > DAY + 10 * STEP_NS]
        half.add(point.begin_ns, point.begin_ns + point.covered_ms * 10**6, (point.rx_bytes, point.tx_bytes, 1, 0))
    found = interface_rate([half.pack() for half in halves])
    assert found is not None
    assert len(found.points) == 21
    assert (found.rx.p95_bps, found.rx.peak_bps, found.rx.peak_ns) == (19_000, 20_000, DAY + 19 * STEP_NS)
    assert found.tx.peak_bps == 0
    assert interface_rate([b""]) is None


def test_a_series_that_makes_no_sense_leaves_the_rest(tmp_path: Path) -> None:
    found = asked(log(tmp_path / "log", (0, "eth0", {1: 900}), series=b"nonsense"), "hour")
    assert found.rates() == {}
    assert "eth0: its rates are left out" in found.troubles[-1]


def test_an_interface_is_rated_within_a_single_day(odd: Path) -> None:
    out = io.StringIO()
    table.write(asked(odd, "day"), out, table.Style())
    assert "averages of each" not in out.getvalue()
    assert 'a,"b by its own counters, 5 minutes each:\nin   95th 500 bit/s, peak 500 bit/s\n' in out.getvalue()


def test_rates_give_way_to_the_other_figures(tmp_path: Path) -> None:
    path = log(tmp_path / "log", (0, "eth0", {0xFFFFFFFE: 10**11}), (1, "eth0", {0xFFFFFFFE: 10**11}))
    for width, title in ((80, "Out"), (100, "Rate")):
        out = io.StringIO()
        table.write(asked(path, "hour,host"), out, table.Style(numeric=True, width=width))
        lines = out.getvalue().splitlines()
        assert lines[3].split()[-1] == title
        assert max(map(len, lines[3:8])) <= width


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    series = Series()
    series.add(DAY, DAY + 2 * HOUR, (450_000, 45_000, 1, 1))
    return log(tmp_path / "odd", (0, 'a,"b', {1: 450_000}), (1, 'a,"b', {1: 900_000, 2: 10}), series=series.pack())


def test_names_of_interfaces_are_quoted(odd: Path) -> None:
    out = io.StringIO()
    csv.write(asked(odd, "hour,interface"), out, numeric=True)
    assert list(stdlib_csv.reader(io.StringIO(out.getvalue()))) == [
        ["hour", "interface", "packets", "all", "data"],
        ["2025-11-08T00:00:00+00:00", 'a,"b', "1", "450000", "0"],
        ["2025-11-08T01:00:00+00:00", 'a,"b', "2", "900010", "0"],
    ]


def test_json_tells_times_rates_and_what_is_left(odd: Path) -> None:
    out, lines = io.StringIO(), io.StringIO()
    found = asked(odd, "hour,interface,src", top=1)
    json.write(found, out)
    json.write_lines(found, lines)
    document = stdlib_json.loads(out.getvalue())
    assert [(row["interface"], row["src"], row["all"], row["begin_ns"], row["end_ns"]) for row in document["rows"]] == [
        ('a,"b', "0.0.0.1", 450_000, DAY, DAY + HOUR),
        ('a,"b', "0.0.0.1", 900_000, DAY + HOUR, DAY + 2 * HOUR),
    ]
    assert document["other_rows"] == {"rows": 1, "packets": 1, "all": 10, "data": 0}
    [group] = document["groups"]
    assert (group["src"], group["p95_bps"], group["peak_begin_ns"]) == ("0.0.0.1", 2000, DAY + HOUR)
    # Twice, for each block says the whole of it: the series of blocks add up.
    assert document["rates"]['a,"b']["rx"]["p95_bps"] == 500
    first, _ = map(stdlib_json.loads, lines.getvalue().splitlines())
    assert (first["schema"], first["report_end_ns"], first["adds_up"]) == ("bpft-report-1", DAY + 2 * HOUR, True)
    assert first["interfaces"] == ['a,"b']


def test_parquet_holds_the_rows(odd: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    with path.open("wb") as out:
        parquet.write(asked(odd, "hour,interface,key,vlan"), out)
    rows = duckdb.sql(
        f'SELECT hour, interface, src, dport, proto, vlan, "all", epoch_ns(begin), other FROM \'{path}\' ORDER BY "all"'
    ).fetchall()
    assert rows == [
        (f"2025-11-08T0{hour}:00:00+00:00", 'a,"b', f"0.0.0.{src}", 80, 6, None, size, DAY + hour * HOUR, False)
        for hour, src, size in ((1, 2, 10), (0, 1, 450_000), (1, 1, 900_000))
    ]
    empty = tmp_path / "empty.parquet"
    with empty.open("wb") as out:
        parquet.write(asked(odd, "src", where="host 9.9.9.9"), out)
    assert duckdb.sql(f"SELECT count(*) FROM '{empty}'").fetchall() == [(0,)]


def test_a_table_of_hours_tells_rates(odd: Path) -> None:
    out = io.StringIO()
    table.write(asked(odd, "hour,src", top=1), out, table.Style(numeric=True))
    text = out.getvalue()
    lines = text.splitlines()
    assert lines[3].split() == ["Hour", "From", "Packets", "Data", "All", "Rate"]
    assert lines[4].split() == ["2025-11-08", "00:00", "0.0.0.1", "1", "0", "B", "450", "kB", "1.00", "kbit/s"]
    assert lines[6].split()[:4] == ["2", "of", "3", "rows,"]
    assert lines[7].split() == ["1", "other", "row", "1", "0", "B", "10", "B"]
    assert "over 2 hours, averages of each:" in lines
    [told] = [line.split() for line in lines if line.endswith("2025-11-08 01:00")]
    assert told == ["0.0.0.1", "1.35", "MB", "2.00", "kbit/s", "2.00", "kbit/s", "2025-11-08", "01:00"]
    assert "by its own counters, 5 minutes each:\nin   95th 500 bit/s, peak 500 bit/s\nout  95th 50 bit/s, " in text
