"""What this reader does with blocks of a newer writer, as bpft(5) says: ignore, refuse, never read wrong."""

import zlib
from hashlib import blake2b
from pathlib import Path

import pytest
from blocks import record, table, traffic

import bpft
from bpft.block import Block, rewrite_block, write_block
from bpft.blocklayout import COLUMN, CRC, END, END_BODY, FIELD, GROUP, HEADER, IGNORABLE, MAGIC, ROWS, SECTION, START
from bpft.blockscan import Damage, scan
from bpft.errors import BlockDamaged
from bpft.record import Header
from bpft.repair import repair
from bpft.report.answer import Question, answer
from bpft.report.source import Sources
from bpft.rowgroup import pack_section
from bpft.verify import verify

RECORDS = traffic(50) + record(vlan=7)
OLD = b"".join(write_block(Header(epoch=b"o" * 16, begin_ns=1, end_ns=2), table((4, RECORDS))))

Sections = list[tuple[int, bytes]]


def sections() -> Sections:
    """(type, body) of each section of a block, its end left out."""
    found, at = [], START.size
    while (head := SECTION.unpack_from(OLD, at))[0] != END:
        found.append((head[0], OLD[at + SECTION.size :][: head[1]]))
        at += SECTION.size + head[1] + CRC.size
    return found


def block(parts: Sections, version: int = 1) -> bytes:
    """A whole block of these sections, with the id that belongs to it."""
    data = START.pack(MAGIC, version, b"") + b"".join(pack_section(kind, body) for kind, body in parts)
    rows = sum(GROUP.unpack_from(body)[0] for kind, body in parts if kind == ROWS)
    body = END_BODY.pack(len(data) + SECTION.size + END_BODY.size + CRC.size, rows, b"")[:-16]
    unhashed = SECTION.pack(END, END_BODY.size) + body
    end = unhashed + blake2b(data + unhashed, digest_size=16).digest()
    return data + end + CRC.pack(zlib.crc32(end))


def in_header(more: bytes) -> Sections:
    return [(kind, body + more if kind == HEADER else body) for kind, body in sections()]


def in_group(change: "dict[int, int]", column: bytes = b"", chunk: bytes = b"") -> Sections:
    """The row groups with some bytes changed, and a column more."""
    parts = []
    for kind, body in sections():
        if kind == ROWS:
            rows, flags, count = GROUP.unpack_from(body)
            entries, chunks = body[GROUP.size : GROUP.size + count * COLUMN.size], body[GROUP.size + count * 12 :]
            body = GROUP.pack(rows, flags, count + bool(column)) + entries + column + chunks + chunk
            body = bytes(change.get(place, byte) for place, byte in enumerate(body))
        parts.append((kind, body))
    return parts


def write(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def records(found: "Block | Damage") -> bytes:
    assert isinstance(found, Block)
    return b"".join(group.records() for group in found.groups())


@pytest.mark.parametrize(
    "parts",
    [
        in_header(FIELD.pack(900 | IGNORABLE, 3) + b"abc"),
        [*sections(), (900 | IGNORABLE, b"abc")],
        [sections()[0], (900 | IGNORABLE, b""), *sections()[1:]],
        in_group({}, COLUMN.pack(16, 9, 9, 4, 4), b"what"),
        in_group({}, COLUMN.pack(0xC001, 0, 0, 2, 2), b"\x00\x05"),
    ],
    ids=["field", "section behind", "section between", "IPFIX column", "private column"],
)
def test_what_may_be_ignored_changes_nothing(tmp_path: Path, parts: Sections) -> None:
    old, new = scan(write(tmp_path / "log", OLD, block(parts)))
    assert records(old) == records(new)
    assert isinstance(new, Block)
    assert (new.header.begin_ns, new.rows) == (1, 51)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (in_header(FIELD.pack(900, 3) + b"abc"), "header field 900 must be understood"),
        ([*sections(), (900, b"abc")], "a section of type 900 and 13 bytes is not known here"),
        ([(HEADER, sections()[0][1].replace(b"traffic", b"unknown"))], "blocks of kind 'unknown' are not known here"),
    ],
    ids=["field", "section", "kind"],
)
def test_what_must_be_known_is_refused_and_the_rest_read(tmp_path: Path, parts: Sections, reason: str) -> None:
    newer = block(parts)
    path = write(tmp_path / "log", OLD, newer, OLD)
    first, refused, last = scan(path)
    assert records(first) == records(last)
    assert isinstance(refused, Damage)
    assert (refused.offset, refused.length, refused.newer) == (len(OLD), len(newer), True)
    assert reason in refused.reason
    [checked] = verify([path])
    assert (checked.blocks, checked.damaged) == (2, 0)
    copy = repair(path, tmp_path / "copy")
    assert ((tmp_path / "copy").read_bytes(), [place.what for place in copy.places]) == (path.read_bytes(), ["kept"])


