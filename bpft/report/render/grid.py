"""Columns that fit a width: left-aligned words, right-aligned figures."""

_GAP = "  "
_NARROWEST = 8  # a name is cut down to this and no further


class Grid:
    """Widths for cells of text: the first `words` columns hold words, the others figures."""

    def __init__(
        self, titles: tuple[str, ...], words: int, lines: list[tuple[str, ...]], label: str, width: int
    ) -> None:
        """Measure titles and lines; where they are too wide, names give way, never an address or a figure.

        label: the longest one for total().
        """
        columns = list(zip(titles, *lines, strict=True))
        self._words = words
        self._widths = [max(map(len, column)) for column in columns]
        least = [
            max((len(text) for text in column if place >= words or _whole(text)), default=0)
            for place, column in enumerate(columns)
        ]
        floors = [max(low, min(_NARROWEST, wide)) for low, wide in zip(least, self._widths, strict=True)]
        while self._room() > width:
            spare = [wide - floor for wide, floor in zip(self._widths, floors, strict=True)]
            widest = max(range(words), key=lambda place: (spare[place] > 0, self._widths[place]))
            if spare[widest] <= 0:
                break
            self._widths[widest] -= 1
        self._widths[words - 1] += max(0, len(label) - self._label_room())

    @property
    def width(self) -> int:
        """Of the longest line."""
        return self._room()

    def line(self, cells: tuple[str, ...]) -> str:
        """One line of the table."""
        words = [_fit(text, wide).ljust(wide) for text, wide in zip(cells[: self._words], self._widths, strict=False)]
        return _GAP.join(words + self._figures(cells[self._words :])).rstrip()

    def total(self, label: str, figures: tuple[str, ...]) -> str:
        """A line whose label takes the place of all words."""
        return _GAP.join([label.ljust(self._label_room()), *self._figures(figures)]).rstrip()

    def _figures(self, figures: tuple[str, ...]) -> list[str]:
        return [text.rjust(wide) for text, wide in zip(figures, self._widths[self._words :], strict=True)]

    def _label_room(self) -> int:
        return sum(self._widths[: self._words]) + len(_GAP) * (self._words - 1)

    def _room(self) -> int:
        return sum(self._widths) + len(_GAP) * (len(self._widths) - 1)


def _whole(text: str) -> bool:
    """Whether text is a number or an address, which cannot be cut without becoming another one."""
    return ":" in text or text.replace(".", "").isdecimal()


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width or _whole(text) else text[: width - 1] + "…"
