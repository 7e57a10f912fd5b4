"""Interfaces, routes and NAT: what Linux says of a namespace is in tests/system; here what other systems print."""

from bpft.host import devices_bsd, nat_bsd, routes_bsd
from bpft.host.devices import Device
from bpft.host.routes import Routes

IFCONFIG = """\
em0: flags=8863<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
\toptions=481009b<RXCSUM,TXCSUM,VLAN_MTU>
\tether 00:00:5e:00:53:01
\tinet 192.0.2.10 netmask 0xffffff00 broadcast 192.0.2.255
\tmedia: Ethernet autoselect (1000baseT <full-duplex>)
\tstatus: active
em1: flags=8822<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
\tgroups: lo
em0.7: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tgroups: vlan
\tvlan: 7 vlanproto: 802.1q vlanpcp: 0 parent interface: em0
bridge0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15
\tmember: epair0a flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
\t        ifmaxaddr 0 port 6 priority 128 path cost 2000
\tgroups: bridge
epair0a: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tgroups: epair
lagg0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tlaggproto lacp lagghash l2,l3,l4
\tlaggport: em1 flags=1c<ACTIVE,COLLECTING,DISTRIBUTING>
\tgroups: lagg
wg0: flags=80c1<UP,RUNNING,NOARP,MULTICAST> metric 0 mtu 1420
\tgroups: wg
"""

NETSTAT = """\
Routing tables

Internet:
Destination        Gateway            Flags   Nhop#    Mtu      Netif Expire
default            192.0.2.1          UGS         4   1500        em0
10.1.0.0/16        link#6             U           2   1500    bridge0
10.9.0.0/16        10.1.0.9           UGS         5   1500    bridge0
127.0.0.1          link#3             UH          1  16384        lo0
192.0.2.0/24       link#1             U           3   1500        em0
"""

NETSTAT6 = """\
Internet6:
Destination                       Gateway                       Flags   Nhop#    Mtu    Netif Expire
::/96                             ::1                           URS         4  16384      lo0
2001:db8::/64                     link#6                        U           5   1500  bridge0
fe80::%em0/64                     link#1                        U           3   1500      em0
ff02::%em0/32                     link#1                        U           2   1500      em0
"""


def test_ifconfig() -> None:
    assert devices_bsd.parse(IFCONFIG) == [
        Device("em0", up=True, running=True),
        Device("em1", master="lagg0", master_kind="lagg"),
        Device("lo0", up=True, running=True, loopback=True),
        Device("em0.7", up=True, running=True, kind="vlan", lowers=("em0",)),
        Device("bridge0", up=True, running=True, kind="bridge"),
        Device("epair0a", up=True, running=True, kind="veth", master="bridge0", master_kind="bridge"),
        Device("lagg0", up=True, running=True, kind="lagg"),
        Device("wg0", up=True, running=True, kind="wireguard"),
    ]


def test_netstat() -> None:
    assert routes_bsd.parse(NETSTAT) == Routes(("em0",), (("bridge0", "10.1.0.0/16"), ("em0", "192.0.2.0/24")))
    assert routes_bsd.parse(NETSTAT6) == Routes((), (("bridge0", "2001:db8::/64"),))


def test_rules_that_rewrite_sources() -> None:
    pf_nat, pf_rules, ipfw, ipnat = (pattern for _, pattern, _ in nat_bsd._SOURCES)
    assert pf_nat.search("no nat on em0\nnat on em0 inet from 10.0.0.0/8 to any -> (em0)\n")
    assert not pf_nat.search("rdr on em0 inet proto tcp from any to any port = 80 -> 10.0.0.2\n")
    assert pf_rules.search("match out on em0 inet from 10.0.0.0/8 to any nat-to (em0)\n")
    assert ipfw.search("00100 nat 1 ip4 from any to any via em0\n")
    assert ipfw.search("00050 divert 8668 ip4 from any to any via em0\n")
    assert not ipfw.search("00100 allow ip from any to any via lo0\n")
    assert ipnat.search("map em0 10.0.0.0/8 -> 0/32\n")
