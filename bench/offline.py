#!/usr/bin/env python3
"""Captures in, logs out: trafd --read beside nfpcapd and a plain C reference in one run, as ratios.

  offline.py [--peers DIR] [--work DIR] [--runs N] [--captures c1,c2,c3] [--results FILE]

DIR holds gen.py (the generator; it needs numpy) and ref.c (the reference), by default ../shared/bench beside the
project.  nfpcapd and nfdump are Debian's package nfdump.  CPU is user plus system time of the whole process, with
start-up and the writing of the result; memory is its largest resident set.  Medians of the runs after a warm-up.
Wall times are to 5 ms.
"""

import argparse
import csv
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from results import PROJECT, origin, publish, table

CAPTURES = {
    "c1": "--packets 20000000 --flows 10000 --zipf 1.1 --size 64 --seed 11",
    "c2": "--packets 20000000 --flows 1000000 --zipf 0 --size 64 --seed 12",
    "c3": "--packets 5000000 --flows 50000 --zipf 1.1 --imix --v6 0.2 --vlan 0.1 --seed 13",
}


@dataclass(frozen=True)
class Cost:
    cpu: float  #: seconds
    wall: float  #: seconds
    peak: int  #: bytes
    output: str


@dataclass(frozen=True)
class Counted:
    """What a tool says it found, and the bytes it wrote."""

    flows: int
    packets: int
    octets: int
    size: int


@dataclass(frozen=True)
class Row:
    capture: str
    tool: str
    cpu_us: float  #: a packet
    peak: int
    counted: Counted
    exact: bool


def run(command: list[str]) -> Cost:
    """One process to its end."""
    with tempfile.TemporaryFile("w+") as output:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        peak, pid = 0, 0
        while not pid:
            peak = max(peak, high_water(process.pid))
            time.sleep(0.005)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{text}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, peak, text)


