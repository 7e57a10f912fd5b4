"""trafd --config: the profile of the services, what a configuration changes of it, and options that win."""

from pathlib import Path

import pytest

from bpft import keeping, selection
from bpft.cli import trafd
from bpft.daemon.settings import Settings
from bpft.host.devices import Device
from bpft.host.nat import Nat
from bpft.host.routes import Routes
from bpft.meter.keymode import KeyMode
from bpft.rotation import Rotation
from bpft.selection import View


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """What the daemon would have been started with."""
    found: list[Settings] = []
    monkeypatch.delenv("IFF_LISTEN", raising=False)
    monkeypatch.setenv("BPFT_ROOT", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("bpft.daemon.start.run", lambda settings, screen=None: found.append(settings) or 0)
    return found


def write(root: Path, text: str) -> None:
    (root / "etc/bpft").mkdir(parents=True, exist_ok=True)
    (root / "etc/bpft/bpft.toml").write_text(text)


PROFILE = {
    "promiscuous": False,
    "resume": True,
    "min_all": 0,
    "key": KeyMode(ports="service"),
    "dump_every_s": 300,
    "save_every_s": 3600,
    "budget": 200_000_000,
    "filter": "",
    "ext": "eth7",
    "zone": "",
    "rotation": None,
    "user": "",
    "engine": "auto",
    "buffer": 0,
}


def shown(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in PROFILE}


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_the_profile_of_the_services(started: list[Settings], tmp_path: Path, text: str | None) -> None:
    if text is not None:
        write(tmp_path, text)
    assert trafd.main(["--config", "-i", "eth7"]) == 0
    (it,) = started
    assert shown(it) == PROFILE
    assert keeping.keep(it.retention) == keeping.keep(keeping.SERVICE)
    assert it.paths.log("x") == tmp_path / "var/lib/bpft/trafd.x"


def test_a_bare_trafd_reads_no_configuration(started: list[Settings], tmp_path: Path) -> None:
    write(tmp_path, "nonsense")
    assert trafd.main(["-i", "eth7"]) == 0
    (it,) = started
    assert (it.min_all, it.key, it.resume, it.dump_every_s, it.retention, it.budget) == (
        1024,
        KeyMode(),
        False,
        0,
        "",
        0,
    )


EVERYTHING = """
[interfaces]
names = ["eth7", "eth8"]
vlan = true
buffer = "2M"
[interfaces.eth7]
filter = '''
  host 10.0.0.1
  and tcp
'''
ext = "seven"
prefix-len = [24, 48]
ports = "none"
promiscuous = true
min-size = "1kB"
max-flows = 1000
max-memory = "1G"
engine = "pcap"
[interfaces."eth*"]
addresses-only = true
[times]
dump = "off"
save = "1d"
[log]
budget = "off"
rotate = "monthly"
zone = "UTC"
[retention]
full = "12h"
daily = "off"
[directories]
logs = "/srv/logs"
[user]
name = "nobody"
"""


def test_everything_that_can_be_said(started: list[Settings], tmp_path: Path) -> None:
    write(tmp_path, EVERYTHING)
    assert trafd.main(["--config", "-i", "eth7"]) == 0
    (it,) = started
    assert it.rotation is not None and it.rotation.period == "%Y-%m"
    assert shown(it) | {"rotation": None} == PROFILE | {
        "promiscuous": True,
        "min_all": 1000,
        "key": KeyMode(False, "none", True, (24, 48)),
        "dump_every_s": 0,
        "save_every_s": 86400,
        "budget": 0,
        "filter": "host 10.0.0.1 and tcp",
        "ext": "seven",
        "zone": "UTC",
        "user": "nobody",
        "engine": "pcap",
        "buffer": 2_000_000,
    }
    assert it.max_flows == 1000
    assert it.retention == "12h,forever:day+no-ports"
    assert it.paths.log("x") == tmp_path / "srv/logs/trafd.x"
    assert it.paths.dump("x") == tmp_path / "srv/logs/tmp/trafd.x"
    assert it.paths.socket("eth7") == tmp_path / "run/bpft/trafd.eth7.sock"


def test_an_interface_without_a_table_of_its_own(started: list[Settings], tmp_path: Path) -> None:
    write(tmp_path, EVERYTHING)
    trafd.main(["--config", "-i", "eth8"])
    trafd.main(["--config", "-i", "wlan0"])
    assert [it.key for it in started] == [KeyMode(True, "all", True), KeyMode(False, "service", True)]


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["-m", "7"], "min_all", 7),
        (["-f", "other"], "ext", "other"),
        (["--ports", "service"], "key", KeyMode(False, "service", True, (24, 48))),
        (["-X"], "key", KeyMode(True, "all", True, (24, 48))),
        (["--dump-every", "1h"], "dump_every_s", 3600),
        (["--save-every", "off"], "save_every_s", 0),
        (["--keep", "9d"], "retention", "9d"),
        (["--budget", "5M"], "budget", 5_000_000),
        (["--rotate", "5M"], "rotation", Rotation("", 5_000_000, None)),
        (["--engine", "ring"], "engine", "ring"),
        (["--user", "daemon"], "user", "daemon"),
        (["--prefix-len", "8,16"], "key", KeyMode(False, "none", True, (8, 16))),
        (["--max-flows", "5"], "max_flows", 5),
        (["--buffer", "3M"], "buffer", 3_000_000),
        (["udp"], "filter", "udp"),
        (["-F", "{}/filter"], "filter", "icmp"),
    ],
)
def test_options_win(started: list[Settings], tmp_path: Path, words: list[str], field: str, value: object) -> None:
    write(tmp_path, EVERYTHING.replace('zone = "UTC"', ""))
    (tmp_path / "filter").write_text("icmp\n")
    assert trafd.main(["--config", "-i", "eth7", *(word.format(tmp_path) for word in words)]) == 0
    assert getattr(started[0], field) == value


