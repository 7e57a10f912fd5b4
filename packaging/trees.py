"""Debian trees to try the package in, and what both tests of it need."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
DATAGRAMS, PAYLOAD = 50, 1000
#: Datagrams of a port to itself: one record, and nobody answers.
SENDER = f"""import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as both:
    both.bind(("127.0.0.1", 9000))
    for _ in range({DATAGRAMS}):
        both.sendto(bytes({PAYLOAD}), both.getsockname())"""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="trees and namespaces need root")


def package() -> Path:
    [package] = (PROJECT / "dist").glob("bpft_*.deb")
    return package


def newer(place: Path) -> Path:
    """The same package with the next revision, made in place."""
    tree = place / "newer"
    subprocess.run(["dpkg-deb", "-R", package(), tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: (.*)-1$", r"Version: \1-2", control.read_text()))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, place / "newer.deb"], check=True, capture_output=True)
    return place / "newer.deb"


def plant(root: Path) -> None:
    """A Debian 12 of nothing but what is essential, with the package, a newer one and a capture beside it.

    It is a copy of BPFT_TREE; without that, of one in build/bookworm, which debootstrap makes once.
    """
    tree = Path(os.environ.get("BPFT_TREE", PROJECT / "build/bookworm"))
    if not tree.exists():
        made = tree.with_suffix(".part")
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", made], check=True)
        made.rename(tree)
    subprocess.run(["cp", "-a", "--reflink=auto", tree, root], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy(PROJECT / "tests/captures/sample.pcap", root / "monday.pcap")
    shutil.copy(package(), root / "bpft.deb")
    shutil.copy(newer(root.parent), root / "newer.deb")


def run(command: list[str], code: int = 0) -> str:
    """Both outputs of a command that ends with code."""
    done = subprocess.run(
        command,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout
