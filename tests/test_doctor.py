"""bpft doctor: each check finds what it is for, nothing where all is well, and never passes what it cannot see."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bpft.cli.doctor import _lines
from bpft.doctor import CHECKS, Finding, judge
from bpft.doctor.facts import DAY_NS, Caller, Daemon, Directory, Dump, Facts, Log, RecentBlock, Unknown
from bpft.host.devices import Device
from bpft.host.nat import Nat
from bpft.host.space import Space
from bpft.record import Counters, Header, InterfaceDelta

HOUR = 3_600_000_000_000
NOW = 1_795_000_000_000_000_000
PAGE = Path(__file__).resolve().parents[1] / "man/bpft-doctor.1"
ROOM = Space(device=1, free=10**11, files_free=10**6, read_only=False)
LOGS = Path("/var/lib/bpft")
ETH0, ETH1 = Device("eth0", up=True, running=True), Device("eth1", up=True, running=True)


def answer(**more: Any) -> dict[str, Any]:
    """What a daemon that is well says of itself."""
    well = {
        "state": "capturing",
        "uptime_s": 7200.0,
        "received": 1_000_000,
        "dropped": 0,
        "if_dropped": 0,
        "buffer": 32_000_000,
        "key_mode": "full",
        "folded": 0,
        "max_flows": 1000,
        "filter": "",
        "begin_ns": NOW - HOUR,
        "all": 5_000_000,
        "log": str(LOGS / "trafd.eth0"),
        "log_bytes": 10_000_000,
        "budget": 0,
    }
    return well | more


def daemon(name: str = "eth0", **more: Any) -> Daemon:
    return Daemon(name, "77", answer(**more))


def block(end_ns: int = NOW - HOUR, length: int = 10_000, **more: Any) -> RecentBlock:
    """An hour of eth0, all of which was accounted."""
    header = Header(
        begin_ns=end_ns - HOUR,
        end_ns=end_ns,
        boot_begin_ns=HOUR,
        boot_end_ns=2 * HOUR,
        epoch=end_ns.to_bytes(16, "big"),
        interface="eth0",
        hardware=True,
        counters=Counters(received=100_000, direction={"rx": (1, 10**8, 1, 10**8)}),
        delta=InterfaceDelta(rx_bytes=10**8, covered_ns=HOUR),
    )
    return RecentBlock(header._replace(**more), length)


def log(*recent: RecentBlock, **more: Any) -> Log:
    return Log(LOGS / "trafd.eth0", "eth0", recent=recent, last=recent[-1].header if recent else None, **more)


def dump(**more: Any) -> Dump:
    return Dump(LOGS / "tmp/trafd.eth0", "eth0", LOGS / "trafd.eth0", header=block().header, **more)


WELL = Facts(
    now_ns=NOW,
    caller=Caller("root", True, True),
    directories=(Directory(LOGS, space=ROOM),),
    daemons=(daemon(),),
    logs=(log(block(NOW - 2 * HOUR), block()),),
    devices={"eth0": ETH0, "eth1": ETH1},
    uplink="eth0",
    synchronised=True,
)


def findings(facts: Facts, check: str) -> list[Finding]:
    return [finding for finding in judge(facts) if finding.check == check]


def test_where_all_is_well_every_check_passes() -> None:
    found = judge(WELL)
    assert [finding.status for finding in found] == ["ok"] * len(CHECKS), found


OTHER = Caller("anna", False, False)
BOXED = Caller("root", True, False)
BRIDGE = {
    "br0": Device("br0", up=True, running=True, kind="bridge"),
    "eth0": replace(ETH0, master="br0", master_kind="bridge"),
}
BOND = {
    "bond0": Device("bond0", up=True, running=True, kind="bond"),
    "eth0": replace(ETH0, master="bond0", master_kind="bond"),
}
VLAN = {"eth0.5": Device("eth0.5", up=True, running=True, kind="vlan", lowers=("eth0",)), "eth0": ETH0}
PPP = {"ppp0": Device("ppp0", up=True, running=True, kind="ppp", lowers=("eth0",)), "eth0": ETH0}
DEEP = BRIDGE | {"br0.7": Device("br0.7", up=True, running=True, kind="vlan", lowers=("br0",))}
WG = {"wg0": Device("wg0", up=True, running=True, kind="wireguard"), "eth0": ETH0}
LOSSY = block(counters=Counters(received=1000, dropped=20, direction={"rx": (1, 9 * 10**7, 1, 9 * 10**7)}))
PROFILE = ("-p", "-r", "--ports", "service", "--save-every", "1h", "-i", "eth0")
UNIT = "trafd@eth0.service"
FILTERED = block().header._replace(filter="not port 22")
EMPTY = block().header._replace(counters=Counters(received=3))
SHORT = block(counters=Counters(direction={"rx": (1, 9 * 10**7, 1, 9 * 10**7)}))


def counted(*names: str, **more: Any) -> tuple[Daemon, ...]:
    return tuple(daemon(name, **more) for name in names)


@pytest.mark.parametrize(
    ("check", "status", "changes", "seen", "remedy"),
    [
        ("configuration", "problem", {"configuration": "bpft.toml: line 3: no"}, "line 3", "bpft config check"),
        ("capture", "problem", {"caller": OTHER, "daemons": (), "logs": ()}, "anna may not capture", "sudo trafstart"),
        (
            "capture",
            "problem",
            {"caller": OTHER, "daemons": (), "configured": ("eth0",)},
            "anna may not capture",
            "sudo trafstart",
        ),
        ("capture", "note", {"caller": OTHER, "daemons": ()}, "anna may not capture", "sudo trafstart"),  # logs to read
        ("capture", "problem", {"caller": BOXED, "daemons": (), "logs": ()}, "lacks CAP_NET_RAW", "NET_RAW"),
        (
            "reading",
            "problem",
            {"directories": (Directory(LOGS, denied="usermod -aG bpft anna"),), "caller": OTHER},
            "anna may not look into /var/lib/bpft",
            "usermod -aG bpft anna",
        ),
        (
            "reading",
            "problem",
            {"logs": (log(denied="chgrp", trouble="x"), log(denied="chgrp"))},
            "trafd.eth0 and 1 file more",
            "chgrp",
        ),
        (
            "control",
            "problem",
            {"daemons": (Daemon("eth0", "77", trouble="denied", denied="usermod -aG bpft anna"),)},
            "may not talk to the trafd of eth0",
            "usermod -aG bpft anna",
        ),
        ("control", "problem", {"daemons": (Daemon("eth0", "77", trouble="gone"),)}, "socket was removed", "kill 77"),
        (
            "control",
            "problem",
            {"daemons": (Daemon("eth0", "77", trouble="gone", unit=UNIT),)},
            "socket was removed",
            "systemctl restart trafd@eth0.service",
        ),
        ("control", "problem", {"daemons": (Daemon("eth0", "77", trouble="silent"),)}, "does not answer", "-p 77"),
        ("daemons", "problem", {"configured": ("eth0", "eth1")}, "not counted: eth1", "trafstart eth1"),
        (
            "daemons",
            "problem",
            {"daemons": (), "enabled": ("eth0",), "configured": ("eth0",)},
            "the service trafd@eth0 is enabled, and does not run",
            "systemctl restart trafd@eth0  (if that fails: journalctl -u trafd@eth0)",
        ),
        ("daemons", "note", {"daemons": (), "logs": ()}, "nothing is counted yet", "trafstart"),
        ("daemons", "note", {"daemons": ()}, "no trafd runs", "trafstart"),
        ("daemons", "note", {"daemons": (), "caller": OTHER}, "no trafd runs", "sudo trafstart"),
        ("daemons", "note", {"daemons": (), "caller": BOXED}, "no trafd runs", "trafstart"),
        ("interfaces", "problem", {"devices": {}}, "eth0 is not there; its trafd waits", "ip link show"),
        ("interfaces", "problem", {"configured": ("eth9",)}, "eth9 is not there", "ip link show"),
        (
            "interfaces",
            "problem",
            {"devices": {"eth0": replace(ETH0, up=False)}},
            "eth0 is down",
            "ip link set eth0 up",
        ),
        (
            "interfaces",
            "problem",
            {"devices": {"eth0": replace(ETH0, up=False)}, "linux": False},
            "eth0 is down",
            "ifconfig eth0 up",
        ),
        ("interfaces", "note", {"devices": {"eth0": replace(ETH0, running=False)}}, "no carrier", "cable"),
        (
            "interfaces",
            "problem",
            {"daemons": (daemon(state="waiting for the interface"),)},
            "does not count",
            "trafstop eth0; trafd -r -i eth0",
        ),
        ("interfaces", "unchecked", {"devices": Unknown("only root may see")}, "only root may see", ""),
        (
            "drops",
            "problem",
            {"daemons": (daemon(dropped=20_000),)},
            "eth0 lost 2.00 % of its packets in the 2 h 0 min since its start: 20,000 of 1,000,000",
            "trafd -r -i eth0 --buffer 64M",
        ),
        (
            "drops",
            "problem",
            {"daemons": (daemon(dropped=20_000),), "linux": False},
            "lost 2.00 %",
            "sysctl net.bpf.maxbufsize=64000000; trafstop eth0; trafd -r -i eth0 --buffer 64M",
        ),
        ("drops", "note", {"daemons": (daemon(dropped=5),)}, "lost 0.00 % of its packets", "--buffer"),
        ("drops", "problem", {"daemons": (daemon(if_dropped=5000),)}, "in the card", "ethtool -G eth0 rx"),
        ("drops", "problem", {"daemons": (daemon(dropped=20_000, buffer=1 << 30),)}, "2.00 %", "--ports service"),
        (
            "drops",
            "problem",
            {"daemons": (daemon(dropped=20_000, filter="not port 22"),)},
            "2.00 %",
            """trafstop eth0; trafd -r -i eth0 'not port 22' --buffer 64M  (or buffer = "64M" in bpft.toml)""",
        ),
        (
            "drops",
            "problem",
            {"daemons": (replace(daemon(dropped=20_000), command=PROFILE),)},
            "2.00 %",
            "trafstop eth0; trafd -p -r --ports service --save-every 1h -i eth0 --buffer 64M  (or",
        ),
        (
            "drops",
            "problem",
            {"daemons": (replace(daemon(dropped=20_000), command=("--config", "-i", "eth0", "--", "not port 22")),)},
            "2.00 %",
            "trafstop eth0; trafd --config -i eth0 --buffer 64M -- 'not port 22'  (or",
        ),
        (
            "drops",
            "problem",
            {"daemons": (replace(daemon(dropped=20_000), command=("--foreground", "--config"), unit=UNIT),)},
            "2.00 %",
            'buffer = "64M" in bpft.toml, then: systemctl restart trafd@eth0.service',
        ),
        (
            "drops",
            "problem",
            {"daemons": (daemon(uptime_s=9e6),), "logs": (log(LOSSY),)},
            "lost 2.00 % of its packets in the last day: 20 of 1,000",
            "--buffer",
        ),
        ("drops", "problem", {"daemons": (), "logs": (log(LOSSY),)}, "20 of 1,000", "--buffer 128M"),
        ("completeness", "problem", {"logs": (log(LOSSY),)}, "only 90.00 % of its 100 MB", "--buffer"),
        (
            "completeness",
            "problem",
            {"logs": (log(SHORT),), "xdp": {"eth0": (12, "generic")}},
            "an XDP program takes packets away first",
            "ip link set dev eth0 xdp off",
        ),
        (
            "completeness",
            "problem",
            {"logs": (log(SHORT),), "flow_offload": {"eth0": "flowtable f of table t"}},
            "hardware forwards",
            "flags offload",
        ),
        (
            "completeness",
            "problem",
            {"logs": (log(RecentBlock(SHORT.header._replace(promiscuous=False), 1)),)},
            "without promiscuous mode",
            "trafstop eth0; trafd -r -i eth0  (without -p)",
        ),
        (
            "completeness",
            "problem",
            {
                "logs": (log(RecentBlock(SHORT.header._replace(promiscuous=False), 1)),),
                "daemons": (replace(daemon(), command=PROFILE),),
            },
            "without promiscuous mode",
            "trafstop eth0; trafd -r --ports service --save-every 1h -i eth0  (without -p)",
        ),
        (
            "completeness",
            "problem",
            {
                "logs": (log(RecentBlock(SHORT.header._replace(promiscuous=False), 1)),),
                "daemons": (replace(daemon(), unit=UNIT),),
            },
            "without promiscuous mode",
            "promiscuous = true in bpft.toml, then: systemctl restart trafd@eth0.service",
        ),
        ("completeness", "problem", {"logs": (log(SHORT),)}, "nothing here tells why", "tcpdump"),
        (
            "flows",
            "note",
            {"daemons": (daemon(folded=5),)},
            "5 small flows became other",
            'trafstop eth0; trafd -r -i eth0 --ports service  (or ports = "service" in bpft.toml)',
        ),
        ("flows", "note", {"daemons": (daemon(folded=5, key_mode="service"),)}, "its 1,000 flows", "--max-flows 2000"),
        (
            "twice",
            "problem",
            {"devices": BRIDGE, "daemons": counted("br0", "eth0")},
            "br0 and eth0 count the same traffic: eth0 is a port of it",
            "trafstop eth0",
        ),
        (
            "twice",
            "problem",
            {"devices": BRIDGE, "daemons": counted("br0", "eth0"), "configured": ("br0", "eth0")},
            "eth0 is a port of it",
            'exclude = ["eth0"] in bpft.toml, then: trafstop eth0',
        ),
        ("twice", "problem", {"devices": BOND, "daemons": counted("eth0", "bond0")}, "is a slave", "trafstop eth0"),
        (
            "twice",
            "problem",
            {"devices": VLAN, "daemons": counted("eth0", "eth0.5")},
            "carries that VLAN",
            "trafstop eth0",
        ),
        ("twice", "problem", {"devices": PPP, "daemons": counted("eth0", "ppp0")}, "eth0 carries it", "trafstop eth0"),
        (
            "twice",
            "problem",
            {"devices": DEEP, "daemons": counted("eth0", "br0.7")},
            "br0.7 and eth0 count the same traffic: eth0 lies below br0",
            "trafstop eth0",
        ),
        ("twice", "note", {"devices": WG, "daemons": counted("wg0", "eth0")}, "likely leaves by eth0", "-i eth0"),
        (
            "twice",
            "note",
            {"devices": VLAN, "daemons": counted("eth0", "eth0.5", filter="tcp")},
            "their filters may keep them apart",
            "trafstop eth0",
        ),
        ("twice", "problem", {"daemons": counted("any", "eth0")}, "any is counted, and eth0", "trafstop any"),
        (
            "twice",
            "unchecked",
            {"devices": Unknown("only root may see"), "daemons": counted("eth0", "eth1")},
            "only root may see",
            "",
        ),
        (
            "nat",
            "problem",
            {"nat": Nat(True, True, "nft table ip nat, chain post"), "inside": ("eth1",)},
            "eth0 is outside of NAT (nft table ip nat, chain post)",
            "trafstart eth1",
        ),
        ("nat", "unchecked", {"nat": Nat(True, None)}, "only root may see", "sudo bpft doctor"),
        (
            "flow-offload",
            "problem",
            {"flow_offload": {"eth0": "flowtable f of table t"}, "logs": ()},
            "flowtable f of table t hands flows to the hardware",
            "flags offload",
        ),
        (
            "flow-offload",
            "note",
            {"flow_offload": {"eth0": "flowtable f"}},
            "so far nothing is missing",
            "flags offload",
        ),
        ("flow-offload", "problem", {"tc_offload": {"eth0": 3}, "logs": ()}, "3 tc filters", "hw-tc-offload off"),
        ("flow-offload", "unchecked", {"flow_offload": Unknown("only root may see")}, "flowtables", "sudo bpft doctor"),
        (
            "xdp",
            "problem",
            {"xdp": {"eth0": (12, "in the driver")}, "logs": ()},
            "program 12 (in the driver)",
            "xdp off",
        ),
        ("xdp", "note", {"xdp": {"eth0": (12, "in the driver")}}, "so far nothing is missing", "xdp off"),
        ("xdp", "unchecked", {"xdp": Unknown("only root may see")}, "XDP", ""),
        (
            "disk",
            "problem",
            {"directories": (Directory(LOGS, space=replace(ROOM, free=10**7)),)},
            "10.0 MB left",
            "compact",
        ),
        (
            "disk",
            "problem",
            {"directories": (Directory(LOGS, space=replace(ROOM, free=10**8)),), "logs": (log(block(length=10**6)),)},
            "100 MB left, 4 days at 24.0 MB a day",
            "compact --keep 31d,400d:day+no-ports /var/lib/bpft/trafd.eth0",
        ),
        (
            "disk",
            "problem",
            {"directories": (Directory(LOGS, space=replace(ROOM, files_free=3)),)},
            "3 files more",
            "df -i",
        ),
        (
            "disk",
            "problem",
            {"directories": (Directory(LOGS, space=replace(ROOM, read_only=True)),)},
            "read-only",
            "remount",
        ),
        (
            "saves",
            "problem",
            {"daemons": (daemon(begin_ns=NOW - 2 * DAY_NS),)},
            "eth0: nothing was saved for 2 d; 5.0 MB",
            "trafsave eth0",
        ),
        (
            "waiting",
            "problem",
            {"daemons": (), "dumps": (dump(),)},
            "100 MB of traffic wait in /var/lib/bpft/tmp/trafd.eth0 since",
            "trafstart eth0",
        ),
        (
            "waiting",
            "problem",
            {"dumps": (replace(dump(), path=LOGS / "tmp/trafd.web", ext="web", header=FILTERED),)},
            "trafd.web",
            "trafd -r -i eth0 -f web 'not port 22'",
        ),
        (
            "waiting",
            "problem",
            {"devices": {}, "dumps": (dump(),)},
            "wait in",
            "bpft merge -o /var/lib/bpft/trafd.eth0.merged /var/lib/bpft/trafd.eth0 /var/lib/bpft/tmp/trafd.eth0",
        ),
        (
            "waiting",
            "problem",
            {"daemons": (), "dumps": (dump(),), "enabled": ("eth0",)},
            "wait in",
            "systemctl restart trafd@eth0",
        ),
        (
            "waiting",  # what "twice" had stopped is not started again
            "problem",
            {"devices": BRIDGE, "daemons": counted("br0"), "dumps": (dump(),)},
            "wait in",
            "bpft merge -o /var/lib/bpft/trafd.eth0.merged /var/lib/bpft/trafd.eth0 /var/lib/bpft/tmp/trafd.eth0",
        ),
        ("waiting", "note", {"dumps": (dump(saved=True),)}, "in the log already", ""),
        (
            "waiting",
            "problem",
            {"dumps": (dump(trouble="it is cut short"),)},
            "it is cut short",
            "bpft verify --repair -o /var/lib/bpft/trafd.eth0.repaired /var/lib/bpft/tmp/trafd.eth0 && rm "
            "/var/lib/bpft/tmp/trafd.eth0",
        ),
        (
            "stale",
            "problem",
            {"daemons": (Daemon("eth0", "", left=(Path("a.pid"), Path("a.sock"))),)},
            "killed or crashed; left: pid file and socket",
            "trafstart eth0",
        ),
        (
            "stale",
            "problem",
            {"daemons": (Daemon("eth0", "", left=(Path("a.pid"),)),), "enabled": ("eth0",)},
            "killed or crashed; left: pid file",
            "systemctl restart trafd@eth0",
        ),
        ("stale", "note", {"set_aside": (dump(),)}, "could not be read", "verify --repair"),
        (
            "logs",
            "problem",
            {"logs": (log(damage="bytes 5 to 9 hold no whole block: why"),)},
            "bytes 5 to 9",
            "trafstop eth0; bpft verify --repair /var/lib/bpft/trafd.eth0 && "
            "mv /var/lib/bpft/trafd.eth0.repaired /var/lib/bpft/trafd.eth0; trafd -r -i eth0",
        ),
        (
            "logs",
            "problem",
            {"logs": (log(damage="bytes 5 to 9 hold no whole block: why"),), "daemons": ()},
            "bytes 5 to 9",
            "mv /var/lib/bpft/trafd.eth0.repaired /var/lib/bpft/trafd.eth0",
        ),
        (
            "logs",
            "problem",
            {"logs": (log(foreign=True),)},
            "no whole block of a log",
            "mv /var/lib/bpft/trafd.eth0 /var/lib/bpft/damaged.trafd.eth0",
        ),
        ("logs", "problem", {"logs": (log(trouble="Input/output error"),)}, "output error", "bpft verify"),
        ("logs", "unchecked", {"logs": (log(busy=True),)}, "appends", ""),
        ("clock", "note", {"synchronised": False}, "unsynchronised", "timedatectl set-ntp true"),
        ("clock", "note", {"synchronised": False, "linux": False}, "unsynchronised", "service ntpd onestart"),
        ("clock", "problem", {"now_ns": HOUR}, "never set", "timedatectl"),
        ("clock", "note", {"logs": (log(block(boot_end_ns=HOUR)),)}, "eth0: the clock went 1 h forward", ""),
        (
            "clock",
            "problem",
            {"synchronised": None, "logs": (log(block(boot_end_ns=2 * HOUR - 60_000_000_000)),)},
            "eth0: the clock went 1 min forward around",
            "timedatectl",
        ),
        ("clock", "note", {"logs": (log(block(begin_ns=0, end_ns=HOUR)),)}, "1 block", "time-sync.target"),
        (
            "clock",
            "problem",
            {
                "synchronised": None,
                "logs": (log(block(), block(NOW + DAY_NS + HOUR, boot_begin_ns=2 * HOUR, boot_end_ns=3 * HOUR)),),
            },
            "eth0: the clock went 1 d 1 h forward around",
            "timedatectl",
        ),
        (
            "clock",
            "problem",
            {"synchronised": None, "logs": (log(block(NOW), block(NOW - HOUR // 2)),)},
            "30 min back",
            "timedatectl",
        ),
        ("packages", "note", {"missing": ("zstandard",)}, "zstandard is not installed", "pip install zstandard"),
    ],
)
def test_what_a_check_finds(check: str, status: str, changes: dict[str, Any], seen: str, remedy: str) -> None:
    found = findings(replace(WELL, **changes), check)
    assert [finding.status for finding in found] == [status], found
    assert seen in found[0].seen
    assert remedy in found[0].remedy
    assert "sudo" in remedy or not found[0].remedy.startswith("sudo")
    assert bool(remedy) == bool(found[0].remedy)


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("capture", {"caller": OTHER}),  # who only looks on needs no capability while a daemon counts
        ("interfaces", {"daemons": counted("any"), "devices": {}}),
        ("drops", {"daemons": (daemon(uptime_s=9e6, dropped=20_000),)}),  # long ago: the blocks of the day have none
        ("completeness", {"logs": (log(RecentBlock(SHORT.header._replace(filter="tcp"), 1)),)}),
        ("completeness", {"logs": (log(RecentBlock(SHORT.header._replace(end_ns=NOW - 2 * DAY_NS), 1)),)}),
        ("daemons", {"enabled": ("eth0",)}),
        ("twice", {"devices": BRIDGE, "daemons": counted("br0")}),
        ("twice", {"daemons": counted("eth0", "eth1")}),
        ("nat", {"nat": Nat(True, True), "inside": ("eth1",), "daemons": counted("eth0", "eth1")}),
        ("nat", {"nat": Nat(True, True), "inside": ("eth1",), "daemons": counted("eth1")}),
        ("nat", {"nat": Nat(True, False)}),
        ("flow-offload", {"flow_offload": {"eth1": "flowtable f"}, "tc_offload": {"eth1": 1}}),
        ("flow-offload", {"flow_offload": Unknown("only root may see"), "daemons": ()}),
        ("xdp", {"xdp": {"eth1": (12, "generic")}}),
        ("disk", {"logs": (log(RecentBlock(block().header._replace(begin_ns=NOW - 2 * HOUR), 10**9 // 60)),)}),
        ("saves", {"daemons": (daemon(begin_ns=NOW - DAY_NS),)}),
        (
            "disk",  # the budget of its log is reached before the disk is full
            {
                "directories": (Directory(LOGS, space=replace(ROOM, free=10**8)),),
                "logs": (log(block(length=10**6)),),
                "daemons": (daemon(budget=50_000_000, log_bytes=49_000_000),),
            },
        ),
        ("waiting", {"dumps": (dump(held=True),)}),
        ("waiting", {"daemons": (), "dumps": (replace(dump(), header=EMPTY),)}),  # nothing is lost with it
        ("clock", {"synchronised": None}),
        ("clock", {"logs": (log(block(), block(NOW, boot_begin_ns=2 * HOUR, boot_end_ns=3 * HOUR)),)}),
        (
            "clock",
            {"logs": (log(block(NOW - 9 * HOUR), block(boot_begin_ns=1, boot_end_ns=1 + HOUR)),)},
        ),  # another boot
        ("clock", {"logs": (log(block(boot_end_ns=2 * HOUR - 1_000_000_000)),)}),  # a leap second
        ("clock", {"logs": (log(block(boot_begin_ns=None, boot_end_ns=None)),)}),  # resumed after a boot
    ],
)
def test_what_a_check_leaves_alone(check: str, changes: dict[str, Any]) -> None:
    assert [finding.status for finding in findings(replace(WELL, **changes), check)] == ["ok"]


def test_what_cannot_be_seen_is_never_passed() -> None:
    """Closed directories and silent daemons leave checks unmade, each of which says so."""
    closed = replace(
        WELL,
        caller=OTHER,
        directories=(Directory(LOGS, denied="usermod"),),
        logs=(),
        daemons=(Daemon("eth0", "77", trouble="denied", denied="usermod"),),
    )
    found = judge(closed)
    unmade = {finding.check for finding in found if finding.status == "unchecked"}
    assert unmade == {"drops", "completeness", "flows", "disk", "saves", "waiting", "logs", "clock"}
    assert {finding.check for finding in found if finding.status == "problem"} == {"reading", "control"}


def test_the_worst_comes_first() -> None:
    facts = replace(WELL, synchronised=False, xdp=Unknown("x"), daemons=(daemon(begin_ns=0),))
    assert [finding.status for finding in judge(facts)][:4] == ["problem", "note", "unchecked", "ok"]


def test_every_check_is_on_the_page() -> None:
    assert [check.name for check in CHECKS] == re.findall(
        r"^\.It Cm (.+)$", PAGE.read_text().partition("The checks are:")[2].partition(".El")[0], re.M
    )


# ---- what people read ----


def text(found: Sequence[Finding], verbose: bool = False, width: int = 80) -> list[str]:
    return list(_lines(found, verbose, width))


def test_the_answer_folds_what_passed() -> None:
    assert text(judge(WELL)) == [f"{len(CHECKS)} checks passed; nothing needs attention"]
    assert len(text(judge(WELL), verbose=True)) == len(CHECKS) + 1


def test_a_finding_is_what_was_seen_and_what_to_do() -> None:
    facts = replace(WELL, devices=BRIDGE, daemons=counted("br0", "eth0"))
    assert text(judge(facts)) == [
        "problem    br0 and eth0 count the same traffic: eth0 is a port of it",
        "         > trafstop eth0",
        f"{len(CHECKS) - 1} checks passed; 1 problem needs attention",
    ]


def test_checks_unmade_for_one_reason_are_one_line() -> None:
    facts = replace(WELL, daemons=(Daemon("eth0", "77", trouble="silent"),))
    lines = text(judge(facts))
    assert "unchecked  drops, flows, saves: no answer from the trafd of eth0" in lines


def test_lines_fit_and_no_name_forges_one() -> None:
    facts = replace(WELL, configuration="x\nproblem " + "word " * 40)
    lines = text(judge(facts), width=60)
    assert all(len(line) <= 60 for line in lines)
    assert sum(line.startswith("problem") for line in lines) == 1


# ---- a whole run ----


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    from bpft.cli.main import run as bpft

    code = bpft(["doctor", *words])
    return code, capsys.readouterr().out


def test_nothing_at_all_is_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bpft.host.permission.may_capture", lambda: True)
    code, out = run(["--root", str(tmp_path)], capsys)
    assert code == 0
    assert "nothing is counted yet" in out


def test_the_document_has_stable_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = tmp_path / "var/lib/bpft"
    logs.mkdir(parents=True)
    (logs / "trafd.eth0").write_bytes(b"no log at all")
    os.mkfifo(logs / "trafd.pipe")  # nobody writes to it, and nobody waits for that
    code, out = run(["--json", "--root", str(tmp_path)], capsys)
    document = json.loads(out)
    assert code == 1
    assert set(document) == {"ok", "host", "time_ns", "checks"}
    assert document["ok"] is False
    assert all(set(one) == {"check", "status", "subject", "seen", "remedy"} for one in document["checks"])
    assert {one["check"] for one in document["checks"]} == {check.name for check in CHECKS}
    (found,) = [one for one in document["checks"] if one["check"] == "logs"]
    assert found["subject"] == str(logs / "trafd.eth0")
    assert found["status"] == "problem"


def test_an_illegal_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--cure"], capsys)[0] == 127
