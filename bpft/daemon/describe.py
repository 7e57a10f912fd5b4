"""What every block says of the machine, the software and the way of counting; how a fold is told."""

from bpft import __version__, host, messages
from bpft.core import Table
from bpft.daemon.settings import Settings
from bpft.record import Counters, Header

Kernel = tuple[int, int, int]  #: received, dropped by the kernel, dropped by the interface
RULES = "1"  #: the version of the accounting rules; a change of what a frame adds changes it


def common(settings: Settings) -> Header:
    """A header to be filled with an interface or a file, with times and with sums."""
    return Header(
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


def counters(table: Table, kernel: Kernel = (0, 0, 0)) -> Counters:
    """What table and kernel counted, as a block says it."""
    counted = table.counters()
    skipped: dict[str, int] = counted["skipped"]  # type: ignore[assignment]
    direction: dict[str, tuple[int, int, int, int]] = counted["dir"]  # type: ignore[assignment]
    return Counters(
        seen=int(counted["seen"]),  # type: ignore[call-overload]
        counted=int(counted["counted"]),  # type: ignore[call-overload]
        skipped=skipped,
        direction=direction,
        first_ns=int(counted["first_ns"]),  # type: ignore[call-overload]
        last_ns=int(counted["last_ns"]),  # type: ignore[call-overload]
        folded=int(counted["folded"]),  # type: ignore[call-overload]
        received=kernel[0],
        dropped=kernel[1],
        if_dropped=kernel[2],
    )


def folds(folded: int, max_flows: int, when: str = "") -> str:
    """That flows were summed as "other" (C7); max_flows 0: there is no cap, so it was for want of memory."""
    why = f"more than {messages.count(max_flows, 'flow')}" if max_flows else "no memory for all flows"
    return f"{why}: {folded:,} small ones are summed up{when}; totals stay exact"