def high_water(pid: int) -> int:
    """The largest resident set of a process so far, in bytes; rusage would show ours, too, from before exec."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


class Bench:
    def __init__(self, peers: Path, work: Path, runs: int) -> None:
        self.work, self.runs, self.peers = work, runs, peers
        self.out = work / "out"
        self.reference = work / "ref"
        self.bin = Path(sys.executable).parent
        if not (peers / "gen.py").exists():
            sys.exit(f"{peers}: no gen.py here; name the directory of the generator and ref.c with --peers")
        if missing := [tool for tool in ("cc", "nfpcapd", "nfdump") if not shutil.which(tool)]:
            sys.exit(f"missing: {', '.join(missing)}; on Debian: apt-get install gcc libpcap-dev nfdump")
        run(["cc", "-O2", "-o", str(self.reference), str(peers / "ref.c"), "-lpcap"])
        core = PROJECT / "bpft/core"
        sources = [str(path) for path in core.glob("*.c") if not path.name.startswith(("bind_", "_core"))]
        flags = ["-O3", "-fno-tree-slp-vectorize", "-std=c11", "-D_GNU_SOURCE", f"-I{core}"]
        run(["cc", *flags, "-o", str(work / "floor"), str(PROJECT / "bench/floor.c"), *sources, "-lpcap"])

    def capture(self, name: str) -> tuple[Path, dict[str, int]]:
        """The capture, made if it is not there yet, and its truth."""
        path = self.work / f"{name}.pcap"
        truth = Path(f"{path}.json")
        if not truth.exists():
            run([sys.executable, str(self.peers / "gen.py"), str(path), *CAPTURES[name].split()])
        read_afresh(path)
        return path, json.loads(truth.read_text())

    def measure(self, *commands: list[str], capture: Path | None = None) -> list[Cost]:
        """The commands in turn, so that what else the machine does meets all alike; what the last run wrote stays.

        Each finds the capture alike: touched a moment ago.  What a virtual machine has not touched for seconds its
        host makes it wait for, at each page, and counts that as the tool's CPU.
        """
        costs: list[list[Cost]] = [[] for _ in commands]
        for turn in range(self.runs + 1):
            for place, command in enumerate(commands):
                out = self.out / str(place)
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir(parents=True)
                if capture is not None:
                    read_through(capture)
                cost = run(command)
                if turn:
                    costs[place].append(cost)
        return [
            Cost(
                statistics.median(cost.cpu for cost in found),
                statistics.median(cost.wall for cost in found),
                max(cost.peak for cost in found),
                found[-1].output,
            )
            for found in costs
        ]

    def floor(self, name: str, single: bool) -> dict[str, float]:
        """ns of CPU a packet: the least a reader does, and the meter alone, in one process; single: pages."""
        path, _ = self.capture(name)
        if single:
            path = in_single_pages(path)
        found: dict[str, float] = json.loads(run([str(self.work / "floor"), str(path), str(max(self.runs, 3))]).output)
        if single:
            path.unlink()
        return found

    def start(self) -> float:
        """Seconds of CPU until trafd --read has counted a small capture."""
        capture = PROJECT / "tests/captures/sample.pcap"
        words = ["--root", str(self.out / "0"), "--read", str(capture), "-f", "bench"]
        costs = [self.measure([str(self.bin / "trafd"), *words])[0] for _ in range(5)]
        return statistics.median(cost.cpu for cost in costs)

    def bpft(self, out: Path, _said: str) -> Counted:
        """By bpft's own report: rows and sums of the log."""
        log = out / "var/lib/bpft/trafd.bench"
        text = run(
            [str(self.bin / "bpft"), "report", str(log), "--by", "key", "--top", "0", "-n", "--format", "csv"]
        ).output
        rows = list(csv.DictReader(io.StringIO(text)))
        packets, octets = (sum(int(row[name]) for row in rows) for name in ("packets", "all"))
        return Counted(len(rows), packets, octets, log.stat().st_size)

    def nfpcapd(self, out: Path, _said: str) -> Counted:
        text = run(["nfdump", "-R", str(out), "-I"]).output
        flows, packets, octets = (
            int(found[1])
            for name in ("Flows", "Packets", "Bytes")
            if (found := re.search(rf"^{name}: (\d+)", text, re.M))
        )
        return Counted(flows, packets, octets, _written(out))

    def plain(self, out: Path, said: str) -> Counted:
        found = re.search(r"packets (\d+) bytes (\d+) flows (\d+)", said)
        assert found
        packets, octets, flows = map(int, found.groups())
        return Counted(flows, packets, octets, _written(out))

    def metering(self, name: str) -> list[Row]:
        path, truth = self.capture(name)
        capture = str(path)
        outs = [self.out / str(place) for place in range(4)]
        ours = [str(self.bin / "trafd"), "--root", str(outs[0]), "--read", capture, "-f", "bench", "-m", "0"]

        def theirs(out: Path, *more: str) -> list[str]:
            return ["nfpcapd", "-r", capture, "-w", str(out), "-t", "3600", "-e", "3600,3600", *more]

        tools: dict[str, tuple[list[str], Callable[[Path, str], Counted]]] = {
            "bpft": (ours, self.bpft),
            "nfpcapd": (theirs(outs[1]), self.nfpcapd),
            "nfpcapd lz4": (theirs(outs[2], "-y"), self.nfpcapd),
            "reference": ([str(self.reference), "agg", capture, f"{outs[3]}/table"], self.plain),
        }
        costs = self.measure(*(command for command, _ in tools.values()), capture=path)
        rows = []
        for (tool, (_, read)), cost, out in zip(tools.items(), costs, outs, strict=True):
            counted = read(out, cost.output)
            exact = (counted.packets, counted.octets, counted.flows) == (
                truth["packets"],
                truth["l3_bytes"],
                truth["flows"],
            )
            rows.append(Row(name, tool, cost.cpu * 1e6 / truth["packets"], cost.peak, counted, exact))
        return rows

    def reading(self, name: str) -> list[tuple[str, str, float, int]]:
        """Question, tool, seconds, bytes of memory: the top ten of the records of one capture."""
        path, _ = self.capture(name)
        logs, flows = self.work / "log", self.work / "flows"
        for directory in (logs, flows):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        run([str(self.bin / "trafd"), "--root", str(logs), "--read", str(path), "-f", "bench", "-m", "0"])
        run(["nfpcapd", "-r", str(path), "-w", str(flows), "-t", "3600", "-e", "3600,3600", "-y"])
        ours = [str(self.bin / "bpft"), "report", str(logs / "var/lib/bpft/trafd.bench"), "-n", "--top", "10", "--by"]
        theirs = ["nfdump", "-R", str(flows), "-q", "-n", "10"]
        questions = {
            "top 10 sources": ([*ours, "src"], [*theirs, "-s", "srcip/bytes"]),
            "top 10 hosts": ([*ours, "host"], [*theirs, "-s", "ip/bytes"]),
            "top 10 pairs": ([*ours, "pair"], [*theirs, "-A", "srcip,dstip", "-O", "bytes"]),
        }
        rows = []
        for question, commands in questions.items():
            for tool, cost in zip(("bpft", "nfdump"), self.measure(*commands), strict=True):
                rows.append((question, tool, cost.wall, cost.peak))
        return rows


