"""Rates over time on the page: a chart, and the same as a table."""

from __future__ import annotations

from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.period import SECOND
from bpft.report.render import svg
from bpft.report.render.html_table import WAYS, escaped, exact, scrolled, ways_of
from bpft.report.render.table import Style
from bpft.report.render.words import TITLES
from bpft.series import STEP_NS, Point

BUCKETS = {"5min": "five minutes", "hour": "hour", "day": "day", "month": "month"}
_WIDE, _NARROW = (960, 300), (400, 260)  # of a chart, in pixels of its text
_P95_FROM = 12  # buckets that are worth a percentile
_LEAST, _MOST_COLUMNS = 2, 200  # of a chart of the series
_TOGETHER = (1, 3, 6, 12, 36, 72, 288)  # of its points in a column: five minutes to a day


def columns(times: Answer, style: Style) -> list[svg.Column]:
    """A column a bucket that was watched, of all its scopes together."""
    sums: dict[int, tuple[int, ...]] = {}
    for row in times.rows():
        if row.bucket:
            before = sums.get(row.bucket.begin_ns, (0, 0, 0))
            sums[row.bucket.begin_ns] = tuple(map(sum, zip(before, ways_of(row), strict=True)))
    found = []
    for bucket in (bucket for some in times.buckets.values() for bucket in some if bucket.covered_ns):
        parts = sums.get(bucket.begin_ns, (0, 0, 0))
        paces = tuple(part * 8 * SECOND // bucket.covered_ns for part in parts)
        size = units.size(sum(parts), style.units)
        found.append(svg.Column(bucket.begin_ns, bucket.end_ns, bucket.label, paces, sum(parts), size))
    return found


def chart(times: Answer, style: Style) -> str:
    """Rates over time, and the same as a table."""
    drawn = columns(times, style)
    bucket = times.ranking.grouping.bucket
    used = [place for place in range(len(WAYS)) if any(column.parts[place] for column in drawn)]
    ways = [WAYS[place] for place in used]
    drawn = [column._replace(parts=tuple(column.parts[place] for place in used)) for column in drawn]
    totals = sorted(sum(column.parts) for column in drawn)
    p95 = totals[(len(totals) * 95 + 99) // 100 - 1] if len(totals) >= _P95_FROM else 0
    return _figure(f"By {BUCKETS[bucket]}", TITLES[bucket], drawn, ways, p95)


def own_chart(name: str, points: list[Point], style: Style) -> str:
    """Rates by the interface's own counters: where blocks are too long to tell, their series does (SEMANTICS R4)."""
    span = points[-1].begin_ns + STEP_NS - points[0].begin_ns
    together = next((n for n in _TOGETHER if span <= n * STEP_NS * _MOST_COLUMNS), _TOGETHER[-1])
    slots: dict[int, list[Point]] = {}
    for point in points:
        slots.setdefault(point.begin_ns // (together * STEP_NS), []).append(point)
    drawn = []
    for slot, some in slots.items():
        begin, ms = slot * together * STEP_NS, sum(point.covered_ms for point in some)
        sums = sum(point.rx_bytes for point in some), sum(point.tx_bytes for point in some)
        label = units.moment(begin)[: len("2026-11-19 10:00")]
        paces = tuple(part * 8000 // ms for part in sums)
        all_ = sum(sums)
        size = units.size(all_, style.units)
        drawn.append(svg.Column(begin, begin + together * STEP_NS, label, paces, all_, size))
    if len(drawn) < _LEAST:
        return ""
    return _figure(f"{name} by its own counters", "Time", drawn, [("in", "received"), ("out", "sent")], 0)


def _figure(title: str, first: str, drawn: list[svg.Column], ways: list[tuple[str, str]], p95: int) -> str:
    """A chart, and the same as a table whose first column is headed first; p95: bit/s, 0: not told."""
    told = f"Rates from {drawn[0].label} on; the same figures follow as a table"
    keys = "".join(f'<span class="key {way}">{name}</span>\n' for way, name in ways)
    if p95:
        keys += f'<span class="key p95">95th percentile {units.pace(p95)}</span>\n'
    if svg.gaps(drawn):
        keys += '<span class="key gap">not watched</span>\n'
    pictures = "".join(
        f'<div class="{name}">{svg.columns(drawn, ways, p95, told, size)}</div>\n'
        for name, size in (("wide", _WIDE), ("narrow", _NARROW))
    )
    return (
        f"<figure>\n<figcaption><h3>{escaped(title)}</h3>\n{keys}</figcaption>\n{pictures}</figure>\n"
        f"<details><summary>The same as figures</summary>\n{_times_table(drawn, ways, first)}</details>\n"
    )


def _times_table(drawn: list[svg.Column], ways: list[tuple[str, str]], title: str) -> str:
    names = [*(name.capitalize() for _, name in ways), "All"]
    heads = f'<th scope="col" aria-sort="ascending">{title}</th>'
    heads += "".join(f'<th scope="col" class="figure">{name}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{escaped(column.label)}</th>'
        + "".join(f'<td class="figure"{exact(part)}>{units.pace(part)}</td>' for part in column.parts)
        + f'<td class="figure"{exact(column.bytes)}>{column.size}</td></tr>\n'
        for column in drawn
    )
    return scrolled(
        f"Rates by {title.lower()}",
        f'<table class="sortable">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n',
    )
