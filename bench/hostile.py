#!/usr/bin/env python3
"""Traffic that is meant to hurt: what a flow takes in memory, a flood under --max-memory, keys made to collide.

  hostile.py [--peers DIR] [--work DIR] [--flows N] [--runs N] [--results FILE] [memory] [flood] [collisions]

DIR holds txblast.c, by default ../shared/bench beside the project.  Memory is RssAnon: ring and file pages are apart.
"""

import argparse
import csv
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from results import BIN, PROJECT, origin, publish, table
from veth import Blast, Receiver, ask, pair, trafd

from bpft import core

CHUNK = 1 << 18  #: frames made at once
FRAME4 = np.dtype(
    [("s", "<u4"), ("us", "<u4"), ("cap", "<u4"), ("len", "<u4"), ("link", "S14"), ("ip", "S12"), ("src", ">u4"),
     ("dst", ">u4"), ("sport", ">u2"), ("dport", ">u2"), ("udp", "S4"), ("data", "S18")]
)  # fmt: skip
FRAME6 = np.dtype(
    [("s", "<u4"), ("us", "<u4"), ("cap", "<u4"), ("len", "<u4"), ("link", "S14"), ("ip", "S8"), ("src", ">u8", 2),
     ("dst", ">u8", 2), ("sport", ">u2"), ("dport", ">u2"), ("udp", "S4")]
)  # fmt: skip
ALL4 = 20 + 8 + 18  #: IP bytes of a frame
HEAVY, HEAVY_PACKETS = 10, 2000
RATE = 300_000


def write(path: Path, frames: Iterator[np.ndarray]) -> None:
    """A capture of frames."""
    with path.open("wb") as file:
        file.write(np.array([0xA1B2C3D4, 0x00040002, 0, 0, 65535, 1], "<u4").tobytes())
        for some in frames:
            file.write(some.tobytes())


def udp4(src: np.ndarray, dst: np.ndarray, sport: np.ndarray, dport: np.ndarray) -> np.ndarray:
    """One small packet of each key."""
    frames = np.zeros(len(src), FRAME4)
    frames["cap"] = frames["len"] = FRAME4.itemsize - 16
    frames["link"] = bytes.fromhex("020000000002020000000001") + b"\x08\x00"
    frames["ip"] = b"\x45\0" + ALL4.to_bytes(2, "big") + bytes(4) + b"\x40\x11"
    frames["udp"] = b"\0\x1a"
    frames["src"], frames["dst"], frames["sport"], frames["dport"] = src, dst, sport, dport
    return frames


def udp6(number: np.ndarray) -> np.ndarray:
    """One packet of each of so many sources."""
    frames = np.zeros(len(number), FRAME6)
    frames["cap"] = frames["len"] = FRAME6.itemsize - 16
    frames["link"] = bytes.fromhex("020000000002020000000001") + b"\x86\xdd"
    frames["ip"] = b"\x60\0\0\0\0\x08\x11\x40"
    frames["udp"] = b"\0\x08"
    frames["src"][:, 0] = frames["dst"][:, 0] = 0x20010DB800000000
    frames["src"][:, 1], frames["dport"] = number, 53
    return frames


def one_each(flows: int, version: int) -> Iterator[np.ndarray]:
    """One packet of each flow, sources scattered over 2^24 or more."""
    for first in range(0, flows, CHUNK):
        number = (
            np.arange(first, min(first + CHUNK, flows), dtype=np.uint64) * np.uint64(0x9E3779B1) % np.uint64(1 << 32)
        )
        if version == 6:
            yield udp6(number)
        else:
            same = np.ones(len(number))
            yield udp4(number, same * 0x0C000001, same, same * 53)


# ---- memory of a flow, and of an idle daemon ----


