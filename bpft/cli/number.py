"""A number on a command line: plain decimal digits, and no more than the core can hold."""

from typing import Any

import click

MOST = (1 << 63) - 1


class Number(click.ParamType):
    """A whole number from least on; neither signs nor blanks nor "_" nor other scripts' digits."""

    name = "number"

    def __init__(self, least: int = 0) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if text.isascii() and text.isdigit():
            number = int(text) if len(text) < 40 else MOST + 1
            if self._least <= number <= MOST:
                return number
        self.fail(f"{text!r} is no whole number from {self._least} to {MOST}.", param, ctx)
