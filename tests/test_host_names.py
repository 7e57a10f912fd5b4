"""Names of hosts: files first, then the DNS, and never longer than the patience there is."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpft.cli.group import run
from bpft.config.model import Names
from bpft.report import hostfiles
from bpft.report.resolve import HostNames

SAMPLE = str(Path(__file__).parent / "captures/sample.pcap")
DNSMASQ = """\
1795432800 02:00:00:00:00:01 192.168.1.10 laptop 01:02:00:00:00:00:01
1795432800 02:00:00:00:00:02 192.168.1.11 * *
duid 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01
1795432800 1234 2001:db8:0:0::10 laptop6 00:01:00:01
"""
ISC = """\
# The format of this file is documented in the dhcpd.leases(5) manual page.
lease 192.168.1.10 {
  starts 4 2026/11/19 08:00:00;
  binding state free;
  client-hostname "before";
}
lease 192.168.1.10 {
  binding state active;
  client-hostname "laptop";
}
lease 192.168.1.11 {
  binding state active;
}
lease 192.168.1.12 {
  client-hostname "\x1b[2Jevil";
}
"""
KEA = """\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
192.168.1.10,02:00:00:00:00:01,,3600,1795432800,1,0,0,laptop.lan.,0,,0
192.168.1.11,02:00:00:00:00:02,,3600,1795432800,1,0,0,,0,,0
cut
"""


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No lease file of this machine, and a DNS that knows nothing but what a test adds."""
    monkeypatch.setattr(hostfiles, "LEASES", ())
    questions: list[str] = []

    def getnameinfo(address: tuple[str, int], _flags: int) -> tuple[str, str]:
        questions.append(address[0])
        raise socket.gaierror(socket.EAI_NONAME, "no name")

    monkeypatch.setattr(socket, "getnameinfo", getnameinfo)
    return questions


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver that does not answer before the event is set."""
    release = threading.Event()

    def hang(*_: object, **__: object) -> tuple[str, str]:
        release.wait(30)
        return "late.example", "0"

    monkeypatch.setattr(socket, "getnameinfo", hang)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield release
    release.set()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (DNSMASQ, {"192.168.1.10": "laptop", "2001:db8::10": "laptop6"}),
        (ISC, {"192.168.1.10": "laptop"}),
        (KEA, {"192.168.1.10": "laptop.lan"}),
        ("", {}),
        ("not a lease\n\0\xff of any kind\n", {}),
    ],
)
def test_leases_are_read_by_what_is_in_them(tmp_path: Path, text: str, names: dict[str, str]) -> None:
    (tmp_path / "leases").write_text(text)
    assert hostfiles.read_leases(tmp_path / "leases") == names


def test_the_first_file_that_knows_an_address_decides(tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "own").write_text(
        "192.168.1.10 desk # the one in the corner\n2001:DB8::5\tnas nas.lan\nbroken\n:: ok\n"
    )
    (tmp_path / "second").write_text("192.168.1.10 second\n192.168.1.20 printer\n300.1.1.1 nobody\n10.0.0.1 10.0.0.2\n")
    (tmp_path / "leases").write_text(DNSMASQ)
    files = Names(hosts=(str(tmp_path / "own"), str(tmp_path / "second")), leases=(str(tmp_path / "leases"),))
    names = HostNames(files)
    wanted = ["192.168.1.10", "2001:db8::5", "192.168.1.20", "2001:db8::10", "10.0.0.1"]
    assert names.of(wanted) == {
        "192.168.1.10": "desk",
        "2001:db8::5": "nas",
        "192.168.1.20": "printer",
        "2001:db8::10": "laptop6",
    }
    assert asked == ["10.0.0.1"]
    assert names.addresses("NAS") == ["2001:db8::5"]
    assert names.troubles == []


def test_leases_in_their_usual_place_need_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dnsmasq.leases").write_text(DNSMASQ)
    monkeypatch.setattr(hostfiles, "LEASES", (tmp_path / "absent", tmp_path / "dnsmasq.leases"))
    names = HostNames()
    assert names.of(["192.168.1.10"]) == {"192.168.1.10": "laptop"}
    assert names.troubles == []
    other = HostNames(Names(leases=(str(tmp_path / "gone"),)))
    assert other.of(["192.168.1.10"]) == {}
    assert other.troubles == [f"{tmp_path}/gone: its names are not used: no such file or directory"]


def test_nobody_is_asked_twice(asked: list[str]) -> None:
    names = HostNames()
    assert names.of(["10.0.0.1", "10.0.0.2"]) == {}
    assert names.of(["10.0.0.2", "10.0.0.3", "10.0.0.2"]) == {}
    assert sorted(asked) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_all_calls_together_are_not_waited_for_longer_than_the_patience(hanging: threading.Event) -> None:
    names = HostNames(patience=0.4)
    begin = time.monotonic()
    for first in range(5):
        assert names.of([f"10.{first}.0.{n}" for n in range(40)]) == {}
    assert names.addresses("nas.example") == []
    assert time.monotonic() - begin < 1.5


def test_without_patience_names_come_later(monkeypatch: pytest.MonkeyPatch, hanging: threading.Event) -> None:
    names = HostNames(patience=0)
    assert names.of(["10.0.0.1"]) == {}
    hanging.set()
    until = time.monotonic() + 5
    while not names.of(["10.0.0.1"]) and time.monotonic() < until:
        time.sleep(0.01)
    assert names.of(["10.0.0.1"]) == {"10.0.0.1": "late.example"}


def test_a_name_is_looked_for_in_the_dns_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if name != "nas.example":
            raise socket.gaierror(socket.EAI_NONAME, "no name")
        return [(0, 0, 0, "", ("192.0.2.7", 0)), (0, 0, 0, "", ("fe80::7%eth0", 0, 0, 2))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert HostNames().addresses("NAS.example.") == ["192.0.2.7", "fe80::7"]
    assert HostNames().addresses("nobody") == []


def test_a_report_is_never_delayed_longer_than_two_seconds(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", SAMPLE, "--by", "pair", "--top", "0"]
    begin = time.monotonic()
    assert run([*words, "-n"]) == 0
    numeric = time.monotonic() - begin
    begin = time.monotonic()
    assert run(words) == 0
    assert 2 <= time.monotonic() - begin < 2.5 + 2 * numeric
    first, second = capsys.readouterr().out.split("captured\n")[:2]
    assert first == second
