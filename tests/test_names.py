"""Names of protocols, services and hosts, and what happens where there are none."""

import socket
import threading
import time
from pathlib import Path

import pytest

from bpft.report import names
from bpft.report.resolve import HostNames


@pytest.fixture
def databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(names, "PROTOCOLS", tmp_path / "protocols")
    monkeypatch.setattr(names, "SERVICES", tmp_path / "services")
    return tmp_path


def test_names_come_from_the_files_of_the_system(databases: Path) -> None:
    (databases / "protocols").write_text("# a comment\nip 0 IP\ntcp\t6\tTCP # transmission\nfire 125\nbroken\nx y\n")
    (databases / "services").write_text(
        "web 80/tcp www\nweb 80/udp\nother 80/tcp\nbroken 80\nodd x/tcp\nw\xfcst 81/tcp\n"
    )
    assert names.protocol_name(125) == "fire"
    assert names.protocol_name(0) == "0"
    assert names.service_name(80, 6) == "web"
    assert names.service_name(80, 1) == "80"
    assert names.service_name(0, 6) == "0"
    assert names.service_name(80, None) == "80"


def test_without_the_files_the_common_protocols_have_names(databases: Path) -> None:
    assert names.protocol_name(6) == "tcp"
    assert names.protocol_name(200) == "200"
    assert names.service_name(443, 6) == "443"


def test_key_cells_are_named_by_their_column(databases: Path) -> None:
    (databases / "services").write_text("https 443/tcp\n")
    columns = ("src", "sport", "dst", "dport", "proto")
    assert names.named(columns, ("10.0.0.1", 443, "10.0.0.2", 40000, 6)) == (
        "10.0.0.1",
        "https",
        "10.0.0.2",
        "40000",
        "tcp",
    )
    assert names.named(columns, ("10.0.0.1", None, "10.0.0.2", None, None)) == ("10.0.0.1", "", "10.0.0.2", "", "")
    assert names.named(("port", "proto"), (443, 6)) == ("https", "tcp")


def test_hosts_are_asked_once_each_and_only_clean_names_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    answers = {"10.0.0.1": "good.example", "10.0.0.2": "\x1b[2Jevil", "10.0.0.3": "10.9.9.9"}

    def getnameinfo(address: tuple[str, int], flags: int) -> tuple[str, str]:
        asked.append(address[0])
        if address[0] not in answers:
            raise socket.gaierror(socket.EAI_NONAME, "no name")
        return answers[address[0]], "0"

    monkeypatch.setattr(socket, "getnameinfo", getnameinfo)
    assert HostNames().of(["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]) == {"10.0.0.1": "good.example"}
    assert sorted(asked) == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]


def test_a_resolver_that_hangs_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getnameinfo(address: tuple[str, int], flags: int) -> tuple[str, str]:
        if address[0] != "10.0.0.1":
            release.wait(20)
        return "quick.example", "0"

    monkeypatch.setattr(socket, "getnameinfo", getnameinfo)
    begin = time.monotonic()
    try:
        assert HostNames(patience=0.3).of(f"10.0.0.{n}" for n in range(1, 60)) == {"10.0.0.1": "quick.example"}
        assert time.monotonic() - begin < 2
    finally:
        release.set()


def test_nobody_is_asked_for_nothing() -> None:
    assert HostNames().of([]) == {}
