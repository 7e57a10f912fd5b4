"""One screen as styled text: what a terminal of any kind is to show, a pure function of what is looked at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from bpft import messages
from bpft.report import units
from bpft.report.period import SECOND
from bpft.top.change import SIZE
from bpft.top.view import BOTH, VIEWS

if TYPE_CHECKING:
    from bpft.top.columns import Column
    from bpft.top.label import Key
    from bpft.top.picture import Picture, Row
    from bpft.top.source import Reading
    from bpft.top.viewer import Viewer

#: (style, text): styles are those of screen.py's palette, "" is plain.
Span: TypeAlias = tuple[str, str]
Line: TypeAlias = list[Span]

_HINTS = (("?", "help"), ("q", "quit"), ("Tab", "view"), ("s", "sort"), ("/", "filter"), ("Enter", "zoom in"))
_MORE = (("Esc", "back"), ("p", "pause"), ("n", "names"), ("i", "interface"))

HELP = """\
Hosts, pairs of hosts, services and scopes by what they move now.

  1 2 3 4  Tab      hosts, pairs, services, scopes; the next of them
  s S  right left   sort by the next column, the one before
  up down  j k      select a row; PgUp PgDn Home: further
  Enter             zoom in: only what that row is made of
  Esc               one zoom back, then the filter away
  / or f            filter: host 10.0.0.7 and not port 22, or a part of a name
  p or blank        pause: counting goes on
  i I               the next interface, the one before
  n                 names or numbers
  u                 units: GB, GiB, bytes
  q                 quit

In and out are seen from the host, of a pair from the first one, of services
and scopes from this side.  Rates are bit/s of IP packets over the last 2, 10
and 60 seconds, totals bytes since the last save.
"""


def page(viewer: Viewer) -> list[Line]:
    """As many lines as the screen has, each as long as it is wide."""
    width, height = viewer.width, viewer.height
    if viewer.help:
        lines: list[Line] = [[("title", " bpft top")], [], *([("", " " + line)] for line in HELP.splitlines())]
        lines = [*lines[: height - 1]]
        lines += [[]] * (height - 1 - len(lines)) + [[("key", " any key"), ("", " goes back")]]
    else:
        found = viewer.picture()
        lines = [_title(viewer), _state(viewer), _tabs(viewer)]
        lines += _table(viewer, found) if found else [[("", " waiting for the first look")]]
        lines = lines[: height - 1]
        lines += [[]] * (height - 1 - len(lines)) + [_foot(viewer)]
    return [_fitted(line, width) for line in lines[-height:]]


def _title(viewer: Viewer) -> Line:
    at = viewer.interfaces.index(viewer.interface) + 1
    many = f" ({at} of {len(viewer.interfaces)})" if len(viewer.interfaces) > 1 else ""
    reading = viewer.watch.reading
    clock = time.strftime("%H:%M:%S", time.localtime(reading.header.end_ns // SECOND)) if reading else ""
    left = f" bpft top  {viewer.interface}{many}" + ("" if viewer.attached else "  captured here")
    paused = "  PAUSED" if viewer.watch.paused else ""
    seconds = round(reading.span_ns / SECOND) if reading else 0
    often = f", each {seconds} s" if seconds > 1 else ""
    right = f"as of {clock}{often} " if clock else ""
    return [
        ("title", left),
        ("alert" if paused else "title", paused),
        ("title", _between(viewer, left + paused + right) + right),
    ]


def _between(viewer: Viewer, rest: str) -> str:
    return " " * max(viewer.width - len(rest), 1)


def _state(viewer: Viewer) -> Line:
    """Of the table: flows, since when, what was lost; or why it cannot be seen."""
    watch = viewer.watch
    if watch.trouble:
        return [("alert", f" {watch.trouble}")]
    if watch.reading is None:
        return []
    header, reading = watch.reading.header, watch.reading
    since = time.strftime("%b %d %H:%M:%S", time.localtime(header.begin_ns // SECOND))
    return [("", f" {messages.count(flows(reading), 'flow')} since {since}, "), _dropped(viewer)]


def flows(reading: Reading) -> int:
    """Records in the table."""
    return sum(len(records) // SIZE[version] for version, records in reading.held.items())


def _dropped(viewer: Viewer) -> Span:
    assert viewer.watch.reading is not None
    counters = viewer.watch.reading.header.counters
    dropped = counters.dropped + counters.if_dropped
    if not dropped:
        return "", "no packet dropped"
    now = f", {viewer.watch.dropped:,} just now" if viewer.watch.dropped > 0 else ""
    share = units.share(dropped, max(counters.received, dropped))
    return "alert", f"{messages.count(dropped, 'packet')} dropped ({share}){now}"


def _tabs(viewer: Viewer) -> Line:
    line: Line = []
    for number, name in enumerate(VIEWS, 1):
        line += [("", " "), ("tab" if name == viewer.watch.view.name else "", f" {number} {name.capitalize()} ")]
    words = [" + ".join(viewer.watch.labels.of(key)) for key in viewer.watch.zooms]
    words += [f"/{viewer.watch.filter}"] if viewer.watch.filter else []
    trail, room = " > ".join(words), viewer.width - sum(len(text) for _, text in line) - 3
    if len(trail) > room:
        trail = ".." + trail[len(trail) - max(room - 2, 0) :]  # Its end says what is shown.
    return [*line, ("key", f"   {trail}")]


# ---- the table ----


def _table(viewer: Viewer, found: Picture) -> list[Line]:
    shown, columns = viewer.watch.order, viewer.columns
    name_width = viewer.width - sum(column.width for column in columns)
    head: Line = [("head", f" {found.asked.view.heading}".ljust(name_width))]
    for column in columns:
        marked = ("*" if column.order == shown else "") + column.title
        head.append(("sorted" if column.order == shown else "head", marked.rjust(column.width)))
    everything = [("all", " all".ljust(name_width)), *_cells(viewer, found, None, columns, "all")]
    keys = viewer.keys(found)
    selected = keys.index(viewer.selected) if viewer.selected in keys else -1
    viewer.watch.labels.ask(keys[viewer.offset :])
    lines = [head, everything]
    for at in range(viewer.offset, len(keys)):
        style = "selected" if at == selected else ""
        name = _name(viewer, keys[at], name_width)
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


def _name(viewer: Viewer, key: Key, width: int) -> str:
    """What a row is called, in exactly so many columns."""
    texts = viewer.watch.labels.of(key)
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
    return text if len(text) <= width else text[: max(width - 1, 0)] + "~"


def _foot(viewer: Viewer) -> Line:
    if viewer.typed is not None:
        hint = ("alert", f"   {viewer.refused}") if viewer.refused else ("dim", "   Enter: take it, Esc: leave it")
        return [("key", " filter: "), ("", viewer.typed + "_"), hint]
    line: Line = []
    for key, does in (*_HINTS, *(_MORE if viewer.width >= 100 else _MORE[: viewer.width >= 80])):
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
