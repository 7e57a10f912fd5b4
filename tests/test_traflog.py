"""bpft traflog: which blocks, the table and the list, templates, and what it says of mistakes."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import blocks
import old_files
import programs
import pytest

from bpft import core
from bpft.block import write_block
from bpft.cli.group import run
from bpft.errors import UsageError
from bpft.paths import Paths, paths
from bpft.record import Header
from bpft.report.period import SECOND, Period
from bpft.report.traflog import BadTemplate, read_range, read_template

HOUR = 3600 * SECOND
NOW = datetime.fromisoformat("2026-11-22T10:30:40+00:00")
FIRST = 1_795_305_600 * SECOND  # 2026-11-22, midnight in London
LAPTOP, SERVER = 0x0A000002, 0xCB007109


@pytest.fixture(autouse=True)
def london(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/London")
    monkeypatch.delenv("IFF_LISTEN", raising=False)
    monkeypatch.delenv("FORMATPATH", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A log of three hours; each has a record more than the one before."""
    monkeypatch.setenv("BPFT_ROOT", str(tmp_path))
    found = paths(str(tmp_path))
    found.dumps.mkdir(parents=True)
    save(found.log("eth0"), 3)
    return found


def save(path: Path, hours: int, interface: str = "eth0") -> None:
    with path.open("wb") as file:
        for hour in range(hours):
            records = [
                blocks.record(src=LAPTOP, dst=SERVER, sport=40000 + n, dport=443, all=100 * (n + 1), data=n)
                for n in range(hour)
            ]
            records.append(blocks.record(src=SERVER, dst=LAPTOP, sport=443, dport=40000, all=5000, data=4000))
            header = Header(
                begin_ns=FIRST + hour * HOUR,
                end_ns=FIRST + (hour + 1) * HOUR,
                interface=interface,
                host="gate",
                epoch=random.randbytes(16),
            )
            file.write(b"".join(write_block(header, blocks.table((4, b"".join(records))))))


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["traflog", *arguments]) == code
    printed = capsys.readouterr()
    assert bool(printed.err) is bool(code)
    return printed.err if code else printed.out


def test_the_last_block_is_printed(where: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "-n") == (
        " (eth0) gate at 2026-11-22 02:00:00 - 2026-11-22 03:00:00\n"
        " Summary: 4001 data bytes, 5300 all bytes, 3 records\n"
        "From               Port   To                 Port   Proto      Data        All\n"
        "203.0.113.9        443    10.0.0.2           40000  6          4000       5000\n"
        "10.0.0.2           40001  203.0.113.9        443    6             1        200\n"
        "10.0.0.2           40000  203.0.113.9        443    6             0        100\n"
    )


def test_the_list_of_blocks(where: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "-l") == (
        "  #  Started              Dumped                     Data         All   Recs\n"
        "001  2026-11-22 00:00:00  2026-11-22 01:00:00        4000        5000      1\n"
        "002  2026-11-22 01:00:00  2026-11-22 02:00:00        4000        5100      2\n"
        "003  2026-11-22 02:00:00  2026-11-22 03:00:00        4001        5300      3\n"
    )
    assert told(capsys, "--list", "--total") == "3\n"
    assert told(capsys, "-l", "-b", "#2", "-r") == "2\n"


@pytest.mark.parametrize(
    ("arguments", "totals"),
    [
        ([], [5300]),
        (["-a"], [5000, 5100, 5300]),
        (["-a", "-b", "#2"], [5100, 5300]),
        (["-a", "-b", "#2", "-e", "#2"], [5100]),
        (["-e", "#2"], [5100]),
        (["-s"], [15400]),
        (["-a", "-s", "-e", "#2"], [10100]),
        (["-a", "-b", "2611220030"], [5000, 5100, 5300]),
        (["-a", "-b", "2611220031"], [5100, 5300]),
        (["-a", "-e", "2611220130.00"], [5000]),
        (["-a", "-b", "2026-11-22", "-e", "2026-11-22T02:00"], [5000, 5100]),
        (["-s", "src", "host", "10.0.0.2"], [400]),
        (["dst port 443 and src net 10.0.0.0/8"], [300]),
    ],
)
def test_blocks_by_number_and_time(
    where: Paths, capsys: pytest.CaptureFixture[str], arguments: list[str], totals: list[int]
) -> None:
    assert told(capsys, "-r", "-n", *arguments) == "".join(f"{total}\n" for total in totals)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("05", "2026-11-22T10:05"),
        ("0905", "2026-11-22T09:05"),
        ("210905", "2026-11-21T09:05"),
        ("10210905", "2026-10-21T09:05"),
        ("2410210905", "2024-10-21T09:05"),
        ("7010210905", "1970-10-21T09:05"),
        ("6910210905", "2069-10-21T09:05"),
        ("0905.07", "2026-11-22T09:05:07"),
        ("2026-11-22T09:05", "2026-11-22T09:05"),
    ],
)
def test_times_in_digits_are_those_of_date(text: str, moment: str) -> None:
    expected = int(datetime.fromisoformat(moment).astimezone().timestamp()) * SECOND
    assert read_range(text, None, NOW).period.begin == expected
    assert read_range(None, text, NOW).period.end == expected


