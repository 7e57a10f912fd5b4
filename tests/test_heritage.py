"""Old BPFT files: found by content, widened, never counted twice, never guessed (heritage of BPFT 3 and 4)."""

import os
import random
import socket
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from old_files import Entry, block

from bpft import core
from bpft.block import Block
from bpft.cli.import_ import import_old
from bpft.cli.main import run
from bpft.heritage import Ambiguous, NotOld, OldDamaged, open_old
from bpft.importing import append
from bpft.logfile import LogWriter, scan
from bpft.report.answer import Answer, Question, answer
from bpft.report.source import Sources

LAYOUTS = [(layout, endian) for layout in ("old", "v4") for endian in ("little", "big")]

_u32 = st.integers(0, (1 << 32) - 1)
entries = st.lists(
    st.builds(
        lambda sums, **key: Entry(all=max(sums), data=min(sums), **key),
        sums=st.tuples(_u32, _u32),
        src=_u32,
        dst=_u32,
        proto=st.integers(0, 255),
        who=st.integers(0, 3),
        sport=st.integers(0, 65535),
        dport=st.integers(0, 65535),
    ),
    max_size=20,
)
times = st.tuples(st.integers(1, 0x7FFFFFFF), st.integers(0, 999_999))
intervals = st.tuples(times, times).map(sorted)
saves = st.lists(st.tuples(entries, intervals, st.booleans()), min_size=1, max_size=4)


def made(layout: str, endian: str, content: list[tuple[list[Entry], list[tuple[int, int]], bool]]) -> bytes:
    return b"".join(block(layout, endian, some, begin, end, prefix) for some, (begin, end), prefix in content)


