"""Pictures in a terminal: what they show is what the answer holds, at every size, without colour."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from blocks import record, table
from day import BEGIN, HOUR, ZONE, write_day
from hypothesis import given
from hypothesis import strategies as st

from bpft.block import Block
from bpft.blockscan import scan
from bpft.cli.main import run
from bpft.logfile import LogWriter
from bpft.record import Header
from bpft.report.answer import Question, answer
from bpft.report.render import plot, scale
from bpft.report.render.table import Style
from bpft.report.source import Sources

SECOND = 10**9


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", ZONE.key)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_day(tmp_path_factory.mktemp("day") / "trafd.eth1")


def drawn(log: Path, by: str, width: int = 80, height: int = 24, encoding: str = "utf-8", **question: Any) -> list[str]:
    sources = Sources()
    sources.add(str(log))
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    plot.write(answer(Question(by, **question), sources), out, Style(True, "si", width), height)
    out.flush()
    text = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert "\x1b" not in text  # NO_COLOR has nothing to forbid.
    assert text.endswith("\n")
    return text.splitlines()


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("by", ["host", "scope", "service", "hour", "hour,scope", "hour,host", "key"])
def test_a_picture_fits_its_terminal(log: Path, by: str, width: int) -> None:
    lines = drawn(log, by, width, top=10)
    closing = lines.index("", 4)
    # Addresses and ports are never cut, so that whole keys may take more.
    assert max(map(len, lines[3:closing])) <= (max(width, 90) if by == "key" else width)
    assert len(lines) < 24


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_bars_are_as_long_as_what_they_stand_for(log: Path, encoding: str) -> None:
    question = Question("service", "packets", 10)
    sources = Sources()
    sources.add(str(log))
    rows = list(answer(question, sources).rows())
    lines = drawn(log, "service", encoding=encoding, sort="packets", top=10)[4 : 4 + len(rows)]
    start = max(line.rindex("%") for line in lines) + 3
    lengths = [len(line[start:]) for line in lines]
    assert lengths[0] == 80 - start
    for row, length in zip(rows, lengths, strict=True):
        assert abs(length - row.sums[0] / rows[0].sums[0] * lengths[0]) <= 1
        assert length  # Nothing that there is vanishes.


@pytest.mark.parametrize(("encoding", "letters"), [("utf-8", "█▒"), ("ascii", "#=")])
def test_bars_of_hosts_tell_in_from_out(log: Path, encoding: str, letters: str) -> None:
    into, out = letters
    lines = drawn(log, "host", encoding=encoding, top=3)
    assert f"{into} in  {out} out" in lines[3]
    backup = next(line for line in lines if line.startswith("198.51.100.23"))
    assert backup.count(into) > 10 * backup.count(out)  # What is backed up there comes in.
    video = next(line for line in lines if line.startswith("142.250.185.14"))
    assert video.count(out) > 5 * video.count(into) > 0


def test_what_is_not_shown_is_told(log: Path) -> None:
    lines = drawn(log, "host", top=5)
    rows = int(next(line for line in lines if "other rows" in line).split()[0])
    sources = Sources()
    sources.add(str(log))
    assert rows == len(answer(Question("host"), sources).ranking) - 5


def test_one_line_of_time_peaks_where_the_day_does(log: Path) -> None:
    lines = drawn(log, "hour")
    start = lines.index("bit/s") + 1
    end = next(place for place, line in enumerate(lines) if "└" in line)
    picture = [re.split("[┤│]", line, maxsplit=1)[1] for line in lines[start:end]]
    top = next(line for line in picture if line.strip())
    columns = [place for place, letter in enumerate(top) if letter != " "]
    width = len(lines[end]) - lines[end].index("└") - 1
    assert all(10 / 24 - 1 / width <= place / width <= 12 / 24 for place in columns)  # When the office is busiest.
    labels = [line.split("┤")[0].strip() for line in lines[start:end] if "┤" in line]
    assert labels[-1] == "0"
    assert len(lines) <= 23


@pytest.mark.parametrize("height", [10, 24, 50])
def test_a_line_is_as_high_as_there_is_room(log: Path, height: int) -> None:
    lines = drawn(log, "hour", height=height)
    rows = sum("┤" in line or "│" in line for line in lines)
    assert rows == max(6, min(16, height - 10))


def test_what_was_not_watched_is_no_zero(tmp_path: Path) -> None:
    whole = write_day(tmp_path / "trafd.eth1")
    blocks, gappy = whole.read_bytes(), tmp_path / "trafd.eth2"
    kept = [blocks[one.offset : one.offset + one.length] for one in scan(str(whole)) if isinstance(one, Block)]
    gappy.write_bytes(b"".join(kept[:5] + kept[7:]))
    for log, dots in (whole, 0), (gappy, 2):
        line = next(line for line in drawn(log, "hour,scope") if line.startswith("Internet")).split()[-1]
        assert len(line) == 24
        assert [place for place, letter in enumerate(line) if letter == "·"] == [5, 6][:dots]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_without_the_library_and_without_dots_an_area_does(
    log: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """Each column is as high as the rate of its hour."""
    monkeypatch.setitem(sys.modules, "plotille", None)
    lines = drawn(log, "hour", encoding=encoding)
    start = lines.index("bit/s") + 1
    end = next(place for place, line in enumerate(lines) if re.match(" +[└+][─┬+-]", line))
    assert len(lines) <= 23
    axis, picture = {}, []
    for place, line in enumerate(lines[start:end]):
        label, tick, row = re.fullmatch(" *([^ ]*(?: M)?) ([┤│+|])(.*)", line).groups()  # type: ignore[union-attr]
        assert (tick in "┤+") == bool(label)
        axis |= {label: place} if label else {}
        picture.append(row)
    assert axis["0"] == len(picture) - 1
    assert axis["15 M"] == 0
    width = len(lines[end].strip()) - 1
    parts = {letter: part for part, letter in enumerate(" ▁▂▃▄▅▆▇█")} | {".": 4, "#": 8}
    columns = [sum(parts[row[at : at + 1] or " "] for row in picture) / 8 for at in range(width)]
    sources = Sources()
    sources.add(str(log))
    (group,) = answer(Question("hour"), sources).groups(1)
    for at, height in enumerate(columns):
        rates = [
            bps for bps, begin in group.samples if abs((begin - BEGIN) / HOUR - 24 * (at + 0.5) / width + 0.5) < 0.8
        ]
        assert any(abs(bps / 15e6 * len(picture) - height) <= 0.51 for bps in rates), (at, height, rates)


@pytest.mark.parametrize("width", [80, 133, 160, 220])
def test_a_line_has_no_holes(log: Path, width: int) -> None:
    lines = drawn(log, "hour", width)
    picture = [re.split("[┤│]", line, maxsplit=1)[1].ljust(width) for line in lines if re.match(".*[┤│]", line)]
    columns = len(next(line for line in lines if "└" in line).strip()) - 1
    for at in range(columns):
        left, right = (any(ord(row[at]) & dots for row in picture if row[at] != " ") for dots in (0x47, 0xB8))
        assert left, at
        assert right or at == columns - 1, at


@pytest.mark.parametrize("width", [40, 50])
def test_a_narrow_picture_leaves_away_what_matters_less(log: Path, width: int) -> None:
    for by in ("host", "scope", "hour", "hour,scope", "hour,host"):
        lines = drawn(log, by, width, top=4)
        assert max(map(len, lines[3 : lines.index("", 4)])) <= width, by


@pytest.mark.parametrize(
    ("environment", "fine"),
    [
        ({}, True),
        ({"LANG": "C"}, False),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, False),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, True),
    ],
)
def test_who_says_c_gets_ascii(log: Path, environment: dict[str, str], fine: bool) -> None:
    """Python would write UTF-8 there; where nobody said anything, as in a container, that is right."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    for by in ("hour", "host", "hour,scope"):
        call = [sys.executable, "-m", "bpft", "report", "-n", str(log), "--by", by, "--plot"]
        done = subprocess.run(call, env={**kept, **path, **environment}, capture_output=True, check=True)
        assert done.stdout.isascii() != fine, by


