"""Which interfaces are counted, and why (SEMANTICS P2)."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft import selection
from bpft.config.model import ALL, Interface, Interfaces
from bpft.errors import NoInterface
from bpft.host.devices import Device
from bpft.host.nat import Nat
from bpft.host.routes import Routes
from bpft.selection import Choice, NoSuchName, View

NOTHING = Interfaces()
NATTING = Nat(True, True, "nft table ip nat, chain post")


def up(name: str, kind: str = "", *lowers: str, master: str = "", master_kind: str = "bridge") -> Device:
    return Device(
        name, up=True, running=True, kind=kind, lowers=lowers, master=master, master_kind=master_kind if master else ""
    )


def view(*devices: Device, routes: Routes | None = None, nat: Nat | None = None) -> View:
    loopback = Device("lo", up=True, running=True, loopback=True)
    return View({it.name: it for it in (loopback, *devices)}, routes or Routes(), nat or Nat())


# ---- without a word ----


def test_the_interface_of_the_default_route() -> None:
    host = view(up("eth0"), up("eth1"), routes=Routes(("eth1", "eth0"), (("eth0", "10.0.0.0/8"),)))
    choice = selection.configured(host, NOTHING)
    assert (choice.names, choice.note) == (("eth1",), "")
    assert choice.why == {"lo": "loopback", "eth0": "another default route", "eth1": "the default route"}


def test_without_a_default_route_the_first_that_is_up_loopback_last() -> None:
    down = Device("eth0")
    assert selection.configured(view(down, up("eth1"), up("eth2")), NOTHING).names == ("eth1",)
    assert selection.configured(view(down), NOTHING).names == ("lo",)
    with pytest.raises(NoInterface):
        selection.configured(View({"eth0": down}), NOTHING)


INSIDE = Routes(
    ("ppp0", "wwan0"),
    (
        ("br-lan", "192.168.1.0/24"),
        ("br-lan", "fd00:1::/64"),
        ("eth1.7", "192.168.7.0/24"),
        ("wg0", "10.8.0.0/24"),
        ("ppp0", "203.0.113.1/32"),
        ("ppp7", "10.9.0.7/32"),
        ("dummy0", "10.255.0.1/32"),
        ("eth9", "10.10.0.0/24"),
        ("docker0", "172.17.0.0/16"),
        ("br-0123456789ab", "172.18.0.0/16"),
    ),
)
ROUTER = (
    up("eth0"),
    up("eth1", master="br-lan"),
    up("br-lan", "bridge"),
    up("eth1.7", "vlan", "eth1"),
    up("ppp0", "ppp", "eth0"),
    up("ppp7", "ppp"),
    up("wwan0"),
    up("wg0", "wireguard"),
    up("dummy0", "dummy"),
    Device("eth9"),
    up("docker0", "bridge"),
    up("br-0123456789ab", "bridge"),
)


def test_a_router_that_masquerades_is_counted_inside() -> None:
    choice = selection.configured(view(*ROUTER, routes=INSIDE, nat=NATTING), NOTHING)
    assert choice.names == ("br-lan", "eth1.7", "ppp7", "wg0")
    assert choice.why["br-lan"] == "inside: 192.168.1.0/24, fd00:1::/64"
    assert choice.why["ppp0"] == "the default route"
    assert choice.note == (
        "this host forwards and masquerades (nft table ip nat, chain post), so br-lan, eth1.7, ppp7, wg0 inside is "
        "counted: on ppp0, wwan0 every address would be the host's own"
    )


@pytest.mark.parametrize("nat", [Nat(), Nat(True, False)])
def test_a_router_that_does_not_masquerade_is_counted_outside(nat: Nat) -> None:
    choice = selection.configured(view(*ROUTER, routes=INSIDE, nat=nat), NOTHING)
    assert (choice.names, choice.note) == (("ppp0",), "")


def test_a_router_whose_rules_may_not_be_seen_says_so() -> None:
    choice = selection.configured(view(*ROUTER, routes=INSIDE, nat=Nat(True, None)), NOTHING)
    assert choice.names == ("ppp0",)
    assert "only root may see" in choice.note


def test_a_server_with_containers_is_no_router() -> None:
    routes = Routes(("eth0",), (("eth0", "192.0.2.0/24"), ("docker0", "172.17.0.0/16"), ("virbr0", "192.168.122.0/24")))
    host = view(up("eth0"), up("docker0", "bridge"), up("virbr0", "bridge"), routes=routes, nat=NATTING)
    choice = selection.configured(host, NOTHING)
    assert choice.names == ("eth0",)
    assert choice.why["docker0"] == choice.why["virbr0"] == "a network of containers or guests on this host"


# ---- All ----


@pytest.mark.parametrize(
    ("devices", "counted", "why"),
    [
        ((), (), {"lo": "loopback"}),
        ((Device("eth0"), up("eth1")), ("eth1",), {"eth0": "down"}),
        ((up("eth0", master="br0"), up("br0", "bridge")), ("br0",), {"eth0": "a port of bridge br0"}),
        (
            (up("eth0", master="bond0", master_kind="bond"), up("bond0", "bond")),
            ("bond0",),
            {"eth0": "a port of bond bond0"},
        ),
        ((up("eth0", master="vrf0", master_kind="vrf"), up("vrf0", "vrf")), ("eth0", "vrf0"), {}),
        ((up("veth0", "veth"), up("eth0")), ("eth0",), {"veth0": "one end of a veth pair"}),
        ((up("eth0"), up("eth0.5", "vlan", "eth0")), ("eth0.5",), {"eth0": "below eth0.5, which shows its frames"}),
        ((up("eth0"), Device("eth0.5", kind="vlan", lowers=("eth0",))), ("eth0",), {"eth0.5": "down"}),
        ((up("eth0"), up("mac0", "macvlan", "eth0")), ("eth0", "mac0"), {}),
        (
            (up("eth0"), up("eth0.7", "vlan", "eth0"), up("ppp0", "ppp", "eth0.7")),
            ("ppp0",),
            {"eth0": "below ppp0, which shows its frames", "eth0.7": "below ppp0, which shows its frames"},
        ),
        (
            (up("eth0"), up("eth0.5", "vlan", "eth0", master="br0"), up("br0", "bridge")),
            ("br0",),
            {"eth0.5": "a port of bridge br0", "eth0": "below br0, which shows its frames"},
        ),
        (
            (
                up("eth0", master="bond0", master_kind="bond"),
                up("bond0", "bond"),
                up("bond0.5", "vlan", "bond0"),
                up("bond0.6", "vlan", "bond0"),
            ),
            ("bond0.5", "bond0.6"),
            {"bond0": "below bond0.5, which shows its frames"},
        ),
        ((up("eth0"), up("gre1", "gre", "eth0")), ("gre1",), {"eth0": "below gre1, which shows its frames"}),
        ((up("eth0"), up("vx0", "vxlan", "eth0", master="br0"), up("br0", "bridge")), ("br0",), {}),
        ((up("a", "gre", "b"), up("b", "gre", "a")), ("a", "b"), {}),
        ((up("eth0.5", "vlan", "gone"),), ("eth0.5",), {}),
    ],
)
def test_all(devices: tuple[Device, ...], counted: tuple[str, ...], why: dict[str, str]) -> None:
    choice = selection.every(view(*devices), NOTHING)
    assert choice.names == counted
    assert choice.why.items() >= why.items()
    assert choice.note == ""


NAMES = [f"n{number}" for number in range(8)]


@st.composite
def hosts(draw: st.DrawFn) -> View:
    """Devices on devices, without circles: lowers and ports come earlier."""
    devices: dict[str, Device] = {}
    kinds = ["", "bridge", "bond", "veth", "vlan", "ppp", "gre", "macvlan", "dummy"]
    for index, name in enumerate(NAMES):
        kind = draw(st.sampled_from(kinds))
        earlier = st.lists(st.sampled_from(NAMES[:index]), unique=True, max_size=2) if index else st.just([])
        lowers = draw(earlier) if kind in ("vlan", "ppp", "gre", "macvlan") else []
        devices[name] = Device(name, up=draw(st.booleans()), kind=kind, lowers=tuple(lowers))
        if kind in ("bridge", "bond"):
            for port in draw(earlier):
                if not devices[port].master:
                    it = devices[port]
                    devices[port] = Device(port, it.up, False, False, it.kind, name, kind, it.lowers)
    return View(devices)


def paths_down(devices: dict[str, Device], top: str) -> Iterator[tuple[str, bool]]:
    """Each device that a frame of top passes, and whether it is wrapped up there: the long way round."""
    for lower in devices[top].lowers:
        wraps = devices[top].kind in ("vlan", "ppp", "gre")
        yield lower, wraps
        yield from ((name, wraps or deeper) for name, deeper in paths_down(devices, lower))
    for name, device in devices.items():
        if device.master == top:
            yield name, False
            yield from paths_down(devices, name)


@given(hosts())
def test_all_shows_each_frame_once(host: View) -> None:
    choice = selection.every(host, NOTHING)
    fit = {n for n, it in host.devices.items() if it.up and not it.master and it.kind != "veth"}
    assert set(choice.names) <= fit
    shown = {(top, lower) for top in choice.names for lower, wrapped in paths_down(host.devices, top) if wrapped}
    assert not [pair for pair in shown if pair[1] in choice.names]
    # What is left out for no reason of its own is below one that is counted.
    assert fit - set(choice.names) <= {lower for _, lower in shown}
    for name in fit - set(choice.names):
        assert (choice.why[name].split()[1].strip(","), name) in shown


# ---- with a configuration ----


HOST = view(up("eth0"), up("eth1"), Device("eth2"), up("eth1.5", "vlan", "eth1"), routes=Routes(("eth0",)))


def tables(*names: str) -> tuple[tuple[str, Interface], ...]:
    return tuple((name, Interface()) for name in names)


@pytest.mark.parametrize("choose", [selection.configured, selection.every])
@pytest.mark.parametrize(
    ("interfaces", "counted"),
    [
        (Interfaces(names=("eth1", "ppp0")), ("eth1", "ppp0")),
        (Interfaces(names=("eth*",)), ("eth0", "eth1", "eth2", "eth1.5")),
        (Interfaces(names=("eth*",), exclude=("*.5", "eth2")), ("eth0", "eth1")),
        (Interfaces(names=("wlan*",)), ()),
        (Interfaces(names=("eth1", "eth[01]")), ("eth1", "eth0")),
        (Interfaces(names=(ALL,)), ("eth0", "eth1.5")),
        (Interfaces(names=(ALL, "lo")), ("eth0", "eth1.5", "lo")),
        (Interfaces(names=(ALL,), exclude=("eth1.5",)), ("eth0", "eth1")),
        (Interfaces(settings=tables("eth1", "ppp*")), ("eth1",)),
        (Interfaces(names=("eth0",), settings=tables("eth1")), ("eth0",)),
        (Interfaces(names=("eth0",), exclude=("eth0",)), ()),
    ],
)
def test_what_is_named(choose: object, interfaces: Interfaces, counted: tuple[str, ...]) -> None:
    assert callable(choose)
    choice: Choice = choose(HOST, interfaces)
    assert choice.names == counted
    assert set(choice.why) >= set(HOST.devices)


def test_what_is_excluded_is_not_chosen() -> None:
    without = Interfaces(exclude=("eth0",))
    choice = selection.configured(HOST, without)
    assert choice.names == ("eth1",)
    assert choice.why["eth0"] == "excluded by eth0 of the configuration"
    assert selection.every(HOST, without).names == ("eth1.5",)
    router = view(*ROUTER, routes=INSIDE, nat=NATTING)
    assert selection.configured(router, Interfaces(exclude=("br-*", "wg*", "ppp7"))).names == ("eth1.7",)


# ---- words ----


def test_words() -> None:
    assert selection.matching(HOST, ["eth[12]", "eth0", "nonesuch", "eth?"]) == ["eth1", "eth2", "eth0", "nonesuch"]
    with pytest.raises(NoSuchName, match=r"wlan\*: no interface has such a name; there are: lo, eth0"):
        selection.matching(HOST, ["eth0", "wlan*"])


def test_a_thousand_vlans_are_quick() -> None:
    vlans = [up(f"eth0.{number}", "vlan", "eth0", master="br0") for number in range(1000)]
    more = [up(f"eth1.{number}", "vlan", "eth1") for number in range(1000)]
    choice = selection.every(view(up("eth0"), up("eth1"), *vlans, *more, up("br0", "bridge")), NOTHING)
    assert len(choice.names) == 1001