def old(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def sums(table: core.Table) -> dict[tuple[str, int, str, int, int], tuple[int, int, int]]:
    """key -> sums, by people's words."""
    view = table.view(4)
    found = {}
    for src, dst, sport, dport, proto, flags, vlan, *figures in struct.iter_unpack(
        core.RECORD4, view.records(0, len(view))
    ):
        assert (flags, vlan) == (0, 0)
        ports = (int.from_bytes(sport, "big"), int.from_bytes(dport, "big"))
        key = socket.inet_ntoa(src), ports[0], socket.inet_ntoa(dst), ports[1], proto
        found[key] = (figures[0], figures[1], figures[2])
    return found


@given(st.sampled_from(LAYOUTS), saves)
def test_the_layout_is_found(tmp_path_factory: pytest.TempPathFactory, how: tuple[str, str], content: list) -> None:  # type: ignore[type-arg]
    path = old(tmp_path_factory.getbasetemp() / "trafd.found", made(*how, content))
    try:
        found = open_old(path)
    except Ambiguous as error:
        assert not any(
            some for some, _, _ in content
        )  # without records nothing tells layouts apart, perhaps not orders
        assert error.args[1] == "--endian little or big"
        found = open_old(path, endian=how[1])  # type: ignore[arg-type]
    if any(some for some, _, _ in content):
        assert (found.layout.name, found.layout.endian) == how
    blocks = list(found.blocks())
    assert [(one.header.begin_ns, one.header.end_ns) for one in blocks] == [
        tuple(sec * 10**9 + usec * 1000 for sec, usec in interval) for _, interval, _ in content
    ]
    for one, (some, _, _) in zip(blocks, content, strict=True):
        assert one.rows == len(some)
        assert one.table().totals() == (0, sum(e.all for e in some), sum(e.data for e in some))


@pytest.mark.parametrize(("layout", "endian"), LAYOUTS)
def test_keys_and_sums(tmp_path: Path, layout: str, endian: str) -> None:
    records = [
        Entry(who=1, sport=80, dport=40000, all=4_000_000_000, data=3_900_000_000),
        Entry(who=1, sport=80, dport=40000, all=4_000_000_000, data=3_900_000_000),
        Entry(who=2, sport=50000, dport=443, all=100, data=60),
        Entry(who=3, sport=123, dport=123, proto=17, all=76, data=48),
        Entry(who=3, sport=6000, dport=6000, all=50, data=10),
        Entry(who=0, sport=0, dport=0, proto=1, all=84, data=56),
    ]
    [one] = open_old(old(tmp_path / "trafd.fxp0", block(layout, endian, records))).blocks()
    here, there, kept = "10.0.0.1", "192.0.2.1", layout == "v4"
    assert sums(one.table()) == {
        (here, 80, there, 40000 if kept else 0, 6): (0, 8_000_000_000, 7_800_000_000),
        (here, 50000 if kept else 0, there, 443, 6): (0, 100, 60),
        (here, 123, there, 123, 17): (0, 76, 48),
        (here, 6000, there, 6000, 6): (0, 50, 10),
        (here, 0, there, 0, 1): (0, 84, 56),
    }
    header = one.header
    assert (header.source, header.interface, header.source_name) == ("import", "fxp0", "trafd.fxp0")
    assert (header.begin_ns, header.end_ns) == (1_000_000_000_250_000_000, 1_000_003_600_000_000_000)
    assert header.labels["layout"] == f"BPFT {layout}, {endian}-endian"
    assert ("ports" in header.labels) == (layout == "old")


@pytest.mark.parametrize(
    ("name", "interface"),
    [("trafd.em0", "em0"), ("gw-2009-01-02-03:04-GMT.trafd.xl1", "xl1"), ("backup", ""), ("trafd.", "")],
)
def test_the_interface_is_told_by_the_name(tmp_path: Path, name: str, interface: str) -> None:
    path = old(tmp_path / name, block("v4", "little", [Entry()]))
    assert [one.header.interface for one in open_old(path).blocks()] == [interface]
    assert [(one.header.interface, one.header.host) for one in open_old(path).blocks("lo0", "gw")] == [("lo0", "gw")]


@pytest.mark.parametrize(("layout", "endian"), LAYOUTS)
@pytest.mark.parametrize("both", [False, True])
def test_64_bit_files_are_read_where_the_layout_is_named(tmp_path: Path, layout: str, endian: str, both: bool) -> None:
    sign = "<" if endian == "little" else ">"
    data = struct.pack(f"{sign}i4x4q", 1, 1_000_000_000, 0, 1_000_000_001, 0)
    narrow = block(layout, endian, [Entry(all=1 << 31, data=7)])[20:]
    data += narrow if not both else narrow[:-8] + bytes(-len(narrow[:-8]) % 8) + struct.pack(f"{sign}2Q", 1 << 40, 7)
    path = old(tmp_path / "wide", data)
    with pytest.raises(NotOld):
        open_old(path)
    found = open_old(path, layout)  # type: ignore[arg-type]
    assert str(found.layout) == f"{layout}, {endian}-endian, 64-bit"
    assert [one.table().totals() for one in found.blocks()] == [(0, 1 << (40 if both else 31), 7)]


def test_what_a_named_layout_may_hold(tmp_path: Path) -> None:
    wrapped = old(tmp_path / "wrapped", block("old", "little", [Entry(all=5, data=100)]))
    with pytest.raises(NotOld):
        open_old(wrapped)
    assert [one.table().totals() for one in open_old(wrapped, "old").blocks()] == [(0, 5, 100)]
    odd = old(tmp_path / "odd", block("old", "little", [Entry(who=9)]))
    with pytest.raises(NotOld):
        open_old(odd)
    with pytest.raises(OldDamaged, match="a port of kind 9"):
        open_old(old(tmp_path / "odd2", block("old", "little", [Entry()]) + odd.read_bytes()), "old")


@pytest.mark.parametrize("data", [b"", b"\0" * 400, b"not a log of anything at all\n" * 9, os.urandom(4000)])
def test_other_files_are_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NotOld):
        open_old(old(tmp_path / "other", data))