@pytest.mark.parametrize("text", ["99", "2460", "13320000", "0905.61", "#", "#1x", "#-1", "#٣", "123", "nonsense"])
def test_what_is_no_limit_is_said(text: str) -> None:
    with pytest.raises(UsageError) as error:
        read_range(text, None, NOW)
    assert "\n" not in str(error.value)


def test_a_range_without_limits_is_everything() -> None:
    assert read_range(None, None, NOW).period == Period()


@pytest.mark.parametrize(
    ("key", "order"),
    [("f", [100, 200, 5000]), ("to", [5000, 100, 200]), ("s", [5000, 100, 200]), ("dstport", [100, 200, 5000])],
)
def test_orders(where: Paths, capsys: pytest.CaptureFixture[str], key: str, order: list[int]) -> None:
    lines = told(capsys, "-n", "-S", key).splitlines()[3:]
    assert [int(line.split()[-1]) for line in lines] == order


def test_names_of_ports_and_protocols(where: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("10.0.0.2 laptop.lan\n203.0.113.9 www.example\n")
    config = Path(where.config)
    config.parent.mkdir(parents=True)
    config.write_text(f'[names]\nhosts = ["{tmp_path}/hosts"]\n')
    assert told(capsys).splitlines()[3].split() == [
        "www.example",
        "https",
        "laptop.lan",
        "40000",
        "tcp",
        "4000",
        "5000",
    ]
    assert told(capsys, "-N").splitlines()[3].split()[:3] == ["www", "https", "laptop"]


def test_what_is_absent_is_blank_and_long_addresses_have_room(
    where: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = blocks.record(flags=core.OTHER | core.NO_PORTS | core.NO_PROTO, all=77)
    bare = blocks.record(6, src=(1 << 128) - 1, dst=1, flags=core.NO_PORTS | core.NO_PROTO, all=99, data=9)
    table = blocks.table((4, other), (6, bare))
    (tmp_path / "six").write_bytes(b"".join(write_block(Header(end_ns=1, interface="tun0"), table)))
    lines = told(capsys, "-n", "--read", str(tmp_path / "six")).splitlines()
    assert [line.split() for line in lines[3:]] == [
        ["ffff:" * 7 + "ffff", "::1", "9", "99"],
        ["other", "other", "0", "77"],
    ]
    assert len(set(map(len, lines[2:]))) == 1


def test_files_of_the_old_bpft_are_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    entries = [old_files.Entry(), old_files.Entry(dport=40001, all=99, data=9)]
    second = old_files.block("v4", "little", [old_files.Entry()], (1_000_010_000, 0), (1_000_013_600, 0))
    (tmp_path / "trafd.fxp0").write_bytes(old_files.block("v4", "little", entries) + second)
    file = str(tmp_path / "trafd.fxp0")
    assert told(capsys, "-n", "-l", "--read", file).splitlines()[1:] == [
        "001  2001-09-09 02:46:40  2001-09-09 03:46:40        1469        1599      2",
        "002  2001-09-09 05:33:20  2001-09-09 06:33:20        1460        1500      1",
    ]
    assert told(capsys, "-n", "-e", "#1", "--read", file).splitlines()[3].split() == (
        ["10.0.0.1", "80", "192.0.2.1", "40000", "6", "1460", "1500"]
    )


# ---- templates ----

FORMATS = """\
# users' own
iopenbill { ftime "%s " from "%s " to "%s " bytes "%lu\\n" }; # as they had it
orionet_col {
    ftime "%H:%M-" ltime "%H:%M\\t" from "%-12s"
    sport "%6s|" to "%s|" dport "%s|" proto "%s|" psize "%10qu%%" bytes "%05d\\n"
};
"""


def test_templates_print_what_they_say(where: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "formats").write_text(FORMATS)
    file = ["--format-file", str(tmp_path / "formats"), "-n"]
    begin = (FIRST + 2 * HOUR) // SECOND
    assert told(capsys, *file, "-o", "iopenbill") == (
        f"{begin} 203.0.113.9 10.0.0.2 4000\n{begin} 10.0.0.2 203.0.113.9 1\n{begin} 10.0.0.2 203.0.113.9 0\n"
    )
    assert told(capsys, *file, "-o", "orionet_col", "src", "port", "443") == (
        "02:00-03:00\t203.0.113.9    443|10.0.0.2|40000|6|      5000%04000\n"
    )


def test_templates_are_looked_for_by_environment_and_beside_the_configuration(
    where: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path(where.config).parent.mkdir(parents=True)
    Path(where.config).with_name("traflog.format").write_text('one { psize "%u " };')
    assert told(capsys, "-n", "-o", "one") == "5000 200 100 "
    (tmp_path / "other").write_text('one { psize "<%u>" };')
    monkeypatch.setenv("FORMATPATH", str(tmp_path / "other"))
    assert told(capsys, "-n", "-o", "one") == "<5000><200><100>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('one { psize "%u" }', "a ; is missing behind its }"),
        ('one { psize "%u" ', "its } is missing"),
        (
            'one { bites "%u" };',
            "'bites' is no key; there are from, sport, to, dport, proto, bytes, psize, ftime, ltime",
        ),
        ('one { psize "all" };', "the format of psize needs one %d or %u, and no other"),
        ('one { psize "%s" };', "the format of psize needs one %d or %u, and no other"),
        ('one { psize "%u %u" };', "the format of psize needs one %d or %u, and no other"),
        ('one { from "%u" };', "the format of from needs one %s, and no other"),
        ('one { from "%s %" };', "the format of from needs one %s, and no other"),
        ('one { from "%*s" };', "the format of from needs one %s, and no other"),
        ('one { ftime "now" };', 'the format of ftime, "now", has no % in it'),
        ("one { from };", "a format in double quotes is missing behind from"),
        ('one { from "%s };', "line 1: a format has no end"),
        ('{ from "%s" };', "'{' stands where a template should begin"),
        ('two { from "%s" };', "no template is called one; there is two"),
        ("# nothing", "no template is called one; there is none"),
    ],
)
def test_what_is_wrong_with_a_template_is_said(text: str, reason: str) -> None:
    with pytest.raises(BadTemplate, match=r"^formats: ") as error:
        read_template("formats", text, "one")
    assert reason in str(error.value)


