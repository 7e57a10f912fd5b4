#!/usr/bin/env python3
"""The log beside nfdump's files and Parquet: bytes a record, and the wall time of questions, in one run.

  log.py [--peers DIR] [--work DIR] [--runs N] [--results FILE] [--small]

DIR holds gen.py (the generator; it needs numpy), by default ../shared/bench beside the project.  nfpcapd and nfdump
are Debian's package nfdump; Parquet is written by bpft's own extra.  Times are whole processes, medians of the runs
after a warm-up, the two tools in turn.  --small leaves out the 10 million records.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from results import BIN, PROJECT, origin, publish, table

DAY_NS = 86_400 * 10**9
CAPTURES = {
    "c2": "--packets 5000000 --flows 1000000 --zipf 0 --size 64",
    "c3": "--packets 2000000 --flows 50000 --zipf 1.1 --imix --v6 0.2 --vlan 0.1",
}
QUESTIONS = {
    "top 10 sources": (["--by", "src"], ["-s", "srcip/bytes", "-n", "10"]),
    "top 10 hosts": (["--by", "host"], ["-s", "ip/bytes", "-n", "10"]),
    "top 10 pairs": (["--by", "pair"], ["-A", "srcip,dstip", "-O", "bytes", "-n", "10"]),
    "top 10 networks /24": (["--by", "net/24"], ["-A", "srcip4/24", "-O", "bytes", "-n", "10"]),
    "per hour": (["--by", "hour"], ["-s", "proto/bytes", "-n", "10"]),  # nfdump knows no hours: its shortest table
}


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@dataclass(frozen=True)
class Cost:
    wall: float  #: seconds
    peak: int  #: bytes


def timed(command: list[str]) -> Cost:
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {child.returncode}")
    return Cost(time.perf_counter() - began, usage.ru_maxrss * 1024)


def compare(runs: int, *commands: list[str]) -> list[Cost]:
    """The commands in turn, a warm-up first; medians of each."""
    costs: list[list[Cost]] = [[] for _ in commands]
    for turn in range(runs + 1):
        for command, found in zip(commands, costs, strict=True):
            cost = timed(command)
            if turn:
                found.append(cost)
    return [Cost(statistics.median(c.wall for c in found), max(c.peak for c in found)) for found in costs]


@dataclass(frozen=True)
class Files:
    """One capture in every format."""

    log: Path
    nfdump: Path  #: directory

    @classmethod
    def make(cls, name: str, recipe: str, gen: Path, work: Path) -> "Files":
        capture = work / f"{name}.pcap"
        files = cls(work / f"var/lib/bpft/trafd.{name}", work / f"{name}.nf")
        run(sys.executable, gen, capture, *recipe.split())
        run(BIN / "trafd", "--root", work, "--read", capture, "-f", name, "-m", "0")
        files.nfdump.mkdir()
        run("nfpcapd", "-r", capture, "-w", files.nfdump, "-t", "3600", "-e", "3600,3600")
        capture.unlink()
        return files


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def bytes_per_record(name: str, files: Files, records: int, work: Path) -> list[list[str]]:
    packed, columns = work / f"{name}.bz2", work / f"{name}.parquet"
    run("nfdump", "-R", files.nfdump, "-j", "-w", packed)
    run(sys.executable, "-c", _PARQUET, files.log, columns)
    ours = size(files.log)
    others = {
        "nfdump": size(files.nfdump),
        "nfdump bz2": size(packed),
        "Parquet zstd, addresses as bytes": size(columns),
    }
    if name == "c2":  # of IPv4 alone: addresses may be numbers, which pyarrow and DuckDB both write
        run(sys.executable, "-c", _PARQUET_NUMBERS, files.log, columns)
        others["Parquet zstd, addresses as numbers, pyarrow"] = size(columns)
        others["... DuckDB"] = size(columns.with_suffix(".duckdb"))
    rows = [[name, "bpft log", f"{ours / records:.2f}", "1.00"]]
    return rows + [[name, tool, f"{n / records:.2f}", f"{ours / n:.2f}"] for tool, n in others.items()]


def merged(captures: Path, work: Path) -> list[str]:
    """Bytes a record of one table that all captures of a directory were metered into; none where it is absent."""
    from bpft import core
    from bpft.errors import BpftError
    from bpft.logfile import LogWriter
    from bpft.meter.capture import meter_file
    from bpft.record import Header

    table = core.Table()
    for capture in sorted(captures.iterdir()) if captures.is_dir() else []:
        if capture.suffix not in (".csv", ".tsv"):
            with suppress(BpftError):
                meter_file(str(capture), table)
    if not len(table):
        return []
    log = work / "merged"
    LogWriter(log).append(Header(interface="all"), table)
    each = size(log) / len(table)
    return ["", f"One table of {len(table):,} records, of all captures in {captures.name}: {each:.2f} bytes a record."]


#: The columns that the log has, as compactly as Parquet can: binary addresses, sorted as in the log, zstd.
_PARQUET = """
import sys, numpy, pyarrow, pyarrow.parquet, bpft
parts = []
for block in bpft.open(sys.argv[1]).blocks():
    for chunk in block.chunks():
        a = numpy.asarray(chunk)
        width = a["src"].dtype.itemsize
        cut = lambda name: pyarrow.FixedSizeBinaryArray.from_buffers(
            pyarrow.binary(width), len(a), [None, pyarrow.py_buffer(a[name].tobytes())]).cast(pyarrow.binary())
        parts.append(pyarrow.table({"src": cut("src"), "dst": cut("dst"),
            **{n: numpy.ascontiguousarray(a[n]).astype(a[n].dtype.newbyteorder("="))
               for n in ("sport", "dport", "proto", "packets", "all", "data")}}))
