"""Every option of trafd and its exit codes, without a network (the live ones: tests/system)."""

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ENVIRONMENT

from bpft import __version__, block, logfile, selection
from bpft.cli import trafd
from bpft.core import RECORD4, SKIP_REASONS
from bpft.daemon.settings import BYTES_A_FLOW, Settings, default_max_flows
from bpft.host.devices import Device
from bpft.host.routes import Routes
from bpft.meter.keymode import PLAIN, KeyMode
from bpft.selection import View

PROJECT = Path(__file__).resolve().parents[1]
SAMPLE = PROJECT / "tests/captures/sample.pcap"
TRAFD = [sys.executable, str(PROJECT / "scripts/trafd")]  #: as it is installed


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IFF_LISTEN", "BPFT_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the daemon would have been started with."""
    found: list[Settings] = []

    def run(settings: Settings, screen: object = None) -> int:
        found.append(settings)
        return 0

    monkeypatch.setattr("bpft.daemon.start.run", run)
    return found


def test_defaults(started: list[Settings]) -> None:
    assert trafd.main(["-i", "eth7"]) == 0
    (it,) = started
    assert (it.interface, it.ext, it.filter, it.stop_after, it.min_all) == ("eth7", "eth7", "", 0, 1024)
    assert (it.optimize, it.promiscuous, it.resume, it.key, it.foreground) == (True, True, False, PLAIN, False)
    assert it.engine == "auto"
    assert it.max_flows == default_max_flows() > 0
    assert str(it.paths.log("x")).startswith("/var/")


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["-c", "7"], "stop_after", 7),
        (["-c7"], "stop_after", 7),
        (["--count", "7"], "stop_after", 7),
        (["--count=7"], "stop_after", 7),
        (["-f", "web"], "ext", "web"),
        (["--ext", "web"], "ext", "web"),
        (["-m", "0"], "min_all", 0),
        (["--min-size", "5"], "min_all", 5),
        (["-O"], "optimize", False),
        (["--no-optimize"], "optimize", False),
        (["-p"], "promiscuous", False),
        (["--no-promiscuous"], "promiscuous", False),
        (["-r"], "resume", True),
        (["--resume"], "resume", True),
        (["-X"], "key", KeyMode(addresses_only=True)),
        (["--addresses-only"], "key", KeyMode(addresses_only=True)),
        (["-OprX"], "key", KeyMode(addresses_only=True)),
        (["--ports", "service"], "key", KeyMode(ports="service")),
        (["--vlan", "--ports", "none"], "key", KeyMode(ports="none", vlan=True)),
        (["-X", "--vlan"], "key", KeyMode(addresses_only=True, vlan=True)),
        (["--prefix-len", "24,48"], "key", KeyMode(prefix_len=(24, 48))),
        (["--prefix-len=0,128"], "key", KeyMode(prefix_len=(0, 128))),
        (["--prefix-len", "32,128"], "key", PLAIN),
        (["-prm0"], "min_all", 0),
        (["--max-flows", "100"], "max_flows", 100),
        (["--max-memory", "64M"], "max_flows", 64_000_000 // BYTES_A_FLOW),
        (["--max-memory", "1GiB"], "max_flows", (1 << 30) // BYTES_A_FLOW),
        (["--max-memory", "64M", "--max-flows", "100"], "max_flows", 100),
        (["--max-memory", "1M", "--max-flows", "0"], "max_flows", 1_000_000 // BYTES_A_FLOW),
        (["--buffer", "16M"], "buffer", 16_000_000),
        (["--engine", "ring"], "engine", "ring"),
        (["--foreground"], "foreground", True),
        (["--foreground", "--engine", "reference"], "engine", "reference"),
        (["tcp", "port", "80"], "filter", "tcp port 80"),
        (["tcp", "-c", "5"], "filter", "tcp -c 5"),
        (["--", "-1", "=", "-1"], "filter", "-1 = -1"),
        (["-p", "--", "udp"], "filter", "udp"),
        (["not", "port", "22", "and", "(tcp or udp)"], "filter", "not port 22 and (tcp or udp)"),
    ],
)
def test_each_option(started: list[Settings], words: list[str], field: str, value: object) -> None:
    """P4: options end at the first word that is none, as getopt has it."""
    assert trafd.main(["-i", "eth7", *words]) == 0
    assert getattr(started[0], field) == value


def test_the_interface_of_the_environment_and_of_the_option(
    started: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFF_LISTEN", "eth8")
    trafd.main([])
    trafd.main(["-i", "eth9"])
    trafd.main(["--interface", "eth9"])
    monkeypatch.setenv("IFF_LISTEN", "")
    monkeypatch.setattr(selection, "look", lambda: View({"eth10": Device("eth10", up=True)}, Routes(("eth10",))))
    trafd.main([])
    assert [it.interface for it in started] == ["eth8", "eth9", "eth9", "eth10"]


def test_no_interface_at_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(selection, "look", lambda: View({}))
    assert trafd.main([]) == 1
    assert "-i" in capsys.readouterr().err


def test_root_by_option_and_environment(
    started: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P7; a relative one is made absolute, since the daemon leaves its directory."""
    monkeypatch.setenv("BPFT_ROOT", str(tmp_path / "e"))
    monkeypatch.chdir(tmp_path)
    for words in ([], ["--root", str(tmp_path / "o")], ["--root", "here"]):
        trafd.main(["-i", "eth7", *words])
    roots = [str(it.paths.log("x")).partition("/var/")[0] for it in started]
    assert roots == [str(tmp_path / name) for name in ("e", "o", "here")]


