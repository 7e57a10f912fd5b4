"""What a report reads: logs, dumps and captures by content, damage, one epoch once (SEMANTICS R1, R4, E7)."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import blocks
import pytest

from bpft import blockscan, control_client
from bpft.block import Block, read_block
from bpft.blocklayout import MAGIC
from bpft.cli import asked
from bpft.errors import BpftError, CannotRead, NotACapture, NotRunning
from bpft.logfile import LogWriter, write_dump
from bpft.paths import Paths, paths
from bpft.record import Counters, Header
from bpft.report.answer import Answer, NoIntactBlock, NothingInPeriod, NotRecorded, NotWatched, Question, answer
from bpft.report.period import SECOND, Period
from bpft.report.render.words import when
from bpft.report.source import NothingReadable, NothingRecorded, Sources
from bpft.source import Source

SAMPLE = Path(__file__).parent / "captures/sample.pcap"
HOUR = 3600 * SECOND


def header(hour: int = 0, **fields: object) -> Header:
    made = Header(
        epoch=os.urandom(16),
        begin_ns=(500_000 + hour) * HOUR,
        end_ns=(500_001 + hour) * HOUR,
        interface="eth0",
        counting="wire-estimated",
        counters=Counters(seen=1, counted=1),
    )
    return made._replace(**fields)  # type: ignore[arg-type]


def save(path: Path, head: Header, all_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    LogWriter(path).append(head, blocks.table((4, blocks.record(all=all_bytes))))


def dump(path: Path, head: Header, all_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_dump(path, head, blocks.table((4, blocks.record(all=all_bytes))))


def ask(*files: Path | str, period: Period | None = None, interfaces: tuple[str, ...] = ()) -> Answer:
    sources = Sources()
    for file in files:
        sources.add(str(file))
    return answer(Question(period=period or Period(), interfaces=interfaces), sources)


def total(*files: Path | str, **asked: object) -> int:
    return ask(*files, **asked).totals[1]  # type: ignore[arg-type]


def test_files_add_up(tmp_path: Path) -> None:
    save(tmp_path / "a", header(0), 100)
    save(tmp_path / "a", header(1), 200)
    save(tmp_path / "b", header(2), 400)
    found = ask(tmp_path / "a", tmp_path / "b", SAMPLE)
    assert found.totals[1] == 700 + total(SAMPLE)
    assert found.coverage.blocks == 4


def test_the_same_epoch_counts_once_and_the_later_one(tmp_path: Path) -> None:
    early = header(0)
    later = early._replace(end_ns=early.end_ns + HOUR)
    dump(tmp_path / "dump", early, 100)
    save(tmp_path / "log", later, 150)
    save(tmp_path / "log", header(5), 1000)
    assert total(tmp_path / "dump", tmp_path / "log") == total(tmp_path / "log", tmp_path / "dump") == 1150
    assert total(tmp_path / "log", tmp_path / "log") == 1150
    assert total(tmp_path / "dump") == 100


def test_a_dump_and_its_save_of_the_same_end_count_once(tmp_path: Path) -> None:
    head = header(0)
    dump(tmp_path / "dump", head, 100)
    save(tmp_path / "log", head, 100)
    assert total(tmp_path / "dump", tmp_path / "log") == 100


def test_all_that_is_recorded(tmp_path: Path) -> None:
    places = paths(str(tmp_path))
    save(places.log("eth0"), header(0), 100)
    save(places.log("eth1"), header(0, interface="eth1"), 200)
    dump(places.dump("eth0"), header(1), 400)
    places.damaged("eth1", 1).write_text("nothing")
    save(places.log("eth0.damaged"), header(2), 800)  # an EXT like any other
    (places.logs / "trafd.new").touch()
    places.lock("eth0").touch()
    sources = Sources()
    sources.add_recorded(places)
    found = answer(Question(), sources)
    assert (found.totals[1], found.troubles) == (1500, [])
    assert found.coverage.interfaces == ["eth0", "eth1"]


def test_what_lies_among_the_logs_and_is_none_is_told(tmp_path: Path) -> None:
    places = paths(str(tmp_path))
    save(places.log("eth0"), header(0), 100)
    places.log("notes").write_text("hello")
    sources = Sources()
    sources.add_recorded(places)
    found = answer(Question(), sources)
    assert found.totals[1] == 100
    assert [trouble.partition(":")[0] for trouble in found.troubles] == [str(places.log("notes"))]


def test_a_dump_that_its_save_took_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, head = paths(str(tmp_path)), header(0)
    dump(places.dump("eth0"), head, 100)
    scan = blockscan.scan

    def saved_meanwhile(name: str, check: bool) -> Iterator[object]:
        if places.dump("eth0").exists():
            save(places.log("eth0"), head, 100)
            places.dump("eth0").unlink()
        return scan(name, check)

    monkeypatch.setattr(blockscan, "scan", saved_meanwhile)
    sources = Sources()
    sources.add_recorded(places)
    assert answer(Question(), sources).totals[1] == 100


def test_where_nothing_is_recorded_the_way_to_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(NothingRecorded, match="trafstart"):
        Sources().add_recorded(paths(str(tmp_path)))


def test_what_is_recorded_and_cannot_be_read_is_not_called_nothing(three: tuple[Path, list[int]]) -> None:
    path, _ = three
    log = paths(str(path.parent)).log("eth0")
    log.parent.mkdir(parents=True)
    later = path.read_bytes().replace(MAGIC + b"\x01", MAGIC + b"\x02")
    assert later != path.read_bytes()
    log.write_bytes(later)
    with pytest.raises(NothingReadable, match=r"newer bpft.*nothing else is recorded in"):
        Sources().add_recorded(paths(str(path.parent)))


def test_only_the_interface_asked_for(tmp_path: Path) -> None:
    save(tmp_path / "log", header(0), 100)
    save(tmp_path / "log", header(0, interface="eth1"), 200)
    assert total(tmp_path / "log", interfaces=("eth1",)) == 200
    with pytest.raises(NotRecorded, match=r"eth7.*eth0, eth1"):
        ask(tmp_path / "log", interfaces=("eth7",))


def test_blocks_by_their_middle(tmp_path: Path) -> None:
    for hour in range(3):
        save(tmp_path / "log", header(hour), 10**hour)
    middle = header(1).begin_ns + HOUR // 2
    assert total(tmp_path / "log", period=Period(middle, None)) == 110
    assert total(tmp_path / "log", period=Period(None, middle)) == 1
    found = ask(tmp_path / "log", period=Period(middle, middle + 1))
    assert (found.coverage.begin_ns, found.coverage.end_ns) == (header(1).begin_ns, header(1).end_ns)
    with pytest.raises(NotWatched, match=r"^that period was not watched; what is recorded reaches from .*C; say all"):
        ask(tmp_path / "log", period=Period(1, 2))
    with pytest.raises(NothingInPeriod, match="no block has its middle in that period, though some reach into it"):
        ask(tmp_path / "log", period=Period(middle + 1, middle + 2))
    save(tmp_path / "log", header(9), 1)
    with pytest.raises(NotWatched, match=r"was not watched; .*, with gaps; say all"):
        ask(tmp_path / "log", period=Period(header(4).begin_ns, header(5).end_ns))
    save(tmp_path / "log", header(4, interface="eth1"), 1)
    with pytest.raises(NotWatched, match="was not watched"):
        ask(tmp_path / "log", period=Period(header(4).begin_ns, header(5).end_ns), interfaces=("eth0",))


def test_gaps_between_and_within_blocks_are_not_covered(tmp_path: Path) -> None:
    gap = header(0).begin_ns + HOUR // 2, header(0).begin_ns + HOUR // 4 * 3
    save(tmp_path / "log", header(0, gaps=(gap,)), 1)
    save(tmp_path / "log", header(3), 1)
    coverage = ask(tmp_path / "log").coverage
    assert coverage.end_ns - coverage.begin_ns == 4 * HOUR
    assert coverage.covered_ns == HOUR + HOUR // 4 * 3


@pytest.fixture
def three(tmp_path: Path) -> tuple[Path, list[int]]:
    """A log of three blocks of 1, 10 and 100 bytes, and where each begins."""
    path, starts = tmp_path / "log", []
    for hour in range(3):
        starts.append(path.stat().st_size if hour else 0)
        save(path, header(hour), 10**hour)
    return path, [*starts, path.stat().st_size]


def test_a_log_cut_anywhere_keeps_its_whole_blocks(three: tuple[Path, list[int]]) -> None:
    path, starts = three
    data = path.read_bytes()
    for cut in range(starts[1] + 1, starts[3], 7):
        path.write_bytes(data[:cut])
        found = ask(path)
        assert found.totals[1] == (1 if cut < starts[2] else 11)
        assert len(found.troubles) == (cut != starts[2])
        assert all(f"at byte {starts[1 if cut < starts[2] else 2]} " in trouble for trouble in found.troubles)


def test_a_block_damaged_anywhere_costs_itself_alone(three: tuple[Path, list[int]]) -> None:
    path, starts = three
    data = path.read_bytes()
    for place in range(starts[1], starts[2], 5):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        found = ask(path)
        assert found.totals[1] == 101
        (trouble,) = found.troubles
        assert str(starts[1]) in trouble


def test_a_damaged_start_is_searched_for_the_next_block(three: tuple[Path, list[int]]) -> None:
    path, starts = three
    path.write_bytes(b"some garbage" + path.read_bytes()[starts[1] :])
    found = ask(path)
    assert found.totals[1] == 110
    assert len(found.troubles) == 1


def test_nothing_intact_is_an_error(three: tuple[Path, list[int]]) -> None:
    path, starts = three
    path.write_bytes(path.read_bytes()[: starts[1] - 1])
    with pytest.raises(NoIntactBlock):
        ask(path)


def test_a_capture_cut_in_the_middle_counts_up_to_there(tmp_path: Path) -> None:
    whole = ask(SAMPLE)
    (tmp_path / "cut.pcap").write_bytes(SAMPLE.read_bytes()[:-10])
    cut = ask(tmp_path / "cut.pcap")
    assert cut.totals[0] == whole.totals[0] - 1
    (trouble,) = cut.troubles
    assert "counted up to there" in trouble


def test_what_can_be_no_source_says_so(tmp_path: Path) -> None:
    text, empty, packed, noise = (tmp_path / name for name in ("text", "empty", "packed", "noise"))
    text.write_text("hello\n")
    empty.touch()
    packed.write_bytes(b"\x1f\x8b\x08" + bytes(20))
    noise.write_bytes(bytes(range(256)))
    for path, kind, words in (
        (text, NotACapture, "but text"),
        (empty, BpftError, "empty"),
        (packed, NotACapture, "gzip -dc .* | bpft report -"),
        (noise, NotACapture, "neither a log"),
        (tmp_path, CannotRead, "directory"),
        (tmp_path / "absent", CannotRead, "no such file"),
    ):
        with pytest.raises(kind, match=words) as error:
            ask(path)
        assert str(path) in str(error.value)
        assert error.value.exit_code == 1


def test_a_damaged_block_keeps_no_whole_copy_from_being_counted(tmp_path: Path) -> None:
    """Neither the same block elsewhere, nor the dump that its save took the place of."""
    save(tmp_path / "log", header(0), 100)
    save(tmp_path / "log", second := header(1), 200)
    (tmp_path / "copy").write_bytes((tmp_path / "log").read_bytes())
    dump(tmp_path / "dump", second, 200)
    data = bytearray((tmp_path / "log").read_bytes())
    data[-100] ^= 1
    (tmp_path / "log").write_bytes(data)
    for other in ("copy", "dump"):
        for files in ((tmp_path / "log", tmp_path / other), (tmp_path / other, tmp_path / "log")):
            assert total(*files) == 300


def running(monkeypatch: pytest.MonkeyPatch, *tables: tuple[Path, str]) -> None:
    """Daemons that hold what these dumps say, by interface."""

    def fetch(where: Paths, interface: str, timeout: float) -> Block:
        for path, name in tables:
            if name == interface:
                return read_block(Source(str(path)), 0)
        raise NotRunning(interface)

    monkeypatch.setattr(control_client, "fetch", fetch)
    monkeypatch.setattr(Paths, "interfaces", lambda self: ["eth0", "eth1", "gone"])


def test_what_runs_counts_once_with_its_dump_and_its_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, dumped = paths(str(tmp_path)), header(0)
    held = dumped._replace(end_ns=dumped.end_ns + HOUR)
    saved = held._replace(end_ns=held.end_ns + HOUR)
    dump(places.dump("eth0"), dumped, 100)
    dump(tmp_path / "held", held, 150)
    dump(tmp_path / "other", header(0, interface="eth1"), 1000)
    running(monkeypatch, (tmp_path / "held", "eth0"), (tmp_path / "other", "eth1"))

    def asked(*interfaces: str) -> Answer:
        sources = Sources()
        sources.add_running(places, interfaces)
        sources.add_recorded(places)
        return answer(Question(interfaces=interfaces), sources)

    found = asked()
    assert (found.totals[1], found.troubles) == (1150, [])
    assert found.coverage.live_ns == held.end_ns
    assert asked("eth0").totals[1] == 150
    save(places.log("eth0"), saved, 170)  # after the table was fetched, and before the log is read
    found = asked()
    assert found.totals[1] == 1170
    assert asked("eth0").coverage.live_ns == 0


def test_nothing_is_lost_to_a_save_between_two_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is looked at first, the daemon saves then, and begins a new epoch."""
    places, held = paths(str(tmp_path)), header(0)
    dump(places.dump("eth0"), held._replace(end_ns=held.end_ns - 1), 100)
    dump(tmp_path / "held", held, 150)
    dump(tmp_path / "new", header(1), 5)
    running(monkeypatch, (tmp_path / "held", "eth0"))
    for name in ("add_running", "add_recorded"):
        look = getattr(Sources, name)

        def saving(self: Sources, *words: object, look: Callable[..., None] = look) -> None:
            look(self, *words)
            if places.dump("eth0").exists():
                save(places.log("eth0"), held, 150)
                places.dump("eth0").unlink()
                running(monkeypatch, (tmp_path / "new", "eth0"))

        monkeypatch.setattr(Sources, name, saving)
    sources = Sources()
    asked.add_to(sources, asked.Asked([], Period()), str(tmp_path))
    assert answer(Question(), sources).totals[1] == 150


