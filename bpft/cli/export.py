"""bpft export: the records themselves, for other tools."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import click

from bpft import arrow
from bpft.api import Block, By, Log, sources_of
from bpft.chunk import Chunk
from bpft.cli import asked
from bpft.cli.asked import When, period_options
from bpft.cli.progress import bar
from bpft.errors import CannotWrite, UsageError
from bpft.export import output, parquet, sqlite, text
from bpft.messages import one_line

Format = Literal["csv", "ndjson", "parquet", "sqlite"]
Chunks = Iterable[tuple[Block, Chunk]]


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A PERIOD and a TIME are as for bpft report.",
)
@click.argument("words", metavar="[PERIOD] [FILE]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "ndjson", "parquet", "sqlite"]),
    required=True,
    help="Of what is written.",
)
@click.option("-o", "--output", "out", metavar="FILE", default="", help="Write FILE instead of standard output.")
@click.option("-r", "--read", "files", metavar="FILE", multiple=True, help="Read FILE, whatever its name looks like.")
@click.option("-i", "--interface", "interfaces", metavar="IFACE", multiple=True, help="Only what was seen on IFACE.")
@click.option(
    "--by", type=click.Choice(["raw", "key"]), default="raw", show_default=True, help="key: without direction and VLAN."
)
@period_options
@click.option("-w", "--where", metavar="EXPR", default="", help="Only what matches, as for tcpdump: 'net 10.0.0.0/8'.")
@click.option("--root", metavar="DIR", default="", help="Look for what is recorded below DIR.")
def export(
    words: tuple[str, ...],
    form: Format,
    out: str,
    files: tuple[str, ...],
    interfaces: tuple[str, ...],
    by: By,
    begin: str | None,
    end: str | None,
    billing_day: int,
    zone: str,
    where: str,
    root: str,
) -> int:
    """The records of logs, dumps and captures, a row each, for other tools.

    Without a FILE: everything that trafd recorded here; without a PERIOD, of any time.
    """
    out = "" if out == "-" else out
    _check(form, out)
    found = asked.read(words, files, When(begin, end, billing_day, zone), default="all")
    names, period = found.files, found.period
    sources = sources_of(names, root)
    log = Log(sources, _tell)
    with bar("export", sources.rows, shared=not out and sys.stdout.isatty()) as advance:
        chunks = _counted(log.chunks(period.begin, period.end, where, interfaces or None, by), advance)
        if out:
            with output.new_file(Path(out), [*names, *sources.names]) as path:
                _write_file(form, chunks, path, out)
        else:
            _write(form, chunks, sys.stdout.buffer)
    return 1 if log.troubles else 0


def _check(form: Format, out: str) -> None:
    """Refuse what cannot be written there, before anything is read."""
    if form == "sqlite" and not out:
        raise UsageError("bpft export: a database is a file: name it with -o FILE")
    if form == "sqlite" and Path(out).exists() and not (Path(out).is_file() or Path(out).is_dir()):
        raise CannotWrite(out, "is no regular file, which a database has to be")
    if form == "parquet" and not out and sys.stdout.isatty():
        raise UsageError("bpft export: Parquet is nothing for a terminal: use -o FILE, or a pipe")
    if form == "parquet":
        arrow.load("--format parquet")


def _counted(chunks: Chunks, advance: Callable[[int], None]) -> Iterator[tuple[Block, Chunk]]:
    for block, chunk in chunks:
        yield block, chunk
        advance(chunk.size)


def _write_file(form: Format, chunks: Chunks, path: Path, name: str) -> None:
    if form == "sqlite":
        sqlite.write(chunks, path, name)
        return
    with path.open("wb") as out:
        _write(form, chunks, out)


def _write(form: Format, chunks: Chunks, out: BinaryIO) -> None:
    if form == "parquet":
        parquet.write(chunks, out)
        return
    for piece in (text.csv_lines if form == "csv" else text.json_lines)(chunks):
        out.write(piece)


def _tell(trouble: str) -> None:
    sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
