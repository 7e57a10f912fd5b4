"""Which interfaces can be captured here."""

import sys

from bpft import host


def names() -> list[str]:
    """What libpcap can open and the system counts, best first; the system's own list where python-libpcap is absent."""
    known = host.interface_names() + ["any"] * (sys.platform == "linux")
    try:
        import pylibpcap.base  # type: ignore[import-untyped]
    except ImportError:
        return known
    # libpcap also lists sources that are no interfaces: nflog, dbus, bluetooth.
    offered = [name for name in pylibpcap.base.get_iface_list() if name in known]
    return offered or known
