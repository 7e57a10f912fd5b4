"""bpft and bpft report as commands: what they print, their exit codes, and how they end."""

import csv
import io
import json
import os
import shlex
import signal
import struct
import subprocess
import sys
from pathlib import Path

import blocks
import frames
import old_files
import programs
import pytest

from bpft import core
from bpft.cli import progress
from bpft.logfile import LogWriter
from bpft.paths import paths
from bpft.record import Counters, Header

CAPTURES = Path(__file__).parent / "captures"
SAMPLE = CAPTURES / "sample.pcap"
GOLDEN = Path(__file__).parent / "golden/kinds.bpft"
BPFT = [sys.executable, "-m", "bpft"]
CLOSED = 'exec "$@" >&-'
ENVIRONMENT = {"PATH": "/usr/bin:/bin", **programs.ENVIRONMENT, "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def run(*words: str | Path, data: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*BPFT, *map(str, words)],
        input=data,
        capture_output=True,
        timeout=60,
        env=ENVIRONMENT | environment,
        check=False,
    )


def lines(*words: str | Path, **environment: str) -> list[str]:
    done = run(*words, **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


def refused(done: subprocess.CompletedProcess[bytes], code: int, *words: str) -> None:
    """One line on stderr, nothing on stdout, the exit code."""
    message = done.stderr.decode()
    assert (done.returncode, done.stdout, message.count("\n")) == (code, b"", 1), message
    for word in words:
        assert word in message


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Two frames one way, one back, one ICMP, and an ARP frame that belongs to no key."""
    there = frames.ipv4(frames.tcp(b"12345", 40000, 443), frames.TCP)
    back = frames.ipv4(frames.tcp(b"", 443, 40000), frames.TCP, src=frames.B4, dst=frames.A4)
    ping = frames.ipv6(frames.icmp(b"abc", 128), frames.ICMP6)
    packets = [
        (frames.IP4, there),
        (frames.IP4, there),
        (frames.IP4, back),
        (frames.IP6, ping),
        (frames.ARP, bytes(28)),
    ]
    path = tmp_path / "small.pcap"
    path.write_bytes(frames.pcap([frames.ether(kind, payload) for kind, payload in packets]))
    return path


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            "key",
            "src,sport,dst,dport,proto,packets,all,data\n"
            "192.0.2.1,40000,198.51.100.2,443,6,2,90,10\n"
            "2001:db8::1,0,2001:db8::2,0,58,1,51,3\n"
            "198.51.100.2,443,192.0.2.1,40000,6,1,40,0\n",
        ),
        ("src", "src,packets,all,data\n192.0.2.1,2,90,10\n2001:db8::1,1,51,3\n198.51.100.2,1,40,0\n"),
        ("dst", "dst,packets,all,data\n198.51.100.2,2,90,10\n2001:db8::2,1,51,3\n192.0.2.1,1,40,0\n"),
        (
            "host",
            "host,packets,all,data,in,out\n192.0.2.1,3,130,10,40,90\n198.51.100.2,3,130,10,90,40\n"
            "2001:db8::1,1,51,3,0,51\n2001:db8::2,1,51,3,51,0\n",
        ),
        (
            "pair",
            "src,dst,packets,all,data\n192.0.2.1,198.51.100.2,2,90,10\n2001:db8::1,2001:db8::2,1,51,3\n"
            "198.51.100.2,192.0.2.1,1,40,0\n",
        ),
        ("port", "port,proto,packets,all,data\n443,6,3,130,10\n40000,6,3,130,10\n0,58,1,51,3\n"),
        ("proto", "proto,packets,all,data\n6,3,130,10\n58,1,51,3\n"),
    ],
)
def test_csv_of_a_capture(capture: Path, by: str, expected: str) -> None:
    assert run("report", capture, "--by", by, "--top", "0", "-n", "--format", "csv").stdout.decode() == expected


@pytest.mark.parametrize("table", sorted(CAPTURES.glob("*.csv")), ids=lambda path: path.stem)
def test_csv_of_every_capture_is_its_table(table: Path) -> None:
    (capture,) = CAPTURES.glob(f"{table.stem}.pcap*")
    done = run("report", capture, "--by", "key", "--top", "0", "-n", "--format", "csv")
    printed = list(csv.reader(done.stdout.decode().splitlines()))
    expected = list(csv.reader(table.read_text().splitlines()))
    assert printed[0] == expected[0]
    assert sorted(printed[1:]) == sorted(expected[1:])


def test_the_table_says_what_became_of_every_frame(capture: Path) -> None:
    printed = lines("report", "-n", capture)
    assert printed[3].split() == ["From", "Port", "To", "Port", "Proto", "Packets", "Data", "All"]
    assert printed[4].split() == ["192.0.2.1", "40000", "198.51.100.2", "443", "6", "2", "10", "B", "90", "B"]
    assert printed[7].split() == ["total", "4", "13", "B", "181", "B"]
    assert printed[-1] == "capture file: 5 frames, 4 counted as captured, 1 skipped: non-ip 1"


def test_names_unless_numeric(capture: Path) -> None:
    assert lines("report", capture, "--by", "proto", "--format", "csv")[1] == "tcp,3,130,10"
    assert lines("report", capture, "--by", "proto")[4].split()[0] == "tcp"
    assert lines("report", capture, "--by", "proto", "-n")[4].split()[0] == "6"


def test_the_first_ten_in_a_table_and_all_elsewhere() -> None:
    rows = len(lines("report", SAMPLE, "--format", "csv")) - 1
    assert rows > 10
    assert any(line.startswith(f"10 of {rows} rows, ") for line in lines("report", "-n", SAMPLE))
    assert len(lines("report", SAMPLE, "--format", "ndjson")) == rows
    assert len(lines("report", SAMPLE, "--format", "csv", "--top", "3")) == 4
    assert len(lines("report", SAMPLE, "--format", "csv", "--top", str(10**30))) == rows + 1


def test_json_in_short() -> None:
    document = json.loads(run("report", SAMPLE, "--json", "--top", "2", "-s", "packets").stdout)
    assert document["completeness"]["adds_up"] is True
    assert document["begin"] == "2026-01-01T00:00:00.400000Z"
    assert document["rows_in_all"] > len(document["rows"]) == 2
    assert document["rows"][0]["packets"] >= document["rows"][1]["packets"]
    assert all(
        isinstance(document["rows"][0][name], int) for name in ("sport", "dport", "proto", "packets", "all", "data")
    )


def test_standard_input_and_several_files_add_up() -> None:
    once = json.loads(run("report", SAMPLE, "--json").stdout)["totals"]["all"]
    thrice = run("report", "-", SAMPLE, "-r", SAMPLE, "--json", data=SAMPLE.read_bytes())
    assert json.loads(thrice.stdout)["totals"]["all"] == 3 * once


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An installation that recorded two hours of eth0, in blocks an hour long."""
    places = paths(str(tmp_path))
    places.logs.mkdir(parents=True)
    for hour in (10, 11):
        begin = (1_792_627_200 + hour * 3600) * 10**9  # 2026-10-22
        counters = Counters(seen=1, counted=1, direction={"rx": (1, 114, 1, 114)})
        head = Header(
            epoch=os.urandom(16), begin_ns=begin, end_ns=begin + 3600 * 10**9, interface="eth0", counters=counters
        )
        LogWriter(places.log("eth0")).append(head, blocks.table((4, blocks.record(all=100 * hour))))
    return tmp_path


def test_what_cannot_be_looked_into_is_told_and_the_rest_reported(root: Path) -> None:
    """As a directory of dumps that is closed to the one who asks; here even root may not list it."""
    dumps = paths(str(root)).dumps
    dumps.parent.mkdir(parents=True, exist_ok=True)
    dumps.write_text("no directory")
    for words in (("report", "all"), ("report", "all", "--json"), ("who", "0.0.0.1", "all"), ("overview",)):
        done = run(*words, "--root", root)
        assert done.returncode == 1
        assert done.stdout
        assert done.stderr.decode() == f"bpft: {dumps}: Not a directory\n", words
    paths(str(root)).log("eth0").unlink()
    refused(run("report", "all", "--root", root), 1, f"{dumps}: Not a directory")


def test_an_empty_word_is_not_the_default(root: Path, tmp_path: Path) -> None:
    """A shell's variable may be empty."""
    refused(run("report", "all", "--by", "", "--root", root), 127, "--by ''", "key, src, dst, host")
    refused(run("report", "all", "--by", "", "--html", tmp_path / "page", "--root", root), 127, "--by ''")
    refused(run("report", "all", "--html", "", "--root", root), 127, "--html ''")
    assert not (tmp_path / "page").exists()


def test_without_a_file_it_is_today_of_all_that_was_recorded(root: Path) -> None:
    refused(run("report", "--root", root), 1, "today was not watched", "2026-10-22 10:00:00 UTC to", "say all")
    (section,) = json.loads(run("report", "all", "--json", BPFT_ROOT=str(root)).stdout)["sections"]
    assert (section["totals"]["all"], section["interfaces"], section["period"]) == (2100, ["eth0"], "all")
    one = json.loads(run("report", "2026-10-22", "-i", "eth0", "--json", "--root", root).stdout)
    assert (one["totals"]["all"], one["interfaces"], one["live_ns"]) == (2100, ["eth0"], None)
    assert one["period_end_ns"] - one["period_begin_ns"] == 86400 * 10**9


def test_a_period_takes_whole_blocks_and_says_which(root: Path) -> None:
    printed = lines("report", "--root", root, "-b", "2026-10-22T10:20", "-e", "2026-10-22T11:10", "-n")
    assert printed[1].startswith("2026-10-22 10:00:00 to 11:00:00 UTC, 1 h")
    assert printed[-4].split() == ["total", "1", "0", "B", "1.00", "kB"]
    assert printed[-2].startswith("eth0: not comparable: the interface's own counters were not recorded")
    assert lines("report", "--root", root, "2026-10-22T10:20..2026-10-22T11:10", "-n")[1:] == printed[1:]
    refused(run("report", "--root", root, "-b", "-1s"), 1, "reaches from 2026-10-22 10:00:00 UTC to")
    both = run("report", "--root", root, "-b", "2026-10-22", "-e", "2026-10-22", "--json", "--sum")
    assert json.loads(both.stdout)["blocks"] == 2


def test_days_are_those_of_the_zone(root: Path) -> None:
    """10:00 UTC is 00:00 of the next day on Kiritimati, and the half hour after it decides of the first block."""
    for zone, day, total in (("UTC", "2026-10-22", 2100), ("Pacific/Kiritimati", "2026-10-23", 2100)):
        words = ("report", day, "--zone", zone, "-i", "eth0", "--json", "--root", root)
        assert json.loads(run(*words).stdout)["totals"]["all"] == total
    refused(run("report", "2026-10-22", "--zone", "Pacific/Kiritimati", "--root", root), 1, "2026-10-23 00:00:00 +14")
    refused(run("report", "--zone", "Nowhere/Land", "--root", root), 127, "Nowhere/Land")
    words = ("report", "2026-09", "--root", root, "-i", "eth0", "--json")
    refused(run(*words, "--billing-day", "20"), 1, "2026-09 was not watched")
    assert json.loads(run(*words, "--billing-day", "23").stdout)["blocks"] == 2


def test_damage_is_told_and_the_rest_reported(root: Path) -> None:
    log = paths(str(root)).log("eth0")
    log.write_bytes(log.read_bytes()[:-1])
    done = run("report", "all", "-i", "eth0", "--json", "--root", root)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert json.loads(done.stdout)["totals"]["all"] == 1000


def add(root: Path, interface: str, all_bytes: int, **fields: object) -> None:
    """A block of another interface, of the first of the two hours."""
    begin = (1_792_627_200 + 10 * 3600) * 10**9
    head = Header(epoch=os.urandom(16), begin_ns=begin, end_ns=begin + 3600 * 10**9, interface=interface)
    head = head._replace(counters=Counters(seen=1, counted=1), **fields)  # type: ignore[arg-type]
    LogWriter(paths(str(root)).log(interface)).append(head, blocks.table((4, blocks.record(all=all_bytes))))


def test_every_interface_has_a_section_of_its_own(root: Path) -> None:
    add(root, "wan7", 7)
    printed = lines("report", "--root", root, "2026-10-22", "-n")
    assert [line for line in printed if line.endswith(", 2026-10-22")] == ["eth0, 2026-10-22", "wan7, 2026-10-22"]
    assert [line.split()[-2] for line in printed if line.startswith("total")] == ["2.10", "7"]
    assert not [line for line in printed if "passed through two" in line]
    document = json.loads(run("report", "--root", root, "all", "--json").stdout)
    assert document["schema"] == "bpft-report-sections-1"
    assert [(it["interfaces"], it["totals"]["all"]) for it in document["sections"]] == [(["eth0"], 2100), (["wan7"], 7)]
    csv_lines = lines("report", "--root", root, "all", "--by", "proto", "-n", "--format", "csv")
    assert csv_lines == ["interface,proto,packets,all,data", "eth0,6,2,2100,0", "wan7,6,1,7,0"]
    assert (
        lines("report", "--root", root, "all", "--by", "proto", "-n", "--format", "csv", "-i", "wan7")[1] == "6,1,7,0"
    )
    one_damaged = paths(str(root)).log("wan7")
    one_damaged.write_bytes(one_damaged.read_bytes()[:-1])
    done = run("report", "--root", root, "all", "--json")
    assert done.returncode == 1
    assert [it["totals"]["all"] for it in json.loads(done.stdout)["sections"]] == [2100]


def test_interfaces_are_added_up_unless_they_see_the_same(root: Path) -> None:
    add(root, "wan7", 7)
    added = json.loads(run("report", "--root", root, "all", "--sum", "--json").stdout)
    assert (added["totals"]["all"], added["interfaces"]) == (2107, ["eth0", "wan7"])
    add(root, "wan7.5", 3)
    refused(run("report", "--root", root, "all", "--sum"), 1, "wan7 and wan7.5 see the same traffic", "-i")
    words = ("report", "--root", root, "all", "--sum", "-i", "wan7.5", "-i", "eth0", "--json")
    assert json.loads(run(*words).stdout)["totals"]["all"] == 2103


def test_a_word_that_is_a_file_and_a_period_is_asked_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    for name in ("yesterday", "7", "trafd.copy"):
        Path(name).write_bytes(paths(str(root)).log("eth0").read_bytes())
    refused(run("report", "yesterday"), 127, "'yesterday' is a period, and a file here", "./yesterday")
    refused(run("report", "last", "7", "days"), 127, "'7' is a period")
    for words in (("./yesterday",), ("-r", "yesterday"), ("trafd.copy", "7"), ("all", "trafd.copy")):
        assert json.loads(run("report", "--json", *words).stdout)["totals"]["all"] == 2100
    refused(run("report", "trafd.cpoy"), 127, "'trafd.cpoy' is neither a file nor a period")
    refused(run("report", "last", "wek"), 127, "did you mean last week?")
    refused(run("report", "trafd.copy", "yesturday"), 127, "did you mean yesterday?")
    refused(run("report", "today", "-b", "yesterday"), 127, "given twice")
    refused(run("report", "10:00"), 127, "since 10:00")


def test_a_broken_capture_is_counted_up_to_there(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(SAMPLE.read_bytes()[:-3])
    done = run("report", tmp_path / "cut", "--json")
    assert (done.returncode, done.stderr.decode().count("\n")) == (1, 1)
    assert json.loads(done.stdout)["completeness"]["frames_seen"] > 300


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "empty").touch()
    refused(run("report", tmp_path / "text"), 1, "text")
    refused(run("report", tmp_path / "empty"), 1, "is empty")
    refused(run("report", tmp_path), 1, "is a directory")
    refused(run("report", "./absent"), 1, "./absent")
    refused(run("report", "nosuchfile"), 127, "neither a file nor a period", "--where")
    refused(run("report", "-r", "yesterday"), 1, "no such file")
    refused(run("report", tmp_path / "a\nb"), 1, r"a\x0ab")
    refused(run("report", "-", data=b"hello"), 1, "standard input")
    refused(run("report", "--root", tmp_path), 1, "trafstart")
    refused(run("report", SAMPLE, "--where", "greater 5"), 1, "host")
    refused(run("report", SAMPLE, "--where", "tcp and"), 1, "--where")
    refused(run("report", SAMPLE, "--where", os.fsdecode(b"\xff")), 1, "no text")
    refused(run("report", ""), 127, "neither a file nor a period")
    refused(run("report", "-r", ""), 1, "empty name")
    refused(run("report", "./" + 300 * "a"), 1, "too long")
    refused(run("report", "-", data=b"\x1f\x8b\x08" + bytes(20)), 1, "standard input", "gzip -dc")
    refused(run("report", "-"), 1, "standard input: is empty")
    (tmp_path / "is open").symlink_to("absent")
    refused(run("report", tmp_path / "is open"), 1, "no such file")


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 5, 0, 0, 65535, 1), "pcap version 2.5"),
        (struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 0x00010001), "link type"),
        (struct.pack("<IHHIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535), "cut short"),
        (struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 1, -1, 28), "pcapng version"),
        (b"", "is empty"),
    ],
    ids=["version", "reserved bits", "cut", "pcapng version", "empty"],
)
def test_a_capture_refused_at_its_header_says_why(tmp_path: Path, data: bytes, reason: str, pipe: bool) -> None:
    path = tmp_path / "refused.pcap"
    path.write_bytes(data)
    refused(run("report", "-", data=data) if pipe else run("report", path), 1, reason)
    if data:
        refused(run("info", path), 1, reason)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "closed").touch(mode=0)
    refused(run("report", tmp_path / "closed"), 1, "Permission denied")


