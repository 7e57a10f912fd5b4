"""bpft status: what each running trafd does, how its log grows, and where every frame went."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from bpft.control_client import ask, runs
from bpft.errors import BpftError, CannotRead
from bpft.messages import count, duration, one_line
from bpft.paths import Paths, check_name, environment_root, paths
from bpft.report import units
from bpft.report.period import SECOND

_MERGED = {
    "wire-exact": "packets as on the wire",
    "wire-estimated": "merged packets estimated",
    "as-captured": "packets as captured",
}
_NOT_SAID = ("ok", "message", "records", "bytes")  # of an answer; they say again what is there
_TITLES = ("iface", "up", "flows", "bit/s", "dropped", "saved", "dumped", "next", "kB/day", "MB/year")
_WILD = dict.fromkeys(map(ord, "*?[]!"), "x")  # a pattern is a name with some of these in it
_CLOCK_WITHIN_NS = 20 * 3600 * SECOND  # the time of day says enough of what is no older


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("words", metavar="[All | IFACE...]", nargs=-1)
@click.option("-l", "--long", is_flag=True, help="A line for each figure: also where every frame went.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
def status(words: tuple[str, ...], long: bool, as_json: bool, root: str) -> int:
    """What each running trafd does: how it counts, how much it holds, and how its log grows.

    Without a word, or All: every one that runs.  An IFACE may be a pattern as 'eth*'.
    """
    where = paths(str(Path(root or environment_root() or "/").absolute()))
    found: list[dict[str, Any]] = []
    failed = False
    for interface in _interfaces(where, words):
        try:
            answer = ask(where, interface, "status")
        except BpftError as error:
            failed = True
            sys.stderr.write(one_line(f"bpft: {error}") + "\n")
        else:
            found.append({name: value for name, value in answer.items() if name not in _NOT_SAID} | _log(answer))
    if as_json:
        print(json.dumps({"interfaces": found}))
    elif found and long:
        print("\n\n".join("\n".join(map(one_line, _lines(one))) for one in found))
    elif found:
        print("\n".join(map(one_line, _table(found))))
    if not (found or failed):
        sys.stderr.write("bpft: no trafd is running\n")
    return int(failed)


def _interfaces(where: Paths, words: tuple[str, ...]) -> list[str]:
    """Those named, those that run and that a pattern fits, each once; or all that run.  Raises BadName."""
    running = [interface for interface in where.interfaces() if runs(where, interface)]
    if not words or words == ("All",):
        return running
    found: list[str] = []
    for word in words:
        check_name("interface", word.translate(_WILD))
        found += [name for name in running if fnmatchcase(name, word)] or [word]
    return list(dict.fromkeys(found))


def _log(answer: dict[str, Any]) -> dict[str, int | None]:
    """What the log of an answer tells: its last save, and how it grows."""
    from bpft.growth import Growth, growth

    try:
        found = growth(Path(answer["log"]))
    except (CannotRead, OSError) as error:
        sys.stderr.write(one_line(f"bpft: {error}") + "\n")
        found = Growth()
    keep = None
    if answer["retention"]:
        from bpft import keeping

        keep = keeping.keep(answer["retention"])
    return {
        "saved_ns": answer["saved_ns"] or found.saved_ns or None,
        "log_bytes": found.size,
        "bytes_per_day": found.per_day,
        "bytes_per_year": found.per_year(keep),
    }


# ---- the table ----


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each, 80 columns where names are short."""
    rows = [_TITLES, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            text.rjust(wide) if place else text.ljust(wide)
            for place, (text, wide) in enumerate(zip(row, widths, strict=True))
        )
        yield " ".join(cells)
    for one in found:
        state = "" if one["state"] == "capturing" else f"{one['state']}; "
        yield f"{one['interface']}: {state}{_frames(one)}"


