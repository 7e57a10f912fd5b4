#!/usr/bin/env python3
"""An interface, counted: trafd with both engines beside nfpcapd on one veth pair, one after another.

  live.py [--peers DIR] [--work DIR] [--seconds N] [--runs N] [--results FILE] [interface] [sizes]

DIR holds gen.py and txblast.c, by default ../shared/bench beside the project.  The sender has the first CPU, the
capture the second.  CPU is that of all threads of the capture from just before the first packet until a second after
the last; what the kernel does to deliver a packet is the sender's.  Lost: sent and not accounted.  Medians of the runs.
"""

import argparse
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from results import PROJECT, origin, publish, table
from veth import IN, Blast, Receiver, ask, pair, trafd

#: name: (what gen.py makes, packets per second)
SCENES = {
    "60 bytes, 10k flows": ("--packets 2000000 --flows 10000 --zipf 1.1 --size 64 --seed 21", 700_000),
    "60 bytes, 1M flows": ("--packets 2000000 --flows 1000000 --zipf 0 --size 64 --seed 22", 300_000),
    "1514 bytes, 10k flows": ("--packets 200000 --flows 10000 --zipf 1.1 --size 1518 --seed 23", 300_000),
    # The same flows in the same order.
    "60 bytes, as those": ("--packets 200000 --flows 10000 --zipf 1.1 --size 64 --seed 23", 300_000),
}
TOOLS = ("nfpcapd", "trafd --engine pcap", "trafd --engine ring")
#: A table is filled, then saved while packets go on at this rate.
SAVED, SAVE_RATE = "--packets 4000000 --flows 1000000 --zipf 0 --size 64 --seed 24", 300_000


@dataclass(frozen=True)
class Run:
    cpu_us: float  #: a packet sent
    pps: float
    sent: int
    accounted: int
    peak: int  #: RssAnon, bytes


def measure(tool: str, capture: Path, rate: int, seconds: float, blast: Blast, out: Path) -> Run:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if tool == "nfpcapd":
        command = ["nfpcapd", "-i", IN, "-w", str(out), "-t", "3600", "-e", "3600,3600", "-s", "128"]
    else:
        command = trafd(out, "--engine", tool.rpartition(" ")[2])
    receiver = Receiver.start(command, out.with_suffix(".messages"))
    try:
        before = receiver.cpu()
        sent = blast.send(capture, int(rate * seconds), rate)
        time.sleep(1)
        cpu, peak = receiver.cpu() - before, receiver.memory()
        if tool == "nfpcapd":
            receiver.stop(signal.SIGINT)
            text = subprocess.run(["nfdump", "-R", str(out), "-I"], capture_output=True, text=True, check=True).stdout
            found = re.search(r"^Packets: (\d+)", text, re.M)
            accounted = int(found[1]) if found else 0
        else:
            (status,) = json.loads(ask(out, "bpft", "status", "--json"))["interfaces"]
            accounted = status["packets"]
    finally:
        if receiver.process.poll() is None:
            receiver.stop(signal.SIGTERM)
    return Run(cpu * 1e6 / sent["sent"], sent["pps"], int(sent["sent"]), accounted, peak)


def rows(scene: str, blast: Blast, options: argparse.Namespace) -> list[list[str]]:
    recipe, rate = SCENES[scene]
    capture = _capture(recipe, options)
    cost, cells = {}, []
    for tool in TOOLS:
        runs = [measure(tool, capture, rate, options.seconds, blast, options.work / "out") for _ in range(options.runs)]
        cost[tool] = statistics.median(run.cpu_us for run in runs)
        lost = max(run.sent - run.accounted for run in runs)
        cells.append(
            [
                scene,
                tool,
                f"{statistics.median(run.pps for run in runs):,.0f}",
                f"{cost[tool]:.3f}",
                f"{cost[tool] / cost[TOOLS[0]]:.2f}",
                f"{lost:,} of {runs[0].sent:,}",
                f"{max(run.peak for run in runs) / 1e6:.0f}",
            ]
        )
    return cells


