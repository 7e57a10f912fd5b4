"""The reference meter on a live interface, with the calls of core.Capture; for the foreground."""

import threading
import time

from bpft.core import Table
from bpft.errors import CannotCapture, UsageError
from bpft.meter.reference_live import Source, meter_live


class ReferenceCapture:
    """One interface through python-libpcap; what each call does is said in core.Capture."""

    engine, exact, fallback = "reference", False, ""
    buffer_bytes = 0  # python-libpcap does not tell

    def __init__(self, interface: str, filter: str, promiscuous: bool, addresses_only: bool, mac: bytes) -> None:
        """Raises what Source() raises."""
        self._source = Source(interface, filter, promiscuous)
        self.link_type = self._source.link_type
        self._addresses_only, self._mac = addresses_only, mac
        self._table = Table()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._rounds = 0  # how often the meter brought its sums over
        self.error = ""

    def run(self, table: Table, count: int = 0) -> str:
        try:
            meter_live(
                self._source,
                self,
                stop=self._stop.is_set,
                count=count,
                addresses_only=self._addresses_only,
                mac=self._mac,
            )
        except CannotCapture as why:
            self.error = str(why)
            return "gone"
        return "stopped" if self._stop.is_set() else "count"

    def merge(self, counted: Table) -> None:
        """What the meter calls with the sums since the last time."""
        with self._lock:
            self._table.merge(counted)
            self._rounds += 1

    def swap(self, table: Table, merge: bool = False, settle: bool = False) -> Table:
        goal, deadline = self._rounds + 2, time.monotonic() + 1
        while settle and self._rounds < goal and time.monotonic() < deadline and not self._stop.is_set():
            time.sleep(0.01)
        with self._lock:
            if merge:
                table.merge(self._table)
            previous, self._table = self._table, table
        return previous

    def stop(self) -> None:
        self._stop.set()

    def stats(self) -> tuple[int, int, int]:
        """python-libpcap keeps the kernel's counts to itself."""
        return 0, 0, 0

    def dump_filter(self, expression: str, optimize: bool = True) -> str:
        raise UsageError("--engine reference has no compiled program to print: use --engine pcap with -d")

    def fds(self) -> tuple[int, ...]:
        """python-libpcap keeps its descriptor to itself: for the foreground only."""
        return ()

    def close(self) -> None:
        self._stop.set()
