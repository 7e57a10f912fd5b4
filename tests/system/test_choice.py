"""Which interfaces trafstart counts on real hosts made of namespaces, and how the four tools name daemons (P2)."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab import Namespace, obstacle
from suite import environment, program, run

#: Link kinds that not every kernel is made with.
_KINDS = {
    "vlan": "add link {0} name k0 type vlan id 5",
    "bond": "add k0 type bond",
    "dummy": "add k0 type dummy",
    "vxlan": "add k0 type vxlan id 1 remote 192.0.2.1 dstport 4789 dev {0}",
    "gre": "add k0 type gre local 192.0.2.2 remote 192.0.2.1",
    "macvlan": "add k0 link {0} type macvlan",
    "ifb": "add k0 type ifb",
}


class Host:
    """A namespace of its own, whose interfaces are the test's to make."""

    def __init__(self, root: Path) -> None:
        self.namespace, self.root = Namespace(), root

    def ip(self, *lines: str) -> None:
        for line in lines:
            self.namespace.run("ip", *line.split())

    def bridge(self, name: str, address: str = "") -> None:
        self.ip(
            f"link add {name} type bridge", f"link set {name} up", *([f"addr add {address} dev {name}"] * bool(address))
        )

    def uplink(self) -> None:
        """eth0 as a server has it; its other end is wire0, which stays down and is in nobody's way."""
        self.bridge("eth0", "192.0.2.2/24")
        self.ip("route add default via 192.0.2.1")

    def can(self, kind: str) -> bool:
        probe = self.namespace.command("ip", "link", *_KINDS[kind].format("eth0").split())
        if subprocess.run(probe, capture_output=True, check=False).returncode:
            return False
        self.ip("link del k0")
        return True

    def forward(self) -> None:
        self.namespace.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")

    def shown(self) -> dict[str, list[str]]:
        """What each command of `bpft config show` would count."""
        result = self.tool("bpft", "config", "show")
        assert result.returncode == 0, result.stderr
        found = re.findall(r"^# (trafstart.*) counts (.*):$", result.stdout, re.M)
        return {command: names.split(", ") for command, names in found}

    def tool(self, name: str, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return run(name, *words[:2], "--root", self.root, *words[2:], namespace=self.namespace, **extra)

    def running(self) -> dict[str, int]:
        """Interface and process id of each daemon whose pid file is there."""
        return {file.name[6:-4]: int(file.read_text()) for file in (self.root / "run/bpft").glob("trafd.*.pid")}

    def close(self) -> None:
        self.tool("trafstop")
        self.namespace.close()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    if reason := obstacle():
        pytest.skip(reason)
    it = Host(tmp_path)
    yield it
    it.close()


def need(tool: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"no {tool}(8) here")


def nft(host: Host) -> None:
    need("nft")
    host.namespace.run("nft", "add table ip nat")
    host.namespace.run("nft", "add chain ip nat post { type nat hook postrouting priority 100; }")
    host.namespace.run("nft", "add rule ip nat post counter")


def masquerade(host: Host) -> str:
    nft(host)
    host.namespace.run("nft", "add rule ip nat post oifname eth0 masquerade")
    return "nft table ip nat, chain post"


def snat(host: Host) -> str:
    nft(host)
    host.namespace.run("nft", "add rule ip nat post oifname eth0 snat to 192.0.2.2")
    return "nft table ip nat, chain post"


def iptables(host: Host) -> str:
    need("iptables-nft")
    host.namespace.run("sh", "-c", "iptables-nft -t nat -A POSTROUTING -o eth0 -s 10.0.0.0/8 -j MASQUERADE")
    return "nft table ip nat, chain POSTROUTING"


def iptables_legacy(host: Host) -> str:
    need("iptables-legacy")
    host.namespace.run("sh", "-c", "iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to 10.1.0.9")
    host.namespace.run("sh", "-c", "iptables-legacy -t nat -A POSTROUTING -o eth0 -s 10.0.0.0/8 -j SNAT --to 192.0.2.2")
    return "iptables table nat"


def port_forwarding(host: Host) -> str:
    """Destinations are rewritten, sources are not."""
    need("nft")
    host.namespace.run("nft", "add table ip nat")
    host.namespace.run("nft", "add chain ip nat pre { type nat hook prerouting priority -100; }")
    host.namespace.run("nft", "add rule ip nat pre tcp dport 80 dnat to 10.1.0.9")
    return ""


@pytest.mark.parametrize("rules", [masquerade, snat, iptables, iptables_legacy, port_forwarding])
def test_a_router(host: Host, rules: Callable[[Host], str]) -> None:
    host.uplink()
    host.bridge("lan0", "10.1.0.1/24")
    host.bridge("lan1", "10.2.0.1/24")
    host.ip("link add v0 type veth peer name v1", "link set v0 master lan0", "link set v0 up", "link set v1 up")
    rule = rules(host)
    assert host.shown()["trafstart"] == ["eth0"]  # it does not forward
    host.forward()
    assert host.shown()["trafstart"] == (["lan0", "lan1"] if rule else ["eth0"])
    result = host.tool("trafstart")
    assert result.returncode == 0, result.stderr
    assert sorted(host.running()) == (["lan0", "lan1"] if rule else ["eth0"])
    said = [line for line in result.stderr.splitlines() if line.startswith("trafstart: ")]
    assert len(said) == bool(rule)
    if rule:
        assert f"forwards and masquerades ({rule}), so lan0, lan1 inside is counted: on eth0 every" in said[0]


def test_both_ends_of_a_link_are_not_added_up(host: Host) -> None:
    host.ip("link add v0 type veth peer name v1", "link set v0 up", "link set v1 up")
    assert host.tool("trafstart", "v0").returncode == host.tool("trafstart", "v1").returncode == 0
    result = host.tool("bpft", "report", "--sum")
    assert result.returncode == 1
    assert "v0 and v1 see the same traffic (they are the two ends of one link)" in result.stderr


def test_all_takes_each_frame_once(host: Host) -> None:
    """Of the kinds of links that this kernel has."""
    host.uplink()
    host.bridge("br0")
    host.ip("link add v0 type veth peer name v1", "link set v0 master br0", "link set v0 up", "link set v1 up")
    host.ip("link add br1 type bridge")
    counted = ["eth0", "br0"]
    if host.can("macvlan"):
        host.ip("link add mac0 link eth0 type macvlan", "link set mac0 up")
        counted.append("mac0")
    if host.can("ifb"):
        host.ip("link add ifb9 type ifb", "link set ifb9 up")
        counted.append("ifb9")
    if host.can("dummy"):
        host.ip("link add dummy9 type dummy", "link set dummy9 up")
        counted.append("dummy9")
    if host.can("bond"):
        host.ip("link add bond9 type bond", "link add b0 type veth peer name b1", "link set b0 master bond9")
        host.ip("link set bond9 up", "link set b1 up")
        counted.append("bond9")
    assert sorted(host.shown()["trafstart All"]) == sorted(counted)
    below = ""
    if host.can("vlan"):
        host.ip("link add link br0 name br0.5 type vlan id 5", "link set br0.5 up")
        counted = [*counted, "br0.5"]
        below = "br0"
    elif host.can("vxlan"):
        host.ip("link add vx0 type vxlan id 5 remote 192.0.2.9 dstport 4789 dev br0", "link set vx0 up")
        counted = [*counted, "vx0"]
        below = "br0"
    if below:
        counted.remove(below)
    assert sorted(host.shown()["trafstart All"]) == sorted(counted)


@pytest.mark.parametrize("bound", [True, False])
def test_what_a_tunnel_lies_on(host: Host, bound: bool) -> None:
    """By the device it is bound to, or by the route to its far end."""
    host.uplink()
    if not host.can("vxlan"):
        pytest.skip("this kernel has no vxlan")
    extra = "dev eth0" if bound else ""
    host.ip(f"link add vx0 type vxlan id 5 remote 198.51.100.9 dstport 4789 {extra}", "link set vx0 up")
    assert host.shown()["trafstart All"] == ["vx0"]
    host.ip("link set vx0 down")
    assert host.shown()["trafstart"] == ["eth0"]


def test_globs_and_the_configuration(host: Host) -> None:
    for name in ("lan0", "lan1", "wan0"):
        host.bridge(name)
    result = host.tool("trafstart", "lan*")
    assert result.returncode == 0, result.stderr
    assert sorted(host.running()) == ["lan0", "lan1"]
    assert host.tool("trafsave", "*1").stdout.startswith("lan1: ")
    result = host.tool("trafdump", "wan?")
    assert (result.returncode, result.stderr) == (
        1,
        "trafdump: wan?: no trafd runs on such an interface; running: lan0, lan1\n",
    )
    assert host.tool("trafstop", "l*0").returncode == 0
    assert sorted(host.running()) == ["lan1"]
    assert host.tool("trafstop").returncode == 0
    (host.root / "etc/bpft").mkdir(parents=True)
    (host.root / "etc/bpft/bpft.toml").write_text(
        '[interfaces]\nnames = ["wan0", "lan*"]\nexclude = ["lan1"]\n'
        '[interfaces.wan0]\nfilter = "tcp"\nports = "all"\n[directories]\nlogs = "/srv/logs"\n'
    )
    assert host.shown() == {"trafstart": ["wan0", "lan0"]}
    for words in ((), ("All",)):
        result = host.tool("trafstart", *words)
        assert result.returncode == 0, result.stderr
        assert sorted(host.running()) == ["lan0", "wan0"]
        assert host.tool("trafsave").returncode == 0
        assert host.tool("trafstop").returncode == 0
    assert (host.root / "srv/logs/trafd.wan0").exists()
    told = run("bpft", "info", host.root / "srv/logs/trafd.wan0").stdout
    assert re.search(r"tcp", told)


def test_fifty_trafstarts_leave_one_daemon(host: Host) -> None:
    def start(_number: int) -> subprocess.CompletedProcess[str]:
        return run("trafstart", "--root", host.root, "lo", namespace=host.namespace, seconds=120)

    with ThreadPoolExecutor(50) as pool:
        results = list(pool.map(start, range(50)))
    assert [result.returncode for result in results] == [0] * 50, {result.stderr for result in results}
    assert sum(": started (pid" in result.stdout for result in results) == 1
    pids = {re.findall(r"\(pid (\d+)\)", result.stdout)[0] for result in results}
    assert pids == {str(host.running()["lo"])}
    assert len(daemons(host.root)) == 1


def daemons(root: Path) -> list[int]:
    """Processes that are a trafd of root."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(root).encode() in words and b"-i" in words:
            found.append(int(entry.parent.name))
    return found


@pytest.mark.parametrize("left", ["", "0\n", "-1\n", "garbage", "{own}\n", "99999999999999999999\n", "{init}\n"])
def test_what_a_crash_left_needs_no_hand(host: Host, left: str) -> None:
    """The process id is another's by now: ours, which lives, and must go on doing so."""
    result = host.tool("trafstart", "lo")
    assert result.returncode == 0, result.stderr
    first = host.running()["lo"]
    os.kill(first, 9)
    while Path(f"/proc/{first}").exists() and "Z" not in Path(f"/proc/{first}/stat").read_text().rpartition(")")[2]:
        time.sleep(0.01)
    text = left.format(own=os.getpid(), init=1)
    for name in ("trafd.lo.pid", ".trafd.lo.lock"):
        (host.root / "run/bpft" / name).write_text(text)
    for tool in ("trafdump", "trafsave", "trafstop"):
        result = host.tool(tool, "lo")
        assert (result.returncode, result.stderr) == (
            1,
            "lo: no trafd runs here; start one with: trafstart lo\n",
        )
        result = host.tool(tool)
        assert (result.returncode, result.stderr) == (0, f"{tool}: no trafd is running\n")
    result = host.tool("trafstart", "lo")
    assert result.returncode == 0, result.stderr
    assert "started (pid" in result.stdout
    assert host.running()["lo"] not in (first, os.getpid())
    assert host.tool("trafstop", "lo").returncode == 0


def test_a_trafd_without_an_interface_takes_the_inside(host: Host) -> None:
    host.uplink()
    host.bridge("lan0", "10.1.0.1/24")
    host.forward()
    masquerade(host)
    line = [*program("trafd"), "--root", str(host.root)]
    result = subprocess.run(
        host.namespace.command(*line), capture_output=True, text=True, env=environment(), check=False
    )
    assert result.returncode == 0, result.stderr
    assert "so lan0 inside is counted" in result.stderr
    assert list(host.running()) == ["lan0"]


def test_who_is_not_root_is_told_that_rules_are_hidden(host: Host) -> None:
    need("setpriv")
    host.uplink()
    host.bridge("lan0", "10.1.0.1/24")
    host.forward()
    masquerade(host)
    code = "from bpft.host.nat import nat; print(nat())"
    drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all"]
    line = host.namespace.command(*drop, sys.executable, "-c", code)
    told = subprocess.run(line, capture_output=True, text=True, env=environment(), check=False)
    assert told.stdout == "Nat(forwards=True, masquerades=None, rule='')\n", told.stderr


def asked(host: Host, code: str) -> str:
    line = host.namespace.command(sys.executable, "-c", code)
    return subprocess.run(line, capture_output=True, text=True, env=environment(), check=True).stdout


def test_routes(host: Host) -> None:
    """Multipath, metrics, both families, connected ones; none of other tables, blackholes or link-local ones."""
    host.bridge("a0", "192.0.2.2/24")
    host.bridge("b0", "10.1.0.1/24")
    host.bridge("c0", "2001:db8::1/64")
    host.ip(
        "route add default metric 50 nexthop via 192.0.2.1 dev a0 nexthop via 10.1.0.9 dev b0",
        "route add default via 10.1.0.7 dev b0 metric 5",
        "-6 route add default via 2001:db8::9 dev c0",
        "route add 10.9.0.0/16 dev b0",
        "route add 10.8.0.0/16 via 10.1.0.9 proto bgp",
        "route add 10.7.0.0/16 dev a0 table 100",
        "route add blackhole 10.6.0.0/16",
        "route add 169.254.0.0/16 dev a0",
    )
    told = asked(host, "from bpft.host.routes import routes; r = routes(); print(r.default, sorted(r.connected))")
    connected = [("a0", "192.0.2.0/24"), ("b0", "10.1.0.0/24"), ("b0", "10.9.0.0/16"), ("c0", "2001:db8::/64")]
    assert told == f"{('b0', 'a0', 'c0')} {connected}\n"


def test_devices(host: Host) -> None:
    """A port whose master is elsewhere, both ends of a veth pair, and a link whose lower device is in another place."""
    host.bridge("br0")
    host.ip("link add v0 type veth peer name v1", "link set v0 master br0")
    told = asked(host, "from bpft.host.devices import devices; [print(d) for d in devices().values()]")
    assert "name='v0', up=False, running=False, loopback=False, kind='veth', master='br0', master_kind='bridge'" in told
    assert (
        "name='v1', up=False, running=False, loopback=False, kind='veth', master='', master_kind='', lowers=()" in told
    )
    if host.can("macvlan"):
        other = Namespace()
        try:
            host.ip("link add m0 link br0 type macvlan", f"link set m0 netns {other.pid}")
            line = other.command(sys.executable, "-c", "from bpft.host.devices import devices; print(devices()['m0'])")
            told = subprocess.run(line, capture_output=True, text=True, env=environment(), check=True).stdout
        finally:
            other.close()
        assert "kind='macvlan'" in told
        assert "lowers=()" in told
