"""The overview for people, 80 columns wide where names are short, and as JSON."""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TextIO

from bpft.messages import one_line, valid
from bpft.report import units
from bpft.report.busiest import Host
from bpft.report.overview import Flow, Overview, Stretch
from bpft.report.period import SECOND
from bpft.report.render.letters import EIGHTHS, HEIGHTS
from bpft.report.units import Units

SCHEMA = "bpft-overview-1"  #: changes when a field changes its meaning or goes

_LEAST = (22, 10, 10, 10, 13, 13)  # columns of a line's cells: a name, three figures, a rate, an estimate
_BARS = HEIGHTS[1:]  # of hours: the lowest is seen as well
_NAME = 24  # columns that a name may have; addresses are never cut
_BAR = 12  # columns of a share of 100 %
_HOUR = 2  # columns of an hour
_Row = tuple[str, str, str, str, str, str]

_NOTE = "estimated: so far, and the rest of the period at the average of what was watched"


@dataclass(slots=True)
class Style:
    """How it is to look."""

    units: Units = "si"
    width: int = 80
    drawn: bool = True  #: with bars, which not every terminal has letters for
    bold: bool = False
    names: dict[str, str] = field(default_factory=dict)  #: of hosts


def write(found: list[Overview], now_ns: int, out: TextIO, style: Style) -> None:
    """A part for each interface, with an empty line between."""
    lines: list[str] = []
    for one in found:
        lines += [*_lines(one, now_ns, style), ""]
    if any(stretch.estimate(now_ns) is not None for one in found for stretch in one.stretches):
        lines.append(_NOTE)
    else:
        del lines[-1]
    out.write("".join(line + "\n" for line in lines))


def _lines(one: Overview, now_ns: int, style: Style) -> list[str]:
    title = f"{one.interface} on {one.host}" if one.host else one.interface
    periods = [(title, "in", "out", "total", "average", "estimated")]
    periods += [_stretch(stretch, now_ns, style) for stretch in one.stretches]
    hosts = [(_hosts_title(one), "in", "out", "total", "share", "")] if one.hosts else []
    hosts += [_host(host, style) for host in one.hosts]
    cells = zip(_LEAST, *(map(len, row) for row in periods), *(map(len, row) for row in hosts), strict=True)
    widths = [
        max(least, *(length + 2 * (place > 0) for length in lengths)) for place, (least, *lengths) in enumerate(cells)
    ]
    lines = [_line(row, widths) for row in periods]
    if style.drawn and any(one.hours):
        lines += ["", *_hours(one, widths[0])]
    if hosts:
        bars = ["", *(_bar(host, style.width - sum(widths[:-1])) if style.drawn else "" for host in one.hosts)]
        lines += ["", *(_line(row, widths) + bar for row, bar in zip(hosts, bars, strict=True))]
    lines += ["", _state(one, now_ns), _told(one)]
    lines = [one_line(line) for line in lines]  # names of interfaces and hosts come from files
    return [f"\x1b[1m{lines[0]}\x1b[0m" if style.bold else lines[0], *lines[1:]]


