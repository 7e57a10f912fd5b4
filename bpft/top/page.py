"""One screen as styled text: what a terminal of any kind is to show, a pure function of what is looked at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from bpft import messages
from bpft.report import units
from bpft.report.period import SECOND
from bpft.top.change import SIZE
from bpft.top.help import help_lines
from bpft.top.view import BOTH, VIEWS

if TYPE_CHECKING:
    from bpft.top.columns import Column
    from bpft.top.picture import Picture, Row
    from bpft.top.source import Reading
    from bpft.top.viewer import Viewer

#: (style, text): styles are those of screen.py's palette, "" is plain.
Span: TypeAlias = tuple[str, str]
Line: TypeAlias = list[Span]

_KEYS = (
    ("?", "help"),
    ("q", "quit"),
    ("Tab", "view"),
    ("s", "sort"),
    ("/", "filter"),
    ("Enter", "zoom in"),
    ("Esc", "back"),
    ("p", "pause"),
    ("n", "names"),
    ("i", "interface"),
)
_TABS_APART = 50  # columns
_NO_KEYS = " Ctrl-C ends; keys need a terminal and urwid (Debian: python3-urwid)"


def page(viewer: Viewer) -> list[Line]:
    """As many lines as the screen has, each as long as it is wide."""
    width, height = viewer.width, viewer.height
    if viewer.help:
        lines = _help(viewer)
    else:
        found = viewer.picture()
        lines = [_title(viewer), _state(viewer), _tabs(viewer)]
        lines += _table(viewer, found) if found else [[("", " waiting for the first look")]]
        lines = lines[: height - 1]
        lines += [[]] * (height - 1 - len(lines)) + [_foot(viewer)]
    return [_fitted(line, width) for line in lines[-height:]]


def _help(viewer: Viewer) -> list[Line]:
    """From the line on that it was moved to; never beyond its end."""
    text, room = help_lines(viewer.width - 2), max(viewer.height - 2, 1)
    viewer.help_offset = max(0, min(viewer.help_offset, len(text) - room))
    shown: list[Line] = [[("", " " + line)] for line in text[viewer.help_offset : viewer.help_offset + room]]
    foot: Line = [("key", " any key"), ("", " goes back")]
    if len(text) > room:
        foot = [("key", " Up Down"), ("", " more  "), *foot]
    return [[("title", " bpft top")], *shown, *[[]] * (room - len(shown)), foot]


def _title(viewer: Viewer) -> Line:
    """What there is no room for goes: first the name of the program, then the time."""
    at = viewer.interfaces.index(viewer.interface) + 1
    many = f" ({at} of {len(viewer.interfaces)})" if len(viewer.interfaces) > 1 else ""
    reading = viewer.watch.reading
    clock = time.strftime("%H:%M:%S", time.localtime(reading.header.end_ns // SECOND)) if reading else ""
    program, left = " bpft top ", f" {viewer.interface}{many}" + ("" if viewer.attached else "  captured here")
    paused = "  PAUSED" if viewer.watch.paused else ""
    seconds = round(reading.span_ns / SECOND) if reading else 0
    often = f", each {seconds} s" if seconds > 1 else ""
    right = f"as of {clock}{often} " if clock else ""
    if len(program + left + paused + right) >= viewer.width:
        program = ""
    if len(left + paused + right) >= viewer.width:
        right = ""
    between = " " * max(viewer.width - len(program + left + paused + right), 1)
    return [
        ("title", program + left),
        ("alert" if paused else "title", paused),
        ("title", between + right),
    ]


def _state(viewer: Viewer) -> Line:
    """Of the table: flows, since when, what was lost; or what is wrong with it or with what was typed."""
    watch = viewer.watch
    if trouble := viewer.refused or watch.trouble:
        return [("alert", f" {trouble}")]
    if watch.reading is None:
        return []
    away = waiting(watch.reading)
    held, dropped = f" {messages.count(flows(watch.reading), 'flow')}", _dropped(viewer)
    told = f"{held} since {since(watch.reading)}"
    if len(f"{away}{told}, {dropped[1]}") <= viewer.width:
        held = told
    return [*([("alert", f" {away},")] if away else []), ("", f"{held}, "), dropped]


def flows(reading: Reading) -> int:
    """Records in the table."""
    return sum(len(records) // SIZE[version] for version, records in reading.held.items())


def since(reading: Reading) -> str:
    """When the table began; the date where that was another day."""
    begin, now = (time.localtime(ns // SECOND) for ns in (reading.header.begin_ns, reading.header.end_ns))
    return time.strftime("%H:%M:%S" if begin[:3] == now[:3] else "%Y-%m-%d %H:%M:%S", begin)


def waiting(reading: Reading) -> str:
    """That the daemon waits for its interface, and since when; "": it counts."""
    if not reading.away_ns:
        return ""
    return time.strftime("waiting for the interface since %H:%M:%S", time.localtime(reading.away_ns // SECOND))


def _dropped(viewer: Viewer) -> Span:
    assert viewer.watch.reading is not None
    counters = viewer.watch.reading.header.counters
    dropped = counters.dropped + counters.if_dropped
    if not dropped:
        return "", "no packet dropped"
    now = f", {viewer.watch.dropped:,} just now" if viewer.watch.dropped > 0 else ""
    share = units.share(dropped, max(counters.received, dropped))
    part = f" ({share})" if share != "0.00 %" else ""
    return "alert", f"{messages.count(dropped, 'packet')} dropped{part}{now}"


def _tabs(viewer: Viewer) -> Line:
    """The views, and what the rows are narrowed to; where there is no room for both, the other views' numbers alone."""
    words = [" + ".join(viewer.watch.labels.of(key)) for key in viewer.watch.zooms]
    words += [f"/{viewer.watch.filter}"] if viewer.watch.filter else []
    trail = " > ".join(words)
    line = _views(viewer, named=True)
    if trail and _length(line) + len(trail) + 3 > viewer.width:
        line = _views(viewer, named=False)
    room = viewer.width - _length(line) - 3
    if len(trail) > room:
        trail = ".." + trail[len(trail) - max(room - 2, 0) :]  # Its end says what is shown.
    return [*line, ("key", f"   {trail}")]


