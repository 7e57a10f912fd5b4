"""The live table of trafd --foreground: the busiest hosts, drawn over itself once a second."""

import os
import select
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Literal, TextIO

from bpft import messages
from bpft.core import Table
from bpft.daemon.loop import Shown
from bpft.report import units

_ROWS = 15  #: hosts, where the terminal is high enough
_USUAL_SIZE = (80, 24)
_FRAME = 4  #: lines of heading and hint


class TerminalScreen:
    """Draws in place; what is said meanwhile scrolls by above the table."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._lines = 0  # of the last table, above the cursor
        self._last_bytes, self._last_ns = 0, 0
        messages.before = self.clear

    def draw(self, table: Table, shown: Shown) -> None:
        """Replace the table on the terminal.  OSError, ValueError: the terminal is gone."""
        if not self._writable():
            return  # Held with Ctrl-S: waiting for it would hold up signals.
        columns, height = (size or usual for size, usual in zip(self._size(), _USUAL_SIZE, strict=True))
        rows = max(min(_ROWS, height - _FRAME - 1), 1)
        lines = [line[: columns - 1] for line in (self._title(table, shown), "", *hosts(table, rows), _HINT)]
        self._terminal.write(self._erase() + "".join(line + "\n" for line in lines))
        self._terminal.flush()
        self._lines = len(lines)

    def _size(self) -> tuple[int, int]:
        """Columns and lines; 0 where a terminal, such as a serial line, does not know."""
        return os.get_terminal_size(self._terminal.fileno())

    def clear(self) -> None:
        """Take the table away, for a message to be written in its place."""
        if self._lines and self._writable():
            self._terminal.write(self._erase())
            self._terminal.flush()
            self._lines = 0

    def _erase(self) -> str:
        return f"\x1b[{self._lines}A\x1b[J" if self._lines else ""

    def _writable(self) -> bool:
        poll = select.poll()
        poll.register(self._terminal.fileno(), select.POLLOUT)
        return bool(poll.poll(0))

    def _title(self, table: Table, shown: Shown) -> str:
        directions: dict[str, tuple[int, int, int, int]] = table.counters()["dir"]  # type: ignore[assignment]
        total, now = sum(wire_bytes for *_, wire_bytes in directions.values()), time.monotonic_ns()
        # A save empties the table; then the rate of this second is not known.
        passed = total - self._last_bytes if self._last_ns and total >= self._last_bytes else 0
        rate = units.rate(passed, now - self._last_ns)
        self._last_bytes, self._last_ns = total, now
        state = rate or "0 bit/s" if shown.capturing else "waiting for the interface"
        flows = units.grouped(len(table))
        return f"{shown.interface}  {state}  {flows} flows  {units.grouped(shown.dropped)} packets dropped"


_HINT = "Ctrl-C saves and stops"


def hosts(table: Table, rows: int) -> Iterator[str]:
    """A heading and the busiest hosts of table: bytes sent and received, one line each."""
    yield f"{'Host':<39} {'Sent':>9} {'Received':>9} {'All':>9} {'Packets':>9}"
    found = []
    for version in (4, 6):
        found += _busiest(table, 4 if version == 4 else 6, rows)
    for all_bytes, packets, sent, received, name in sorted(found, reverse=True)[:rows]:
        amounts = (units.size(sent), units.size(received), units.size(all_bytes), units.count(packets))
        yield f"{name:<39} " + " ".join(f"{amount:>9}" for amount in amounts)


def _busiest(table: Table, version: Literal[4, 6], rows: int) -> list[tuple[int, int, int, int, str]]:
    """(all, packets, sent, received, name) of the hosts of one IP version with the most bytes."""
    view = table.view(version)
    records = view.records(0, len(view))
    sent, received, both = Table(), Table(), Table()
    sent.add_records(version, records, "src")
    received.add_records(version, records, "dst")
    both.merge(sent)
    both.merge(received)
    size, key = (40, 16) if version == 4 else (64, 40)
    top = both.view(version, "all", rows).records(0, rows)
    found = []
    for at in range(0, len(top), size):
        host = top[at : at + key]
        packets, all_bytes, _data = both.get(version, host) or (0, 0, 0)
        out, into = sent.get(version, host) or (0, 0, 0), received.get(version, host) or (0, 0, 0)
        name = "other" if host[-3] & 0x80 else str(ip_address(host[: 4 if version == 4 else 16]))
        found.append((all_bytes, packets, out[1], into[1], name))
    return found