def test_a_daemon_that_says_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = paths(str(tmp_path))
    dump(places.dump("eth0"), header(0), 100)

    def fetch(where: Paths, interface: str, timeout: float) -> Block:
        raise control_client.NoAnswer(interface, "timed out")

    running(monkeypatch)
    monkeypatch.setattr(control_client, "fetch", fetch)
    sources = Sources()
    sources.add_running(places, ["eth0"])
    sources.add_recorded(places)
    found = answer(Question(), sources)
    assert found.totals[1] == 100
    assert found.troubles == ["eth0: trafd does not answer: timed out; what it last wrote is counted"]


def test_a_log_that_is_set_aside_meanwhile_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = paths(str(tmp_path))
    save(places.log("eth0"), header(0), 100)
    scan, turns = blockscan.scan, iter(range(9))

    def rotated_meanwhile(name: str, check: bool) -> Iterator[object]:
        if next(turns) == 0:
            places.log("eth0").rename(places.log("eth0-1970-01-01"))
            save(places.log("eth0"), header(1), 200)
        return scan(name, check)

    monkeypatch.setattr(blockscan, "scan", rotated_meanwhile)
    sources = Sources()
    sources.add_recorded(places)
    assert answer(Question(), sources).totals[1] == 300


def test_only_what_displaces_others_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump beside its later state must not cost a pass over all of the log."""
    early = header(9)
    for hour in range(5):
        save(tmp_path / "log", header(hour), 1)
    dump(tmp_path / "dump", early, 1)
    dump(tmp_path / "later", early._replace(end_ns=early.end_ns + 1), 2)
    verified: list[int] = []
    verify = Block.verify

    def noted(block: Block) -> None:
        verified.append(block.header.end_ns)
        verify(block)

    monkeypatch.setattr(Block, "verify", noted)
    assert total(tmp_path / "log", tmp_path / "dump", tmp_path / "later") == 7
    assert len(verified) == 6 + 1
    assert verified[0] == early.end_ns + 1


def test_a_save_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    places = paths(str(tmp_path))
    save(places.log("eth0"), header(0), 100)
    save(tmp_path / "more", header(1), 200)
    more = (tmp_path / "more").read_bytes()
    with places.log("eth0").open("ab", buffering=0) as log:
        log.write(more[:-50])
        rest = threading.Timer(0.3, log.write, [more[-50:]])
        rest.start()
        sources = Sources()
        sources.add_recorded(places)
        rest.join()
    found = answer(Question(), sources)
    assert (found.totals[1], found.troubles) == (300, [])
    torn = places.log("eth1")
    torn.write_bytes(more[:-50])
    os.utime(torn, (1, 1))  # nobody has written to it for long
    begin = time.monotonic()
    sources = Sources()
    sources.add_recorded(places)
    assert time.monotonic() - begin < 1
    assert len(sources.troubles) == 1


def test_a_gap_that_nobody_would_notice_is_not_told(tmp_path: Path) -> None:
    """Of an hour, of which an hour was watched."""
    save(tmp_path / "log", header(0, gaps=[(header(0).begin_ns, header(0).begin_ns + SECOND // 4)]), 1)
    assert "watched" not in when(ask(tmp_path / "log").coverage)
    save(tmp_path / "log", header(2), 1)
    assert when(ask(tmp_path / "log").coverage).endswith(" (2 h of it watched)")


def test_a_log_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = paths(str(tmp_path))
    places.logs.mkdir(parents=True)
    save(places.log("eth0"), header(0), 100)
    save(places.log("eth1"), header(0, interface="eth1"), 200)
    real = blockscan.scan

    def scan(name: str, check: bool) -> Iterator[Block | blockscan.Damage]:
        if name.endswith("eth1"):
            raise CannotRead(name, "Permission denied")
        return real(name, check=check)

    monkeypatch.setattr(blockscan, "scan", scan)
    sources = Sources()
    sources.add_recorded(places)
    assert [it.interface for it in sources.headers()] == ["eth0"]
    assert sources.troubles == [f"{places.log('eth1')}: Permission denied"]
    places.log("eth0").unlink()
    with pytest.raises(CannotRead, match="eth1: Permission denied"):
        Sources().add_recorded(places)
