"""bpft export: every record, once, in each format; in constant memory; never over a log (SEMANTICS R6)."""

import csv
import io
import json
import os
import pty
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import blocks
import pytest
from hypothesis import HealthCheck, given, settings
from old_files import Entry, block

from bpft import core
from bpft.cli.main import run
from bpft.export.output import new_file
from bpft.logfile import LogWriter
from bpft.record import Header
from bpft.report.answer import Question, answer
from bpft.report.source import Sources

SAMPLE = Path(__file__).parent / "captures/sample.pcap"
BEGIN, END = 1_700_000_000_123_456_789, 1_700_000_300_000_000_001
FORMATS = ["csv", "ndjson", "parquet", "sqlite"]
KEY = ["src", "dst", "sport", "dport", "proto", "direction", "vlan"]
COLUMNS = ["begin", "end", "interface", "host", *KEY, "packets", "all", "data", "other"]
LARGEST = (1 << 63) - 1
Row = tuple[Any, ...]


def save(path: Path, *records: tuple[int, bytes], **fields: Any) -> core.Table:
    table = blocks.table(*records)
    header = Header(begin_ns=BEGIN, end_ns=END, epoch=os.urandom(16), interface='eth"0,', host="gw é")
    LogWriter(path).append(header._replace(**fields), table)
    return table


def expected(table: core.Table) -> Counter[Row]:
    """The rows of a table, told by the layout of records alone; from src on."""
    found: Counter[Row] = Counter()
    for version, records in blocks.contents(table).items():
        for one in blocks.split(version, records):
            src, dst, sport, dport, proto, flags, vlan, packets, all_, data = blocks.FORMAT[version].unpack(one)
            other = bool(flags & core.OTHER)
            family, anywhere = (socket.AF_INET, "0.0.0.0/0") if version == 4 else (socket.AF_INET6, "::/0")
            addresses = [anywhere if other else socket.inet_ntop(family, packed) for packed in (src, dst)]
            ports = [None if flags & core.NO_PORTS else int.from_bytes(port, "big") for port in (sport, dport)]
            known = None if flags & core.NO_PROTO else proto
            direction = {0: None, 1: "rx", 2: "tx"}[flags & 3]
            key = (*addresses, *ports, known, direction, vlan - 1 if vlan else None)
            found[*key, packets or None, all_, data, other] += 1
    return found


def number(cell: str) -> int | None:
    return int(cell) if cell else None


def of_csv(path: Path) -> list[Row]:
    lines = list(csv.reader(io.StringIO(path.read_text())))
    assert lines[0] == COLUMNS
    return [
        (*line[:6], *map(number, line[6:9]), line[9] or None, *map(number, line[10:14]), line[14] == "true")
        for line in lines[1:]
    ]


def of_ndjson(path: Path) -> list[Row]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(list(one) == COLUMNS for one in found)
    return [tuple(one.values()) for one in found]


def of_parquet(path: Path) -> list[Row]:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    table = parquet.read_table(path)
    assert table.column_names == COLUMNS
    for name in ("begin", "end"):
        place = COLUMNS.index(name)
        moments = table.column(name).cast("int64").to_pylist()
        text = [f"2023-11-14T{22 + (ns >= END)}:{'18' if ns == END else '13'}:20.{ns % 10**9:09d}Z" for ns in moments]
        table = table.set_column(place, name, [[stamp.replace("T23", "T22") for stamp in text]])
    return [tuple(one.values()) for one in table.to_pylist()]


def of_sqlite(path: Path) -> list[Row]:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT * FROM traffic")
        assert [column[0] for column in found.description] == COLUMNS
        return [(*row[:-1], bool(row[-1])) for row in found]


READ: dict[str, Callable[[Path], list[Row]]] = {
    "csv": of_csv,
    "ndjson": of_ndjson,
    "parquet": of_parquet,
    "sqlite": of_sqlite,
}


def export(form: str, out: Path, *arguments: str) -> list[Row]:
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    assert run(["export", "--format", form, "-o", str(out), *arguments]) == 0
    return READ[form](out)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(four=blocks.dense(4), six=blocks.dense(6))
def test_every_record_is_a_row(tmp_path: Path, form: str, four: bytes, six: bytes) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    log.unlink(missing_ok=True)
    table = save(log, (4, four), (6, six))
    if form == "sqlite" and any(max(row[-4] or 0, *row[-3:-1]) > LARGEST for row in expected(table)):
        assert run(["export", "--format", form, "-o", str(out), str(log)]) == 1
        return
    rows = export(form, out, str(log))
    assert {row[:4] for row in rows} == {
        ("2023-11-14T22:13:20.123456789Z", "2023-11-14T22:18:20.000000001Z", 'eth"0,', "gw é")
    }
    assert Counter(row[4:] for row in rows) == expected(table)
    assert tuple(sum(row[place] or 0 for row in rows) % (1 << 64) for place in (11, 12, 13)) == table.totals()


