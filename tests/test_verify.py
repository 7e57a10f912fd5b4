"""bpft verify: what it finds, what it does not mind, and what a repaired copy holds."""

import json
import os
from pathlib import Path

import pytest
from blocks import contents, table, traffic

from bpft import core
from bpft.block import Block, load_table, write_block
from bpft.blockscan import scan
from bpft.cli.main import run
from bpft.lineage import lineage, mark
from bpft.logfile import LogWriter, write_dump
from bpft.merge import merge
from bpft.record import Counters, Header
from bpft.repair import repair
from bpft.report.source import Sources
from bpft.verify import Verified, verify

HOUR = 3_600_000_000_000
START = 472_222 * HOUR


def header(number: int, **more: object) -> Header:
    return Header(
        epoch=bytes([number]) * 16, begin_ns=START + number * HOUR, end_ns=START + (number + 1) * HOUR,
        interface="eth0", host="gw", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def rows(number: int) -> core.Table:
    return table((4, traffic(300, seed=number)), (6, traffic(200, 6, seed=number)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three blocks."""
    path = tmp_path / "trafd.eth0"
    writer = LogWriter(path)
    for number in range(3):
        writer.append(header(number), rows(number))
    return path


def blocks(path: Path) -> list[Block]:
    found = list(scan(path))
    assert all(isinstance(one, Block) for one in found)
    return found  # type: ignore[return-value]


def cut_out(path: Path, number: int) -> bytes:
    """The file without one of its blocks."""
    block = blocks(path)[number]
    data = path.read_bytes()
    return data[: block.offset] + data[block.offset + block.length :]


def told(checked: Verified) -> list[tuple[int, str]]:
    return [(finding.offset, finding.reason) for finding in checked.findings]


# ---- finding ----


def test_what_is_intact_has_no_findings(log: Path) -> None:
    [checked] = verify([log])
    assert (checked.blocks, checked.findings, checked.notes, checked.size) == (3, [], [], log.stat().st_size)
    assert checked.head == blocks(log)[-1].id
    assert (checked.begin_ns, checked.end_ns) == (START, START + 3 * HOUR)


def test_a_block_taken_out_of_the_middle_is_missed(log: Path) -> None:
    gone = blocks(log)[1]
    log.write_bytes(cut_out(log, 1))
    [checked] = verify([log])
    assert told(checked) == [(gone.offset, f"the block before it, {gone.id.hex()}, is not there")]


def test_blocks_in_another_order_are_found(log: Path) -> None:
    data, (first, second, third) = log.read_bytes(), blocks(log)
    log.write_bytes(data[: second.offset] + data[third.offset :] + data[second.offset : third.offset])
    [checked] = verify([log])
    # The third names one that is there, but not before it.
    assert (first.length, checked.blocks) == (second.offset, 3)
    assert [offset for offset, _ in told(checked)] == [first.length]
    assert "is not there" in told(checked)[0][1]


def test_rotated_logs_continue_one_another(log: Path, tmp_path: Path) -> None:
    log.rename(tmp_path / "trafd.eth0.1")
    LogWriter(log).append(header(3), rows(3))
    [alone] = verify([log])
    assert (alone.findings, len(alone.notes)) == ([], 1)
    assert "may be in a file that this one continues" in alone.notes[0].reason
    both = verify([log, tmp_path / "trafd.eth0.1"])
    assert [(file.findings, file.notes) for file in both] == [([], []), ([], [])]


def test_a_number_that_does_not_follow_is_found(tmp_path: Path) -> None:
    first = b"".join(write_block(header(0), rows(0)))
    second = b"".join(write_block(header(1, sequence=5), rows(1), previous=first[-20:-4]))
    (tmp_path / "log").write_bytes(first + second)
    [checked] = verify([tmp_path / "log"])
    assert told(checked) == [(len(first), "its number is 5, that of the block before it 0")]


def test_the_same_block_and_the_same_epoch_twice(log: Path, tmp_path: Path) -> None:
    data = log.read_bytes()
    end = len(data)
    again = b"".join(write_block(header(1, labels={"a": "b"}), rows(7)))
    log.write_bytes(data + data[: blocks(log)[0].length] + again)
    [checked] = verify([log])
    assert [offset for offset, _ in told(checked)] == [end, end + blocks(log)[0].length]
    assert f"the same as the block at byte 0 of {log}" in told(checked)[0][1]
    assert f"its epoch, {(bytes([1]) * 16).hex()}, is that of the block at byte" in told(checked)[1][1]


def test_a_dump_beside_its_save_is_worth_a_note(log: Path, tmp_path: Path) -> None:
    write_dump(tmp_path / "dump", header(2), rows(2))
    dump, saved = verify([tmp_path / "dump", log])
    assert (dump.findings, saved.findings, saved.notes) == ([], [], [])
    assert ["its epoch" in note.reason for note in dump.notes] == [True]


def test_joined_logs_are_no_damage(log: Path, tmp_path: Path) -> None:
    other = LogWriter(tmp_path / "other")
    other.append(header(10), rows(1))
    log.write_bytes(log.read_bytes() + (tmp_path / "other").read_bytes())
    [checked] = verify([log])
    assert (checked.findings, ["another log begins" in note.reason for note in checked.notes]) == ([], [True])


def test_frames_that_nobody_knows_of(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"".join(write_block(header(0, counters=Counters(seen=5, counted=4)), rows(0))))
    [checked] = verify([tmp_path / "log"])
    assert told(checked) == [(0, "of 5 frames seen it does not say what became of each")]


# ---- repairing ----


@pytest.mark.parametrize("number", range(3))
def test_every_byte_of_a_block_may_be_damaged(log: Path, tmp_path: Path, number: int) -> None:
    """Whatever byte it is: the others stay as they are, what is salvaged is true, what is lost is counted."""
    data, whole = log.read_bytes(), blocks(log)
    block = whole[number]
    truth = contents(load_table(block))
    copy = tmp_path / "copy"
    for at in range(block.offset, block.offset + block.length, 37):
        log.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        copy.unlink(missing_ok=True)
        done = repair(log, copy)
        found = blocks(copy)
        [place] = done.places
        assert (done.blocks, place.offset, place.length) == (2, block.offset, block.length)
        left = {one.id: one for one in found}
        assert all(other.id in left for other in whole if other is not block)
        [mended] = [one for one in found if one.id not in {other.id for other in whole if other is not block}] or [None]
        if mended is None:
            assert (place.what, place.lost_records) == ("lost", None)
            continue
        records = contents(load_table(mended))
        assert all(row in truth[version] for version, some in records.items() for row in _rows(version, some))
        assert place.records == mended.rows
        if place.what == "restored":
            assert (mended.id, at - block.offset < 12) == (block.id, True)
            continue
        assert (mended.header.source, mended.previous) == ("repaired", block.previous)
        if place.lost_records is not None:
            assert (mended.rows + place.lost_records, mended.header.replaces) == (block.rows, (block.id,))
        assert f"{mended.rows} of " in mended.header.labels["repaired"]
        if mended.header.replaces:
            assert verify([copy])[0].findings == []


def _rows(version: int, records: bytes) -> list[bytes]:
    size = 40 if version == 4 else 64
    return [records[at : at + size] for at in range(0, len(records), size)]


def test_a_file_cut_anywhere_is_repaired(log: Path, tmp_path: Path) -> None:
    data, whole = log.read_bytes(), blocks(log)
    last = whole[-1]
    for length in range(last.offset + 1, len(data), 41):
        log.write_bytes(data[:length])
        copy = tmp_path / f"copy{length}"
        done = repair(log, copy)
        assert done.blocks == 2
        assert copy.read_bytes().startswith(data[: last.offset])
        assert verify([copy])[0].findings == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_repairs_for_the_owner_of_the_log(log: Path, tmp_path: Path) -> None:
    """Else a trafd of that user could not append to the copy once it has the log's name."""
    log.write_bytes(log.read_bytes()[:-1])
    os.chown(log, 65534, 65534)
    log.chmod(0o600)
    repair(log, tmp_path / "copy")
    made = (tmp_path / "copy").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (65534, 65534, 0o600)


def test_several_broken_blocks_in_a_row_are_mended_each(log: Path, tmp_path: Path) -> None:
    data = bytearray(log.read_bytes())
    for block in blocks(log)[:2]:
        data[block.sections[0][0] + 40] ^= 1
    whole = blocks(log)
    log.write_bytes(data)
    done = repair(log, tmp_path / "copy")
    assert [place.what for place in done.places] == ["salvaged", "salvaged"]
    assert [place.lost_records for place in done.places] == [300, 300]
    assert [block.header.replaces for block in blocks(tmp_path / "copy")] == [(whole[0].id,), (whole[1].id,), ()]


def test_a_repaired_block_counts_only_where_the_whole_one_is_not(log: Path, tmp_path: Path) -> None:
    block = blocks(log)[1]
    data = bytearray(log.read_bytes())
    data[block.sections[0][0] + 40] ^= 1
    (tmp_path / "bad").write_bytes(data)
    repair(tmp_path / "bad", tmp_path / "copy")
    write_dump(tmp_path / "dump", header(1), rows(1))
    sources = Sources()
    for name in ("copy", "dump"):
        sources.add(str(tmp_path / name))
    counted = [part.header for part in sources.parts() if part.header.epoch == bytes([1]) * 16]
    assert [(one.role, one.source) for one in counted] == [("dump", "live")]


@pytest.mark.parametrize("epoch", [b"e" * 16, b""])
def test_a_backup_of_the_whole_block_takes_the_place_of_the_repaired_one(tmp_path: Path, epoch: bytes) -> None:
    backup, bad, copy, out = (tmp_path / name for name in ("backup", "bad", "copy", "out"))
    writer = LogWriter(backup)
    for number in range(3):
        writer.append(header(number)._replace(epoch=epoch and bytes([number]) * 16), rows(number))
    whole = blocks(backup)
    data = bytearray(backup.read_bytes())
    data[whole[1].sections[0][0] + 40] ^= 1
    bad.write_bytes(data)
    repair(bad, copy)
    assert blocks(copy)[1].rows < whole[1].rows
    for files in ([copy, backup], [backup, copy]):
        found = [block for file in files for block in blocks(file)]
        assert {found[place].id for place in lineage([mark(block) for block in found]).counts} == {b.id for b in whole}
        assert not any(
            "repaired" in finding.reason or "epoch" in finding.reason
            for file in verify(files)
            for finding in file.findings
        )
        out.unlink(missing_ok=True)
        merge([str(file) for file in files], out)
        assert [(block.rows, block.header.source) for block in blocks(out)] == [(b.rows, "live") for b in whole]
        assert verify([out])[0].findings == []


# ---- the command ----


@pytest.mark.parametrize("command", ["info", "verify", "compact --to day", "forget 192.0.2.1", "merge -o out"])
def test_what_is_no_regular_file_is_no_empty_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("directory").mkdir()
    for name, why in (
        ("pipe", "is no regular file; write what it gives to one first"),
        ("/dev/zero", "is no regular file; write what it gives to one first"),
        ("directory", "is a directory; name the files in it"),
    ):
        assert run([*command.split(), name]) == 1
        told = capsys.readouterr()
        assert (told.out, told.err) == ("", f"bpft: {name}: {why}\n")


def test_the_command(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    assert run(["verify", log.name]) == 0
    out = capsys.readouterr().out
    assert out.startswith("trafd.eth0: 3 blocks, 1,5")
    assert out.endswith("; intact\n")
    block = blocks(log)[1]
    data = bytearray(log.read_bytes())
    data[block.sections[0][0] + 40] ^= 1
    log.write_bytes(data)
    assert run(["verify", "trafd.eth0"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f"trafd.eth0: byte {block.offset}, {block.length} bytes: its bytes are not those that its id was made of"
    )
    assert lines[-1].endswith("; 1 finding")
    assert run(["verify", "--repair", "trafd.eth0"]) == 0
    told = capsys.readouterr().out.splitlines()[-2:]
    assert told[0].startswith("trafd.eth0.repaired: 2 intact blocks kept, with 1,")
    assert "salvaged 200 records; lost" in told[1]
    assert told[1].endswith("and 300 records")
    assert log.read_bytes() == data
    assert run(["verify", "--repair", "trafd.eth0"]) == 1
    assert "trafd.eth0.repaired: " in capsys.readouterr().err
    assert run(["verify", "--repair", "-o", "other", "trafd.eth0"]) == 0
    capsys.readouterr()
    assert (tmp_path / "other").read_bytes() == (tmp_path / "trafd.eth0.repaired").read_bytes()
    assert run(["verify", "--json", "other", "trafd.eth0"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [document["ok"], *(len(file["findings"]) > 0 for file in document["files"])] == [False, False, True]


def test_repair_never_writes_over_anything(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = log.read_bytes()[:-5]
    log.write_bytes(data)
    assert run(["verify", "--repair", "-o", str(log), str(log)]) == 1
    assert (log.read_bytes(), "never overwritten" in capsys.readouterr().err) == (data, True)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 127, "Missing argument"),
        (["-o", "x", "a"], 127, "-o names the copy of one FILE"),
        (["--repair", "-o", "x", "a", "b"], 127, "-o names the copy of one FILE"),
        (["nowhere"], 1, "nowhere: No such file"),
        (["text"], 1, "text: it holds no whole block of a log"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no log\n")
    assert run(["verify", *arguments]) == code
    captured = capsys.readouterr()
    assert reason in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