@pytest.mark.parametrize(
    "words",
    [
        ["--by", "colour"],
        ["--top", "-1"],
        ["--top", "x"],
        ["--top"],
        ["--sort", "in"],
        ["--format", "xml"],
        ["--units", "stones"],
        ["--begin", "soon"],
        ["-b", "2026-10-22", "-e", "2026-10-21"],
        ["--nosuch"],
    ],
    ids=" ".join,
)
def test_an_illegal_command_line_is_127(words: list[str]) -> None:
    refused(run("report", *([SAMPLE] if words != ["--top"] else []), *words), 127)


def test_the_group_itself() -> None:
    assert b"trafstart" in run("--help").stdout
    assert run("--version").stdout.startswith(b"bpft ")
    refused(run("nosuch"), 127, "nosuch")
    refused(run("--nosuch"), 127, "--nosuch")


def test_called_by_another_name_it_is_that_program() -> None:
    for argv in (["/usr/bin/trafdump", "--help"], ["bpft", "trafdump", "--help"]):
        call = f"import sys; sys.argv = {argv!r}; from bpft.cli.main import main; main()"
        done = subprocess.run([sys.executable, "-c", call], capture_output=True, env=ENVIRONMENT, check=True)
        assert done.stdout.startswith(b"Usage: trafdump")


