"""bpft report: who used the bandwidth, and does it add up."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Literal, TypeVar

import click

from bpft.cli import asked
from bpft.cli.asked import When, period_options
from bpft.cli.progress import passing
from bpft.cli.shown import FORMATS, ROWS_ALONE, Show, print_answers, refuse_terminal, write_page
from bpft.errors import UsageError
from bpft.messages import one_line
from bpft.record import Header
from bpft.report.answer import NoIntactBlock, NothingDated, NothingInPeriod, Question, answer
from bpft.report.source import Sources
from bpft.report.units import Units

Found = TypeVar("Found")

_TABLE_ROWS = 10  # with heading and totals they fit the smallest terminal
_APART = "interface"  # the grouping that keeps interfaces apart


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A PERIOD is today, yesterday, monday, last 24 hours, last 7 days, this month, last month, 2026-11, "
    "2026-11-05, 2026-11-01..2026-11-15, since 10:00 or all.  A TIME is any of these, 2026-11-01T10:00, 10:00 or -2h.",
)
@click.argument("words", metavar="[PERIOD] [FILE]...", nargs=-1)
@click.option("-r", "--read", "files", metavar="FILE", multiple=True, help="Read FILE, whatever its name looks like.")
@click.option("-i", "--interface", "interfaces", metavar="IFACE", multiple=True, help="Only what was seen on IFACE.")
@click.option("--sum", "summed", is_flag=True, help="Add interfaces up, unless they see the same traffic.")
@click.option("--by", metavar="WORD,...", help="What a row is: host, or day,host.  Default: key.")
@click.option("--top", type=click.IntRange(min=0), metavar="N", help="Rows; 0: all.  Default: 10 in a table, else all.")
@click.option("-s", "--sort", metavar="COLUMN", default="", help="Largest first, or by a key column; key: by all.")
@click.option("-R", "--reverse", is_flag=True, help="The other way round.")
@click.option("-n", "--numeric", is_flag=True, help="Numbers instead of names; the DNS is not asked.")
@period_options
@click.option("-w", "--where", metavar="EXPR", default="", help="Only what matches, as for tcpdump: 'net 10.0.0.0/8'.")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True, help="How to print it.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--plot", is_flag=True, help="Draw it: bars, or lines where --by has a time in it.")
@click.option("--html", "page", metavar="FILE", help="Write a page to mail; -: to standard output.")
@click.option("--units", type=click.Choice(["si", "iec", "bytes"]), default="si", help="In tables: GB, GiB or exact.")
@click.option("--root", metavar="DIR", default="", help="Look for what is recorded below DIR.")
def report(
    words: tuple[str, ...],
    files: tuple[str, ...],
    interfaces: tuple[str, ...],
    summed: bool,
    by: str | None,
    top: int | None,
    sort: str,
    reverse: bool,
    numeric: bool,
    begin: str | None,
    end: str | None,
    billing_day: int,
    zone: str,
    where: str,
    form: Literal["table", "json", "csv", "ndjson", "parquet"],
    as_json: bool,
    plot: bool,
    page: str | None,
    units: Units,
    root: str,
) -> int:
    """Who used the bandwidth, and does it add up?

    Without a FILE: today, of what is recorded here and what the running daemons hold, every interface apart.  Files
    are logs and dumps of trafd and captures (pcap, pcapng), told apart by content and added up; - is standard input.
    """
    form = "json" if as_json else form
    show = Show("plot" if plot else "html" if page is not None else form, numeric, units, root)
    if (form != "table") + plot + (page is not None) > 1:
        raise UsageError("--plot, --html and --format each are a way to show it: take one of them")
    if page == "":
        raise UsageError("--html '': name a file, or - for standard output")
    refuse_terminal(form)
    found = asked.read(words, files, When(begin, end, billing_day, zone))
    rows = top if top is not None else _TABLE_ROWS if form == "table" else 0
    grouping = "key" if by is None else by
    apart = not found.files and not summed and len(interfaces) != 1 and _APART not in grouping.split(",")
    if apart and form in ROWS_ALONE:
        grouping, apart = f"{_APART},{grouping}", False
    scopes = asked.configured(root).scopes if page or "scope" in grouping.split(",") else ()
    question = Question(grouping, sort, rows, where, found.period, interfaces, reverse, scopes)
    sources = Sources()
    with telling(sources):
        asked.add_to(sources, found, root, interfaces)
        if summed:
            _refuse_overlap(sources, question)
        length = sources.rows_of(_takes(question))
        if page:
            from bpft.report.page import PASSES, view

            with passing("reading", PASSES * length) as sources.advance:
                ask = partial(view, by=by, top=top)
                views = _apart(question, sources, ask) if apart else [ask(question, sources)]
            write_page(views, page, sources.names, show)
            return 1 if sources.troubles else 0
        with passing("reading", length) as sources.advance:
            answers = _apart(question, sources, answer) if apart else [answer(question, sources)]
    print_answers(answers, show, apart)
    return 1 if sources.troubles else 0


@contextmanager
def telling(sources: Sources) -> Iterator[None]:
    """What could not be read is told at its end, a line each."""
    try:
        yield
    finally:
        for trouble in sources.troubles:
            sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")


def _takes(question: Question) -> "asked.Takes":
    def takes(header: Header) -> bool:
        return question.period.takes(header) and (not question.interfaces or header.interface in question.interfaces)

    return takes


def _apart(question: Question, sources: Sources, ask: Callable[[Question, Sources], Found]) -> list[Found]:
    """An answer for each interface.  One of which nothing is left is told, unless it is the only one."""
    names = sources.interfaces(_takes(question))
    if len(names) < 2:
        return [ask(question, sources)]
    answers = []
    for name in names:
        try:
            answers.append(ask(replace(question, interfaces=(name,)), sources))
        except (NothingInPeriod, NothingDated, NoIntactBlock) as error:
            if not answers and name == names[-1]:
                raise
            sources.troubles.append(f"{name}: {error}")
    return answers


def _refuse_overlap(sources: Sources, question: Question) -> None:
    from bpft import host
    from bpft.host.devices import devices
    from bpft.report import overlap

    takes = _takes(question)
    try:
        there = devices()
    except OSError:
        there = {}  # Then the blocks alone tell.
    headers = [header for header in sources.headers() if takes(header)]
    overlap.refuse(sources.interfaces(takes), headers, there, host.hostname())
