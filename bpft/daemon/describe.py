"""What every block says of the machine, the software and the way of counting."""

from bpft import __version__, host
from bpft.daemon.settings import Settings
from bpft.record import Header

RULES = "1"  #: the version of the accounting rules; a change of what a frame adds changes it


def common(settings: Settings) -> Header:
    """A header to be filled with an interface or a file, with times and with sums."""
    return Header(
        clock_synchronised=host.clock_synchronised(),
        zone=host.zone_name(),
        host=host.hostname(),
        probe=host.installation_id(),
        interface=settings.interface,
        filter=settings.filter,
        key_mode=settings.key.name,
        prefix_len=settings.key.prefix_len,
        software=f"bpft {__version__}",
        rules=RULES,
    )