def test_days_of_unequal_length_are_not_unwatched(tmp_path: Path) -> None:
    """One of them has 23 hours; and months have 28 to 31 days."""
    log = tmp_path / "trafd.eth0"
    writer, first = LogWriter(log), datetime(2026, 3, 1, tzinfo=ZONE)
    days = [first + timedelta(days=n) for n in range(365)]
    for place, day in enumerate(days):
        begin, end = (int(moment.timestamp()) * SECOND for moment in (day, day + timedelta(days=1)))
        held = table((4, record(all=10**9)))
        header = Header(epoch=place.to_bytes(16, "big"), begin_ns=begin, end_ns=end, interface="eth0")
        writer.append(header, held)
    for by, count in (("month,proto", 12), ("day,proto", 365)):
        line = next(line for line in drawn(log, by, 600) if line.startswith("6 ")).split()[-1]
        assert "·" not in line
        assert len(line) % count == 0


def test_nothing_that_matches_is_said(log: Path) -> None:
    assert "no records match" in drawn(log, "host", where="host 203.0.113.77")


def test_one_way_to_show_it(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(log), "--plot", "--json"]) == 127
    assert run(["report", str(log), "--plot", "--html", "-"]) == 127
    assert capsys.readouterr().err.count("bpft: --plot, --html and --format each") == 2


