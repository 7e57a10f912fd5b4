"""bpft top: who uses the bandwidth now."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from bpft import config
from bpft.cli.number import number
from bpft.errors import CannotWrite
from bpft.messages import one_line
from bpft.paths import environment_root
from bpft.report.resolve import HostNames
from bpft.report.scope import Scopes
from bpft.report.units import Units
from bpft.top import stream
from bpft.top.label import Labels
from bpft.top.picture import TOTAL, Order
from bpft.top.place import sources
from bpft.top.view import IN, OUT, VIEWS
from bpft.top.viewer import Viewer
from bpft.top.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bpft.top.screen import Screen
    from bpft.top.source import Source

_ORDERS = {
    "2s": Order(0),
    "10s": Order(1),
    "60s": Order(2),
    "total": Order(TOTAL),
    "in": Order(0, IN),
    "out": Order(0, OUT),
}
_SHORTEST_S, _LONGEST_S = 0.1, 3600.0


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("words", metavar="[IFACE...]", nargs=-1)
@click.option("--by", type=click.Choice(list(VIEWS)), default="hosts", show_default=True, help="What a row is.")
@click.option(
    "-s", "--sort", type=click.Choice(list(_ORDERS)), default="2s", show_default=True, help="The most of it first."
)
@click.option("-w", "--where", metavar="EXPR", default="", help="Only what matches, as for tcpdump, or part of a name.")
@click.option("--top", callback=number(), metavar="N", default="10", show_default=True, help="Rows in a pipe; 0: all.")
@click.option(
    "-c", "--count", callback=number(), metavar="N", default="0", help="End after N refreshes; print them, no keys."
)
@click.option(
    "--interval",
    type=click.FloatRange(_SHORTEST_S, _LONGEST_S),
    callback=lambda _context, _option, seconds: _number(seconds),
    metavar="SECONDS",
    default=1.0,
    show_default=True,
    help="From refresh to refresh.",
)
@click.option("-n", "--numeric", is_flag=True, help="Numbers instead of names; the DNS is not asked.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON at each refresh.")
@click.option("--units", type=click.Choice(["si", "iec", "bytes"]), default="si", help="GB, GiB or exact.")
@click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
def top(
    words: tuple[str, ...],
    by: str,
    sort: str,
    where: str,
    top: int,
    count: int,
    interval: float,
    numeric: bool,
    as_json: bool,
    units: Units,
    root: str,
) -> int:
    """Who uses the bandwidth now: hosts, pairs, services and scopes, refreshed each second.

    Looks at the tables of the running daemons, without a second capture; where none runs it captures itself, which
    only root may.  An IFACE may be a pattern as 'eth*'.  Press ? for the keys.
    """
    if sys.stdout is None:
        raise CannotWrite("standard output", "is closed")
    place = config.places(str(Path(root or environment_root() or "/").absolute()))
    found = config.load(place)
    names = HostNames(found.names, patience=0.0)
    for trouble in names.troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")

    def watch() -> Watch:
        made = Watch(Labels(names, numeric), Scopes(found.scopes), by, _ORDERS[sort])
        made.search(where)
        return made

    first, looked_at = watch(), sources(place, words)
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ending, _end)
    try:
        if as_json or count or not _is_terminal():
            return _print(looked_at, watch, interval, count, top, as_json, units)
        return _show(
            looked_at, Viewer(first, {name: source.attached for name, source in looked_at.items()}, units), interval
        )
    except KeyboardInterrupt:
        return 0
    finally:
        for source in looked_at.values():
            source.close()


def _number(seconds: float) -> float:
    """Not a number is in every range."""
    if seconds != seconds:
        raise click.BadParameter(f"nan is not in the range {_SHORTEST_S}<=x<={_LONGEST_S}.")
    return seconds


def _end(_signal: int, _frame: FrameType | None) -> None:
    """A terminal is put back first, captures are closed."""
    raise KeyboardInterrupt


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "")


def _print(
    looked_at: "Mapping[str, Source]",
    watch: "Callable[[], Watch]",
    interval_s: float,
    count: int,
    top: int,
    as_json: bool,
    units: Units,
) -> int:
    """All interfaces, one after the other."""

    def show(it: Watch, source: "Source") -> None:
        if as_json:
            stream.json_line(it, source, top, sys.stdout)
        else:
            stream.table(it, source.interface, top, units, sys.stdout)

    watches = [(source, watch()) for source in looked_at.values()]
    troubles = stream.follow(watches, interval_s, count, show)
    for trouble in troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    return int(bool(troubles))


def _show(looked_at: "Mapping[str, Source]", viewer: Viewer, interval_s: float) -> int:
    """One interface at a time.  Raises why the first one cannot be looked at."""
    source = looked_at[viewer.interface]
    screen = _with_keys()
    if screen is None:
        with stream.Redrawn(viewer, sys.stdout) as redrawn:
            stream.follow([(source, viewer.watch)], interval_s, 0, redrawn)
    else:
        viewer.watch.take(source.read())
        screen(viewer, looked_at, interval_s, colours=not os.environ.get("NO_COLOR")).run()
    return 0


def _with_keys() -> "type[Screen] | None":
    """The screen that takes keys; None: there are none, or no library for it."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    try:
        from bpft.top.screen import Screen
    except ImportError:
        return None
    return Screen
