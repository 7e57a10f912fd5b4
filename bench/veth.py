"""A veth pair between two namespaces, a sender on one end, a capture on the other; what both cost."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from results import BIN

SENDER, RECEIVER = (f"bpftbench{end}{os.getpid()}" for end in ("tx", "rx"))  #: namespaces, of this run alone
OUT, IN = "bpbtx", "bpbrx"  #: interfaces


@contextmanager
def pair() -> Iterator[None]:
    """Namespaces and interfaces, silent and without offloads, gone afterwards."""
    if os.geteuid() != 0:
        sys.exit("this needs root: network namespaces and a packet socket")
    if missing := [tool for tool in ("ip", "ethtool", "sysctl", "taskset") if not shutil.which(tool)]:
        sys.exit(f"missing: {', '.join(missing)}; on Debian: apt-get install iproute2 ethtool procps util-linux")
    try:
        for namespace in (SENDER, RECEIVER):
            _run("ip", "netns", "add", namespace)
        _run("ip", "link", "add", OUT, "netns", SENDER, "type", "veth", "peer", "name", IN, "netns", RECEIVER)
        for namespace, interface in ((SENDER, OUT), (RECEIVER, IN)):
            inside = ("ip", "netns", "exec", namespace)
            _run(*inside, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
            _run("ip", "-n", namespace, "link", "set", interface, "up", "arp", "off")
            offloads = [word for name in ("gro", "gso", "tso", "tx", "rx") for word in (name, "off")]
            _run(*inside, "ethtool", "-K", interface, *offloads)
        yield
    finally:
        for namespace in (SENDER, RECEIVER):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


def _run(*words: str) -> None:
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(words)}: {result.stderr.strip()}")


class Blast:
    """The peers' txblast, compiled: sends a capture at a steady rate, on the first CPU."""

    def __init__(self, peers: Path, work: Path) -> None:
        if not (peers / "txblast.c").exists():
            sys.exit(f"{peers}: no txblast.c here; name its directory with --peers")
        self._program = work / "txblast"
        _run("cc", "-O2", "-o", str(self._program), str(peers / "txblast.c"))

    def send(self, capture: Path, packets: int, rate: int) -> dict[str, float]:
        """What it says: sent, pps and more."""
        words = ["nice", "-n", "-20", "ip", "netns", "exec", SENDER, str(self._program), "-i", OUT, "-f", str(capture)]
        words += ["-n", str(packets), "-r", str(rate), "-c", "0"]
        answer: dict[str, float] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        return answer


@dataclass
class Receiver:
    """A program in the receiving namespace, on the second CPU."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, command: list[str], messages: Path, settle: float = 2.0) -> "Receiver":
        """The namespace is entered by exec, so that the process started is the program itself."""
        words = ["nice", "-n", "-20", "taskset", "-c", "1", "ip", "netns", "exec", RECEIVER, *command]
        with messages.open("wb") as output:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        time.sleep(settle)
        if process.poll() is not None:
            sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{messages.read_text()}")
        return cls(process)

    def cpu(self) -> float:
        """Seconds of all its threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> int:
        """RssAnon, bytes."""
        found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0

    def stop(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(120)


def trafd(root: Path, *words: str) -> list[str]:
    """The command line of a trafd on the receiving end, which keeps every row; nothing else is left below root."""
    shutil.rmtree(root, ignore_errors=True)
    return [str(BIN / "trafd"), "--root", str(root), "--foreground", "-i", IN, "-m", "0", *words]


def ask(root: Path, tool: str, *words: str) -> str:
    """One of our tools about the trafd of root."""
    command = [str(BIN / tool), *words, "--root", str(root), IN]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