def test_it_stands_on_a_terminal_of_80_by_24(log: Path) -> None:
    tmux = shutil.which("tmux")
    if not tmux:
        pytest.skip("no tmux here to be a terminal")
    call = [tmux, "-L", f"bpft-plot-{os.getpid()}", "-f", "/dev/null"]
    report = shlex.join([sys.executable, "-m", "bpft", "report", "-n", str(log), "--by", "hour", "--plot"])
    # A shell would ask again in the line below it.
    subprocess.run([*call, "-u", "new-session", "-d", "-x80", "-y24", f"LANG=C.UTF-8 {report}; sleep 60"], check=True)
    try:
        screen = ""
        until = time.monotonic() + 20
        while "frames," not in screen and time.monotonic() < until:
            time.sleep(0.05)
            screen = subprocess.run([*call, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([*call, "kill-server"], check=True)
    lines = screen.splitlines()
    assert lines[0].startswith("eth1 on gw.office.example")  # Nothing of it has scrolled away.
    assert [line.rstrip() for line in lines[:23]] == drawn(log, "hour")


# ---- axes ----


@given(st.integers(0, 10**14), st.integers(1, 12))
def test_amounts_are_round_and_reach_the_top(most: int, count: int) -> None:
    steps = scale.amounts(most, count)
    assert steps[0] == 0
    assert steps[-1] >= most
    assert len(steps) <= count + 2
    assert len({after - before for before, after in pairwise(steps)}) == 1
    assert str(steps[1]).rstrip("0") in ("1", "2", "5")


@given(st.integers(0, 10**9), st.integers(60, 4 * 10**8), st.integers(2, 12))
def test_times_lie_within_and_are_few(begin: int, length: int, count: int) -> None:
    first, last = (1_700_000_000 + begin) * SECOND, (1_700_000_000 + begin + length) * SECOND
    found = scale.times(first, last, count)
    at = [ns for ns, _ in found]
    assert at == sorted(at)
    assert all(first <= ns <= last for ns in at)
    assert len(found) <= 2 * count + 2


def test_times_of_a_day_that_the_clock_is_set_on() -> None:
    begin = int(datetime(2026, 10, 25, tzinfo=ZONE).timestamp()) * SECOND
    labels = [label for _, label in scale.times(begin, begin + 25 * HOUR, 9)]
    assert labels == ["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "00:00"]
    assert [label for _, label in scale.times(begin, begin + 25 * HOUR, 8)] == labels, "as on any day"
    forward = int(datetime(2026, 3, 29, tzinfo=ZONE).timestamp()) * SECOND
    assert [label for _, label in scale.times(forward, forward + 6 * HOUR, 8)] == [
        *("00:00", "01:00", "03:00", "04:00", "05:00", "06:00", "07:00")
    ], "there is no 02:00"
    assert [label for _, label in scale.times(BEGIN, BEGIN + 24 * HOUR, 9)][:2] == ["00:00", "03:00"]
