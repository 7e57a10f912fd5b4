"""The tarball on a machine without Python: a chroot that holds the C library, libz and the loader; needs root."""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
NAMESPACE = "bpft-tarball"
#: All that the chroot has but for the tarball: the loader, libz, and the parts of glibc.
LIBRARIES = ["ld-linux", "libc.so", "libdl.so", "libm.so", "libpthread.so", "librt.so", "libutil.so", "libz.so"]
DATAGRAMS, PAYLOAD = 50, 1000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a chroot and a network namespace need root")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with the tarball in /opt/bpft, and a network namespace."""
    [tarball] = (PROJECT / "dist").glob("bpft-*-linux-*.tar.gz")
    root = tmp_path_factory.mktemp("bare")
    place = root / "opt/bpft"
    place.mkdir(parents=True)
    subprocess.run(["tar", "-xzf", tarball, "-C", place, "--strip-components=1"], check=True)
    for library in needed(place):
        copy = root / str(library).lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, copy)
    (root / "dev").mkdir()
    os.mknod(root / "dev/null", 0o20666, os.makedev(1, 3))
    (root / "capture.pcap").write_bytes((PROJECT / "tests/captures/sample.pcap").read_bytes())
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        yield root
    finally:
        for file in root.glob("run/bpft/*.pid"):
            os.kill(int(file.read_text()), signal.SIGKILL)
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


def needed(place: Path) -> set[Path]:
    """Where this machine has those of LIBRARIES that anything in the tarball loads."""
    programs = [place / "lib/bpft/bpft", *place.rglob("*.so*")]
    told = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    found = {Path(word) for line in told.splitlines() for word in line.split() if word.startswith("/")}
    return {path for path in found if place not in path.parents and path.name.startswith(tuple(LIBRARIES))}


def run(root: Path, program: str, *words: str, code: int = 0) -> str:
    """What it prints, run inside by the name program."""
    inside = ["ip", "netns", "exec", NAMESPACE, "chroot", root, f"/opt/bpft/bin/{program}", *words]
    done = subprocess.run(
        inside, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def send() -> None:
    """Datagrams of a port to itself: one record, and nobody answers."""
    code = f"""import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as both:
    both.bind(("127.0.0.1", 9000))
    for _ in range({DATAGRAMS}):
        both.sendto(bytes({PAYLOAD}), both.getsockname())"""
    subprocess.run(["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", code], check=True)


def test_nothing_else_is_there(bare: Path) -> None:
    assert not (bare / "bin").exists()
    assert not (bare / "usr/bin").exists()
    assert not [file for file in bare.rglob("*python*") if "opt" not in file.relative_to(bare).parts]


@pytest.mark.parametrize("program", ["bpft", "trafd", "trafdump", "trafsave", "trafstart", "trafstop"])
def test_each_name_is_its_program(bare: Path, program: str) -> None:
    assert run(bare, program, "--version").startswith(program)
    assert run(bare, "bpft", *[program] * (program != "bpft"), "--version") == run(bare, program, "--version")
    assert program in run(bare, program, "--help")
    run(bare, program, "--no-such-option", code=127)


def test_a_capture_is_counted_and_reported(bare: Path) -> None:
    run(bare, "bpft", "trafd", "-m", "0", "--read", "/capture.pcap", "-f", "capture")
    report = run(bare, "bpft", "report", "/var/lib/bpft/trafd.capture", "-n", "--by", "proto", "--format", "csv")
    assert report == "proto,packets,all,data\n6,276,235989,224949\n17,114,133548,128236\n1,8,672,448\n"
    run(bare, "bpft", "verify", "/var/lib/bpft/trafd.capture")
    run(bare, "bpft", "info", "/var/lib/bpft/trafd.capture")


def test_every_command_is_in_it(bare: Path) -> None:
    commands = run(bare, "bpft", "--help").partition("Commands:")[2]
    for line in commands.splitlines():
        if line.startswith("  ") and line[2] != " ":
            assert "Usage" in run(bare, "bpft", line.split()[0], "--help")


def test_it_detaches_dumps_saves_and_goes_on(bare: Path) -> None:
    run(bare, "trafd", "-m", "0", "-i", "lo")
    pid = int((bare / "run/bpft/trafd.lo.pid").read_text())
    assert os.getsid(pid) not in (0, os.getsid(0))
    send()
    time.sleep(0.3)
    assert "dumped 1 record" in run(bare, "trafdump")
    assert "lo: stopped" in run(bare, "trafstop")
    assert "lo: started" in run(bare, "bpft", "trafstart", "lo")
    send()
    time.sleep(0.3)
    assert "saved" in run(bare, "trafsave")
    assert "lo: stopped" in run(bare, "trafstop", "lo")
    report = run(bare, "bpft", "report", "/var/lib/bpft/trafd.lo", "-n", "--by", "pair", "--format", "csv")
    assert f"127.0.0.1,127.0.0.1,{2 * DATAGRAMS},{2 * DATAGRAMS * (PAYLOAD + 28)}," in report


def test_it_starts_in_three_times_the_time_of_a_bare_interpreter(bare: Path) -> None:
    """Two are usual: with PyInstaller's own start-up scripts it would be more than four."""
    commands = [[bare / "opt/bpft/bin/trafdump"], [sys.executable, "-I", "-c", "pass"]]
    times: list[list[float]] = [[], []]
    for _ in range(21):
        for command, spent in zip(commands, times, strict=True):
            begin = time.perf_counter()
            subprocess.run(command, env={"BPFT_ROOT": "/nowhere"}, capture_output=True, check=False)
            spent.append(time.perf_counter() - begin)
    frozen, interpreter = map(statistics.median, times)
    assert frozen <= 3 * interpreter, f"{frozen * 1000:.0f} ms, a bare interpreter {interpreter * 1000:.0f} ms"
