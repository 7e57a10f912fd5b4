"""What a daemon says of itself when asked: USR1, bpft status (C3: where every frame went)."""

import time
from collections import deque

from bpft import messages
from bpft.core import Table
from bpft.daemon.describe import counters
from bpft.daemon.keeper import Keeper
from bpft.daemon.schedule import Timers
from bpft.daemon.settings import Settings
from bpft.daemon.tap import Tap


class Rate:
    """Bits per second over the last minutes: since the mark before the last one."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=2)

    def mark(self, total: int) -> None:
        """total: bytes since the start."""
        self._marks.append((time.monotonic(), total))

    def until_now(self, total: int) -> tuple[float, float]:
        """(bit/s, seconds they are of)."""
        since, before = self._marks[0]
        seconds = max(time.monotonic() - since, 1e-3)
        return (total - before) * 8 / seconds, seconds


def status(
    settings: Settings, keeper: Keeper, tap: Tap, table: Table, uptime_s: float, rate: Rate, timers: Timers
) -> tuple[str, dict[str, object]]:
    """In a line, and as values.

    Sums, frames and folds are those since the last save, as the table has them; those of ``since_start`` and what the
    kernel received and dropped are of the whole run.
    """
    received, dropped, if_dropped = tap.kernel()
    packets, all_bytes, _data = table.totals()
    counted = counters(table)
    state = "capturing" if tap.capturing else "waiting for the interface"
    since_start = keeper.since_start(table)
    rate_bps, rate_s = rate.until_now(since_start["wire_bytes"])
    text = (
        f"{state} for {messages.duration(uptime_s)}; since the last save {messages.count(len(table), 'flow')}, "
        f"{messages.count(packets, 'packet')}, {messages.size(all_bytes)}; "
        f"the kernel received {received:,} and dropped {dropped + if_dropped:,}"
    )
    return text, {
        "interface": settings.interface,
        "state": state,
        "uptime_s": round(uptime_s, 3),
        "engine": tap.engine,
        "buffer": tap.buffer,
        "counting": tap.counting,
        "key_mode": settings.key.name,
        "filter": settings.filter,
        "flows": len(table),
        "max_flows": settings.max_flows,
        "packets": packets,
        "all": all_bytes,
        "rate_bps": round(rate_bps),
        "rate_s": round(rate_s, 3),
        "seen": counted.seen,
        "counted": counted.counted,
        "skipped": {reason: frames for reason, frames in counted.skipped.items() if frames},
        "folded": counted.folded,
        "since_start": {name: since_start[name] for name in ("seen", "counted", "wire_bytes", "packets", "all", "data")}
        | {"skipped": {reason: since_start[reason] for reason in counted.skipped}},
        "received": received,
        "dropped": dropped,
        "if_dropped": if_dropped,
        "epoch": keeper.epoch.id.hex(),
        "begin_ns": keeper.epoch.begin_ns,
        "saved_ns": keeper.saved_ns or None,
        "dumped_ns": keeper.dumped_ns or None,
        "next_save_ns": timers.next_ns("save"),
        "next_dump_ns": timers.next_ns("dump"),
        "retention": settings.retention,
        "budget": settings.budget,
        "log": str(keeper.log_path),
        "dump": str(keeper.dump_path),
    }