def test_two_percent_signs_are_one() -> None:
    assert read_template("", 'one { proto "%% %s %%%%" };', "one").parts == (("proto", "%% %s %%%%"),)


# ---- which log ----


def test_which_log(where: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    where.log("eth0").rename(where.logs / "trafd.eth0.20261122")
    save(where.log("eth0"), 1)
    assert told(capsys, "-l", "-r") == "4\n"
    save(where.log("wan"), 2, "wan")
    assert told(capsys, code=127) == "bpft: several logs are here: name one with -i, of eth0, wan\n"
    assert told(capsys, "-i", "wan", "-l", "-r") == "2\n"
    monkeypatch.setenv("IFF_LISTEN", "wan")
    assert told(capsys, "-l", "-r") == "2\n"


def test_a_link_of_the_old_name_is_the_old_tool(where: Paths, tmp_path: Path) -> None:
    starter = tmp_path / "traflog"
    starter.write_text("from bpft.cli.main import main\nmain()\n")
    done = subprocess.run(
        [sys.executable, starter, "-l", "-r"],
        env=programs.ENVIRONMENT | {"BPFT_ROOT": str(tmp_path)},
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"3\n", b"")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["-S", "x"], 127, "-S x: no such order; there are from, to, bytes, srcport, dstport"),
        (["-S", ""], 127, "-S : no such order; there are from, to, bytes, srcport, dstport"),
        (["-b", "#7"], 1, "no block lies there; there are 3: bpft traflog -l"),
        (["-i", "../x"], 127, "../x"),
        (["-i", "eth7"], 1, "trafd.eth7: no such file or directory"),
        (["-o", "none", "--format-file", "/nonexistent"], 1, "/nonexistent: no such file or directory"),
        (["from", "10.0.0.1"], 1, "words that work: host, net, src, dst"),
    ],
)
def test_mistakes_are_one_line(
    where: Paths, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, reason: str
) -> None:
    error = told(capsys, "-n", *arguments, code=code)
    assert reason in error
    assert error.count("\n") == 1


def test_without_a_log_the_way_to_one_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BPFT_ROOT", str(tmp_path))
    assert "start recording with: trafstart" in told(capsys, code=1)
