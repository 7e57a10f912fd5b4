"""A progress bar: on a terminal's standard error only, and not between lines that go to the same terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def bar(label: str, length: int, shared: bool = False) -> Iterator[Callable[[int], None]]:
    """A function to be told of steps done, of length steps.  shared: the terminal gets the output as well."""
    if shared or not length or not sys.stderr.isatty():
        yield lambda steps: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as drawn:
        yield drawn.update
