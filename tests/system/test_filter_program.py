"""P5: trafd -d prints what tcpdump -d prints on the same interface."""

import pytest
from suite import Daemon


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "tcp port 80 or 443",
        "ip6",
        "vlan 10 and host 10.1.2.3",
        "not (udp and net 10.0.0.0/8)",
        "icmp[0] == 8",
        "inbound",
        "portrange 6000-6063 and greater 100",
    ],
)
@pytest.mark.parametrize("optimised", [True, False])
def test_same_as_tcpdump(daemon: Daemon, expression: str, optimised: bool) -> None:
    words = [] if optimised else ["-O"]
    words += ["-d", *expression.split()]
    result = daemon.attempt(*words)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == daemon.namespace.run("tcpdump", "-s", "128", "-i", daemon.interface, *words)


def test_from_a_file(daemon: Daemon) -> None:
    path = daemon.root / "expression"
    path.write_text("tcp\n  and port 80\n")
    result = daemon.attempt("-d", "-F", path)
    assert result.stdout == daemon.namespace.run(
        "tcpdump", "-s", "128", "-i", daemon.interface, "-d", "tcp and port 80"
    )
