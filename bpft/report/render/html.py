"""One self-contained page: no resource from elsewhere, nothing that runs but the sorting of its tables."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import TextIO

from bpft import __version__
from bpft.messages import one_line
from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.page import View
from bpft.report.period import SECOND
from bpft.report.render import svg, whole_sums
from bpft.report.render.table import Style
from bpft.report.render.words import TITLES, Words, open_points, selected, subject, when
from bpft.report.rows import Row
from bpft.series import STEP_NS, Point

_WIDE, _NARROW = (960, 300), (400, 260)  # of a chart, in pixels of its text
_WAYS = (("in", "in"), ("out", "out"), ("way", "neither"))  # class and name of each part
_FIGURES = {"in": "In", "out": "Out", "all": "All", "packets": "Packets"}  # what everybody looks for comes first
_P95_FROM = 12  # buckets that are worth a percentile
_LEAST, _MOST_COLUMNS = 2, 200  # of a chart of the series
_TOGETHER = (1, 3, 6, 12, 36, 72, 288)  # of its points in a column: five minutes to a day
_BUCKETS = {"5min": "five minutes", "hour": "hour", "day": "day", "month": "month"}


def write(views: Sequence[View], out: TextIO, style: Style) -> None:
    """The page.  Its names are looked up as those of a table."""
    css, script = (files(__package__).joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(css)}'; script-src '{_hash(script)}'"
    title = _text(subject(*(view.hosts for view in views)))
    out.write(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n'
        f'<meta name="generator" content="bpft {__version__}">\n<link rel="icon" href="data:,">\n'
        f"<title>Traffic of {title}</title>\n<style>{css}</style>\n</head>\n<body>\n"
    )
    said = views[0].hosts.question.period.said
    out.write(f'<header>\n<p class="kind">Traffic report{said and " · "}{_text(said)}</p>\n<h1>{title}</h1>\n')
    if len(views) == 1:
        out.write(_head(views[0].hosts, style))
    out.write("</header>\n<main>\n")
    for view in views:
        if len(views) > 1:
            out.write(f"<h2>{_text(subject(view.hosts))}</h2>\n<header>{_head(view.hosts, style)}</header>\n")
        out.writelines(_sections(view, style))
    made = units.moment(time.time_ns())
    out.write(f"</main>\n<footer>Made by bpft {__version__} at {made}.  Bytes are those of IP packets.</footer>\n")
    out.write(f"<script>{script}</script>\n</body>\n</html>\n")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _text(text: str) -> str:
    """Names of files and hosts may hold anything."""
    return escape(one_line(text))


# ---- what is said ----


def _head(answer: Answer, style: Style) -> str:
    """When, of what, and whether it adds up."""
    lines = [when(answer), *selected(answer, style.units)]
    said = "".join(f"<p>{_text(line)}</p>\n" for line in lines if line)
    told = answer.completeness.lines(style.units)
    loud = [line for line in told if line.partition(":")[0].isupper()] + answer.troubles
    if not loud:
        kind = "good" if _is_whole(answer) else "open"
        return f'{said}<p class="verdict {kind}">{_text(told[0])}</p>\n'
    title = "These figures are not complete." if answer.completeness.adds_up else "These figures do not add up."
    points = "".join(f"<li>{_text(line)}</li>" for line in loud)
    return f'{said}<div class="verdict bad" role="note"><strong>{title}</strong><ul>{points}</ul></div>\n'


def _is_whole(answer: Answer) -> bool:
    """Whether what the interfaces themselves counted is there, to a thousandth."""
    accounts = answer.completeness.accounts.values()
    dropped = sum(account.dropped + account.if_dropped for account in accounts)
    return (
        bool(accounts)
        and all(account.compared == account.blocks for account in accounts)
        and all(1000 * abs(account.moved - account.accounted) <= account.moved for account in accounts)
        and 1000 * dropped <= answer.completeness.seen
    )


def _sections(view: View, style: Style) -> Iterator[str]:
    if len(view.hosts.ranking):
        yield from _pictures(view, style)
    else:
        yield f'<p class="none">No records{" match" * bool(view.hosts.question.where)}.</p>\n'
    notes = [*open_points(view.hosts, style.units), *view.hosts.notes, *view.hosts.completeness.lines(style.units)]
    yield '<section>\n<h3>Does it add up?</h3>\n<ul class="notes">\n'
    yield "".join(f"<li>{_text(line)}</li>\n" for line in notes)
    yield "</ul>\n</section>\n"


def _pictures(view: View, style: Style) -> Iterator[str]:
    """Of what was counted: in all, by time, by scope, and table by table."""
    yield _tiles(view, style)
    if view.times:
        yield _chart(view.times, style)
    elif not view.hosts.question.where:
        for name, rate in view.hosts.rates().items():
            yield _own_chart(name, rate.points, style)
    yield _cards(view.scopes, style)
    tables = [("Rows asked for", view.asked), ("Hosts", view.hosts), ("Services", view.services)]
    asked = view.asked.question.by if view.asked else ""
    for title, answer in tables:
        if answer and (answer is view.asked or answer.question.by != asked):
            yield from _Table(
                answer, style, f"By {asked.replace(',', ', ')}" if answer is view.asked else title
            ).parts()


def _tiles(view: View, style: Style) -> str:
    """The figures that are looked for first."""
    answer, scopes = view.hosts, list(view.scopes.rows())
    packets, all_, _ = answer.totals
    into, out = sum(row.sums[-2] for row in scopes), sum(row.sums[-1] for row in scopes)
    hosts, watched = len(answer.ranking), answer.coverage.covered_ns
    counted = f"{units.count(packets)} packet{'s' * (packets != 1)}" if packets else ""
    tiles = [
        ("Total", all_, units.size(all_, style.units), counted),
        ("In", into, units.size(into, style.units), f"{units.share(into, all_)} of it"),
        ("Out", out, units.size(out, style.units), f"{units.share(out, all_)} of it"),
        ("Average", None, units.rate(all_, watched), f"over {units.span(watched)}"),
    ]
    if not answer.remainder[1]:  # else some of the hosts are not known
        tiles.append(("Hosts", hosts, units.grouped(hosts), ""))
    if view.times:
        busiest = max(_columns(view.times, style), key=lambda column: sum(column.parts))
        bucket = _BUCKETS[view.times.ranking.grouping.bucket]
        tiles.insert(4, (f"Busiest {bucket}", None, units.pace(sum(busiest.parts)), busiest.label))
    told = [
        f"<div><dd{_value(value)}>{_unit(shown)}<small>{_text(more)}</small></dd><dt>{title}</dt></div>\n"
        for title, value, shown, more in tiles
        if shown
    ]
    return f'<dl class="tiles">\n{"".join(told)}</dl>\n'


def _unit(shown: str) -> str:
    """A figure whose unit is set smaller."""
    figure, space, unit = shown.partition(" ")
    return f"{figure}{space}<span>{unit}</span>" if unit else figure


def _cards(scopes: Answer, style: Style) -> str:
    """Scopes side by side."""
    cards, whole = [], scopes.totals[1]
    for row in scopes.rows():
        _, all_, _, into, out = row.sums
        ways = "".join(
            f"<div><dt>{name}</dt><dd{_value(value)}>{units.size(value, style.units)}</dd></div>"
            for name, value in (("In", into), ("Out", out))
        )
        size = _unit(units.size(all_, style.units))
        cards.append(
            f"<li><h4>{_text(str(row.key[0]))}</h4>\n"
            f'<p class="sum"{_value(all_)}>{size} <small>{units.share(all_, whole)}</small></p>\n'
            f"{svg.bar(_parts(row), whole, [way for way, _ in _WAYS])}\n<dl>{ways}</dl></li>\n"
        )
    return f'<section>\n<h3>Where it went</h3>\n<ul class="cards">\n{"".join(cards)}</ul>\n</section>\n'


def _parts(row: Row) -> tuple[int, int, int]:
    """Bytes in, out and neither, of a row that has both ways; what went both ways at once is in."""
    _, all_, _, into, out = row.sums
    if row.other:  # it stands on both sides
        return 0, 0, all_
    return into, min(out, all_ - min(into, all_)), max(0, all_ - into - out)


# ---- times ----


def _columns(times: Answer, style: Style) -> list[svg.Column]:
    """A column a bucket that was watched, of all its scopes together."""
    sums: dict[int, tuple[int, ...]] = {}
    for row in times.rows():
        if row.bucket:
            before = sums.get(row.bucket.begin_ns, (0, 0, 0))
            sums[row.bucket.begin_ns] = tuple(map(sum, zip(before, _parts(row), strict=True)))
    found = []
    for bucket in (bucket for some in times.buckets.values() for bucket in some if bucket.covered_ns):
        parts = sums.get(bucket.begin_ns, (0, 0, 0))
        paces = tuple(part * 8 * SECOND // bucket.covered_ns for part in parts)
        size = units.size(sum(parts), style.units)
        found.append(svg.Column(bucket.begin_ns, bucket.end_ns, bucket.label, paces, size))
    return found


def _chart(times: Answer, style: Style) -> str:
    """Rates over time, and the same as a table."""
    drawn = _columns(times, style)
    bucket = times.ranking.grouping.bucket
    used = [place for place in range(len(_WAYS)) if any(column.parts[place] for column in drawn)]
    ways = [_WAYS[place] for place in used]
    drawn = [column._replace(parts=tuple(column.parts[place] for place in used)) for column in drawn]
    totals = sorted(sum(column.parts) for column in drawn)
    p95 = totals[(len(totals) * 95 + 99) // 100 - 1] if len(totals) >= _P95_FROM else 0
    return _figure(f"By {_BUCKETS[bucket]}", TITLES[bucket], drawn, ways, p95)


def _own_chart(name: str, points: list[Point], style: Style) -> str:
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
        drawn.append(svg.Column(begin, begin + together * STEP_NS, label, paces, units.size(sum(sums), style.units)))
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
        f"<figure>\n<figcaption><h3>{_text(title)}</h3>\n{keys}</figcaption>\n{pictures}</figure>\n"
        f"<details><summary>The same as figures</summary>\n{_times_table(drawn, ways, first)}</details>\n"
    )


def _times_table(drawn: list[svg.Column], ways: list[tuple[str, str]], title: str) -> str:
    heads = "".join(f'<th scope="col" class="figure">{name.capitalize()}</th>' for _, name in ways)
    rows = "".join(
        f'<tr><th scope="row">{_text(column.label)}</th>'
        + "".join(f'<td class="figure"{_value(part)}>{units.pace(part)}</td>' for part in column.parts)
        + f'<td class="figure">{column.size}</td></tr>\n'
        for column in drawn
    )
    return _scroll(
        f"Rates by {title.lower()}",
        f'<table>\n<thead><tr><th scope="col">{title}</th>{heads}<th scope="col" class="figure">All</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n",
    )


# ---- tables ----


class _Table:
    """The rows of an answer, the largest first, with what those sum to that have no row here."""

    def __init__(self, answer: Answer, style: Style, title: str) -> None:
        self.answer, self.style, self.title = answer, style, title
        self.grouping = answer.ranking.grouping
        self.words = Words(answer, style.numeric, style.names)
        self.figures = [name for name in _FIGURES if name in self.grouping.sums]

    def parts(self) -> Iterator[str]:
        rows = list(self.answer.rows())
        yield f"<section>\n<h3>{_text(self.title)}</h3>\n"
        self.words.learn(self.grouping.columns, (row.key for row in rows if not row.other))
        most = max(row.sums[1] for row in rows)
        body = "".join(self._row(row, most) for row in rows)
        yield _scroll(
            self.title,
            f'<table class="sortable" data-by="{_text(self.answer.question.by)}">\n'
            f"<thead><tr>{self._heads()}</tr></thead>\n"
            f"<tbody>\n{body}</tbody>\n<tfoot>\n{self._foot(rows)}</tfoot>\n</table>\n",
        )
        yield "</section>\n"

    def _heads(self) -> str:
        sort = self.answer.question.sort or ("" if self.grouping.bucket else "all")
        titles = [f'<th scope="col">{TITLES[column]}</th>' for column in self.grouping.columns]
        for name in self.figures:
            order = ' aria-sort="descending"' if name == sort and not self.answer.question.reverse else ""
            titles.append(f'<th scope="col" class="figure {name}"{order}>{_FIGURES[name]}</th>')
        return "".join(titles) + '<th scope="col" class="figure share">Share</th><td class="bars"></td>'

    def _row(self, row: Row, most: int) -> str:
        cells = [self._word(*one) for one in zip(self.grouping.columns, row.key, self.words.of(row), strict=True)]
        first = f'<th scope="row">{cells[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in cells[1:])
        parts = _parts(row) if "in" in self.grouping.sums else (0, 0, row.sums[1])
        bar = svg.bar(parts, most, [way for way, _ in _WAYS])
        share = f'<td class="figure share"{_value(row.sums[1])}>{units.share(row.sums[1], self.answer.totals[1])}</td>'
        return f'<tr>{first}{self._sums(row.sums)}{share}<td class="bars">{bar}</td></tr>\n'

    def _word(self, column: str, cell: object, word: str) -> str:
        """A cell, with the address behind a name."""
        told = _text(word).replace(".", ".<wbr>").replace("-", "-<wbr>") if len(word) > 1 else word
        named = column in ("src", "dst", "host") and word not in (str(cell), "other", "-")
        return f'{told}&ensp;<span class="address">{_text(str(cell))}</span>' if named else told

    def _sums(self, sums: tuple[int, ...]) -> str:
        known = whole_sums(sums, None)
        cells = []
        for name in self.figures:
            place = self.grouping.sums.index(name)
            value = known[place] if place < len(known) else None
            shown = "-" if place < len(known) else ""  # a total has no in and out
            if value is not None:
                shown = (units.size if place else units.count)(value, self.style.units)
            cells.append(f'<td class="figure {name}"{_value(value)}>{shown}</td>')
        return "".join(cells)

    def _foot(self, rows: list[Row]) -> str:
        span = f' colspan="{len(self.grouping.columns)}"' if len(self.grouping.columns) > 1 else ""
        left, foot = len(self.answer.ranking) - len(rows), ""
        none = '<td class="share"></td><td class="bars"></td>'
        if left:
            rest = self.answer.rest(map(sum, zip(*(row.sums for row in rows), strict=True)))
            name = f"{units.grouped(left)} other row{'s' * (left != 1)}"
            foot = f'<tr class="rest"><th scope="row"{span}>{name}</th>{self._sums(rest)}{none}</tr>\n'
        total = f'<th scope="row"{span}>Total</th>{self._sums(self.answer.totals)}'
        return f'{foot}<tr class="all">{total}{none}</tr>\n'


def _scroll(title: str, table: str) -> str:
    """What is too wide is moved sideways, also from the keyboard."""
    return f'<div class="scroll" role="region" aria-label="{_text(title)}" tabindex="0">\n{table}</div>\n'


def _value(value: int | None) -> str:
    """The exact figure behind a rounded one: for sorting, and for who rests a pointer on it."""
    return "" if value is None else f' data-v="{value}" title="{value:,}"'
