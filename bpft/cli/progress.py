"""Progress bars: on a terminal's standard error only, and never between lines that go to the same terminal."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_AFTER_S = 0.7  # of work that may be done at once
_EVERY_S = 0.1
_WIDTH = 30


@contextmanager
def bar(label: str, length: int, shared: bool = False) -> Iterator[Callable[[int], None]]:
    """A function to be told of steps done, of length steps.  shared: the terminal gets the output as well."""
    if shared or not length or not _is_terminal():
        yield lambda steps: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as drawn:
        yield drawn.update


@contextmanager
def passing(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """As bar(), for what is done before anything is printed: it appears after a while, and goes when that is done."""
    if not length or not _is_terminal():
        yield lambda steps: None
        return
    done, draw_at, drawn = 0, time.monotonic() + _AFTER_S, False
    width = _bar_width(len(f"{label} [] 100%"))

    def advance(steps: int) -> None:
        nonlocal done, draw_at, drawn
        done += steps
        if (now := time.monotonic()) < draw_at:
            return
        draw_at, drawn = now + _EVERY_S, True
        part = min(done / length, 1.0)
        sys.stderr.write(f"\r{label} [{'#' * int(part * width):{width}}] {part:4.0%}")
        sys.stderr.flush()

    try:
        yield advance
    finally:
        if drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _is_terminal() -> bool:
    """Whether somebody looks who can be shown the same line again."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "")


def _bar_width(beside: int) -> int:
    """Of a line that does not wrap."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        columns = 0
    return max(min(_WIDTH, columns - beside - 1), 1) if columns else _WIDTH