def test_another_format_version_is_passed_over_and_kept(tmp_path: Path) -> None:
    newer = START.pack(MAGIC, 2, b"") + b"nobody knows what comes here"
    path = write(tmp_path / "log", OLD, newer, OLD)
    first, refused, last = scan(path)
    assert records(first) == records(last)
    assert refused == Damage(len(OLD), len(newer), "written by a newer bpft: block format 2 is not known here")
    copy = repair(path, tmp_path / "copy")
    assert ((tmp_path / "copy").read_bytes(), [place.what for place in copy.places]) == (path.read_bytes(), ["kept"])


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (4, 2, "its head makes no sense here"),
        (GROUP.size + 2, 77, "encoding"),
        (GROUP.size + 3, 77, "compression 77 is not known here"),
    ],
    ids=["flag", "encoding", "compression"],
)
def test_a_row_group_that_cannot_be_understood_is_not_read(tmp_path: Path, place: int, value: int, reason: str) -> None:
    [found] = scan(write(tmp_path / "log", block(in_group({place: value}))))
    with pytest.raises(BlockDamaged, match=reason):
        records(found)


@pytest.mark.parametrize("place", [4, GROUP.size + 2, GROUP.size + 3], ids=["flag", "encoding", "compression"])
def test_a_block_that_cannot_be_understood_to_its_end_does_not_count_in_part(tmp_path: Path, place: int) -> None:
    header, first, *_ = sections()
    newer = bytearray(first[1])
    newer[place] = 77
    path = write(tmp_path / "log", block([header, first, (ROWS, bytes(newer))]))
    sources = Sources()
    sources.add(str(path))
    assert answer(Question(), sources).totals == (0, 0, 0)
    assert "row group at byte" in sources.troubles[0]
    with pytest.warns(bpft.DamageWarning, match="row group at byte"):
        assert list(bpft.open(path).records()) == []


def test_a_block_that_cannot_be_understood_is_copied_under_another_header(tmp_path: Path) -> None:
    """A dump of a newer writer that becomes a save, say: its row groups stay byte for byte."""
    newer = block(in_group({GROUP.size + 2: 77}))
    [found] = scan(write(tmp_path / "log", newer))
    assert isinstance(found, Block)
    copy = b"".join(rewrite_block(found, found.header))
    assert copy == newer


@pytest.mark.parametrize("lost", [1, 32769])
def test_records_without_their_bytes_are_damage_and_never_zero(lost: int, tmp_path: Path) -> None:
    parts = []
    for kind, body in sections():
        if kind == ROWS:
            rows, flags, count = GROUP.unpack_from(body)
            at = GROUP.size + count * COLUMN.size
            entries, chunks = [], []
            for entry in COLUMN.iter_unpack(body[GROUP.size : at]):
                if entry[0] != lost:
                    entries.append(COLUMN.pack(*entry))
                    chunks.append(body[at : at + entry[4]])
                at += entry[4]
            body = b"".join([GROUP.pack(rows, flags, len(entries)), *entries, *chunks])
        parts.append((kind, body))
    path = write(tmp_path / "log", block(parts))
    [found] = scan(path)
    with pytest.raises(BlockDamaged, match="without their bytes"):
        records(found)
