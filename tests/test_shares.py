"""Reports of more rows than are held at once: summed share by share, they say what they say in one go."""

from pathlib import Path

import pytest
from blocks import OTHER, record, table, traffic

from bpft.logfile import LogWriter
from bpft.record import Counters, Header
from bpft.report import reading
from bpft.report.answer import Question, answer
from bpft.report.group import Tally
from bpft.report.source import Sources

TAKE_SHARE = Tally.take_share


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shares") / "log"
    writer = LogWriter(path)
    for place in range(3):
        rest = record(src=0, dst=0, sport=0, dport=0, proto=0, flags=OTHER | 12, packets=3, all=300, data=30)
        held = table((4, traffic(3000, 4, place) + rest), (6, traffic(1000, 6, place)))
        packets = held.totals()[0]
        header = Header(
            epoch=bytes([place] * 16),
            begin_ns=place * 10**9,
            end_ns=(place + 1) * 10**9,
            interface="eth0",
            counters=Counters(seen=packets, counted=packets),
        )
        writer.append(header, held)
    return path


@pytest.mark.parametrize("by", ["pair", "key", "src", "host", "src,dport", "proto", "hour,pair"])
@pytest.mark.parametrize("sort", ["", "packets", "data", "key"])
def test_shares_say_what_the_whole_says(log: Path, by: str, sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(top: int) -> tuple[object, ...]:
        sources = Sources()
        sources.add(str(log))
        found = answer(Question(by, sort=sort, top=top), sources)
        rows = list(found.rows())
        return rows, len(found.ranking), found.ranking.sums, found.totals, found.remainder, found.troubles

    for top in (0, 1, 7, 100_000):
        whole = asked(top)
        with monkeypatch.context() as few:
            few.setattr(reading, "ROWS_AT_ONCE", 2500)
            shared: list[tuple[int, int]] = []
            few.setattr(Tally, "take_share", lambda tally, share, shared=shared: take_share(shared, tally, share))
            assert asked(top) == whole
        assert bool(shared) == (by in ("pair", "key") and top > 0 and sort != "key")


def take_share(shared: list[tuple[int, int]], tally: Tally, share: tuple[int, int]) -> None:
    shared.append(share)
    TAKE_SHARE(tally, share)


def test_only_what_asks_for_the_largest_is_shared() -> None:
    many = 10 * reading.ROWS_AT_ONCE
    assert reading.shares(Question("pair", top=10), many) == 10
    assert reading.shares(Question("pair", top=10), 0) == 1
    for other in (
        Question("pair"),
        Question("pair", top=10, sort="dst"),
        Question("pair", top=10, reverse=True),
        Question("pair", top=10, where="port 53"),
        Question("host", top=10),
        Question("hour,pair", top=10),
        Question("proto", top=10),
    ):
        assert reading.shares(other, many) == 1
