"""A report over long blocks: decoded ahead and only as far as its rows need, and yet the same to the last figure."""

import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import blocks
import pytest

from bpft.block import END_SIZE, Block
from bpft.blocklayout import CRC
from bpft.errors import BlockDamaged
from bpft.logfile import LogWriter, scan
from bpft.record import Header
from bpft.report import reading
from bpft.report.ahead import ahead
from bpft.report.answer import NoIntactBlock, Question, answer
from bpft.report.dimension import Grouping, grouping
from bpft.report.group import Tally
from bpft.report.rows import Ranking
from bpft.report.source import Sources


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block of both versions, with ports and without, with a remainder of each: more groups than one thread takes."""
    rows = {version: blocks.traffic(90_000 if version == 4 else 5000, version) for version in (4, 6)}
    for version in rows:
        for flags in (blocks.NO_PORTS, blocks.NO_PORTS | blocks.NO_PROTO, 1, 2, blocks.OTHER | blocks.NO_PORTS | 32):
            rows[version] += blocks.record(version, src=7, dst=7, flags=flags, packets=3, all=500, data=90)
    path = tmp_path_factory.mktemp("long") / "log"
    LogWriter(path).append(Header(interface="eth0"), blocks.table(*rows.items()))
    return path


@pytest.mark.parametrize(
    "by", ("key", "src", "dst", "host", "pair", "port", "proto", "service", "net/24", "host,service")
)
def test_every_grouping_is_that_of_whole_records(log: Path, by: str) -> None:
    sources = Sources()
    sources.add(str(log))
    found = answer(Question(by), sources)
    tally = Tally(grouping(by))
    [block] = scan(log)
    assert isinstance(block, Block)
    assert len(block.sections) > 4
    for group in block.groups():
        tally.add(group.version, group.records())
    assert list(found.rows()) == list(Ranking(tally).rows())
    assert found.totals == tally.totals()
    assert found.remainder[1] == 1000


def figures(log: Path, by: str, top: int = 0) -> tuple[object, ...]:
    sources = Sources()
    sources.add(str(log))
    found = answer(Question(by, top=top), sources)
    return list(found.rows()), len(found.ranking), found.ranking.sums, found.totals, found.remainder, found.troubles


@contextmanager
def every_second(items: Iterator[Any], aside: Callable[[Any], bool] | None = None) -> Iterator[Iterator[Any]]:
    """As ahead() where its taker has always been slow."""
    yield iter([item for place, item in enumerate(items) if not (place % 2 and aside and aside(item))])


@pytest.mark.parametrize(
    "by", ("src", "host", "net/24", "net/0,128", "pair", "port", "hour", "day,net/16", "interface")
)
def test_what_is_summed_aside_is_counted_once(log: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    for top in (0, 5):
        with monkeypatch.context() as alone:
            alone.setattr("os.cpu_count", lambda: 1)
            expected = figures(log, by, top)
        with monkeypatch.context() as slow:
            slow.setattr(Grouping, "has_few_rows", True)
            slow.setattr(reading, "ahead", every_second)
            assert figures(log, by, top) == expected
        assert figures(log, by, top) == expected


def test_nothing_that_was_summed_aside_is_counted_of_a_damaged_block(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *expected, known = figures(log, "net/24")
    bad = bytearray(log.read_bytes())
    bad[-CRC.size - 1] ^= 1  # the block's id: each of its row groups is intact
    bad[-CRC.size :] = CRC.pack(zlib.crc32(bad[-END_SIZE : -CRC.size]))
    both = tmp_path / "both"
    both.write_bytes(bytes(bad) + log.read_bytes())
    monkeypatch.setattr(reading, "ahead", every_second)
    *found, troubles = figures(both, "net/24")
    assert found == expected
    assert isinstance(troubles, list) and troubles[1:] == known and "its id" in troubles[0]


def test_a_damaged_block_is_left_out_whole(log: Path, tmp_path: Path) -> None:
    data = bytearray(log.read_bytes())
    data[-1000] ^= 1
    bad = tmp_path / "bad"
    bad.write_bytes(data)
    sources = Sources()
    sources.add(str(bad))
    with pytest.raises(NoIntactBlock):
        answer(Question("src"), sources)
    assert len(sources.troubles) == 1


def test_the_order_stays() -> None:
    with ahead(iter(range(1000))) as items:
        assert list(items) == list(range(1000))


def test_what_making_them_raises_is_raised() -> None:
    def making() -> Iterator[int]:
        yield 1
        raise BlockDamaged("log", 0, "bad")

    with ahead(making()) as items:
        assert next(items) == 1
        with pytest.raises(BlockDamaged):
            next(items)


def test_what_would_have_to_wait_goes_aside() -> None:
    taken, enough = [], threading.Event()

    def aside(item: int) -> bool:
        taken.append(item)
        if len(taken) == 5:
            enough.set()
        return True

    with ahead(iter(range(100)), aside) as items:
        assert enough.wait(10)
        rest = list(items)
    assert len(taken) >= 5 and rest == sorted(rest) and sorted(taken + rest) == list(range(100))


def test_what_is_not_dealt_with_aside_waits_in_its_place() -> None:
    with ahead(iter(range(1000)), lambda item: False) as items:
        assert list(items) == list(range(1000))


def test_what_is_raised_aside_is_raised() -> None:
    def aside(item: int) -> bool:
        raise BlockDamaged("log", 0, "bad")

    with ahead(count(), aside) as items, pytest.raises(BlockDamaged):
        for _ in items:
            threading.Event().wait(0.01)


def test_who_leaves_early_leaves_no_thread() -> None:
    for taken in (0, 5):
        with ahead(count()) as items:
            assert list(islice(items, taken)) == list(range(taken))
        assert threading.active_count() == 1
