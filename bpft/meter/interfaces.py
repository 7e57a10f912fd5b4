"""Which interfaces can be captured here."""

from bpft import host


def names() -> list[str]:
    """What libpcap can open and the system counts, best first; the system's own list where python-libpcap is absent."""
    known = host.interface_names()
    try:
        import pylibpcap.base  # type: ignore[import-untyped]
    except ImportError:
        return known
    # libpcap also lists sources that are no interfaces: nflog, dbus, bluetooth.
    offered = [name for name in pylibpcap.base.get_iface_list() if name in known or name == "any"]
    return offered or known
