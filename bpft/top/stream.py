"""What is printed at each refresh where there are no keys: tables in a pipe or on any terminal, JSON for scripts."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, TextIO

from bpft import messages
from bpft.errors import BpftError
from bpft.top.columns import Column, columns
from bpft.top.history import WINDOWS_S
from bpft.top.page import flows, named, page, since, waiting
from bpft.top.picture import TOTAL
from bpft.top.view import BOTH, IN, OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bpft.report.units import Units
    from bpft.top.picture import Picture, Row
    from bpft.top.source import Source
    from bpft.top.viewer import Viewer
    from bpft.top.watch import Watch

SCHEMA = "bpft-top-1"  #: changes when a field changes its meaning or goes
USUAL_SIZE = (80, 24)  #: of a terminal that does not tell
_PIPE_WIDTH = 100  # of a table in a pipe, or more where names are long
_WAYS = ((BOTH, ""), (IN, "in_"), (OUT, "out_"))
_ALL_ROWS = 1 << 62


def follow(
    watches: Sequence[tuple[Source, Watch]], interval_s: float, count: int, show: Callable[[Watch, Source], None]
) -> list[str]:
    """Read all, then show each after each interval, count times (0: until a signal).

    What failed at the last reading, a line each.  Raises what all failed of at the first one.
    """
    failed = [why for source, watch in watches if (why := _read(source, watch))]
    if len(failed) == len(watches):
        raise failed[0]
    shown, due = 0, time.monotonic()
    while True:
        due = max(due + interval_s, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0.0))
        for source, watch in watches:
            _read(source, watch)
            show(watch, source)
        shown += 1
        if shown == count:
            return [watch.trouble for _, watch in watches if watch.trouble]


def _read(source: Source, watch: Watch) -> BpftError | None:
    try:
        watch.take(source.read())
    except BpftError as why:
        watch.fail(why)
        return why
    return None


def table(watch: Watch, interface: str, top: int, units_: Units, out: TextIO) -> None:
    """A table of so many rows (0: all), an empty line behind it."""
    found = watch.picture(top or _ALL_ROWS)
    if found is None or watch.trouble:
        out.write(f"{_now()} {interface}: {watch.trouble}\n\n")
        out.flush()
        return
    assert watch.reading is not None
    keys = [watch.key(row.version, row.key) for row in found.rows]
    watch.labels.ask(keys)
    names = ["  ".join(watch.labels.of(key)) for key in keys]
    wide = max(map(len, (*names, found.asked.view.heading)))
    shown = columns(_PIPE_WIDTH, units_)
    if out.isatty():
        shown = columns(width := terminal_size(out)[0], units_)
        wide = max(1, min(wide, width - 1 - sum(column.width for column in shown)))
        names = [named(watch.labels.of(key), wide + 2)[1:-1] for key in keys]
    counters = watch.reading.header.counters
    dropped = messages.count(counters.dropped + counters.if_dropped, "packet")
    away = waiting(watch.reading)
    held = f"{away}{away and ', '}{messages.count(flows(watch.reading), 'flow')} since {since(watch.reading)}"
    out.write(f"{_now()} {interface}: {held}, {dropped} dropped\n")
    out.write(_line(found.asked.view.heading.ljust(wide), shown, [column.title for column in shown]))
    for name, row in [("all", None), *zip(names, found.rows, strict=True)]:
        out.write(_line(name.ljust(wide), shown, [column.text(found, row, units_) or "-" for column in shown]))
    out.write("\n")
    out.flush()


def _now() -> str:
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')}"


def _line(name: str, shown: list[Column], texts: list[str]) -> str:
    cells = "".join(text.rjust(column.width) for text, column in zip(texts, shown, strict=True))
    return messages.one_line(name + " " + cells) + "\n"


def json_line(watch: Watch, source: Source, top: int, out: TextIO) -> None:
    """One object; what is not known is null."""
    found, reading = watch.picture(top or _ALL_ROWS), watch.reading
    told: dict[str, Any] = {"schema": SCHEMA, "interface": source.interface, "time_ns": time.time_ns()}
    told["by"] = watch.view.name
    if found is None or reading is None or watch.trouble:
        told["error"] = watch.trouble
    else:
        counters = reading.header.counters
        told |= {
            "attached": source.attached,
            "waiting": bool(reading.away_ns),
            "begin_ns": reading.header.begin_ns,
            "end_ns": reading.header.end_ns,
            "flows": flows(reading),
            "received": counters.received,
            "dropped": counters.dropped,
            "if_dropped": counters.if_dropped,
            "spans_ns": {f"{seconds}s": found.windows[at].span_ns for at, seconds in enumerate(WINDOWS_S)},
            "all": _figures(found, None),
            "rows": [_key(watch, row) | _figures(found, row) for row in found.rows],
        }
    out.write(json.dumps(messages.valid(told)) + "\n")
    out.flush()


def _key(watch: Watch, row: Row) -> dict[str, Any]:
    key = watch.key(row.version, row.key)
    by = watch.view.name
    if by == "services":
        return {"port": key.port, "proto": key.proto, "other": key.other}
    if by == "scopes":
        return {"scope": key.scope or None, "other": key.other}
    names = ("host",) if by == "hosts" else ("a", "b")
    found = dict(zip(names, key.addresses or [None] * len(names), strict=True))
    return {**found, "other": key.other}


def _figures(found: Picture, row: Row | None) -> dict[str, int | None]:
    """Rates in bit/s, bytes since the save."""
    rates = {
        f"{name}bps_{seconds}s": found.rate(row, window, way)
        for window, seconds in enumerate(WINDOWS_S)
        for way, name in _WAYS
    }
    return rates | {f"{name}bytes": found.bytes(row, TOTAL, way) for way, name in _WAYS}


class Redrawn:
    """The page over itself on a terminal that there are no keys for."""

    def __init__(self, viewer: Viewer, terminal: TextIO) -> None:
        self._viewer, self._terminal = viewer, terminal
        self._drawn = False
        viewer.has_keys = False

    def __enter__(self) -> Redrawn:
        return self

    def __call__(self, watch: Watch, source: Source) -> None:
        width, height = terminal_size(self._terminal)
        self._viewer.width, self._viewer.height = max(width, 2) - 1, height
        lines = ["".join(text for _, text in line) for line in page(self._viewer)]
        clear = "" if self._drawn else "\x1b[2J"
        self._drawn = True
        self._terminal.write(clear + "\x1b[H" + "\x1b[K\n".join(lines) + "\x1b[J")
        self._terminal.flush()

    def __exit__(self, *_: object) -> None:
        """What comes next has a line of its own."""
        if self._drawn:
            with contextlib.suppress(OSError):  # The terminal has gone.
                self._terminal.write("\n")
                self._terminal.flush()


def terminal_size(terminal: TextIO) -> tuple[int, int]:
    """Columns and lines; the usual ones where a terminal, such as a serial line, does not know."""
    columns, lines = os.get_terminal_size(terminal.fileno())
    return columns or USUAL_SIZE[0], lines or USUAL_SIZE[1]
