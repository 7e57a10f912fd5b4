"""bpft traflog: blocks of a log as traflog(1) of the old BPFT showed them."""

import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from bpft.cli.asked import configured
from bpft.config import places
from bpft.errors import BpftError, CannotRead, UsageError
from bpft.lognames import parts, recorded, siblings
from bpft.messages import one_line
from bpft.paths import Paths, check_name, environment_root
from bpft.report import traflog as old
from bpft.report.source import NothingRecorded, Sources

_FORMATS = "traflog.format"  # beside the configuration


class NoBlock(BpftError):
    """no block lies there; there are {0}: bpft traflog -l"""


class WhichInterface(UsageError):
    """several logs are here: name one with -i, of {0}"""


@click.command(
    "traflog",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "allow_interspersed_args": False,
    },
    epilog="A LIMIT is #12 (a block), 1130, 22.11.30 digits as [[[[yy]mm]dd]HH]MM[.ss], or a TIME of bpft report.",
)
@click.argument("expression", metavar="[EXPRESSION]", nargs=-1)
@click.option("-i", "--interface", metavar="IFACE", help="Its log.  Default: IFF_LISTEN, or the only log there is.")
@click.option("--read", "file", metavar="FILE", help="A log or dump, of an old BPFT too, or a capture.")
@click.option("-b", "--begin", metavar="LIMIT", help="Only blocks from there on.")
@click.option("-e", "--end", metavar="LIMIT", help="Only blocks up to there.")
@click.option("-a", "--all-blocks", is_flag=True, help="Each block.  Default: only the last one.")
@click.option("-s", "--summary", "summed", is_flag=True, help="All blocks as one table.")
@click.option("-l", "--list", "as_list", is_flag=True, help="List the blocks; with -r only say how many they are.")
@click.option("-r", "--total", is_flag=True, help="Print only the bytes.")
@click.option("-n", "--numeric", is_flag=True, help="Numbers instead of names; the DNS is not asked.")
@click.option("-N", "--no-domain", is_flag=True, help="Names of hosts without their domain.")
@click.option(
    "-S", "--sort", metavar="KEY", default="bytes", help="from, to, bytes, srcport or dstport; a letter will do."
)
@click.option("-o", "--output", metavar="NAME", help="By the template NAME, instead of the table.")
@click.option("--format-file", metavar="FILE", help="Where templates are.  Default: FORMATPATH, or traflog.format.")
@click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
def traflog(
    expression: tuple[str, ...],
    interface: str | None,
    file: str | None,
    begin: str | None,
    end: str | None,
    all_blocks: bool,
    summed: bool,
    as_list: bool,
    total: bool,
    numeric: bool,
    no_domain: bool,
    sort: str,
    output: str | None,
    format_file: str | None,
    root: str,
) -> int:
    """Blocks of a log as traflog of the old BPFT showed them: the last one, unless asked otherwise.

    EXPRESSION is one as for tcpdump.
    """
    order = _order(sort)
    limits = old.read_range(begin, end, datetime.now().astimezone())
    where = places(root or environment_root())
    template = _template(where, output, format_file) if output is not None else None
    names = None if numeric else _names(root, no_domain)
    sources = Sources()
    for name in [file] if file else _log(where, interface):
        sources.add(name)
    try:
        every = list(sources.parts())
        blocks = list(limits.of(every))
        if not blocks:
            raise NoBlock(len(every))
        if as_list:
            lines = iter([str(len(blocks))]) if total else old.listed(blocks)
        else:
            wanted = [part for _, part in (blocks if all_blocks or summed else blocks[-1:])]
            lines = _lines(old.tables(wanted, " ".join(expression), summed), order, total, template, names)
        _write(lines, template is not None and not (as_list or total))
    finally:
        for trouble in sources.troubles:
            sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    return 1 if sources.troubles else 0


def _lines(
    tables: Iterator[old.Table], sort: str, total: bool, template: old.Template | None, names: old.Names | None
) -> Iterator[str]:
    for table in tables:
        if total:
            yield str(table.tally.totals()[1])
        else:
            yield from template.rows(table, sort, names) if template else old.printed(table, sort, names)


def _order(sort: str) -> str:
    """The column that -S means: its first letter decides."""
    for word, column in old.SORTS.items():
        if sort and word.startswith(sort[0].lower()):
            return column
    raise UsageError(f"-S {sort}: no such order; there are {', '.join(old.SORTS)}")


def _log(where: Paths, interface: str | None) -> list[str]:
    """The files of the log of an interface; of the only one there is, where none is named."""
    name = interface or os.environ.get("IFF_LISTEN", "")
    if not name:
        there = [path.name.removeprefix("trafd.") for path in _logs(where.logs)]
        if len(there) > 1:
            raise WhichInterface(", ".join(there))
        if not there:
            raise NothingRecorded(where.logs)
        name = there[0]
    check_name("interface", name)
    return [str(path) for path in parts(where.log(name))] or [str(where.log(name))]


def _logs(directory: Path) -> list[Path]:
    """The logs themselves, without what rotation made of them."""
    found = recorded(directory)
    rotated = {path for log in found for path in siblings(log)}
    return [path for path in found if path not in rotated]


def _template(where: Paths, name: str, file: str | None) -> old.Template:
    place = file or os.environ.get("FORMATPATH") or str(Path(where.config).with_name(_FORMATS))
    try:
        text = Path(place).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CannotRead(place, (error.strerror or str(error)).lower()) from error
    return old.read_template(place, text, name)


def _names(root: str, no_domain: bool) -> old.Names:
    from bpft.report.resolve import HostNames  # numbers need no network

    known = HostNames(configured(root).names)
    for trouble in known.troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    if not no_domain:
        return known.of
    return lambda addresses: {address: name.partition(".")[0] for address, name in known.of(addresses).items()}


def _write(lines: Iterator[str], as_they_are: bool) -> None:
    """as_they_are: what templates make has its own line ends."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    for line in lines:
        sys.stdout.write(line if as_they_are else one_line(line) + "\n")