def _row(it: dict[str, Any]) -> tuple[str, ...]:
    day, year = it["bytes_per_day"], it["bytes_per_year"]
    return (
        it["interface"],
        _short(it["uptime_s"]),
        units.count(it["flows"]).replace(" ", ""),
        units.count(it["rate_bps"]).replace(" ", ""),
        units.count(it["dropped"] + it["if_dropped"]).replace(" ", ""),
        _clock(it["saved_ns"]),
        _clock(it["dumped_ns"]),
        _clock(it["next_save_ns"]),
        "-" if day is None else _figure(day / 1e3),
        "-" if year is None else _figure(year / 1e6),
    )


def _short(seconds: float) -> str:
    """A duration in its largest unit."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)}{name}"
    return f"{int(seconds)}s"


def _clock(ns: int | None) -> str:
    """The local time of day, the day where that is not near, "-" for never."""
    if ns is None:
        return "-"
    near = abs(time.time_ns() - ns) < _CLOCK_WITHIN_NS
    return f"{datetime.fromtimestamp(ns // SECOND):{'%H:%M' if near else '%b %d'}}"


def _figure(value: float) -> str:
    """Three digits that count."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


# ---- all figures ----


def _lines(it: dict[str, Any]) -> Iterator[str]:
    how = f"engine {it['engine']}, {_MERGED[it['counting']]}"
    yield f"{it['interface']}: {it['state']} for {duration(it['uptime_s'])} (pid {it['pid']}), {how}"
    most = f" of at most {it['max_flows']:,}" if it["max_flows"] else ""
    folded = f"; {count(it['folded'], 'small one')} summed up as other" if it["folded"] else ""
    rate = units.rate(it["rate_bps"], 8 * SECOND)
    rows = (
        ("key", it["key_mode"]),
        ("filter", it["filter"]),
        ("rate", f"{rate or '0 bit/s'} over the last {duration(it['rate_s'])}"),
        ("since", f"{units.moment(it['begin_ns'])}, {_since(it['begin_ns'])} ago"),
        ("flows", f"{it['flows']:,}{most}{folded}"),
        ("packets", f"{it['packets']:,}, {units.size(it['all'])}"),
        ("frames", _frames(it)),
        ("dropped", _dropped(it)),
        ("last save", _moment(it["saved_ns"])),
        ("next save", _moment(it["next_save_ns"], "not timed")),
        ("last dump", _moment(it["dumped_ns"], "none since the start")),
        ("next dump", _moment(it["next_dump_ns"], "not timed")),
        ("kept", _kept(it)),
        ("growth", _growth(it)),
        ("log", f"{it['log']}, {units.size(it['log_bytes'])}"),
        ("dump", it["dump"]),
    )
    yield from (f"  {name:<10} {text}" for name, text in rows if text)


def _frames(it: dict[str, Any]) -> str:
    """Where every frame since the last save went (C3)."""
    reasons = ", ".join(f"{reason} {frames:,}" for reason, frames in it["skipped"].items())
    text = f"{count(it['seen'], 'frame')} seen, {it['counted']:,} counted, {it['seen'] - it['counted']:,} skipped"
    return text + (f" ({reasons})" if reasons else "")


def _since(ns: int) -> str:
    return duration(max(time.time_ns() - ns, 0) / 1e9)


def _moment(ns: int | None, never: str = "none yet") -> str:
    return units.moment(ns) if ns else never


def _kept(it: dict[str, Any]) -> str:
    budget = f", at most {units.size(it['budget'])}" if it["budget"] else ""
    return (it["retention"] or "everything, for ever") + budget


def _growth(it: dict[str, Any]) -> str:
    day, year = it["bytes_per_day"], it["bytes_per_year"]
    if day is None or year is None:
        return "not known yet"
    return f"{units.size(day)} a day, {units.size(year)} after a year"


def _dropped(it: dict[str, Any]) -> str:
    received = count(it["received"], "packet")
    return f"{it['dropped']:,} by the kernel, {it['if_dropped']:,} by the interface, of {received} since the start"
