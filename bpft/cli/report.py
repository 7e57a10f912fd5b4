"""bpft report: who used the bandwidth, and does it add up."""

import os
import sys
from typing import Literal

import click

from bpft.config import places
from bpft.errors import CannotRead, CannotWrite
from bpft.messages import one_line
from bpft.paths import environment_root
from bpft.report.answer import Answer, Question, answer
from bpft.report.period import read_period
from bpft.report.source import Sources
from bpft.report.units import Units

_WIDTH = 80  # where nothing tells it
_TABLE_ROWS = 10  # with heading and totals they fit the smallest terminal

_FORMATS = click.Choice(["table", "csv", "json", "ndjson"])


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A TIME is 2026-11-01, 2026-11-01T10:00, 10:00, today, yesterday, now, -2h or '2h ago'.",
)
@click.argument("words", metavar="[FILE]...", nargs=-1)
@click.option("-r", "--read", "files", metavar="FILE", multiple=True, help="Read FILE, whatever its name looks like.")
@click.option("-i", "--interface", "interfaces", metavar="IFACE", multiple=True, help="Only what was seen on IFACE.")
@click.option("--by", metavar="WORD,...", default="key", show_default=True, help="What a row is: host, or day,host.")
@click.option("--top", type=click.IntRange(min=0), metavar="N", help="Rows; 0: all.  Default: 10 in a table, else all.")
@click.option("-s", "--sort", metavar="COLUMN", default="", help="Largest first, or by a key column; key: by all.")
@click.option("-n", "--numeric", is_flag=True, help="Numbers instead of names; the DNS is not asked.")
@click.option("-b", "--begin", metavar="TIME", help="Only blocks that begin around or after TIME.")
@click.option("-e", "--end", metavar="TIME", help="Only blocks before TIME; a date means its end.")
@click.option("-w", "--where", metavar="EXPR", default="", help="Only records that match, as for tcpdump: 'net 10/8'.")
@click.option("--format", "form", type=_FORMATS, default="table", show_default=True, help="How to print it.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--units", type=click.Choice(["si", "iec", "bytes"]), default="si", help="In tables: GB, GiB or exact.")
@click.option("--root", metavar="DIR", default="", help="Look for what is recorded below DIR.")
def report(
    words: tuple[str, ...],
    files: tuple[str, ...],
    interfaces: tuple[str, ...],
    by: str,
    top: int | None,
    sort: str,
    numeric: bool,
    begin: str | None,
    end: str | None,
    where: str,
    form: Literal["table", "csv", "json", "ndjson"],
    as_json: bool,
    units: Units,
    root: str,
) -> int:
    """Who used the bandwidth, and does it add up?

    Reads logs and dumps of trafd and capture files (pcap, pcapng), told apart by content, and adds them up; - is
    standard input.  Without FILE: everything that trafd recorded here.
    """
    form = "json" if as_json else form
    period = read_period(begin, end)
    if top is None:
        top = _TABLE_ROWS if form == "table" else 0
    sources = Sources()
    for name in (*map(named_file, words), *files):
        sources.add(name)
    if not words and not files:
        sources.add_recorded(places(root or environment_root()))
    try:
        found = answer(Question(by, sort, top, where, period, interfaces), sources)
    finally:
        for trouble in sources.troubles:
            sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    if sys.stdout is None:
        raise CannotWrite("standard output", "is closed")
    _print(found, form, numeric, units)
    return 1 if found.troubles else 0


def named_file(word: str) -> str:
    """A word without an option before it names a file (R1)."""
    if word and "/" not in word and word != "-" and not os.path.lexists(word):
        raise CannotRead(word, "no such file (a time goes after -b or -e, an expression after --where)")
    return word


def _print(found: Answer, form: Literal["table", "csv", "json", "ndjson"], numeric: bool, units: Units) -> None:
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may not know every letter
    if form == "table":
        from bpft.report.render import table

        table.write(found, sys.stdout, table.Style(numeric, units, _columns()))
    elif form == "csv":
        from bpft.report.render import csv

        csv.write(found, sys.stdout, numeric)
    else:
        from bpft.report.render import json

        (json.write if form == "json" else json.write_lines)(found, sys.stdout)


def _columns() -> int:
    """The width of the terminal, as shutil tells it, which takes 3 ms to import."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH
