"""Logs for the tests of what becomes of them: blocks with sums, and all that a report would count of some files."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from blocks import FORMAT, OTHER, record, table

from bpft import core
from bpft.block import Block
from bpft.lineage import lineage, mark
from bpft.logfile import Damage, LogWriter, scan, write_dump
from bpft.record import Counters, Header, InterfaceDelta

HOUR = 3600 * 10**9
NOON = 1_795_262_400 * 10**9  #: 2026-11-21T12:00Z

Sums = tuple[int, int, int]


def epoch(number: int) -> bytes:
    return number.to_bytes(16, "big")


def header(number: int = 0, length_ns: int = HOUR, **fields: object) -> Header:
    """Of the block of an hour, the number-th since NOON."""
    begin = NOON + number * HOUR
    made = Header(
        epoch=epoch(number + 1000),
        begin_ns=begin,
        end_ns=begin + length_ns,
        boot_begin_ns=begin - NOON,
        boot_end_ns=begin - NOON + length_ns,
        host="probe",
        interface="eth0",
        counters=Counters(
            seen=7,
            counted=5,
            skipped={"non-ip": 2},
            direction={"rx": (5, 100 + number, 5, 100)},
            received=7 + number,
            dropped=1,
            first_ns=begin + 1,
            last_ns=begin + length_ns - 1,
        ),
        delta=InterfaceDelta(100 + number, 7, 3, 1, length_ns, 0),
    )
    return made._replace(**fields)  # type: ignore[arg-type]


def some(number: int = 0, hosts: int = 3) -> core.Table:
    """A few records that differ by number."""
    rows = b"".join(
        record(src=0x0A000001 + host, dst=0xC0000201, sport=1024 + number, packets=1, all=100 + number, data=number)
        for host in range(hosts)
    )
    return table((4, rows), (6, record(6, src=1 << 100, dst=2, sport=number + 1, packets=2, all=900, data=800)))


def grow(path: Path, numbers: Iterable[int], **fields: object) -> list[Block]:
    """Append blocks; returns all of the log."""
    writer = LogWriter(path)
    for number in numbers:
        writer.append(header(number, **fields), some(number))
    return intact(path)


def dump(path: Path, number: int, **fields: object) -> None:
    write_dump(path, header(number, **fields), some(number))


def intact(path: Path) -> list[Block]:
    found = list(scan(path))
    assert not [one for one in found if isinstance(one, Damage)]
    return [one for one in found if isinstance(one, Block)]


def counting(*paths: Path) -> list[Block]:
    """The blocks of all files that count, as a report finds them; none is torn."""
    blocks = [block for path in paths for block in intact(path)]
    found = lineage([mark(block) for block in blocks])
    assert not found.torn
    return [blocks[place] for place in found.counts]


def keys(blocks: Iterable[Block], ports: bool = True) -> Counter[tuple[object, ...]]:
    """Key and name of a sum -> the sum, in plain Python."""
    out: Counter[tuple[object, ...]] = Counter()
    for block in blocks:
        for group in block.groups():
            for src, dst, sport, dport, proto, flags, vlan, *sums in FORMAT[group.version].iter_unpack(group.records()):
                key = (group.version, src, dst, *((sport, dport) if ports else ()), proto, vlan)
                key = (group.version, "other") if flags & OTHER else key
                for name, value in zip(("packets", "all", "data"), sums, strict=True):
                    out[*key, name] += value
    return out


def totals(blocks: Iterable[Block]) -> Sums:
    """Packets, all and data of every record."""
    out = Counter[object]()
    for key, value in keys(blocks).items():
        out[key[-1]] += value
    return out["packets"], out["all"], out["data"]


def figures(blocks: Iterable[Block]) -> dict[str, int]:
    """The counters and deltas of all headers."""
    out: Counter[str] = Counter()
    for block in blocks:
        counters, delta = block.header.counters, block.header.delta
        for name in ("seen", "counted", "received", "dropped"):
            out[name] += getattr(counters, name)
        out["skipped"] += sum(counters.skipped.values())
        for name, sums in counters.direction.items():
            for place, value in enumerate(sums):
                out[f"{name} {place}"] += value
        if delta is not None:
            for name in ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "covered_ns", "resets"):
                out[name] += getattr(delta, name)
    return dict(out)


def chained(path: Path) -> bool:
    """Whether every block but the first of a chain goes on from an earlier one of the file, or one that is replaced."""
    blocks = intact(path)
    known = {old for block in blocks for old in block.header.replaces}
    for place, block in enumerate(blocks):
        if place and block.previous and block.previous not in known:
            return False
        known.add(block.id)
    return True


class Crash:
    """The number-th system call that changes files fails, and every one after it, as if the process had ended."""

    CALLS = ("open", "write", "fsync", "ftruncate", "rename", "unlink", "fchmod", "fchown")

    def __init__(self, number: int) -> None:
        self.left, self.happened = number, False
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> "Crash":
        for name in self.CALLS:
            self._patch.setattr(os, name, self._failing(getattr(os, name)))
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def _failing(self, real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                self.happened = True
                raise OSError(5, "Input/output error")
            return real(*arguments, **more)

        return call
