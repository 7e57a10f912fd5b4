"""The everyday questions of README, each answered by its one command."""

import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from blocks import record, table
from looked_at import Daemon
from test_cli_report import run

from bpft.logfile import LogWriter
from bpft.paths import paths
from bpft.record import Counters, Header
from bpft.report.period import SECOND

README = (Path(__file__).parents[1] / "README.md").read_text()
QUESTIONS = re.findall(r"^\| ([^|]*\?) \| `(bpft[^`]*)` \|$", README, re.M)
HERE, FAR = 0xC0A80114, 0x08080808  # 192.168.1.20 and 8.8.8.8
HOUR = 3600


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Forty days of eth0 by the hour, until now; and the daemon that counts it."""
    path = paths(str(tmp_path)).log("eth0")
    path.parent.mkdir(parents=True)
    writer = LogWriter(path)
    now = int(time.time())
    midnight = int(time.mktime((*time.localtime(now)[:3], 0, 0, 0, 0, 0, -1)))
    ends = [*range(midnight - 40 * 24 * HOUR, now, 6 * HOUR), now]
    held = table((4, record(src=HERE, dst=FAR, sport=40000, dport=443, proto=6, packets=10, all=9000, data=8600)))
    for begin, end in pairwise(ends):
        recent = range(begin, end, HOUR) if end > midnight - 24 * HOUR else [begin]
        for start in recent:
            stop = min(start + HOUR, end) if len(recent) > 1 else end
            writer.append(_header(start, stop), held)
    daemon = Daemon(tmp_path, "eth0", lambda look: (_header(now, now + 1 + look), held))
    yield tmp_path
    daemon.close()


def _header(begin: int, end: int) -> Header:
    counters = Counters(seen=10, counted=10, direction={"tx": (10, 9140, 10, 9140)})
    return Header(
        epoch=begin.to_bytes(16, "big"),
        begin_ns=begin * SECOND,
        end_ns=end * SECOND,
        interface="eth0",
        prefixes=("192.168.1.1/24",),
        counters=counters,
    )


def test_there_are_ten() -> None:
    assert len(QUESTIONS) == len(dict(QUESTIONS)) == 10


@pytest.mark.parametrize(("question", "command"), QUESTIONS)
def test_one_command_answers(question: str, command: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    words = command.split()[1:]
    if words == ["top"]:
        words += ["--count", "1"]  # it would go on for ever
    if words[:1] != ["top"]:
        words += ["-n"]  # nobody's name server is asked
    done = run(*words, BPFT_ROOT=str(root))
    assert (done.returncode, done.stderr) == (0, b""), (question, done.stderr)
    pages = list(root.glob("*.html"))
    said = done.stdout.decode() + "".join(page.read_text() for page in pages)
    assert ("--html" in words) == bool(pages)
    assert "eth0" in said or "443" in said
    assert "192.168.1.20" in said or "Internet" in said or "443" in said or "total" in said
