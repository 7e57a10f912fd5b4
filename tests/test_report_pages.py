"""Every example of bpft-report(1) and bpft-who(1) runs as it is printed, and every period they name is one."""

import os
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import blocks
import programs
import pytest

from bpft.logfile import LogWriter
from bpft.paths import paths
from bpft.record import Counters, Header
from bpft.report.period import BadPeriod, read_words

PROJECT = Path(__file__).resolve().parents[1]
HOUR = 3600 * 10**9
#: What stands in for a live capture, which needs a right that tests lack.
STUBS = {"tcpdump": 'cat "$CAPTURE"'}


def examples(name: str) -> list[str]:
    section = (PROJECT / f"man/{name}.1").read_text().partition(".Sh EXAMPLES")[2].partition(".Sh ")[0]
    return re.findall(r"^\.Dl (.*)", section, re.M)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory to work in, with three days of eth0 up to now behind it, and what the examples name."""
    root = paths(str(tmp_path))
    root.logs.mkdir(parents=True)
    writer = LogWriter(root.log("eth0"))
    now = time.time_ns()
    ends = [*(now - ago * HOUR for ago in range(72, -1, -1)), now + 10**9]  # so that there is some of today at midnight
    for begin, end in pairwise(ends):
        head = Header(
            epoch=end.to_bytes(16, "big"),
            begin_ns=begin,
            end_ns=end,
            interface="eth0",
            counters=Counters(seen=1, counted=1),
        )
        writer.append(head, blocks.table((4, blocks.record(src=0xC0A80114, dst=0xC0A8011E, dport=443, all=1000))))
    config = Path(root.config)
    config.parent.mkdir(parents=True)
    hosts = tmp_path / "hosts"
    hosts.write_text("192.168.1.30 printer\n")
    config.write_text(f'[names]\nhosts = ["{hosts}"]\n')
    (tmp_path / "work").mkdir()
    shutil.copy(PROJECT / "tests/captures/sample.pcap", tmp_path / "work/capture.pcap")
    return tmp_path


@pytest.mark.parametrize("command", [*examples("bpft-report"), *examples("bpft-who")])
def test_an_example_runs(place: Path, command: str) -> None:
    if "| jq" in command and not shutil.which("jq"):
        pytest.skip("the example pipes into jq, which is not here")
    if command == "bpft who printer last week":
        command = command.replace("last week", "last 7 days")  # last week is not always within three days
    functions = [f'bpft() {{ "{sys.executable}" -m bpft "$@"; }}']
    functions += [f"{name}() {{ {body}; }}" for name, body in STUBS.items()]
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", "\n".join([*functions, command])],
        cwd=place / "work",
        env={
            **programs.ENVIRONMENT,
            "PATH": os.environ["PATH"],
            "BPFT_ROOT": str(place),
            "CAPTURE": "capture.pcap",
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert len(done.stdout) > 1 or "--html" in command


def test_every_period_of_the_page_is_one() -> None:
    section = (PROJECT / "man/bpft-report.1").read_text().partition(".Ss Periods")[2].partition(".El")[0]
    said = [words for line in re.findall(r"^\.It Li (.*)", section, re.M) for words in line.split(" , ")]
    assert len(said) > 25
    today = datetime.now().astimezone()
    for words in said:
        for days in (*range(7), 31, 100, 200, 300):  # whatever day it is
            read_words(words.split(), today + timedelta(days=days))
    with pytest.raises(BadPeriod):
        read_words(["some", "day"])
