"""share/magic/bpft tells file(1) what logs and dumps are."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from blocks import table, traffic

from bpft.logfile import LogWriter, write_dump
from bpft.record import Header

PROJECT = Path(__file__).resolve().parents[1]
MAGIC = PROJECT / "share/magic/bpft"


def test_it_is_installed() -> None:
    files = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    assert files["share/bpft/magic"] == ["share/magic/bpft"]


@pytest.mark.skipif(shutil.which("file") is None, reason="no file(1)")
def test_file_knows_them(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log")
    blocks = [log.append(Header(epoch=b"e" * 16), table((4, traffic(5)))) for _ in range(2)]
    data = (tmp_path / "log").read_bytes()
    (tmp_path / "second").write_bytes(data[blocks[1].offset :])
    (tmp_path / "newer").write_bytes(data[:9] + b"\x02" + data[10:])
    (tmp_path / "text").write_bytes(data.replace(b"\r\n", b"\n"))
    (tmp_path / "other").write_bytes(b"BPFT")
    write_dump(tmp_path / "dump", Header(epoch=b"e" * 16), table())

    def told(name: str) -> str:
        command = ["file", "-b", "-m", str(MAGIC), str(tmp_path / name)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert told("log") == "BPFT traffic log, format version 1"
    assert told("second") == told("log")  # It names the block before it, so that its role lies elsewhere.
    assert told("dump") == "BPFT traffic dump, format version 1"
    assert told("newer") == "BPFT log or dump, format version 2"
    assert told("text") == "BPFT log, damaged: its line ends were converted"
    assert "BPFT traffic" not in told("other")
