"""import bpft: blocks, records and columns of any file, equal to what reports say."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import blocks
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from old_files import Entry, block

import bpft
from bpft import core
from bpft.cli.main import run
from bpft.errors import UsageError
from bpft.logfile import LogWriter, write_dump
from bpft.record import Header
from bpft.report.answer import Question, answer
from bpft.report.period import read_period
from bpft.report.source import Sources

SAMPLE = Path(__file__).parent / "captures/sample.pcap"
DAY = 86400 * 10**9
FIRST = 1_767_225_600 * 10**9  # 2026-01-01 UTC


def save(path: Path, *records: tuple[int, bytes], day: int = 0, **fields: Any) -> core.Table:
    table = blocks.table(*records)
    begin = FIRST + day * DAY
    header = Header(begin_ns=begin, end_ns=begin + DAY, epoch=os.urandom(16), interface="eth0", **fields)
    LogWriter(path).append(header, table)
    return table


def sums(records: Any) -> tuple[int, int, int]:
    found = [0, 0, 0]
    for one in records:
        for place, value in enumerate((one.packets or 0, one.all, one.data)):
            found[place] = (found[place] + value) % (1 << 64)
    return (found[0], found[1], found[2])


def reported(*files: Path, **question: Any) -> tuple[int, int, int]:
    sources = Sources()
    for file in files:
        sources.add(str(file))
    return answer(Question(**question), sources).totals


def test_the_names_are_there_and_cost_nothing() -> None:
    assert set(bpft.__all__) <= set(dir(bpft))
    assert all(getattr(bpft, name) for name in bpft.__all__)
    with pytest.raises(AttributeError, match="no attribute 'close'"):
        _ = bpft.close  # type: ignore[attr-defined]
    code = "import bpft, sys; print(sorted(name for name in sys.modules if name.startswith('bpft.')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_block_and_its_records(tmp_path: Path) -> None:
    path = tmp_path / "log"
    one = blocks.record(src=0x0A000001, dst=0xC0000201, flags=core.DIR_TX, vlan=101, packets=3, all=300, data=180)
    bare = blocks.record(6, src=1, dst=2, flags=core.NO_PORTS | core.NO_PROTO)
    rest = blocks.record(flags=core.OTHER | core.NO_PORTS | core.NO_PROTO, packets=9, all=999, data=99)
    save(path, (4, one + rest), (6, bare), host="gw")
    log = bpft.open(path)
    [found] = log.blocks()
    assert (found.begin, found.end) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    assert (found.path, found.rows, found.header.host, len(found.id)) == (str(path), 3, "gw", 16)
    assert sorted(found.records(), key=lambda record: record.all) == [
        bpft.Record(IPv6Address("::1"), IPv6Address("::2"), None, None, None, None, None, 1, 40, 0, False, 6),
        bpft.Record(IPv4Address("10.0.0.1"), IPv4Address("192.0.2.1"), 1000, 80, 6, "tx", 100, 3, 300, 180, False, 4),
        bpft.Record(None, None, None, None, None, None, None, 9, 999, 99, True, 4),
    ]
    assert list(found.records()) == list(log.records())
    assert log.troubles == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(four=blocks.dense(4), six=blocks.dense(6), by=st.sampled_from(["raw", "key"]))
def test_sums_are_those_of_the_table(tmp_path: Path, four: bytes, six: bytes, by: Any) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    table = save(path, (4, four), (6, six))
    assert sums(bpft.open(path).records(by=by)) == table.totals()


@pytest.mark.parametrize("where", ["", "host 10.0.0.1", "port 53", "net 10.0.0.0/28 and not tcp", "ip6"])
@pytest.mark.parametrize(
    ("begin", "end"),
    [(None, None), ("2026-01-02T00:00+00:00", None), ("2026-01-02T00:00+00:00", "2026-01-04T00:00+00:00")],
)
def test_filters_are_those_of_reports(tmp_path: Path, where: str, begin: str | None, end: str | None) -> None:
    path = tmp_path / "log"
    for day in range(5):
        save(path, (4, blocks.traffic(200, seed=day)), (6, blocks.traffic(50, 6, seed=day)), day=day)
    expected = reported(path, where=where, period=read_period(begin, end))
    log = bpft.open(path)
    assert sums(log.records(begin, end, where)) == expected
    times = [None if text is None else datetime.fromisoformat(text) for text in (begin, end)]
    assert sums(log.records(*times, where)) == expected
    instants = [None if time is None else int(time.timestamp()) * 10**9 for time in times]
    assert sums(record for found in log.blocks(*instants) for record in found.records(where)) == expected
    assert sums(log.records(*instants, where, interface="eth0", by="key")) == expected
    assert sums(log.records(interface=["eth1", "eth2"])) == (0, 0, 0)


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    save(path, (4, blocks.record(flags=core.NO_PORTS | core.NO_PROTO)))
    log = bpft.open(path)
    for where in ("port 80", "len > 7", "nonsense"):
        with pytest.raises(bpft.BpftError):
            list(log.records(where=where))
    with pytest.raises(bpft.BpftError, match="ends"):
        list(log.blocks(begin=2, end=1))
    with pytest.raises(bpft.BpftError, match="no time"):
        list(log.blocks(begin="whenever"))
    wrong: list[dict[str, Any]] = [{"begin": 1.5}, {"end": []}, {"begin": True}, {"interface": 5}, {"interface": [[]]}]
    for asked in (*wrong, {"interface": b"eth0"}, {"by": "x"}, {"by": "x", "interface": "none"}):
        with pytest.raises(UsageError, match="use "):
            list(log.records(**asked))
    with pytest.raises(UsageError, match="too far away"):
        list(log.blocks(begin=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))))
    with pytest.raises(UsageError, match="by 'x'"):
        list(next(log.blocks()).records(by="x"))  # type: ignore[arg-type]
    with pytest.raises(bpft.BpftError):
        bpft.open(tmp_path / "none")
    with pytest.raises(bpft.BpftError):
        bpft.open(__file__)


def test_every_kind_of_file(tmp_path: Path) -> None:
    old, dump, log = tmp_path / "trafd.fxp0", tmp_path / "dump", tmp_path / "log"
    old.write_bytes(block("old", "big", [Entry(), Entry(src=9)]))
    table = save(log, (4, blocks.record(all=50)))
    write_dump(dump, Header(begin_ns=1, end_ns=2, epoch=b"d" * 16, interface="eth1"), table)
    assert sums(bpft.open(old, dump, str(log), SAMPLE).records()) == reported(old, dump, log, SAMPLE)
    [found] = bpft.open(SAMPLE).blocks()
    assert (found.id, found.rows, found.header.source) == (b"", 22, "file")
    [found] = bpft.open(old).blocks()
    assert [record.packets for record in found.records()] == [None, None]
    assert found.id


def test_what_is_recorded_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPFT_ROOT", str(tmp_path))
    with pytest.raises(bpft.BpftError, match="nothing is recorded"):
        bpft.open()
    (tmp_path / "var/lib/bpft").mkdir(parents=True)
    save(tmp_path / "var/lib/bpft/trafd.eth0", (4, blocks.record(all=70)))
    assert sums(bpft.open().records()) == (1, 70, 0)


def test_damage_warns_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    save(path, (4, blocks.record(all=100)))
    length = path.stat().st_size
    save(path, (4, blocks.record(all=200)), day=1)
    data = bytearray(path.read_bytes())
    data[length - 2] ^= 1  # the checksum of its end: found when the block is
    path.write_bytes(data)
    with pytest.warns(bpft.DamageWarning, match="bytes at byte 0 are left out"):
        log = bpft.open(path)
    assert sums(log.records()) == (1, 200, 0)
    assert log.troubles
    data = bytearray(path.read_bytes()[length:])
    data[-110] ^= 1  # in a row group: found when it is read
    path.write_bytes(data)
    log = bpft.open(path)
    with pytest.raises(bpft.BpftError, match="cannot be read"):
        list(next(log.blocks()).records())
    with pytest.warns(bpft.DamageWarning, match="cannot be read"):
        assert list(log.records()) == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(four=blocks.dense(4), six=blocks.dense(6))
def test_numpy_looks_at_the_same_bytes(tmp_path: Path, four: bytes, six: bytes) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    save(path, (4, four), (6, six))
    for _, chunk in bpft.open(path).chunks():
        array = numpy.asarray(chunk)
        assert not array.flags.owndata
        assert numpy.shares_memory(array, numpy.frombuffer(chunk.data, numpy.uint8))
        assert array.dtype == numpy.dtype(chunk.dtype)
        assert (array == numpy.frombuffer(chunk.data, chunk.dtype)).all()
        for item, record in zip(array, chunk.records(), strict=True):
            assert (item["packets"] or None, item["all"], item["data"]) == (record.packets, record.all, record.data)
            if record.sport is not None:
                assert (item["sport"], item["dport"]) == (record.sport, record.dport)
            if record.src is not None:
                packed = int(item["src"]).to_bytes(4, "big") if chunk.version == 4 else bytes(item["src"])
                assert packed == record.src.packed


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(four=blocks.dense(4), six=blocks.dense(6))
def test_arrow_tells_the_same(tmp_path: Path, four: bytes, six: bytes) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    save(path, (4, four), (6, six))
    log = bpft.open(path)
    rows = [row for _, chunk in log.chunks() for row in chunk.rows()]
    table = log.arrow().read_all()
    table.validate(full=True)
    assert [tuple(row.values())[4:] for row in table.to_pylist()] == rows
    assert {tuple(row.values())[2:4] for row in table.to_pylist()} == {("eth0", None)}


def test_data_frames_take_a_log(tmp_path: Path) -> None:
    for name in ("pyarrow", "polars", "duckdb"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    import duckdb
    import polars

    path = tmp_path / "log"
    table = save(path, (4, blocks.traffic(3000)), (6, blocks.traffic(100, 6)))
    log = bpft.open(path)
    assert polars.DataFrame(log)["all"].sum() == table.totals()[1]
    assert duckdb.sql('select sum("all")::ubigint from log').fetchall() == [(table.totals()[1],)]
    empty = log.arrow(where="host 203.0.113.99").read_all()
    assert (empty.num_rows, empty.num_columns) == (0, 15)


def test_the_examples_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pandas", "duckdb"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    text = (Path(__file__).parents[1] / "README.md").read_text()
    [exporting] = re.findall(r"^bpft (export .*)$", text, re.M)
    duckdb_example, frame_example = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(list(filter(None, frame_example.splitlines()))) == 3
    log = tmp_path / "demo/var/lib/bpft/trafd.monday"
    log.parent.mkdir(parents=True)
    table = save(log, (4, blocks.traffic(500)), (6, blocks.traffic(50, 6)), day=4)
    save(log, (4, blocks.record(all=1 << 40)), day=31)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    assert run(exporting.split()) == 0
    named: dict[str, Any] = {}
    exec(frame_example, named)
    month = named["month"]
    assert [month[name].sum() for name in ("packets", "all", "data")] == list(table.totals())
    assert month["sport"].isna().sum() == 0
    shown: list[Any] = []
    exec(duckdb_example, {"print": shown.append})
    largest = month.groupby("src")["all"].sum().sort_values(ascending=False)
    found = shown[0].fetchall()
    assert found[0][1] == 1 << 40
    assert [row[1] for row in found[1:]] == list(largest[:2])


def test_arrow_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(bpft.BpftError, match=r"pip install 'bpft\[parquet\]'"):
        bpft.open(SAMPLE).arrow()
