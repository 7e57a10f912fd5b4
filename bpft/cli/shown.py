"""How a report is shown: on standard output in a format or drawn, or as a page in a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from bpft.cli import asked
from bpft.errors import UsageError
from bpft.messages import one_line
from bpft.report.answer import Answer
from bpft.report.units import Units

if TYPE_CHECKING:
    from bpft.report.page import View
    from bpft.report.render.table import Style
    from bpft.report.resolve import HostNames

Format = Literal["table", "csv", "json", "ndjson", "parquet", "plot", "html"]

ROWS_ALONE = ("csv", "ndjson", "parquet")  #: formats that hold nothing else
FORMATS = click.Choice(["table", "json", *ROWS_ALONE])

_USUAL = (80, 24)  # where nothing tells it


class Show(NamedTuple):
    """What the options say of it."""

    form: Format
    numeric: bool
    units: Units
    root: str

    def style(self) -> Style:
        """Of tables, plots and pages."""
        from bpft.report.render.table import Style

        return Style(self.numeric, self.units, columns(), None if self.numeric else self._names())

    def _names(self) -> HostNames:
        """One for all sections, so that their patience is one."""
        from bpft.report.resolve import HostNames  # numbers need no network

        names = HostNames(asked.configured(self.root).names)
        for trouble in names.troubles:
            sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
        return names


def refuse_terminal(form: str) -> None:
    """UsageError where standard output is a terminal and the format is not for people's eyes."""
    if form == "parquet" and sys.stdout.isatty():
        raise UsageError("--format parquet: nothing for a terminal: use > FILE, or a pipe")


def print_answers(answers: Sequence[Answer], show: Show, apart: bool) -> None:
    """apart: each is of one interface."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may not know every letter
    if show.form == "table":
        from bpft.report.render import table

        style = show.style()
        for place, one in enumerate(answers):
            sys.stdout.write("\n" if place else "")
            table.write(one, sys.stdout, style)
    elif show.form == "plot":
        from bpft.report.render import plot

        style = show.style()
        for place, one in enumerate(answers):
            sys.stdout.write("\n" if place else "")
            plot.write(one, sys.stdout, style, _size()[1])
    elif show.form == "csv":
        from bpft.report.render import csv

        csv.write(answers[0], sys.stdout, show.numeric)
    elif show.form == "parquet":
        from bpft.report.render import parquet

        parquet.write(answers[0], sys.stdout.buffer)
    else:
        from bpft.report.render import json

        if apart:
            json.write_sections(answers, sys.stdout)
        else:
            (json.write if show.form == "json" else json.write_lines)(answers[0], sys.stdout)


def write_page(views: Sequence[View], name: str, sources: Iterable[str], show: Show) -> None:
    """As the file of that name, whole or not at all, and never in place of a log or a source; "-": standard output."""
    from pathlib import Path

    from bpft.export.output import new_file
    from bpft.report.render import html

    if name == "-":
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # as the page says of itself
        html.write(views, sys.stdout, show.style())
        return
    with new_file(Path(name), sources) as path, path.open("w", encoding="utf-8") as out:
        html.write(views, out, show.style())


def columns() -> int:
    """The width of the terminal."""
    return _size()[0]


def _size() -> tuple[int, int]:
    """Columns and lines, as shutil tells them, which takes 3 ms to import."""
    told = [os.environ.get(name, "") for name in ("COLUMNS", "LINES")]
    try:
        real = tuple(os.get_terminal_size(sys.stdout.fileno()))
    except (OSError, ValueError):
        real = (0, 0)
    found = [int(text) if text.isdecimal() else 0 for text in told]
    size = [said or seen or usual for said, seen, usual in zip(found, real, _USUAL, strict=True)]
    return size[0], size[1]
