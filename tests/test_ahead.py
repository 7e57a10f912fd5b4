"""A report over long blocks: decoded ahead and only as far as its rows need, and yet the same to the last figure."""

import threading
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import blocks
import pytest

from bpft.block import Block
from bpft.errors import BlockDamaged
from bpft.logfile import LogWriter, scan
from bpft.record import Header
from bpft.report.ahead import ahead
from bpft.report.answer import NoIntactBlock, Question, answer
from bpft.report.dimension import grouping
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


def test_who_leaves_early_leaves_no_thread() -> None:
    for taken in (0, 5):
        with ahead(count()) as items:
            assert list(islice(items, taken)) == list(range(taken))
        assert threading.active_count() == 1
