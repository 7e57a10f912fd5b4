"""The examples of bpft-merge(1), bpft-compact(1) and bpft-forget(1) work as they stand there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import lives
import programs
import pytest
from lives import grow, intact

PROJECT = Path(__file__).resolve().parents[1]
BASH = shutil.which("bash")


def examples(name: str) -> list[str]:
    section = (PROJECT / "man" / f"bpft-{name}.1").read_text().split(".Sh EXAMPLES\n")[1].split(".Sh ")[0]
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", section, re.M | re.S)
    return [*"".join(blocks).splitlines(), *re.findall(r"^\.Dl (.*)", section, re.M)]


@pytest.mark.skipif(BASH is None, reason="the examples are run by bash")
@pytest.mark.parametrize(("name", "commands"), [("merge", 3), ("compact", 3), ("forget", 3)])
def test_the_examples_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, commands: int) -> None:
    monkeypatch.setattr(lives, "NOON", 1_600_000_000 * 10**9)  # more than a year ago
    logs = tmp_path / "logs"
    for number, path in enumerate(
        ("rome/trafd.eth0", "milan/trafd.eth0", "logs/trafd.eth0-2026-10", "logs/trafd.eth0-2026-11", "logs/trafd.eth0")
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        grow(tmp_path / path, range(number * 10, number * 10 + 10), host=path)
    shown = examples(name)
    assert len(shown) == commands
    functions = f'bpft() {{ {sys.executable} -m bpft "$@"; }}; trafsave() {{ :; }}; set -e; '
    for command in shown:
        subprocess.run(
            [str(BASH), "-c", functions + command.replace("/var/lib/bpft", str(logs))],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", **programs.ENVIRONMENT, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
            check=True,
            capture_output=True,
        )
    if name == "merge":
        assert len(intact(tmp_path / "2026")) == len(intact(tmp_path / "both")) == 20
    if name == "compact":
        assert len(intact(logs / "trafd.eth0")) == len(intact(tmp_path / "try")) == 1
