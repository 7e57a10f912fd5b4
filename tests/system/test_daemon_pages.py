"""The examples of the pages of daemons, and of what asks them, run where there are eth0, wlan0 and ppp0."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Namespace, obstacle
from suite import PROJECT, environment, program, run
from test_page_examples import ELSEWHERE, examples

TOOLS = ("bpft", "trafd", "trafdump", "trafsave", "trafstart", "trafstop")
#: Pages whose examples ask daemons that run already.
ASKS = ("trafdump.8", "trafsave.8", "trafstop.8")
PAGES = sorted(page for page, test in ELSEWHERE.items() if test.endswith("test_daemon_pages.py"))


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    if reason := obstacle():
        pytest.skip(reason)
    it = Namespace()
    for name in ("eth0", "wlan0", "ppp0"):
        it.run("ip", "link", "add", name, "type", "bridge")
        it.run("ip", "link", "set", name, "up")
    it.run("ip", "addr", "add", "192.0.2.2/24", "dev", "eth0")
    it.run("ip", "route", "add", "default", "via", "192.0.2.1")
    yield it
    it.close()


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_run(tmp_path: Path, namespace: Namespace, page: str) -> None:
    (tmp_path / "monday.pcap").write_bytes((PROJECT / "tests/captures/sample.pcap").read_bytes())
    functions = [f'{name}() {{ {shlex.join(program(name))} "$@"; }}' for name in TOOLS]
    shown = examples(page)
    assert shown
    try:
        for command in shown:
            if command.startswith(("trafd ", "trafstart", "trafstop")):
                run("trafstop", "--root", tmp_path, namespace=namespace)  # the one that the last example began
            if page in ASKS or command == "trafdump eth0":
                run("trafstart", "--root", tmp_path, "eth0", "ppp0", namespace=namespace)
            line = command.replace(" /var/lib/bpft", f" {tmp_path}/var/lib/bpft")
            done = subprocess.run(
                namespace.command("bash", "-c", "\n".join([*functions, f"cd {shlex.quote(str(tmp_path))}", line])),
                capture_output=True,
                text=True,
                timeout=60,
                env=environment(BPFT_ROOT=str(tmp_path)),
                stdin=subprocess.DEVNULL,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
    finally:
        run("trafstop", "--root", tmp_path, namespace=namespace)
