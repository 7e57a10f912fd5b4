"""bpft info: what a file is, by its headers alone."""

import json
from pathlib import Path

import pytest
from blocks import table, traffic

from bpft.block import Block
from bpft.blockscan import scan
from bpft.cli.main import run
from bpft.info import CaptureInfo, LogInfo, look
from bpft.logfile import LogWriter, write_dump
from bpft.record import Counters, Header

CAPTURES = Path(__file__).with_name("captures")
HOUR = 3_600_000_000_000
START = 472_222 * HOUR


def header(number: int) -> Header:
    return Header(
        epoch=bytes([number]) * 16,
        begin_ns=START + number * HOUR,
        end_ns=START + (number + 1) * HOUR,
        interface="eth0",
        host="gw",
        filter="" if number else "ip",
        software="bpft 9",
        gaps=((START, START + HOUR // 4),) if number == 0 else (),
        counters=Counters(seen=10, counted=7, skipped={"arp": 2, "ieee": 1}, received=11, dropped=number, if_dropped=1),
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "trafd.eth0"
    writer = LogWriter(path)
    for number in range(3):
        writer.append(header(number), table((4, traffic(100, seed=number))))
    return path


def test_a_log(log: Path) -> None:
    found = look(str(log))
    assert isinstance(found, LogInfo)
    assert (found.kind, found.blocks, found.format_version, found.size) == ("log", 3, 1, log.stat().st_size)
    assert (found.begin_ns, found.end_ns, found.watched_ns) == (START, START + 3 * HOUR, 3 * HOUR - HOUR // 4)
    assert (found.hosts, found.interfaces, found.filters, found.software) == (["gw"], ["eth0"], ["ip", ""], ["bpft 9"])
    assert (found.seen, dict(found.skipped), found.received) == (30, {"arp": 6, "ieee": 3}, 33)
    assert (found.dropped, found.if_dropped) == (3, 3)
    assert found.head == [block.id for block in scan(log) if isinstance(block, Block)][-1]
    assert found.bytes_per_record == found.size / found.records
    assert found.bytes_per_day == found.size * 24 * HOUR / found.watched_ns


def test_what_is_there_twice_counts_once(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    once = look(str(log))
    log.write_bytes(log.read_bytes() * 2)
    twice = look(str(log))
    assert isinstance(once, LogInfo) and isinstance(twice, LogInfo)
    assert (twice.blocks, twice.void, twice.void_size, twice.size) == (6, 3, once.size, 2 * once.size)
    for name in ("records", "watched_ns", "gaps", "seen", "skipped", "bytes_per_day", "bytes_per_record"):
        assert getattr(twice, name) == getattr(once, name)
    assert run(["info", str(log)]) == 0
    assert "  blocks     6; 3 of them count no more\n" in capsys.readouterr().out


def test_what_old_bpfts_did_not_write_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trafd.fxp0"
    writer = LogWriter(path)
    writer.append(Header(epoch=b"o" * 16, begin_ns=START, end_ns=START + HOUR, source="import"), table())
    assert run(["info", str(path)]) == 0
    out = capsys.readouterr().out
    for name in ("filter  ", "counting", "key     ", "frames  "):
        assert f"  {name}   not known\n" in out
    assert run(["info", "--json", str(path)]) == 0
    [told] = json.loads(capsys.readouterr().out)["files"]
    for name in ("filters", "counting", "key_modes", "seen", "skipped", "folded", "received", "dropped", "if_dropped"):
        assert told[name] is None
    assert (told["sources"], told["imported"]) == (["import"], 1)
    writer.append(header(1), table())
    found = look(str(path))
    assert isinstance(found, LogInfo)
    assert (found.seen, found.filters, found.frames_known) == (10, [""], True)


def test_a_dump_and_what_is_too_short_to_tell_its_growth(tmp_path: Path) -> None:
    write_dump(tmp_path / "dump", Header(epoch=b"e" * 16, begin_ns=START, end_ns=START + 5), table())
    found = look(str(tmp_path / "dump"))
    assert isinstance(found, LogInfo)
    assert (found.kind, found.records, found.bytes_per_record, found.bytes_per_day) == ("dump", 0, None, None)


@pytest.mark.parametrize("at", [3, 300])
def test_a_damaged_log_is_still_one(log: Path, at: int) -> None:
    data = bytearray(log.read_bytes())
    data[at] ^= 1
    log.write_bytes(data)
    found = look(str(log))
    assert isinstance(found, LogInfo)
    assert (found.blocks, found.damaged > 0) == (2, True)


def test_a_capture() -> None:
    found = look(str(CAPTURES / "nanoseconds.pcap"))
    assert isinstance(found, CaptureInfo)
    assert (found.format, found.frames, found.link_types, found.error) == ("pcap", 2, (1,), "")


def test_the_command(log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(log.parent)
    assert run(["info", log.name, str(CAPTURES / "nanoseconds.pcap")]) == 0
    out = capsys.readouterr().out
    for line in (
        "trafd.eth0: log, format 1, ",
        "  watched    2 h 45 min; 1 gap of 15 min",
        "  filter     'ip', none",
        "  frames     30 seen, 9 skipped (arp 6, ieee 3)",
        "  dropped    3 by the kernel, 3 by the interface, of 33 packets",
        "nanoseconds.pcap: pcap capture, ",
    ):
        assert line in out
    assert run(["info", "--json", log.name, str(CAPTURES / "nanoseconds.pcap")]) == 0
    first, second = json.loads(capsys.readouterr().out)["files"]
    assert (first["kind"], first["gaps"], first["skipped"]) == (
        "log",
        [[START, START + HOUR // 4]],
        {"arp": 6, "ieee": 3},
    )
    assert (second["kind"], second["frames"]) == ("capture", 2)


def test_bad_input_is_one_line_and_the_rest_is_told(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(log.parent)
    Path("text").write_text("nothing\n")
    assert run(["info", "text", "nowhere", log.name]) == 1
    captured = capsys.readouterr()
    assert captured.err == (
        "bpft: text: it is neither a log of trafd nor a capture (pcap, pcapng)\n"
        "bpft: nowhere: No such file or directory\n"
    )
    assert captured.out.startswith("trafd.eth0: log")
    assert run(["info"]) == 127