def test_help_imports_no_command() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bpft", "--help"], capture_output=True, env=ENVIRONMENT, check=True
    )
    for absent in (b"bpft.cli.report", b"bpft.cli.trafd", b"bpft.core", b"construct", b"daemon"):
        assert absent not in done.stderr


def test_a_report_needs_neither_construct_nor_the_daemon() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bpft", "report", SAMPLE, "-n"],
        capture_output=True,
        env=ENVIRONMENT,
        check=True,
    )
    for absent in (b" construct", b"bpft.daemon", b"pylibpcap", b" daemon"):
        assert absent not in done.stderr


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A log of 20,000 keys: more than a pipe holds."""
    path = tmp_path / "trafd.many"
    table = blocks.table((4, b"".join(blocks.record(src=n, all=n) for n in range(20_000))))
    LogWriter(path).append(Header(epoch=os.urandom(16), begin_ns=1, end_ns=2, counting="wire-estimated"), table)
    return path


@pytest.mark.parametrize("form", ["table", "csv", "json", "ndjson"])
def test_a_reader_that_goes_away_ends_it_quietly(many: Path, form: str) -> None:
    line = [*BPFT, "report", str(many), "--top", "0", "-n", "--format", form]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    "words",
    [("--version",), ("--help",), ("report", SAMPLE, "-n"), ("info", SAMPLE), ("verify", GOLDEN), ("report", "-h")],
)
def test_an_output_that_cannot_be_written_is_one_line(words: tuple[str | Path, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        line = [*BPFT, *map(str, words)]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr.decode()) == (1, "bpft: standard output: No space left on device\n")


def test_a_closed_input_is_one_line() -> None:
    unread = subprocess.run(
        ["sh", "-c", f"{' '.join([*BPFT, 'report', '-'])} <&-"], stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
    )
    assert (unread.returncode, unread.stderr.decode()) == (1, "bpft: standard input: is closed; name a file\n")


@pytest.mark.parametrize(
    "words",
    [
        *(
            ("--help",),
            ("--version",),
            ("merge", "--help"),
            ("report", SAMPLE, "-n"),
            ("info", SAMPLE),
            ("verify", GOLDEN),
        ),
        *(("config", "show"), ("export", SAMPLE, "--format", "csv"), ("export", SAMPLE, "--format", "ndjson")),
    ],
)
def test_an_output_that_is_closed_is_one_line(words: tuple[str | Path, ...]) -> None:
    line = ["sh", "-c", CLOSED, "sh", *BPFT, *map(str, words)]
    done = subprocess.run(line, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr.decode()) == (1, "bpft: standard output: is closed\n")


def test_what_was_asked_for_is_done_though_the_output_is_closed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for words in (
        ["merge", str(GOLDEN), "-o", str(log)],
        ["forget", "192.0.2.1", str(log)],
        ["compact", "--drop-ports", str(log)],
    ):
        line = ["sh", "-c", CLOSED, "sh", *BPFT, *words]
        done = subprocess.run(line, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
        assert (done.returncode, done.stderr.decode()) == (1, "bpft: standard output: is closed\n")
    checked = subprocess.run([*BPFT, "verify", str(log)], capture_output=True, env=ENVIRONMENT, check=False)
    assert checked.returncode == 0


def test_nobody_hears_of_a_failure_where_both_outputs_are_closed(tmp_path: Path) -> None:
    line = ["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *BPFT, "info", str(tmp_path / "none"), str(SAMPLE)]
    assert subprocess.run(line, env=ENVIRONMENT, check=False).returncode == 1


def test_ctrl_c_ends_it_quietly_while_it_reads_a_pipe() -> None:
    line = [*BPFT, "report", "-"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(SAMPLE.read_bytes()[:5000])
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == -signal.SIGINT
        assert process.stderr.read() == b""


def test_what_a_pipe_holds_is_told_by_its_content(many: Path, tmp_path: Path) -> None:
    """Logs, damaged ones, captures longer than what is looked at, and what old BPFTs wrote."""
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"lost" + many.read_bytes())
    old = tmp_path / "old"
    old.write_bytes(old_files.block("v4", "little", [old_files.Entry(), old_files.Entry(sport=5)]))
    for path in (many, SAMPLE, damaged, old):
        words = ("--format", "csv", "--top", "0", "-n")
        named, piped = run("report", path, *words), run("report", "-", *words, data=path.read_bytes())
        assert piped.stdout == named.stdout != b""
        assert piped.returncode == named.returncode
        assert piped.stderr == named.stderr.replace(bytes(path), b"standard input")
        with path.open("rb") as file:
            line = [*BPFT, "report", "-", *words]
            done = subprocess.run(line, stdin=file, capture_output=True, env=ENVIRONMENT)
        assert done.stdout == named.stdout
        fifo = f"{shlex.join(BPFT)} report <(cat {shlex.quote(str(path))}) {' '.join(words)}"
        done = subprocess.run(["bash", "-c", fifo], capture_output=True, env=ENVIRONMENT)
        assert done.stdout == named.stdout


def test_json_is_valid_whatever_a_file_is_called(tmp_path: Path, many: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.write_bytes(SAMPLE.read_bytes())
    report = json.loads(run("report", odd, "--json").stdout)
    assert report["captures"][0].endswith(r"caf\udce9")
    info = json.loads(run("info", odd, "--json").stdout)
    assert info["files"][0]["name"].endswith(r"caf\udce9")
    odd.write_bytes(many.read_bytes())
    verified = json.loads(run("verify", odd, "--json").stdout)
    assert verified["files"][0]["file"].endswith(r"caf\udce9")


def test_an_odd_name_cannot_forge_a_line(tmp_path: Path) -> None:
    odd = tmp_path / "odd\nname.pcap"
    odd.write_bytes(SAMPLE.read_bytes())
    assert lines("report", odd, "-n")[0].endswith(r"odd\x0aname.pcap")


def test_rows_as_parquet_name_their_interface(root: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet is read by pyarrow")
    add(root, "wan7", 7)
    path = tmp_path / "rows"
    done = run("report", "--root", root, "all", "--by", "proto", "--format", "parquet")
    assert (done.returncode, done.stderr) == (0, b"")
    path.write_bytes(done.stdout)
    rows = parquet.read_table(path).to_pylist()
    assert [(row["interface"], row["proto"], row["all"]) for row in rows] == [("eth0", 6, 2100), ("wan7", 6, 7)]


def test_a_question_that_is_wrong_is_told_once(root: Path) -> None:
    add(root, "wan7", 7)
    refused(run("report", "--root", root, "all", "--by", "colour"), 127, "colour")
    refused(run("report", "--root", root, "all", "--by", "host", "--sort", "dst"), 127, "dst")
    refused(run("report", "--root", root, "all", "--where", "greater 5"), 1, "greater 5")


def test_a_progress_bar_is_for_terminals_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    looks = ((Terminal(), "xterm", True), (io.StringIO(), "xterm", False), (Terminal(), "dumb", False))
    for stream, terminal, appears in looks:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", terminal)
        clock = iter(range(100))
        monkeypatch.setattr(progress.time, "monotonic", lambda clock=clock: next(clock))
        with progress.passing("reading", 200) as advance:
            advance(50)
            advance(50)
        drawn = stream.getvalue()
        assert ("\rreading [###############               ]  50%" in drawn) == appears
        assert drawn.endswith("\r\x1b[K") == appears
        assert bool(drawn) == appears
        with progress.passing("reading", 0) as advance:
            advance(1)
        assert stream.getvalue() == drawn


def test_an_interface_that_is_not_there_is_not_left_out_silently(root: Path, tmp_path: Path) -> None:
    log = paths(str(root)).log("eth0")
    for source in (["--root", root], [log], [log, SAMPLE]):
        refused(run("report", *source, "-b", "all", "-i", "eth0", "-i", "eth9"), 1, "eth9")
    refused(run("who", "10.0.0.1", log, "-i", "eth0", "-i", "eth9"), 1, "eth9")


def test_one_packet_is_one_packet(tmp_path: Path) -> None:
    folded = blocks.record(
        src=0, dst=0, sport=0, dport=0, proto=0, flags=core.OTHER | core.NO_PORTS | core.NO_PROTO, packets=1, all=900
    )
    head = Header(interface="eth0", begin_ns=1, end_ns=2, counters=Counters(seen=1, counted=1))
    LogWriter(tmp_path / "log").append(head, blocks.table((4, folded)))
    told = [line for line in lines("report", tmp_path / "log", "-n") if line.startswith("in other")]
    assert told == ["in other: 900 B in 1 packet of flows that are not kept apart"]