@pytest.mark.parametrize("form", FORMATS)
def test_sources_filters_and_keys(tmp_path: Path, form: str) -> None:
    log = tmp_path / "log"
    there = blocks.traffic(300)
    save(log, (4, there))
    save(log, (4, blocks.traffic(100, seed=2)), begin_ns=BEGIN + 10**15, end_ns=END + 10**15, interface="eth1")
    both = blocks.record(flags=core.DIR_RX) + blocks.record(flags=core.DIR_TX, vlan=8)
    save(log, (4, both), begin_ns=BEGIN + 10**16, end_ns=END + 10**16, interface="eth2")
    out = tmp_path / "out"

    def asked(*arguments: str, **question: Any) -> None:
        rows = export(form, out, str(log), *arguments)
        sources = Sources()
        sources.add(str(log))
        totals = answer(Question(**question), sources).totals
        assert tuple(sum(row[place] for row in rows) for place in (11, 12, 13)) == totals

    if form != "parquet":  # its times are read as those of the first block
        asked()
        asked("-i", "eth1", interfaces=("eth1",))
        assert len(export(form, out, str(log), "-e", "2023-11-20")) == len(blocks.table((4, there)))
    asked(
        "-i", 'eth"0,', "-w", "port 53 and net 10.0.0.0/28", where="port 53 and net 10.0.0.0/28", interfaces=('eth"0,',)
    )
    if form != "parquet":
        assert len(export(form, out, str(log), "-i", "eth2")) == 2
        assert [row[9:] for row in export(form, out, str(log), "-i", "eth2", "--by", "key")] == [
            (None, None, 2, 80, 0, False)
        ]
        assert sum(row[11] for row in export(form, out, str(SAMPLE))) == 398


def test_what_old_files_do_not_know_is_empty(tmp_path: Path) -> None:
    old = tmp_path / "trafd.fxp0"
    old.write_bytes(block("v4", "little", [Entry()]))
    [row] = export("csv", tmp_path / "out", str(old))
    assert row[2:] == ("fxp0", "", "10.0.0.1", "192.0.2.1", 80, 40000, 6, None, None, None, 1500, 1460, False)


def test_sqlite_has_blocks_and_addresses_that_sort(tmp_path: Path) -> None:
    log = tmp_path / "log"
    save(log, (4, blocks.record(src=0x0A000001) + blocks.record(src=0x09FFFFFF)), (6, blocks.record(6)))
    export("sqlite", tmp_path / "db", str(log))
    with closing(sqlite3.connect(tmp_path / "db")) as database:
        query = "SELECT src FROM records WHERE src_packed BETWEEN x'0a000000' AND x'0affffff'"
        assert database.execute(query).fetchall() == [("10.0.0.1",)]
        assert "records_src" in str(database.execute("EXPLAIN QUERY PLAN " + query).fetchall())
        assert database.execute("SELECT begin_ns, end_ns, source, length(id) FROM blocks").fetchall() == [
            (BEGIN, END, "live", 16)
        ]


def test_no_log_is_overwritten_and_no_half_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, old = tmp_path / "log", tmp_path / "trafd.old"
    save(log, (4, blocks.record(all=(1 << 64) - 1)))
    old.write_bytes(block("old", "big", [Entry()]))
    capture = tmp_path / "capture"
    capture.write_bytes(SAMPLE.read_bytes())
    for form in ("csv", "sqlite"):
        for out in (log, old, tmp_path):
            before = out.read_bytes() if out.is_file() else b""
            assert run(["export", str(SAMPLE), "--format", form, "-o", str(out)]) == 1
            assert (out.read_bytes() if out.is_file() else b"") == before
        assert run(["export", str(capture), "--format", form, "-o", str(capture)]) == 1
    told = capsys.readouterr().err
    assert told.count("is a log, which is never overwritten") == 4
    assert told.count("is one of the files that are read") == 2
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    assert run(["export", str(log), "--format", "sqlite", "-o", str(kept)]) == 1
    assert "no integer of SQLite" in capsys.readouterr().err
    assert kept.read_text() == "as it was"
    assert run(["export", str(SAMPLE), "--format", "csv", "-o", str(tmp_path / "none/out")]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capture", "kept", "log", "trafd.old"]


def test_a_link_to_a_file_is_refused_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there, missing = tmp_path / "there", tmp_path / "missing"
    there.write_text("as it was")
    for form in ("csv", "sqlite"):
        for target in (there, missing):
            link = tmp_path / "link"
            link.symlink_to(target)
            assert run(["export", str(SAMPLE), "--format", form, "-o", str(link)]) == 1
            assert capsys.readouterr().err == f"bpft: {link}: is a link; name the file itself\n"
            assert link.readlink() == target
            link.unlink()
    assert there.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [there]


def test_two_exports_to_one_name_do_not_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with new_file(out, []) as name:
        name.write_text("whole")
        assert run(["export", str(SAMPLE), "--format", "csv", "-o", str(out)]) == 1
        assert capsys.readouterr().err == f"bpft: {out}: another bpft is rewriting it\n"
        assert not out.exists()
    assert out.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_file_is_a_log_of_no_records(tmp_path: Path, form: str) -> None:
    empty, log = tmp_path / "empty", tmp_path / "log"
    empty.touch()
    save(log, (4, blocks.record()))
    assert export(form, tmp_path / "none", str(empty)) == []
    assert len(export(form, tmp_path / "one", str(empty), str(log))) == 1
    assert run(["export", str(empty), "--format", form, "-o", str(empty)]) == 1
    assert not empty.stat().st_size


def test_standard_output_by_name_and_closed(tmp_path: Path) -> None:
    result = subprocess.run(
        program(str(SAMPLE), "--format", "csv", "-o", "-"), cwd=tmp_path, capture_output=True, check=True
    )
    assert len(result.stdout.splitlines()) > 10
    assert not list(tmp_path.iterdir())
    command = ["sh", "-c", '"$@" >&-', "sh", *program(str(SAMPLE), "--format", "csv")]
    result = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (1, b"bpft: standard output: is closed\n")


def test_bad_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([str(SAMPLE)], ["--format"], ["--format", "x"], ["-w"]):
        assert run(["export", *words]) == 127
        told = capsys.readouterr().err
        assert told.endswith(" See: bpft export --help\n")
        assert "\\x" not in told and told.count("\n") == 1
    assert run(["export", str(SAMPLE), "--format", "sqlite"]) == 127
    assert "-o FILE" in capsys.readouterr().err
    assert run(["export", str(SAMPLE), "--format", "csv", "-b", "sometime"]) == 127
    assert run(["export", str(SAMPLE), "--format", "csv", "-w", "len > 5"]) == 1
    assert run(["export", str(tmp_path / "none"), "--format", "csv"]) == 1
    assert run(["export", "--format", "csv", "--root", str(tmp_path)]) == 1


def test_a_database_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(SAMPLE), "--format", "sqlite", "-o", "/dev/null"]) == 1
    assert capsys.readouterr().err == "bpft: /dev/null: is no regular file, which a database has to be\n"
    out = tmp_path / "out"
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *program(str(SAMPLE), "--format", "sqlite", "-o", str(out))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"bpft: {out}: ")
    assert not list(tmp_path.iterdir())