def test_filter_files(started: list[Settings], tmp_path: Path) -> None:
    file = tmp_path / "filter"
    file.write_text("# web\ntcp port 80   # plain\n or port 443\n")
    for option in ("-F", "--filter-file"):
        assert trafd.main(["-i", "eth7", option, str(file)]) == 0
    assert [" ".join(it.filter.split()) for it in started] == ["tcp port 80 or port 443"] * 2


@pytest.mark.parametrize(
    "words",
    [
        ["-Z"],
        ["--nonsense"],
        ["-c"],
        ["-c", "0"],
        ["-c", "-1"],
        ["-c", "1e3"],
        ["-c", ""],
        ["-c", "+5"],
        ["-c", "9223372036854775808"],
        ["-m", "1_0"],
        ["-m", " 5"],
        ["-m", "\u0665"],
        ["-m", "99999999999999999999"],
        ["-m", "9" * 5000],
        ["--max-flows", "9223372036854775808"],
        ["-m", "x"],
        ["-m", "-1"],
        ["--max-flows", "-1"],
        ["--max-memory", "64Q"],
        ["--buffer", "999999"],
        ["--buffer", "2G"],
        ["--max-memory", "999999"],
        ["--max-memory", "-1"],
        ["--ports", "some"],
        ["-X", "--ports", "service"],
        ["--prefix-len", "24"],
        ["--prefix-len", "33,128"],
        ["--prefix-len", "32,129"],
        ["--prefix-len", "a,b"],
        ["--foreground", "--engine", "reference", "--vlan"],
        ["--foreground", "--engine", "reference", "--ports", "none"],
        ["--foreground", "--engine", "reference", "--prefix-len", "24,48"],
        ["--engine", "turbo"],
        ["-i"],
        ["-i", ""],
        ["-i", "../x"],
        ["-f", "-rf"],
        ["-f", "a/b"],
        ["-f", "a" * 65],
        ["-F", str(SAMPLE), "udp"],
        ["--engine", "reference"],
        ["--read", str(SAMPLE)],
        ["--read", str(SAMPLE), "-f", "x", "-r"],
    ],
)
def test_illegal_command_lines(started: list[Settings], capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert trafd.main(words) == 127
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "\\x0a" not in told
    assert not started


@pytest.mark.parametrize("where", [["-i", "eth7"], ["-d", "-i", "lo"], ["--read", str(SAMPLE), "-f", "x"]])
def test_an_expression_that_is_no_text(
    started: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str], where: list[str]
) -> None:
    """As a shell hands over bytes that are not UTF-8; and a NUL in a file."""
    (tmp_path / "filter").write_bytes(b"udp\0")
    for words in (["udp", "\udcff"], ["-F", str(tmp_path / "filter")]):
        options = words if words[0] == "-F" else ["--", *words]
        assert trafd.main(["--root", str(tmp_path), *where, *options]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert not started


def test_a_filter_file_that_begins_with_a_byte_order_mark(started: list[Settings], tmp_path: Path) -> None:
    (tmp_path / "filter").write_text("\ufeffudp\n")
    assert trafd.main(["-i", "eth7", "-F", str(tmp_path / "filter")]) == 0
    assert started[0].filter == "udp"


@pytest.mark.parametrize("words", [["-V"], ["--help"], ["-d", "--read", str(SAMPLE)]])
def test_standard_output_is_full(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        line = [*TRAFD, *words]
        result = subprocess.run(line, cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "trafd: standard output: No space left on device\n"


@pytest.mark.parametrize("words", [["-V"], ["--help"], ["-d", "--read", str(SAMPLE)]])
def test_standard_output_is_closed(words: list[str]) -> None:
    line = ["sh", "-c", 'exec "$@" >&-', "sh", *TRAFD, *words]
    result = subprocess.run(line, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (1, "trafd: standard output: is closed\n")


def test_files_that_cannot_be_read(started: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for file in (tmp_path / "absent", tmp_path, binary):
        assert trafd.main(["-i", "eth7", "-F", str(file)]) == 1
        error = capsys.readouterr().err
        assert str(file) in error
        assert error.count("\n") == 1
    assert not started


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert trafd.main([option]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert trafd.main([option]) == 0
    assert "--no-promiscuous" in capsys.readouterr().out


# ---- -d ----


def test_print_filter_of_a_capture(capsys: pytest.CaptureFixture[str]) -> None:
    """P5 on a file: its link type and snaplen."""
    assert trafd.main(["-d", "--read", str(SAMPLE), "ip"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "(000) ldh      [12]"
    assert lines[-1].startswith("(003) ret      #0")
    assert trafd.main(["--print-filter", "-O", "--read", str(SAMPLE), "tcp port 80"]) == 0
    longer = capsys.readouterr().out
    assert trafd.main(["-d", "--read", str(SAMPLE), "tcp port 80"]) == 0
    assert len(longer) > len(capsys.readouterr().out)


def test_print_filter_that_does_not_compile(capsys: pytest.CaptureFixture[str]) -> None:
    assert trafd.main(["-d", "--read", str(SAMPLE), "porf", "80"]) == 1
    assert "filter expression" in capsys.readouterr().err


# ---- --read ----


def read(root: Path, *words: str) -> int:
    return trafd.main(["--root", str(root), "--read", *words])


def blocks(root: Path, ext: str = "x") -> list[block.Block]:
    return [it for it in logfile.scan(root / f"var/lib/bpft/trafd.{ext}") if isinstance(it, block.Block)]


def test_a_capture_into_a_log(tmp_path: Path) -> None:
    assert read(tmp_path, str(SAMPLE), "-f", "x", "-m", "0") == 0
    assert read(tmp_path, str(SAMPLE), "-f", "x") == 0
    whole, folded = blocks(tmp_path)
    header = whole.header
    assert (header.source, header.source_name, header.engine, header.counting) == (
        "file",
        "sample.pcap",
        "file",
        "as-captured",
    )
    assert header.begin_ns == header.counters.first_ns
    assert header.end_ns == header.counters.last_ns > header.begin_ns
    assert header.counters.seen == header.counters.counted + sum(header.counters.skipped.values())
    assert set(header.counters.skipped) <= set(SKIP_REASONS)
    assert (header.delta, header.promiscuous, header.clock_synchronised) == (None, None, None)
    assert header.link_types == (1,)
    assert (header.min_all, folded.header.min_all) == (0, 1024)
    assert folded.rows < whole.rows
    assert whole.header.epoch != folded.header.epoch
    assert block.load_table(whole).totals() == block.load_table(folded).totals()
    log = tmp_path / "var/lib/bpft/trafd.x"
    assert log.stat().st_mode & 0o777 == 0o640
    assert log.parent.stat().st_mode & 0o777 == 0o750
    assert not (log.parent / "tmp").exists()


def test_options_that_shape_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["-c", "5", "-f", "count"],
        ["-X", "-m", "0", "-f", "addresses"],
        ["--max-flows", "4", "-m", "0", "-f", "cap"],
        ["-f", "filter", "udp"],
        ["--engine", "reference", "-m", "0", "-f", "twin"],
        ["--engine", "pcap", "-m", "0", "-f", "all"],
    ):
        assert read(tmp_path, str(SAMPLE), *words) == 0
        assert ("more than 4 flows: " in capsys.readouterr().err) == ("cap" in words), "a fold is told"
    count, addresses, cap, filtered, twin, everything = (
        blocks(tmp_path, ext)[0] for ext in ("count", "addresses", "cap", "filter", "twin", "all")
    )
    assert count.header.counters.seen == 5
    assert addresses.header.key_mode == "addresses"
    assert cap.rows <= 4 + 2
    assert cap.header.counters.folded > 0
    assert (filtered.header.filter, everything.header.filter) == ("udp", "")
    assert 0 < filtered.header.counters.seen < everything.header.counters.seen
    assert twin.header.engine == "reference"
    ours, theirs = (block.load_table(it).view(4) for it in (twin, everything))
    assert ours.records(0, 10_000) == theirs.records(0, 10_000)
    assert block.load_table(cap).totals() == block.load_table(everything).totals()


def test_no_memory_is_told_and_saves_nothing(tmp_path: Path) -> None:
    """At every limit: what is saved is all there is, or one line says why not."""
    saved, told = False, []
    for megabytes in (*range(30, 80, 10), 120, 1000):
        root = tmp_path / str(megabytes)
        limit = f"ulimit -v {megabytes}000; exec {sys.executable} {PROJECT / 'scripts/trafd'}"
        words = f"--root {root} --read {SAMPLE} -m 0 -f x"
        found = subprocess.run(["sh", "-c", f"{limit} {words}"], capture_output=True, text=True, check=False)
        log = root / "var/lib/bpft/trafd.x"
        saved = found.returncode == 0
        if saved:
            table = block.load_table(blocks(root, "x")[0])
            assert table.totals()[0] == table.counters()["counted"] > 0
        else:
            assert found.returncode == 1 and not log.exists()
            told += [found.stderr] if "nothing was saved" in found.stderr else []
    assert saved
    assert told and all(text.startswith("trafd: there is no memory") and text.count("\n") == 1 for text in told)


def test_options_that_shape_the_key(tmp_path: Path) -> None:
    """Each mode is told by the header; sums are the same in every one."""
    modes = {
        "all": [],
        "service": ["--ports", "service"],
        "none": ["--ports", "none", "--vlan"],
        "nets": ["--prefix-len", "16,32"],
    }
    for ext, words in modes.items():
        assert read(tmp_path, str(SAMPLE), "-m", "0", "-f", ext, *words) == 0
    whole, service, none, nets = (blocks(tmp_path, ext)[0] for ext in modes)
    told = [(it.header.key_mode, it.header.prefix_len) for it in (whole, service, none, nets)]
    assert told == [("full", None), ("service", None), ("no-ports+vlan", None), ("full", (16, 32))]
    assert whole.rows > service.rows >= none.rows
    tables = [block.load_table(it) for it in (whole, service, none, nets)]
    assert len({table.totals() for table in tables}) == 1
    records = tables[1].view(4)
    ports = {(row[2], row[3]) for row in struct.iter_unpack(RECORD4, records.records(0, len(records))) if row[4] == 6}
    assert ports <= {(p, bytes(2)) for p, _ in ports} | {(bytes(2), p) for _, p in ports}
    hosts = tables[3].view(4)
    for row in struct.iter_unpack(RECORD4, hosts.records(0, len(hosts))):
        assert row[0][2:] == row[1][2:] == bytes(2)


def test_standard_input(tmp_path: Path) -> None:
    words = [*TRAFD, "--root", str(tmp_path), "--read", "-", "-f", "x"]
    with SAMPLE.open("rb") as capture:
        subprocess.run(words, stdin=capture, cwd=PROJECT, check=True, capture_output=True)
    assert blocks(tmp_path)[0].header.source_name == "standard input"


def test_standard_input_that_is_closed(tmp_path: Path) -> None:
    words = [*TRAFD, "--root", str(tmp_path), "--read", "-", "-f", "x"]
    result = subprocess.run(["sh", "-c", '"$@" <&-', "sh", *words], cwd=PROJECT, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (1, "trafd: standard input: is closed\n")


def test_ctrl_c_while_a_capture_comes_in(tmp_path: Path) -> None:
    capture = tmp_path / "pipe"
    os.mkfifo(capture)
    words = ["env", "--default-signal=INT", *TRAFD, "--root", str(tmp_path), "--read", str(capture), "-f", "x"]
    with (
        subprocess.Popen(words, env={**os.environ, **ENVIRONMENT}, stderr=subprocess.PIPE, text=True) as process,
        capture.open("wb") as pipe,
    ):
        pipe.write(SAMPLE.read_bytes()[:1000])
        pipe.flush()
        for _ in range(100):  # the first may come before it waits for more
            process.send_signal(signal.SIGINT)
            try:
                process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                pass
        assert process.stderr is not None
        assert (process.wait(0), process.stderr.read()) == (1, "trafd: interrupted; nothing was saved\n")
    assert not list(tmp_path.glob("var/lib/bpft/trafd.x"))


def test_a_directory_is_no_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read(tmp_path, str(tmp_path), "-f", "x") == 1
    assert capsys.readouterr().err == f"trafd: {tmp_path}: is a directory, not a capture\n"


def test_a_log_that_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "var/lib/bpft").mkdir(parents=True)
    os.mkfifo(tmp_path / "var/lib/bpft/trafd.x")
    assert read(tmp_path, str(SAMPLE), "-f", "x") == 1
    error = capsys.readouterr().err
    assert "no regular file" in error
    assert error.count("\n") == 1


def test_an_empty_capture_is_an_empty_block(tmp_path: Path) -> None:
    (tmp_path / "empty.pcap").write_bytes(SAMPLE.read_bytes()[:24])
    assert read(tmp_path, str(tmp_path / "empty.pcap"), "-f", "x") == 0
    (it,) = blocks(tmp_path)
    assert it.rows == 0
    assert it.header.begin_ns == it.header.end_ns > 0


def test_a_broken_capture_counts_up_to_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = SAMPLE.read_bytes()
    (tmp_path / "cut.pcap").write_bytes(whole[: len(whole) // 2])
    assert read(tmp_path, str(tmp_path / "cut.pcap"), "-f", "x") == 1
    error = capsys.readouterr().err
    assert "cut.pcap" in error
    assert f"frames, into {tmp_path}" in error
    assert error.count("\n") == 1
    assert blocks(tmp_path)[0].header.counters.seen > 0


@pytest.mark.parametrize("content", [b"", b"just words\n" * 50, None])
def test_what_is_no_capture_is_not_appended(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "text").write_bytes(content)
    assert read(tmp_path, str(tmp_path / "text"), "-f", "x") == 1
    error = capsys.readouterr().err
    assert str(tmp_path / "text") in error
    assert error.count("\n") == 1
    assert not (tmp_path / "var/lib/bpft/trafd.x").exists()


def test_a_log_that_is_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "var/lib/bpft/trafd.x"
    log.parent.mkdir(parents=True)
    log.write_text("my diary")
    assert read(tmp_path, str(SAMPLE), "-f", "x") == 1
    assert str(log) in capsys.readouterr().err
    assert log.read_text() == "my diary"


def test_a_held_ext_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """E8."""
    from bpft.daemon.pidfile import HeldFile
    from bpft.errors import Held

    (tmp_path / "var/lib/bpft").mkdir(parents=True)
    lock = HeldFile(tmp_path / "var/lib/bpft/.trafd.x.lock", Held, "EXT x")
    lock.write_pid()
    assert read(tmp_path, str(SAMPLE), "-f", "x") == 1
    assert f"pid {os.getpid()}" in capsys.readouterr().err
    lock.release()
    assert read(tmp_path, str(SAMPLE), "-f", "x") == 0


def test_dumps_are_not_touched(tmp_path: Path) -> None:
    dump = tmp_path / "var/lib/bpft/tmp/trafd.x"
    dump.parent.mkdir(parents=True)
    dump.write_text("whatever this is")
    assert read(tmp_path, str(SAMPLE), "-f", "x") == 0
    assert dump.read_text() == "whatever this is"