def _views(viewer: Viewer, named: bool) -> Line:
    line: Line = []
    blank = " " if viewer.width >= _TABS_APART else ""
    for number, name in enumerate(VIEWS, 1):
        shown = name == viewer.watch.view.name
        title = f" {number} {name.capitalize()}" if shown or named else f" {number}"
        line += [("", blank), ("tab" if shown else "", title + blank)]
    return line


def _length(line: Line) -> int:
    return sum(len(text) for _, text in line)


# ---- the table ----


def _table(viewer: Viewer, found: Picture) -> list[Line]:
    shown, columns = viewer.watch.order, viewer.columns
    name_width = viewer.width - sum(column.width for column in columns)
    heading = f" {found.asked.view.heading}"
    rates = "bit/s" if name_width > len(f"{heading} bit/s") else ""
    head: Line = [("head", heading + rates.rjust(name_width - len(heading)))]
    for column in columns:
        marked = ("*" if column.order == shown else "") + column.title
        head.append(("sorted" if column.order == shown else "head", marked.rjust(column.width)))
    everything = [("all", " all".ljust(name_width)), *_cells(viewer, found, None, columns, "all")]
    keys = viewer.keys(found)
    selected, first = viewer.place(keys), viewer.first(keys)
    viewer.watch.labels.ask(keys[first:])
    lines = [head, everything]
    for at in range(first, len(keys)):
        style = "selected" if at == selected else ""
        name = named(viewer.watch.labels.of(keys[at]), name_width)
        bar = min(round(name_width * _share(found, found.rows[at], shown)), name_width)
        line = [(f"{style} bar".strip(), name[:bar]), (style, name[bar:])]
        lines.append(line + _cells(viewer, found, found.rows[at], columns, style))
    if not keys:
        narrowed = viewer.watch.filter or viewer.watch.zooms
        lines.append([("dim", "  nothing fits" if narrowed else "  no traffic yet")])
    return lines


def _cells(viewer: Viewer, found: Picture, row: Row | None, columns: list[Column], style: str) -> Line:
    return [(style, column.text(found, row, viewer.units).rjust(column.width)) for column in columns]


def _share(found: Picture, row: Row, order: tuple[int, int]) -> float:
    """The part of all that a row has in the column that is sorted by."""
    window, way = order
    whole = found.bytes(None, window, way) or found.bytes(None, window, BOTH)
    return found.bytes(row, window, way) / whole if whole else 0.0


def named(texts: tuple[str, ...], width: int) -> str:
    """What a row is called, in exactly so many columns, of which the first and the last are blank."""
    if len(texts) == 1:
        return " " + _cut(texts[0], width - 2).ljust(width - 1)
    room = width - 3  # a blank before, between and behind
    left = room // 2
    if len(texts[1]) > room - left:
        left = max(min(len(texts[0]), left), room - len(texts[1]))
    elif len(texts[0]) > left:
        left = min(len(texts[0]), room - len(texts[1]))
    return " " + _cut(texts[0], left).ljust(left) + " " + _cut(texts[1], room - left).ljust(room - left + 1)


def _cut(text: str, width: int) -> str:
    """Addresses of one network differ at their end, names of hosts at their beginning."""
    if len(text) <= width:
        return text
    end = max(width - 1, 0) // 2 if ":" in text else 0
    return text[: max(width - 1 - end, 0)] + "~" + text[len(text) - end :]


def _foot(viewer: Viewer) -> Line:
    """The keys that there is room for; or what is typed."""
    if not viewer.has_keys:
        return [("", _NO_KEYS)]
    if viewer.typed is not None:
        room = max(viewer.width - len(" filter: _"), 1)  # Its end is where one types.
        return [("key", " filter: "), ("", viewer.typed[-room:] + "_"), ("dim", "   Enter: take it, Esc: leave it")]
    line: Line = []
    for key, does in _KEYS:
        if _length(line) + len(f" {key} {does}") > viewer.width:
            break
        line += [("", " "), ("key", key), ("", f" {does} ")]
    return line


def _fitted(line: Line, width: int) -> Line:
    """Exactly as wide as the screen; what cannot be shown is made visible."""
    fitted: Line = []
    for style, text in line:
        text = messages.one_line(text)[:width]
        width -= len(text)
        if text:
            fitted.append((style, text))
    return [*fitted, (fitted[0][0] if fitted and fitted[0][0] == "title" else "", " " * width)] if width else fitted