@pytest.mark.parametrize(("layout", "endian"), LAYOUTS)
def test_a_file_cut_anywhere(tmp_path: Path, layout: str, endian: str) -> None:
    draw = random.Random(7)
    blocks = []
    for size in (3, 0, 5):
        some = [Entry(src=draw.randrange(1 << 32), who=draw.randrange(3), all=900 + n, data=n) for n in range(size)]
        blocks.append(block(layout, endian, some))
    data, ends = b"".join(blocks), [sum(map(len, blocks[:n])) for n in range(4)]
    size = 20 if layout == "old" else 24
    for cut in range(ends[1] + 1, len(data)):
        path = old(tmp_path / "cut", data[:cut])
        before = max(end for end in ends if end <= cut)
        if cut in ends:
            assert len(list(open_old(path).blocks())) == ends.index(cut)
            continue
        with pytest.raises(OldDamaged, match=f"from byte {before} on: .*--salvage"):
            open_old(path)
        found = open_old(path, salvage=True)
        assert f"from byte {before} on: " in found.trouble
        torn = cut - before - 20
        kept = sum(one.rows for one in found.blocks())
        assert kept == sum([3, 0, 5][: ends.index(before)]) + max(0, torn // size)
        assert [one.header.labels.get("torn") for one in found.blocks()][ends.index(before) :] == (
            [f"{torn // size} of 5 records"] if torn >= 0 else []
        )


def ask(*files: Path, **asked: object) -> Answer:
    sources = Sources()
    for file in files:
        sources.add(str(file))
    return answer(Question(**asked), sources)  # type: ignore[arg-type]


def test_importing_twice_counts_once(tmp_path: Path) -> None:
    data = made(
        "v4",
        "little",
        [([Entry(src=n, all=100, data=40)], [(10**9 + n, 0), (10**9 + n + 1, 0)], False) for n in (1, 2)],
    )
    path, log = old(tmp_path / "trafd.fxp0", data), tmp_path / "log"
    command = [str(path), "-o", str(log), "--host", "gw"]
    result = CliRunner().invoke(import_old, command)
    assert result.output == f"{path}: 2 blocks, 2 records, 200 B, layout v4, little-endian, to {log}\n"
    before = log.read_bytes()
    result = CliRunner().invoke(import_old, command)
    assert (
        result.output
        == f"{path}: 0 blocks, 0 records, 0 B (2 blocks known already), layout v4, little-endian, to {log}\n"
    )
    assert log.read_bytes() == before
    assert ask(log).totals == ask(path).totals == ask(path, log).totals == (0, 200, 80)
    blocks = [found for found in scan(log) if isinstance(found, Block)]
    assert [(one.header.host, one.header.interface, one.header.source) for one in blocks] == [
        ("gw", "fxp0", "import")
    ] * 2
    assert [group.has_packets for one in blocks for group in one.groups()] == [False] * 2


def test_a_block_that_was_damaged_since_is_imported_again(tmp_path: Path) -> None:
    data = made("v4", "little", [([Entry(src=n)], [(10**9 + n, 0), (10**9 + n + 1, 0)], False) for n in (1, 2)])
    path, log = old(tmp_path / "trafd.fxp0", data), LogWriter(tmp_path / "log")
    assert list(append(open_old(path), log))[-1].known == 0
    [first, _] = [found for found in scan(log.path) if isinstance(found, Block)]
    there = bytearray(log.path.read_bytes())
    there[first.sections[0][0] + 40] ^= 1
    log.path.write_bytes(there)
    assert [(done.blocks, done.known) for done in append(open_old(path), log)] == [(1, 0), (2, 1)]
    assert [found.header.begin_ns // 10**9 for found in scan(log.path) if isinstance(found, Block)] == [
        10**9 + 2,
        10**9 + 1,
    ]


def test_a_log_of_both_kinds(tmp_path: Path) -> None:
    """Imported and counted records under one key and under others."""
    log = LogWriter(tmp_path / "log")
    for _ in append(open_old(old(tmp_path / "trafd.a", block("v4", "big", [Entry(), Entry(src=7)]))), log):
        pass
    [one] = open_old(tmp_path / "trafd.a").blocks()
    live = one.table()
    live.add_records(4, struct.pack(core.RECORD4, b"\1\1\1\1", b"\2\2\2\2", b"\0\1", b"\0\2", 6, 0, 0, 3, 300, 180))
    log.append(one.header._replace(epoch=b"e" * 16, source="live"), live)
    known = [group.has_packets for found in scan(log.path) if isinstance(found, Block) for group in found.groups()]
    assert sorted(known) == [False, False, True]
    assert ask(log.path).totals == (3, 2 * 3000 + 300, 2 * 2920 + 180)


def test_where_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(old(tmp_path / "trafd.fxp0", block("old", "little", [Entry()])))
    assert run(["import", path]) == 127
    assert run(["import", path, "-f", "x", "-o", "y"]) == 127
    assert run(["import", path, "-f", "../x"]) == 127
    assert run(["import", path, "-f", "x", "--root", str(tmp_path)]) == 0
    assert ask(tmp_path / "var/lib/bpft/trafd.x").totals == (0, 1500, 1460)
    assert run(["import", path, "-o", path]) == 1
    assert "holds no block of a log" in capsys.readouterr().err
    assert run(["import", str(tmp_path / "none"), "-o", str(tmp_path / "log")]) == 1
    assert run(["import", __file__, "-o", str(tmp_path / "log")]) == 1
    assert "is no log or dump of an old BPFT" in capsys.readouterr().err


def test_a_torn_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(old(tmp_path / "trafd.fxp0", block("old", "little", [Entry(), Entry(src=5)]) + b"tail"))
    log = str(tmp_path / "log")
    assert run(["import", path, "-o", log]) == 1
    assert "from byte 60 on: 4 bytes that are no block; bpft import --salvage" in capsys.readouterr().err
    assert run(["report", path]) == 1
    assert "from byte 60 on" in capsys.readouterr().err
    assert run(["import", path, "-o", log, "--salvage"]) == 0
    told = capsys.readouterr()
    assert "from byte 60 on: 4 bytes that are no block; left out" in told.err
    assert "1 block, 2 records" in told.out
