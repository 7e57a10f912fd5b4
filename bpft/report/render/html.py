"""One self-contained page: no resource from elsewhere, nothing that runs but the sorting of its tables."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TextIO

from bpft import __version__
from bpft.report import units
from bpft.report.answer import Answer
from bpft.report.page import View
from bpft.report.render import svg
from bpft.report.render.html_chart import BUCKETS, chart, columns, own_chart
from bpft.report.render.html_table import WAYS, Table, escaped, exact, ways_of
from bpft.report.render.table import Style
from bpft.report.render.words import open_points, selected, subject, when


def write(views: Sequence[View], out: TextIO, style: Style) -> None:
    """The page.  Its names are looked up as those of a table."""
    css, script = (files(__package__).joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(css)}'; script-src '{_hash(script)}'"
    title = escaped(subject(*(view.hosts for view in views)))
    out.write(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n'
        f'<meta name="generator" content="bpft {__version__}">\n<link rel="icon" href="data:,">\n'
        f"<title>Traffic of {title}</title>\n<style>{css}</style>\n</head>\n<body>\n"
    )
    said = views[0].hosts.question.period.said
    out.write(f'<header>\n<p class="kind">Traffic report{said and " · "}{escaped(said)}</p>\n<h1>{title}</h1>\n')
    if len(views) == 1:
        out.write(_head(views[0].hosts, style))
    out.write("</header>\n<main>\n")
    for view in views:
        if len(views) > 1:
            out.write(f"<h2>{escaped(subject(view.hosts))}</h2>\n<header>{_head(view.hosts, style)}</header>\n")
        out.writelines(_sections(view, style))
    made = units.moment(time.time_ns())
    out.write(f"</main>\n<footer>Made by bpft {__version__} at {made}.  Bytes are those of IP packets.</footer>\n")
    out.write(f"<script>{script}</script>\n</body>\n</html>\n")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# ---- what is said ----


def _head(answer: Answer, style: Style) -> str:
    """When, of what, and whether it adds up."""
    lines = [when(answer.coverage), *selected(answer, style.units)]
    said = "".join(f"<p>{escaped(line)}</p>\n" for line in lines if line)
    told = answer.completeness.lines(style.units)
    loud = [line for line in told if line.partition(":")[0].isupper()] + answer.troubles
    if not loud:
        kind = "good" if _is_whole(answer) else "open"
        return f'{said}<p class="verdict {kind}">{escaped(told[0])}</p>\n'
    title = "These figures are not complete." if answer.completeness.adds_up else "These figures do not add up."
    points = "".join(f"<li>{escaped(line)}</li>" for line in loud)
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
    yield "".join(f"<li>{escaped(line)}</li>\n" for line in notes)
    yield "</ul>\n</section>\n"


def _pictures(view: View, style: Style) -> Iterator[str]:
    """Of what was counted: in all, by time, by scope, and table by table."""
    yield _tiles(view, style)
    if view.times:
        yield chart(view.times, style)
    elif not view.hosts.question.where:
        for name, rate in view.hosts.rates().items():
            yield own_chart(name, rate.points, style)
    yield _cards(view.scopes, style)
    tables = [("Rows asked for", view.asked), ("Hosts", view.hosts), ("Services", view.services)]
    asked = view.asked.question.by if view.asked else ""
    for title, answer in tables:
        if answer and (answer is view.asked or answer.question.by != asked):
            yield from Table(answer, style, f"By {asked.replace(',', ', ')}" if answer is view.asked else title).parts()


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
        busiest = max(columns(view.times, style), key=lambda column: sum(column.parts))
        bucket = BUCKETS[view.times.ranking.grouping.bucket]
        tiles.insert(4, (f"Busiest {bucket}", None, units.pace(sum(busiest.parts)), busiest.label))
    told = [
        f"<div><dd{exact(value)}>{_unit(shown)}<small>{escaped(more)}</small></dd><dt>{title}</dt></div>\n"
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
            f"<div><dt>{name}</dt><dd{exact(value)}>{units.size(value, style.units)}</dd></div>"
            for name, value in (("In", into), ("Out", out))
        )
        size = _unit(units.size(all_, style.units))
        cards.append(
            f"<li><h4>{escaped(str(row.key[0]))}</h4>\n"
            f'<p class="sum"{exact(all_)}>{size} <small>{units.share(all_, whole)}</small></p>\n'
            f"{svg.bar(ways_of(row), whole, [way for way, _ in WAYS])}\n<dl>{ways}</dl></li>\n"
        )
    return f'<section>\n<h3>Where it went</h3>\n<ul class="cards">\n{"".join(cards)}</ul>\n</section>\n'
