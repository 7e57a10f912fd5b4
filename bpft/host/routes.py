"""Where packets leave: the default routes, and the networks that are reached without a router."""

import sys
from typing import NamedTuple


class Routes(NamedTuple):
    """The main routing table, as far as the choice of interfaces needs it.  Link-local networks are left out."""

    default: tuple[str, ...] = ()  #: devices of default routes, the best first, IPv4 before IPv6
    connected: tuple[tuple[str, str], ...] = ()  #: (device, prefix as "192.0.2.0/24") reached without a gateway


def routes() -> Routes:
    """The routes of this network namespace.  Raises OSError where the system does not answer."""
    if sys.platform.startswith("linux"):
        from bpft.host.routes_linux import routes as listed
    else:
        from bpft.host.routes_bsd import routes as listed
    return listed()
