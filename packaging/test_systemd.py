"""The Debian package under a real systemd, in a container of its own: enabled, upgraded, purged; needs root.

The tests go on from each other.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from trees import DATAGRAMS, PAYLOAD

INSTANCE = "trafd@lo"

pytestmark = [
    trees.needs_root,
    pytest.mark.skipif(not shutil.which("systemd-nspawn"), reason="needs systemd-nspawn, Debian's systemd-container"),
]


class Container:
    """Runs systemd as its first process, with a network of its own that has only lo."""

    def __init__(self, root: Path) -> None:
        bare = ["--quiet", "--register=no", "--keep-unit", "--private-network", "--capability=CAP_NET_RAW"]
        self._nspawn = subprocess.Popen(
            ["systemd-nspawn", *bare, "--directory", root, "--boot"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        deadline = time.monotonic() + 60
        while not self._answers(children.read_text().split()):
            assert time.monotonic() < deadline, "systemd does not start"
            time.sleep(0.2)

    def _answers(self, children: list[str]) -> bool:
        if not children:
            return False
        self._inside = ["nsenter", "-t", children[-1], "-a"]
        state = subprocess.run([*self._inside, "systemctl", "is-system-running"], capture_output=True, check=False)
        return state.stdout.strip() in (b"running", b"degraded")

    def run(self, *words: str, code: int = 0) -> str:
        return trees.run([*self._inside, *words], code)

    def send(self) -> None:
        self.run("python3", "-c", trees.SENDER)
        time.sleep(0.3)

    def pid(self) -> str:
        return self.run("systemctl", "show", "--property=MainPID", "--value", INSTANCE).strip()

    def end(self) -> None:
        self._nspawn.terminate()
        self._nspawn.wait()


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    root = tmp_path_factory.mktemp("systemd") / "root"
    trees.plant(root)
    apt = ["chroot", str(root), "apt-get", "-qq"]
    try:
        trees.run([*apt, "update"])
        install = [*apt, "install", "--yes", "--no-install-recommends"]
        trees.run([*install, "systemd-sysv", "dbus"])
        trees.run([*install, "/bpft.deb"])
        container = Container(root)
        try:
            yield container
        finally:
            container.end()
    finally:
        shutil.rmtree(root)


def test_nothing_runs_until_it_is_enabled(container: Container) -> None:
    assert container.run("systemctl", "list-units", "--all", "--no-legend", "trafd@*") == ""
    assert container.run("sh", "-c", "ls /var/lib/bpft /run/bpft").split() == ["/run/bpft:", "/var/lib/bpft:", "tmp"]


def test_enabled_it_counts_without_privileges(container: Container) -> None:
    container.run("systemctl", "enable", "--quiet", "--now", INSTANCE)
    assert container.run("systemctl", "is-active", INSTANCE) == "active\n"
    status = dict(
        line.split(":\t", 1)
        for line in container.run("cat", f"/proc/{container.pid()}/status").splitlines()
        if ":\t" in line
    )
    user = container.run("id", "-u", "bpft").strip()
    assert status["Uid"].split() == [user] * 4
    assert int(status["CapEff"], 16) & ~(1 << 13) == 0  # of all capabilities at most CAP_NET_RAW
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a_reload_dumps(container: Container) -> None:
    container.send()
    container.run("systemctl", "reload", INSTANCE)
    assert container.run("stat", "-c", "%U:%G %a", "/var/lib/bpft/tmp/trafd.lo") == "bpft:bpft 640\n"


def test_an_upgrade_goes_on_and_loses_nothing(container: Container) -> None:
    old = container.pid()
    container.run("dpkg", "-i", "/newer.deb")
    assert container.run("systemctl", "is-active", INSTANCE) == "active\n"
    assert container.pid() != old
    container.send()
    container.run("trafsave")
    rows = container.run("bpft", "report", "/var/lib/bpft/trafd.lo", "--by", "pair", "--format", "csv").splitlines()
    assert f"127.0.0.1,127.0.0.1,{2 * DATAGRAMS},{2 * DATAGRAMS * (PAYLOAD + 28)},{2 * DATAGRAMS * PAYLOAD}" in rows


def test_killed_it_starts_again(container: Container) -> None:
    old = container.pid()
    container.run("systemctl", "kill", "--signal=KILL", INSTANCE)
    deadline = time.monotonic() + 30
    while container.pid() in ("0", old):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_purged_it_is_gone(container: Container) -> None:
    container.run("dpkg", "--purge", "bpft")
    assert container.run("systemctl", "list-units", "--state=active", "--no-legend", "trafd@*") == ""
    found = container.run("find", "/etc", "/run", "/var/lib/bpft", "-name", "*trafd*", code=1)
    assert "trafd" not in found