def read_afresh(path: Path) -> None:
    """From the disk, in large pieces: until then a file lies in the kernel's memory in those it was written in."""
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    read_through(path)


def read_through(path: Path) -> None:
    piece = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        while file.readinto(piece):
            pass


def in_single_pages(path: Path) -> Path:
    """A copy written page by page, as by a capture that goes on: the kernel has each page by itself."""
    copy = path.with_suffix(".single")
    with path.open("rb") as source, copy.open("wb", buffering=0) as target:
        while piece := source.read(4096):
            target.write(piece)
    return copy


def _written(out: Path) -> int:
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def alone(bench: Bench, names: list[str]) -> list[str]:
    """The meter without Python, log and start-up."""
    rows = []
    for name in names:
        for single in (False, True):
            ns = bench.floor(name, single)
            ratios = [f"{ns['metered'] / ns[floor]:.2f}" for floor in ("mapped", "read")]
            lies = "in single pages" if single else "in large folios"
            rows.append(
                [name, lies, *(f"{ns[what]:.1f}" for what in ("mapped", "read", "decoded", "metered")), *ratios]
            )
    head = ["capture", "in memory", "mapped walk", "our walk", "+ decoded", "+ accounted", "of mapped walk", "of ours"]
    return [
        f"{origin('bench/offline.py')}  `bench/floor.c`: ns of CPU a packet, in one process.",
        "The headers of the records are walked in the mapped file, and through our reader, which looks or reads;",
        "decoding and accounting come on top of the latter.  A file lies in large folios when it was read from the",
        "disk, in single pages when it was written in small pieces.",
        "",
        *table(head, rows),
        "",
        f"`trafd --read` of a small capture, start to end: {bench.start():.3f} s of CPU.",
    ]


def results(bench: Bench, names: list[str]) -> dict[str, list[str]]:
    head = ["capture", "tool", "CPU us/packet", "of nfpcapd", "of reference", "peak MB", "bytes/record", "exact"]
    cells = []
    for name in names:
        rows = bench.metering(name)
        cost = {row.tool: row.cpu_us for row in rows}
        for row in rows:
            ratios = [f"{row.cpu_us / cost[peer]:.3f}" for peer in ("nfpcapd", "reference")]
            size = row.counted.size / row.counted.flows
            exact = "yes" if row.exact else f"no: {row.counted}"
            cells.append([name, row.tool, f"{row.cpu_us:.3f}", *ratios, f"{row.peak / 1e6:.0f}", f"{size:.1f}", exact])
    made = origin("bench/offline.py", "nfpcapd")
    counting = [
        f"{made}  Medians of {bench.runs} runs after a warm-up.",
        "",
        *(f"* {name}: `gen.py {CAPTURES[name]}`" for name in names),
        "",
        "Each capture was read from the disk before, and is read through before each run, so that all find it alike.",
        "The reference is a plain libpcap loop with one hash table, dumped raw.",
        "Exact: packets, IP bytes and flows are those of the generator.",
        "",
        *table(head, cells),
    ]
    largest = "c2" if "c2" in names else names[0]
    reading = bench.reading(largest)
    seconds = {(question, tool): wall for question, tool, wall, _ in reading}
    cells = [
        [question, tool, f"{wall:.3f}", f"{wall / seconds[question, 'nfdump']:.2f}", f"{peak / 1e6:.0f}"]
        for question, tool, wall, peak in reading
    ]
    asking = [
        f"{made}  The records of {largest}; whole processes, seconds of wall time.",
        "",
        *table(["question", "tool", "seconds", "of nfdump", "peak MB"], cells),
    ]
    return {"Counting a capture": counting, "The meter alone": alone(bench, names), "Asking a log": asking}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=PROJECT.parent / "shared/bench")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bpft-bench")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--captures", default=",".join(CAPTURES))
    parser.add_argument("--results", type=Path, help="write the tables there too")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.peers, options.work, options.runs)
    publish(results(bench, options.captures.split(",")), options.results)


if __name__ == "__main__":
    main()