def test_who_is_not_root_stays_who_he_is(
    started: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, EVERYTHING)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert trafd.main(["--config", "-i", "eth7"]) == 0
    assert trafd.main(["--config", "-i", "eth7", "--user", "daemon"]) == 0
    assert [it.user for it in started] == ["", "daemon"]


def test_ports_on_the_command_line_and_addresses_only_in_the_file(started: list[Settings], tmp_path: Path) -> None:
    write(tmp_path, "[interfaces]\naddresses-only = true\n")
    assert trafd.main(["--config", "-i", "eth7", "--ports", "none"]) == 0
    assert started[0].key == KeyMode(ports="none")


def test_the_interface_is_chosen(
    started: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = {name: Device(name, up=True) for name in ("eth0", "eth1", "eth2")}
    routes = Routes(("eth0",), (("eth1", "10.1.0.0/16"), ("eth2", "10.2.0.0/16")))
    monkeypatch.setattr(selection, "look", lambda: View(devices, routes, Nat(True, True, "pf")))
    assert trafd.main([]) == 0
    said = capsys.readouterr().err
    assert "masquerades (pf)" in said
    assert "this counts eth1 alone; trafstart starts one for each of eth1, eth2" in said
    write(tmp_path, '[interfaces]\nnames = ["eth2"]\n')
    assert trafd.main(["--config"]) == 0
    assert capsys.readouterr().err == ""
    write(tmp_path, '[interfaces]\nnames = ["wlan*"]\n')
    assert trafd.main(["--config"]) == 1
    assert [it.interface for it in started] == ["eth1", "eth2"]


def test_mistakes(started: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "[times]\ndump = 5\nsaves = 5\n")
    assert trafd.main(["--config", "-i", "eth7"]) == 1
    assert capsys.readouterr().err == (
        f'trafd: {tmp_path}/etc/bpft/bpft.toml:2: dump is 5; write a part of a day as "30s", "5min", "1h" or "1d", '
        'or "off" (1 more: bpft config check)\n'
    )
    assert trafd.main(["--config", "--read", "x", "-f", "y"]) == 127
    assert not started