def memory(options: argparse.Namespace, blast: Blast) -> dict[str, list[str]]:
    cells = []
    for version in (4, 6):
        capture = options.work / f"million-{version}.pcap"
        write(capture, one_each(1_000_000, version))
        root = options.work / "root"
        receiver = Receiver.start(trafd(root, "--max-flows", "0"), root.with_suffix(".messages"))
        try:
            idle = receiver.memory()
            sent = blast.send(capture, 1_000_000, RATE)
            time.sleep(1)
            (status,) = json.loads(ask(root, "bpft", "status", "--json"))["interfaces"]
            held = receiver.memory()
            with Peak(receiver) as peak:
                ask(root, "trafsave")
        finally:
            receiver.stop(signal.SIGTERM)
        assert status["flows"] == sent["sent"], status
        per_flow = [f"{(bytes_ - idle) / status['flows']:.0f}" for bytes_ in (held, peak.most)]
        cells.append([f"IPv{version}", f"{idle / 1e6:.1f}", f"{status['flows']:,}", *per_flow])
    lines = [
        origin("bench/hostile.py memory"),
        "",
        *table(["flows of", "idle MB", "flows", "bytes a flow", "while it is saved"], cells),
    ]
    return {"Memory of a flow": lines}


class Peak:
    """The most memory of a receiver while it lasts, looked at each 5 ms."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver, self.most = receiver, 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._end.wait(0.005):
            self.most = max(self.most, self._receiver.memory())

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.most = max(self.most, self._receiver.memory())


# ---- a flood ----


def flood(options: argparse.Namespace, blast: Blast) -> dict[str, list[str]]:
    """Ten heavy flows, then one packet of each of millions of sources."""
    heavy, many = options.work / "heavy.pcap", options.work / "flood.pcap"
    number = np.arange(HEAVY)
    write(heavy, iter([udp4(0x0A000001 + number, 0x0A010001 + number, 1000 + number, np.full(HEAVY, 443))]))
    write(many, one_each(options.flows, 4))
    root = options.work / "root"
    receiver = Receiver.start(trafd(root, "--max-memory", "64M"), root.with_suffix(".messages"))
    try:
        with Peak(receiver) as peak:
            before = receiver.cpu()
            sent = (
                blast.send(heavy, HEAVY * HEAVY_PACKETS, RATE)["sent"] + blast.send(many, options.flows, RATE)["sent"]
            )
            time.sleep(1)
            cpu = receiver.cpu() - before
            (status,) = json.loads(ask(root, "bpft", "status", "--json"))["interfaces"]
            ask(root, "trafsave")
    finally:
        receiver.stop(signal.SIGTERM)
    log = root / f"var/lib/bpft/trafd.{status['interface']}"
    rows = list(csv.DictReader(io.StringIO(report(log))))
    packets, everything = (sum(int(row[name]) for row in rows) for name in ("packets", "all"))
    top = sorted((row for row in rows if row["sport"]), key=lambda row: -int(row["packets"]))[:HEAVY]
    named = sum(int(row["packets"]) == HEAVY_PACKETS for row in top)
    dropped = status["dropped"]
    exact = packets + dropped == sent and everything == packets * ALL4
    cells = [
        [
            f"{options.flows:,}",
            f"{peak.most / 1e6:.1f}",
            f"{len(rows):,}",
            "to the byte" if exact else f"NO: {packets:,} of {sent:,}",
            f"{dropped:,}",
            f"{named} of {HEAVY}",
            f"{cpu * 1e6 / sent:.3f}",
        ]
    ]
    head = ["one-packet flows", "peak MB", "rows saved", "accounted", "dropped", "heavy flows named", "CPU us/packet"]
    lines = [
        f"{origin('bench/hostile.py flood')}  `trafd --max-memory 64M`, {RATE:,} packets/s, then a save.",
        "",
        *table(head, cells),
    ]
    return {"A flood": lines}


def report(log: Path) -> str:
    """The rows of a log."""
    words = [str(BIN / "bpft"), "report", str(log), "--by", "key", "--top", "0", "-n", "--format", "csv"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


# ---- collisions ----

PACKETS = 2_000_000
Keys = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def benign(flows: int) -> Keys:
    rng = np.random.default_rng(31)
    src, dst = rng.integers(0, 1 << 32, (2, flows), dtype=np.uint32)
    return src, dst, *rng.integers(0, 1 << 16, (2, flows), dtype=np.uint16)


def additive(flows: int) -> Keys:
    """Addresses whose sum is one: any hash of a sum of the words sees one key."""
    number = np.arange(flows, dtype=np.uint32)
    return 0x0A000000 + number, 0x0B000000 - number, np.full(flows, 1), np.full(flows, 2)


def unkeyed(flows: int) -> Keys:
    """A zero first factor: our own mixing without a key multiplies whatever follows by 0."""
    number = np.arange(flows, dtype=np.uint32)
    zero = np.zeros(flows, np.uint32)
    return zero, zero, number & 0xFFFF, number >> 16


def crc32c(flows: int) -> Keys:
    """Keys of one CRC-32C, whatever its seed: the CRC is linear, so differences that it maps to 0 can be added."""
    images = [(crc(1 << bit), 1 << bit) for bit in range(96)]
    kernel = []
    pivots: list[tuple[int, int]] = []
    for image, what in images:
        for pivot, made_of in pivots:
            if image ^ pivot < image:
                image, what = image ^ pivot, what ^ made_of
        if image:
            pivots.append((image, what))
            pivots.sort(reverse=True)
        else:
            kernel.append(what)
    words = np.zeros((flows, 3), np.uint64)
    number = np.arange(flows)
    for bit, what in enumerate(kernel[:24]):
        rows = number >> bit & 1 == 1
        for word in range(3):
            words[rows, word] ^= np.uint64(what >> (64 - 32 * word) & 0xFFFFFFFF)
    assert len({crc(int(a) << 64 | int(b) << 32 | int(c)) for a, b, c in words[:100]}) == 1
    return words[:, 0], words[:, 1], words[:, 2] >> np.uint64(16), words[:, 2] & np.uint64(0xFFFF)


def crc(value: int) -> int:
    """CRC-32C without seed or final complement, of 96 bits in the order of the key."""
    register = 0
    for byte in value.to_bytes(12, "big"):
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register


def collisions(options: argparse.Namespace) -> dict[str, list[str]]:
    """The meter alone, on captures that visit their flows in turn."""
    recipes: dict[str, Callable[[int], Keys]] = {
        "benign": benign,
        "additive": additive,
        "unkeyed": unkeyed,
        "crc32c": crc32c,
    }
    cells = []
    for flows in (20_000, 200_000):
        cost: dict[str, float] = {}
        for name, recipe in recipes.items():
            path = options.work / f"collide-{name}-{flows}.pcap"
            frames = udp4(*recipe(flows))
            write(path, iter([frames] * (PACKETS // flows)))
            times = []
            for _ in range(options.runs + 1):
                times.append(metered(path, flows))
            cost[name] = statistics.median(times[1:]) * 1e9 / PACKETS
            cells.append([f"{flows:,}", name, f"{cost[name]:.1f}", f"{cost[name] / cost['benign']:.2f}"])
    lines = [
        f"{origin('bench/hostile.py collisions')}  {PACKETS:,} packets, medians of {options.runs} runs.",
        "",
        *table(["flows", "made against", "CPU ns/packet", "of benign"], cells),
    ]
    return {"Keys made to collide": lines}


def metered(path: Path, flows: int) -> float:
    """CPU seconds of the meter over a capture."""
    held = core.Table()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        begin = time.thread_time()
        core.read_capture(descriptor, held)
        seconds = time.thread_time() - begin
    finally:
        os.close(descriptor)
    assert len(held) == flows, f"{path}: {len(held)} flows"
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="memory, flood, collisions; default: all")
    parser.add_argument("--peers", type=Path, default=PROJECT.parent / "shared/bench")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bpft-bench")
    parser.add_argument("--flows", type=int, default=10_000_000, help="of the flood")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--results", type=Path, help="put the tables there too")
    options = parser.parse_args()
    wanted = options.tables or ["memory", "flood", "collisions"]
    if unknown := set(wanted) - {"memory", "flood", "collisions"}:
        sys.exit(f"{', '.join(sorted(unknown))}: there are memory, flood and collisions")
    options.work.mkdir(parents=True, exist_ok=True)
    if "collisions" in wanted:
        publish(collisions(options), options.results)
    if set(wanted) - {"collisions"}:
        blast = Blast(options.peers, options.work)
        with pair():
            for name, bench in (("memory", memory), ("flood", flood)):
                if name in wanted:
                    publish(bench(options, blast), options.results)


if __name__ == "__main__":
    main()
