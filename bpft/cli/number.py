"""A number on a command line: plain decimal digits, and no more than the core can hold."""

from collections.abc import Callable

import click

_MOST = (1 << 63) - 1


def number(least: int = 0) -> Callable[[click.Context, click.Parameter, str | None], int | None]:
    """A callback that reads an option as a whole number: no sign, no blank, no "_", no other script's digits."""

    def read(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
        if text is None:
            return None
        # Thousands of digits would be too many for int().
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 40 else -1
        if not least <= value <= _MOST:
            raise click.BadParameter(f"{text!r} is no whole number from {least} to {_MOST}.")
        return value

    return read
