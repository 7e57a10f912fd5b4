"""What packages rest on: one command that is the whole suite, and detaching with any python-daemon."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import bpft

PROJECT = Path(__file__).resolve().parents[1]


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False)


def called(*argv: str) -> str:
    return f"import sys; sys.argv = {list(argv)!r}; from bpft.cli.main import main; main()"


@pytest.mark.parametrize("argv", [("/usr/bin/trafdump",), ("trafdump",), ("bpft", "trafdump"), ("/x/bpft", "trafdump")])
def test_the_name_or_the_first_word_tells_the_program(argv: tuple[str, ...], tmp_path: Path) -> None:
    done = run(called(*argv, "--root", str(tmp_path)))
    assert (done.returncode, done.stderr) == (0, "trafdump: no trafd is running\n")


def test_bpfts_own_command_line_is_not_imported_for_another_program(tmp_path: Path) -> None:
    """Else one executable for the whole suite would make trafdump slow (click alone takes as long as all of it)."""
    done = run(called("bpft", "trafdump", "--root", str(tmp_path)), "-X", "importtime")
    assert "bpft.control_client" in done.stderr
    assert "click" not in done.stderr


def test_a_file_called_trafd_here_is_not_run_for_trafstart(tmp_path: Path) -> None:
    (tmp_path / "trafd").write_text("raise SystemExit('the wrong trafd')")
    code = called("/usr/nowhere/bpft", "trafstart", "no-such-interface", "--root", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no such interface" in done.stderr


def test_a_frozen_executable_starts_trafd_as_itself() -> None:
    done = run(
        "import sys; sys.frozen = True; from bpft.cli.tools import _trafd; print(_trafd() == [sys.executable, 'trafd'])"
    )
    assert done.stdout == "True\n", done.stderr


def test_a_daemon_may_open_few_descriptors_but_keeps_those_it_has() -> None:
    """python-daemon 2.3, which Debian 12 has, makes a set of as many numbers as the limit allows: gigabytes."""
    done = run("""
import os, resource
from bpft.daemon import detach
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept, closed = os.dup2(1, 2000), os.dup2(1, 3000)
detach._bound_descriptors(kept)
os.write(kept, b"kept\\n")
try:
    os.write(closed, b"open\\n")
except OSError:
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
""")
    assert done.stdout == "kept\n(2001, 2001)\n", done.stderr


def test_the_debian_package_is_of_this_version() -> None:
    newest = (PROJECT / "packaging/debian/changelog").read_text().splitlines()[0]
    assert re.fullmatch(rf"bpft \({re.escape(bpft.__version__)}-\d+\) .*", newest)