def _line(cells: _Row, widths: list[int]) -> str:
    first, *others = cells
    figures = "".join(text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
    return f"{first.ljust(widths[0])}{figures}".rstrip()


def _stretch(stretch: Stretch, now_ns: int, style: Style) -> _Row:
    watched, flow = stretch.watched_ns, stretch.flow
    if not watched:
        return stretch.name, "-", "-", "-", "", ""
    estimate = stretch.estimate(now_ns)
    told = "" if estimate is None else units.size(estimate, style.units)
    return stretch.name, *_figures(flow, style), units.rate(flow.total, watched) or "0 bit/s", told


def _figures(flow: Flow, style: Style) -> tuple[str, str, str]:
    """Where nothing tells the direction of some of it, in and out are those of the rest."""
    known = flow.into or flow.out or not flow.unknown
    into, out = (units.size(value, style.units) if known else "-" for value in (flow.into, flow.out))
    return into, out, units.size(flow.total, style.units)


def _hours(one: Overview, margin: int) -> list[str]:
    """Today in bars, an hour each; the highest is the busiest, and an hour of which nothing is known has a dot."""
    most = max(hour or 0 for hour in one.hours)
    bars = "".join(("·" if hour is None else _BARS[hour * (len(_BARS) - 1) // most]) * _HOUR for hour in one.hours)
    begin = one.stretches[0].period.begin or 0
    clocks = (datetime.fromtimestamp((begin // SECOND) + place * 3600) for place in range(len(one.hours)))
    scale = "".join(f"{clock:%H}" if clock.hour % 6 == 0 else "  " for clock in clocks)
    return [f"{'today by the hour'.ljust(margin + 2)}{bars}", f"{'':{margin + 2}}{scale.rstrip()}"]


def _hosts_title(one: Overview) -> str:
    """The hosts are today's; where nothing lies in today, those of the last block."""
    begin, end = one.stretches[0].period.begin or 0, one.stretches[0].period.end or 0
    if begin < (one.hosts_begin_ns + one.hosts_end_ns) // 2 < end:
        return "hosts today"
    return f"hosts since {datetime.fromtimestamp(one.hosts_begin_ns // SECOND):%b %d %H:%M}"


def _host(host: Host, style: Style) -> _Row:
    into, out, total = (units.size(value, style.units) for value in (host.into, host.out, host.into + host.out))
    name = style.names.get(host.address, "")
    if len(name) > _NAME:
        name = f"{name[: _NAME - 1]}…"
    return name or host.address, into, out, total, f"{host.share:.0%}".replace("%", " %"), ""


def _bar(host: Host, room: int) -> str:
    """A share as a bar, behind two columns, where there is room for all of it."""
    eighths = round(host.share * _BAR * 8) if room > _BAR + 2 else 0
    return f"  {EIGHTHS[8] * (eighths // 8)}{EIGHTHS[eighths % 8].strip()}".rstrip()


def _state(one: Overview, now_ns: int) -> str:
    """Whether it is being counted, and what is safe on the disk."""
    saved = f"last save {_clock(one.saved_ns, now_ns)}" if one.saved_ns else "nothing saved yet"
    if one.running:
        return f"counting, as of {_clock(one.seen_ns, now_ns)}; {saved}"
    dumped = f"dumped {_clock(one.seen_ns, now_ns)}, " if one.seen_ns > one.saved_ns else ""
    here = not one.host or one.host == os.uname().nodename
    return f"not counting; {dumped}{saved}" + (f"; start with: trafstart {one.interface}" if here else "")


def _clock(ns: int, now_ns: int) -> str:
    """The local time, with its date where that is not today's."""
    then, now = (datetime.fromtimestamp(at // SECOND) for at in (ns, now_ns))
    return f"{then:%H:%M:%S}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"


def _told(one: Overview) -> str:
    """Whether this month adds up, in a phrase (SEMANTICS C3, C4)."""
    account = one.account
    if one.lost_frames:
        frames = f"{units.grouped(abs(one.lost_frames))} frames"
        return f"DOES NOT ADD UP: {frames} of this month are neither counted nor skipped; see bpft report this month"
    dropped = account.dropped + account.if_dropped
    lost = f"{units.grouped(dropped)} packet{'s' * (dropped != 1)} dropped" if dropped else "no packet dropped"
    if not account.blocks:
        return f"this month nothing of {account.interface} was counted here"
    if not account.compared:
        return f"not comparable with {account.interface}'s own counters: {next(iter(account.reasons))}; {lost}"
    if not account.moved:
        return f"{account.interface} itself counted nothing this month; {lost}"
    share = units.share(account.accounted, account.moved)
    part = "" if account.compared == account.blocks else f" ({account.compared} of {account.blocks} blocks compared)"
    return f"accounted this month: {share} of what {account.interface} itself counted{part}; {lost}"


# ---- JSON ----


def write_json(found: list[Overview], now_ns: int, out: TextIO) -> None:
    """One object; bytes are exact, times UTC nanoseconds, and what is not known is null."""
    document = {
        "schema": SCHEMA,
        "as_of_ns": now_ns,
        "interfaces": [_interface(one, now_ns) for one in found],
    }
    out.write(json.dumps(valid(document), indent=1) + "\n")


def _interface(one: Overview, now_ns: int) -> dict[str, Any]:
    account = one.account
    return {
        "interface": one.interface,
        "host": one.host or None,
        "running": one.running,
        "seen_ns": one.seen_ns or None,
        "saved_ns": one.saved_ns or None,
        "periods": {stretch.name.replace(" ", "_"): _period(stretch, now_ns) for stretch in one.stretches},
        "hours_of_today": one.hours,
        "hosts_begin_ns": one.hosts_begin_ns or None,
        "hosts_end_ns": one.hosts_end_ns or None,
        "hosts": [
            {"host": host.address, "in": host.into, "out": host.out, "share": round(host.share, 4)}
            for host in one.hosts
        ],
        "completeness": {
            **account.figures(),
            "adds_up": not one.lost_frames,
            "text": _told(one),
        },
    }


def _period(stretch: Stretch, now_ns: int) -> dict[str, Any]:
    watched, flow = stretch.watched_ns, stretch.flow
    return {
        "begin_ns": stretch.period.begin,
        "end_ns": stretch.period.end,
        "watched_ns": watched,
        "in": flow.into if watched else None,
        "out": flow.out if watched else None,
        "unknown_direction": flow.unknown if watched else None,
        "total": flow.total if watched else None,
        "estimate": stretch.estimate(now_ns),
    }
