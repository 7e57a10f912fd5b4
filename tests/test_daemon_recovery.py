"""What a former trafd left (SEMANTICS E6), on real logs and dumps."""

import os
import shutil
from pathlib import Path

import pytest
from daemon_parts import Sums, add, sums

from bpft import block, logfile
from bpft.core import Table
from bpft.daemon.recovery import recover
from bpft.daemon.settings import Settings
from bpft.errors import CannotRead, CannotWrite
from bpft.logfile import LogWriter
from bpft.paths import paths
from bpft.record import Counters, Header
from bpft.report.source import NothingRecorded, Sources

HEADER = Header(
    epoch=bytes(range(16)), begin_ns=1_000, end_ns=2_000, interface="eth0", filter="udp", counters=Counters(2, 2)
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    where = paths(str(tmp_path))
    where.dumps.mkdir(parents=True)
    return Settings("eth0", "x", where, filter="udp", resume=True, min_all=0)


def table(port: int = 1, all_bytes: int = 5000) -> Table:
    it = Table()
    add(it, port, 2, all_bytes)
    return it


def dump(settings: Settings, header: Header = HEADER) -> Path:
    path = settings.paths.dump("x")
    logfile.write_dump(path, header, table())
    return path


def log(settings: Settings) -> LogWriter:
    return LogWriter(settings.paths.log("x"))


def logged(settings: Settings) -> list[tuple[Header, Sums]]:
    path = settings.paths.log("x")
    if not path.exists():
        return []
    found = [it for it in logfile.scan(path) if isinstance(it, block.Block)]
    return [(it.header, sums(block.load_table(it))) for it in found]


def test_nothing_was_left(settings: Settings) -> None:
    assert recover(settings, log(settings)) is None


def test_resume_leaves_the_file_until_it_is_replaced(settings: Settings) -> None:
    path = dump(settings)
    found = recover(settings, log(settings))
    assert found
    resumed, header = found
    assert sums(resumed) == {1: (2, 5000)}
    assert resumed.counters()["seen"] == 2
    assert header.epoch == HEADER.epoch
    assert path.exists()
    assert logged(settings) == []


@pytest.mark.parametrize(
    ("was", "said"),
    [
        ({"interface": "eth1"}, "interface"),
        ({"filter": ""}, "filter"),
        ({"key_mode": "addresses"}, "key mode"),
        (None, ""),
    ],
)
def test_else_it_is_appended_as_recovered(
    settings: Settings, was: dict[str, str] | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = dump(settings, HEADER._replace(**(was or {})))  # type: ignore[arg-type]
    assert recover(settings._replace(resume=was is not None), log(settings)) is None
    ((header, saved),) = logged(settings)
    assert (header.source, header.epoch, saved) == ("recovered", HEADER.epoch, {1: (2, 5000)})
    assert (header.begin_ns, header.end_ns) == (1_000, 2_000)
    assert not path.exists()
    assert ("warning" in capsys.readouterr().err) is bool(said)


def test_recovering_obeys_the_minimum(settings: Settings) -> None:
    """C8."""
    dump(settings)
    recover(settings._replace(resume=False, min_all=6000), log(settings))
    ((header, saved),) = logged(settings)
    assert saved == {0: (2, 5000)}
    assert header.min_all == 6000


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("rotated", [None, "x.1", "x-20261122"])
def test_what_was_saved_already_is_stale(settings: Settings, resume: bool, rotated: str | None) -> None:
    """Killed between the append and the unlink, perhaps rotated since: nothing is counted twice."""
    path = dump(settings)
    log(settings).append(HEADER, table())
    if rotated:
        settings.paths.log("x").rename(settings.paths.logs / f"trafd.{rotated}")
    assert recover(settings._replace(resume=resume), log(settings)) is None
    assert not path.exists()
    assert len(logged(settings)) == (0 if rotated else 1)


def test_a_dump_later_than_its_block_is_no_stale_one(settings: Settings) -> None:
    """A save whose bytes stayed although it failed, and a dump after it: the dump holds more (E7)."""
    dump(settings, HEADER._replace(end_ns=3_000))
    log(settings).append(HEADER, table(1, 4000))
    assert recover(settings._replace(resume=False), log(settings)) is None
    assert [saved for _, saved in logged(settings)] == [{1: (2, 4000)}, {1: (2, 5000)}]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_an_unreadable_dump_is_kept_aside(settings: Settings, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = dump(settings)
    whole = path.read_bytes()
    middle = len(whole) // 2
    content = {
        "cut": whole[:-1],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "empty": b"",
        "text": b"no dump at all\n",
    }[damage]
    path.write_bytes(content)
    assert recover(settings, log(settings)) is None
    aside = path.with_name("trafd.x~1.damaged")
    assert aside.read_bytes() == content
    assert not path.exists()
    assert str(aside) in capsys.readouterr().err
    path.write_bytes(content)
    recover(settings, log(settings))
    assert path.with_name("trafd.x~2.damaged").exists()
    assert aside.exists()
    sources = Sources()
    with pytest.raises(NothingRecorded):
        sources.add_recorded(settings.paths)
    assert not sources.troubles


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("extra", [b"!", b"BPFT", bytes(100_000)])
def test_bytes_behind_the_block_of_a_dump_cost_nothing(
    settings: Settings, resume: bool, extra: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = dump(settings)
    whole = path.read_bytes()
    path.write_bytes(whole + extra)
    found = recover(settings._replace(resume=resume), log(settings))
    aside = path.with_name("trafd.x~1.damaged")
    assert aside.read_bytes() == extra
    assert f"warning: {path}" in capsys.readouterr().err
    if resume:
        assert found
        assert sums(found[0]) == {1: (2, 5000)}
        assert path.read_bytes() == whole
    else:
        assert [saved for _, saved in logged(settings)] == [{1: (2, 5000)}]
        assert not path.exists()


def test_bytes_behind_a_block_that_cannot_be_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = dump(settings)
    longer = path.read_bytes() + b"!"
    path.write_bytes(longer)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    found = recover(settings, log(settings))
    assert found
    assert sums(found[0]) == {1: (2, 5000)}
    assert path.read_bytes() == longer
    assert [it.name for it in settings.paths.dumps.iterdir()] == ["trafd.x"]
    assert "No space left" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_leaves_the_dump(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dump(settings)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="No space left"):
        recover(settings._replace(resume=False), log(settings))
    assert path.exists()
    assert logged(settings) == []


def test_a_dump_that_is_a_directory_is_an_error(settings: Settings) -> None:
    settings.paths.dump("x").mkdir()
    with pytest.raises(CannotRead):
        recover(settings, log(settings))


@pytest.mark.parametrize(
    ("was", "now", "resumes"), [(50, 60, True), (50, 1_800_000_000, False), (1_790_000_000, 60, False)]
)
def test_a_dated_table_goes_on_only_where_the_clock_is_set(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, was: int, now: int, resumes: bool
) -> None:
    """Else the block would be of 1970 and of today, and nobody could tell how long it is."""
    monkeypatch.setattr("bpft.host.utc_ns", lambda: now * 10**9)
    end_ns = was * 10**9
    dump(settings, HEADER._replace(begin_ns=end_ns - 5, end_ns=end_ns, clock_synchronised=was > 10**9))
    assert (recover(settings, log(settings)) is not None) == resumes
    assert [header.source for header, _ in logged(settings)] == ([] if resumes else ["recovered"])