def test_pyarrow_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(["export", str(SAMPLE), "--format", "parquet", "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == (
        "bpft: --format parquet needs pyarrow; install it with: pip install 'bpft[parquet]'\n"
    )


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bpft", "export", *arguments]


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_a_pipe_gets_the_same_bytes_and_may_break(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    out = tmp_path / "out"
    command = program(str(SAMPLE), "--format", form)
    subprocess.run([*command, "-o", str(out)], check=True)
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == out.read_bytes()
    log = tmp_path / "log"
    save(log, (4, blocks.traffic(20000)))
    with subprocess.Popen(
        program(str(log), "--format", form), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*program(str(log), "--format", form)], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (result.returncode, result.stderr) == (1, b"bpft: standard output: No space left on device\n")


def test_damage_is_told_and_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    save(log, (4, blocks.record(all=100)))
    length = log.stat().st_size
    save(log, (4, blocks.record(all=200)))
    data = bytearray(log.read_bytes())
    data[length - 60] ^= 1
    log.write_bytes(data)
    out = tmp_path / "out"
    assert run(["export", str(log), "--format", "csv", "-o", str(out)]) == 1
    assert [row[12] for row in of_csv(out)] == [200]
    assert str(log) in capsys.readouterr().err


def test_a_bar_on_a_terminal_only(tmp_path: Path) -> None:
    log = tmp_path / "log"
    save(log, (4, blocks.traffic(500)))
    ours, theirs = pty.openpty()
    with (tmp_path / "out").open("wb") as out:
        subprocess.run(program(str(log), "--format", "csv"), stdout=out, stderr=theirs, check=True)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert b"100%" in shown


_PEAK = "import resource, sys; from bpft.cli.main import run; code = run(sys.argv[1:]); \
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


@pytest.fixture(scope="module")
def long_logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Logs of 100,000 records and of a million."""
    paths = []
    for count in (100_000, 1_000_000):
        pack = blocks.FORMAT[4].pack
        dense = b"".join(
            pack(
                (0x0A000000 + n % 5000).to_bytes(4, "big"),
                (n * 7919 % 0xFFFF_FFFF).to_bytes(4, "big"),
                b"\1\xbb",
                n.to_bytes(4, "big")[2:],
                6,
                n % 3,
                0,
                1 + n % 9,
                40 + n % 1400,
                n % 1400,
            )
            for n in range(count)
        )
        path = tmp_path_factory.mktemp("long") / f"{count}"
        assert len(save(path, (4, dense))) == count
        paths.append(path)
    return paths


@pytest.mark.parametrize("form", FORMATS)
def test_memory_does_not_grow_with_the_log(tmp_path: Path, long_logs: list[Path], form: str) -> None:
    """Peak of a million records against that of 100,000; Parquet's row groups are full only with the former."""
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    peaks = []
    for log in long_logs:
        command = [sys.executable, "-c", _PEAK, "export", str(log), "--format", form, "-o", str(tmp_path / "out")]
        code, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert code == "0"
        peaks.append(int(peak))
    assert peaks[1] - peaks[0] < (80_000 if form == "parquet" else 16_000), peaks
