"""README's first command, as a person meets it: on a terminal, with a capture, and without the right to capture."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from lab import Link
from suite import PROJECT, environment

TRY = [str(PROJECT / "try.sh")]


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    """What try.sh would install and build, while there is a network."""
    if not (PROJECT / ".venv").exists():
        pytest.skip("try.sh is tried where ./check.sh or ./try.sh made .venv")
    subprocess.run(["sh", str(PROJECT / "scripts/prepare.sh")], check=True)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, line: list[str], root: Path) -> None:
        self.text = ""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
            os.execvpe(line[0], line, environment(BPFT_ROOT=str(root), TERM="xterm"))

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def read(self, seconds: float) -> bool:
        """Takes what was written meanwhile; False at its end."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return True
        with contextlib.suppress(OSError):
            piece = os.read(self._fd, 65536)
            self.text += piece.decode(errors="replace")
            return bool(piece)
        return False

    def until(self, words: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < end and self.read(0.1), f"no {words!r} in {self.text!r}"

    def wait(self, seconds: float = 20) -> int:
        end = time.monotonic() + seconds
        while self.read(0.1):
            assert time.monotonic() < end, self.text
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def test_a_table_of_hosts_and_a_report_at_the_end(link: Link, tmp_path: Path) -> None:
    terminal = Terminal(link.far.namespace.command(*TRY, link.far.interface), tmp_path)
    terminal.until("counting;")
    link.udp(100, 1000)
    terminal.until(link.near.address())
    terminal.type(b"\x03")
    assert terminal.wait() == 0, terminal.text
    report = terminal.text.rpartition("\x1b")[2]
    assert "103 kB" in report.partition("\r\nFrom ")[2]  # 100 packets of 1028 bytes
    assert (tmp_path / f"var/lib/bpft/trafd.{link.far.interface}").exists()


def test_a_capture(tmp_path: Path) -> None:
    line = [*TRY, str(PROJECT / "tests/captures/sample.pcap")]
    for _ in range(2):  # twice shows the same: a capture starts anew
        result = subprocess.run(
            line, capture_output=True, text=True, env=environment(BPFT_ROOT=str(tmp_path)), timeout=60
        )
        assert result.returncode == 0, result.stderr
        assert "192.168.1.20" in result.stdout


def test_without_the_right_to_capture_it_says_so_and_shows_the_sample(link: Link, tmp_path: Path) -> None:
    drop = ("setpriv", "--inh-caps=-net_raw", "--bounding-set=-net_raw")
    result = subprocess.run(
        link.far.namespace.command(*drop, *TRY, link.far.interface),
        capture_output=True,
        text=True,
        env=environment(BPFT_ROOT=str(tmp_path)),
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "CAP_NET_RAW" in result.stdout
    assert "192.168.1.20" in result.stdout


def test_an_unknown_interface_is_told(link: Link, tmp_path: Path) -> None:
    result = subprocess.run(
        link.far.namespace.command(*TRY, "nonesuch0"),
        capture_output=True,
        text=True,
        env=environment(BPFT_ROOT=str(tmp_path)),
        timeout=60,
    )
    assert result.returncode == 1
    assert "nonesuch0" in result.stderr