pyarrow.parquet.write_table(pyarrow.concat_tables(parts), sys.argv[2], compression="zstd")
"""


_PARQUET_NUMBERS = """
import sys, numpy, pyarrow, pyarrow.parquet, bpft
log = bpft.open(sys.argv[1])
rows = numpy.concatenate([numpy.asarray(chunk) for block in log.blocks() for chunk in block.chunks()])
big = {n: rows[n].copy().byteswap() for n in ("src", "dst", "sport", "dport")}
columns = pyarrow.table(big | {n: rows[n].copy() for n in ("proto", "packets", "all", "data")})
pyarrow.parquet.write_table(columns, sys.argv[2], compression="zstd")
import duckdb
path = sys.argv[2].removesuffix(".parquet") + ".duckdb"
duckdb.sql(f"copy columns to '{path}' (format parquet, compression zstd)")
"""


def ask(title: str, logs: list[Path], nfdump: Path, runs: int) -> list[list[str]]:
    rows = []
    for question, (ours, theirs) in QUESTIONS.items():
        a, b = compare(
            runs,
            [str(BIN / "bpft"), "report", "-n", "--top", "10", *ours, *map(str, logs)],
            ["nfdump", "-R", str(nfdump), *theirs],
        )
        for tool, cost in (("bpft", a), ("nfdump", b)):
            rows.append(
                [title, question, tool, f"{cost.wall:.3f}", f"{cost.wall / b.wall:.2f}", f"{cost.peak / 1e6:.0f}"]
            )
    return rows


def year(work: Path) -> Path:
    """A log of 365 daily blocks of 20,000 records: 2,000 hosts here talk to 65,536 elsewhere."""
    import numpy

    from bpft import core
    from bpft.logfile import LogWriter
    from bpft.record import Counters, Header

    record = numpy.dtype("V4,V4,>u2,>u2,u1,u1,=u2,=u8,=u8,=u8")  # core.RECORD4
    rng = numpy.random.default_rng(1)
    path = work / "year"
    writer = LogWriter(path)
    begin = 1_750_000_000 * 10**9
    for day in range(365):
        rows = numpy.zeros(20_000, record)
        rows["f0"] = (0x0A000000 + rng.zipf(1.3, 20_000) % 2_000).astype(">u4").view("V4")
        rows["f1"] = (0xC0000000 + rng.integers(0, 65_536, 20_000) * 65_521).astype(">u4").view("V4")
        rows["f2"], rows["f3"], rows["f4"] = rng.integers(1024, 65536, 20_000), 443, 6
        rows["f7"] = packets = rng.zipf(1.5, 20_000) % 10_000 + 1
        rows["f8"], rows["f9"] = packets * 900, packets * 860
        one = core.Table()
        one.add_records(4, rows.tobytes())
        frames = int(packets.sum())
        header = Header(
            epoch=day.to_bytes(16, "big"),
            begin_ns=begin + day * DAY_NS,
            end_ns=begin + (day + 1) * DAY_NS,
            interface="eth0",
            counters=Counters(seen=frames, counted=frames),
        )
        writer.append(header, one)
    return path


def codec(files: Files, runs: int) -> list[str]:
    """CPU seconds of a million records through the codec and the compressor, and back."""
    from bpft import core
    from bpft.compression import Compressor
    from bpft.logfile import scan

    (block,) = scan(files.log)
    groups = [(group.version, group.records()) for group in block.groups()]  # type: ignore[union-attr]
    there, back = [], []
    for _ in range(runs):
        began = time.process_time()
        compressor = Compressor()
        for version, dense in groups:
            for _rows, _other, columns in core.encode_columns(version, dense):
                for _column, _encoding, parts in columns:
                    compressor.compress(parts)
        there.append(time.process_time() - began)
        began = time.process_time()
        for group in block.groups():  # type: ignore[union-attr]
            group.records()
        back.append(time.process_time() - began)
    return [f"{statistics.median(there):.3f}", f"{statistics.median(back):.3f}"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peers", type=Path, default=PROJECT.parent / "shared/bench")
    options.add_argument("--work", type=Path)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--results", type=Path)
    options.add_argument("--small", action="store_true")
    given = options.parse_args()
    gen = given.peers / "gen.py"
    with tempfile.TemporaryDirectory(dir=given.work) as name:
        work = Path(name)
        made = {capture: Files.make(capture, recipe, gen, work) for capture, recipe in CAPTURES.items()}
        sizes = bytes_per_record("c2", made["c2"], 1_000_000, work) + bytes_per_record("c3", made["c3"], 50_000, work)
        asked = ask("1M records", [made["c2"].log], made["c2"].nfdump, given.runs)
        if not given.small:
            logs, everything = [made["c2"].log], work / "all.nf"
            everything.mkdir()
            (everything / "nfcapd.202001010000").symlink_to(next(made["c2"].nfdump.iterdir()))
            for seed in range(2, 11):
                recipe = f"--packets 1500000 --flows 1000000 --zipf 0 --size 64 --seed {seed}"
                files = Files.make(f"s{seed}", recipe, gen, work)
                logs.append(files.log)
                (everything / f"nfcapd.20200101{seed:04d}").symlink_to(next(files.nfdump.iterdir()))
            asked += ask("10M records", logs, everything, max(3, given.runs - 2))
        days = year(work)
        (total,) = compare(given.runs, [str(BIN / "bpft"), "report", "-n", "--by", "host", "--top", "10", str(days)])
        encode, decode = codec(made["c2"], given.runs)
        publish(
            {
                "The log": [
                    origin("bench/log.py", "nfdump"),
                    "",
                    *table(["capture", "format", "bytes/record", "the log, of it"], sizes),
                    *merged(given.peers.parent / "corpus/dev", work),
                    "",
                    f"A million records of c2: {encode} s of CPU to encode and compress, {decode} s to read back.",
                    "",
                    *table(["records", "question", "tool", "seconds", "of nfdump", "peak MB"], asked),
                    "",
                    f"A year of daily blocks, 20,000 records each, totalled per host: {total.wall:.2f} s,"
                    f" {total.peak / 1e6:.0f} MB.",
                ]
            },
            given.results,
        )


if __name__ == "__main__":
    main()