def sizes(blast: Blast, options: argparse.Namespace) -> list[str]:
    """What large frames cost beside small ones of the same flows, in turn, so that what else goes on meets both."""
    large, small = "1514 bytes, 10k flows", "60 bytes, as those"
    cells = []
    for tool in TOOLS[1:]:
        costs: dict[str, list[float]] = {large: [], small: []}
        for _ in range(3 * options.runs):
            for scene, found in costs.items():
                recipe, rate = SCENES[scene]
                run = measure(tool, _capture(recipe, options), rate, options.seconds, blast, options.work / "out")
                found.append(run.cpu_us)
        medians = [statistics.median(costs[scene]) for scene in (small, large)]
        cells.append([tool, *(f"{cost:.4f}" for cost in medians), f"{medians[1] / medians[0]:.2f}"])
    return [
        f"{origin('bench/live.py sizes')}",
        f"CPU us/packet, medians of {3 * options.runs} runs of {options.seconds:g} s, in turn.",
        "",
        *table(["tool", "60 bytes", "1514 bytes", "of 60 bytes"], cells),
    ]


def save(engine: str, blast: Blast, options: argparse.Namespace) -> list[str]:
    """A save of a million records while packets come in: how long it took, and what was lost."""
    capture = _capture(SAVED, options)
    receiver = Receiver.start(
        trafd(options.work / "out", "--engine", engine), (options.work / "out").with_suffix(".messages")
    )
    try:
        sent = blast.send(capture, 4_000_000, 400_000)["sent"]
        with ThreadPoolExecutor(1) as other:
            going = other.submit(blast.send, capture, int(SAVE_RATE * 6), SAVE_RATE)
            time.sleep(1)
            began = time.perf_counter()
            said = ask(options.work / "out", "trafsave")
            took = time.perf_counter() - began
            during = going.result()
        time.sleep(1)
        (status,) = json.loads(ask(options.work / "out", "bpft", "status", "--json"))["interfaces"]
        peak = receiver.memory()
    finally:
        receiver.stop(signal.SIGTERM)
    records = re.search(r"([\d,]+) records", said)
    lost = int(sent + during["sent"]) - int(status["received"] - status["dropped"])
    return [
        f"trafd --engine {engine}",
        records[1] if records else "?",
        f"{during['pps']:,.0f}",
        f"{took:.2f}",
        f"{status['dropped']:,}",
        f"{lost:,}",
        f"{peak / 1e6:.0f}",
    ]


def _capture(recipe: str, options: argparse.Namespace) -> Path:
    path: Path = options.work / f"live-{recipe.replace(' ', '')}.pcap"
    if not path.exists():
        subprocess.run([sys.executable, str(options.peers / "gen.py"), str(path), *recipe.split()], check=True)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=PROJECT.parent / "shared/bench")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bpft-bench")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--results", type=Path, help="put the tables there too")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="interface, sizes; default: both")
    options = parser.parse_args()
    wanted = options.tables or ["interface", "sizes"]
    if unknown := set(wanted) - {"interface", "sizes"}:
        parser.error(f"no such table: {', '.join(sorted(unknown))}; there are interface and sizes")
    if not shutil.which("nfpcapd"):
        sys.exit("missing: nfpcapd; on Debian: apt-get install nfdump")
    options.work.mkdir(parents=True, exist_ok=True)
    blast = Blast(options.peers, options.work)
    if "sizes" in wanted:
        with pair():
            publish({"What the size of frames costs": sizes(blast, options)}, options.results)
    if "interface" not in wanted:
        return
    with pair():
        saves = [save(engine, blast, options) for engine in ("pcap", "ring")]
        cells = [cells for scene in SCENES for cells in rows(scene, blast, options)]
    head = ["traffic", "tool", "packets/s", "CPU us/packet", "of nfpcapd", "lost at most", "peak MB"]
    lines = [
        f"{origin('bench/live.py', 'nfpcapd')}  Medians of {options.runs} runs of {options.seconds:g} s.",
        "",
        *(f"* {scene}: `gen.py {recipe}` at {rate:,} packets/s" for scene, (recipe, rate) in SCENES.items()),
        "",
        *table(head, cells),
        "",
        f"A save while packets come in, `gen.py {SAVED}`:",
        "",
        *table(["tool", "records saved", "packets/s", "save, seconds", "dropped", "lost", "peak MB"], saves),
    ]
    publish({"Counting an interface": lines}, options.results)


if __name__ == "__main__":
    main()
