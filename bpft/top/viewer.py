"""Who sits before the screen: what keys do, which row is selected, what is being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpft.errors import BadExpression
from bpft.top.columns import Column, columns
from bpft.top.picture import Order
from bpft.top.view import VIEWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bpft.report.units import Units
    from bpft.top.label import Key
    from bpft.top.picture import Picture
    from bpft.top.watch import Watch

UNITS: tuple[Units, ...] = ("si", "iec", "bytes")
QUIT, SWITCH = "quit", "switch"  #: what press() wants done
FRAME = 6  #: lines of a page that are no rows
_VIEW_KEYS = dict(zip("1234", VIEWS, strict=True))


class Viewer:
    """The keys are named as urwid names them."""

    def __init__(self, watch: Watch, interfaces: Mapping[str, bool], units: Units = "si") -> None:
        """interfaces: one or more, the first is shown, and whether a daemon counts each."""
        self.watch, self.interfaces, self.units = watch, list(interfaces), units
        self._attached = interfaces
        self.interface = self.interfaces[0]
        self.width, self.height = 80, 24
        self.typed: str | None = None  #: a filter while it is typed
        self.refused = ""  #: what is wrong with it
        self.has_keys = True  #: else nothing can be pressed
        self.help = False
        self.help_offset = 0  #: lines of it above the screen
        self.selected: Key | None = None  #: the row; None: the first
        self.offset = 0  #: rows above the screen
        self._pressed = {
            "q": self._quit,
            "Q": self._quit,
            "?": self._show_help,
            "h": self._show_help,
            "f1": self._show_help,
            "p": self._pause,
            " ": self._pause,
            "tab": lambda: self._turn_view(1),
            "shift tab": lambda: self._turn_view(-1),
            "s": lambda: self._turn_order(1),
            "S": lambda: self._turn_order(-1),
            "right": lambda: self._turn_order(1),
            "left": lambda: self._turn_order(-1),
            "/": self._type,
            "f": self._type,
            "enter": self._zoom,
            "esc": self._back,
            "backspace": self._back,
            "up": lambda: self._move(-1),
            "k": lambda: self._move(-1),
            "down": lambda: self._move(1),
            "j": lambda: self._move(1),
            "page up": lambda: self._move(-self.room),
            "page down": lambda: self._move(self.room),
            "home": self._first,
            "g": self._first,
            "i": lambda: self._turn_interface(1),
            "I": lambda: self._turn_interface(-1),
            "n": self._toggle_names,
            "u": self._turn_units,
        }

    @property
    def attached(self) -> bool:
        """What is shown is the table of a daemon."""
        return self._attached[self.interface]

    @property
    def room(self) -> int:
        """Rows that the screen has lines for."""
        return max(self.height - FRAME, 1)

    @property
    def columns(self) -> list[Column]:
        return columns(self.width, self.units)

    def picture(self) -> Picture | None:
        """What is to be shown now; the selected row is among it, wherever it has gone."""
        return self.watch.picture(self.offset + self.room)

    def press(self, key: str) -> str:
        """QUIT, SWITCH (to self.interface), or "" where only the page changes."""
        if self.typed is not None:
            self._edit(key)
            return ""
        if self.help:
            self._turn_help(key)
            return ""
        if key in _VIEW_KEYS:
            self._show(_VIEW_KEYS[key])
            return ""
        return self._pressed.get(key, lambda: None)() or ""

    # ---- keys ----

    def _quit(self) -> str:
        return QUIT

    def _show_help(self) -> None:
        self.help, self.help_offset = True, 0

    def _turn_help(self, key: str) -> None:
        """Further in it, or away with it."""
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -self.height, "page down": self.height}
        self.help = key in steps
        self.help_offset += steps.get(key, 0)

    def _pause(self) -> None:
        self.watch.pause(not self.watch.paused)

    def _show(self, view: str) -> None:
        self.watch.show(view)
        self._first()

    def _turn_view(self, step: int) -> None:
        names = list(VIEWS)
        self._show(names[(names.index(self.watch.view.name) + step) % len(names)])

    def _turn_order(self, step: int) -> None:
        orders = [column.order for column in self.columns]
        at = orders.index(self.watch.order) if self.watch.order in orders else -1
        self.watch.order = Order(*orders[(at + step) % len(orders)])
        self._first()

    def _turn_interface(self, step: int) -> str:
        if len(self.interfaces) < 2:
            return ""
        self.interface = self.interfaces[(self.interfaces.index(self.interface) + step) % len(self.interfaces)]
        self._first()
        return SWITCH

    def _toggle_names(self) -> None:
        self.watch.labels.numeric = not self.watch.labels.numeric

    def _turn_units(self) -> None:
        self.units = UNITS[(UNITS.index(self.units) + 1) % len(UNITS)]

    # ---- rows ----

    def _first(self) -> None:
        self.selected, self.offset = None, 0

    def keys(self, found: Picture) -> list[Key]:
        """What the rows of a picture are about."""
        return [self.watch.key(row.version, row.key) for row in found.rows]

    def first(self, keys: list[Key]) -> int:
        """Which of the rows is on the first line: there may be fewer of them than when it was moved there."""
        return min(self.offset, max(len(keys) - self.room, 0))

    def place(self, keys: list[Key]) -> int:
        """Which of the rows is selected: that of the selected host, or the one on the first line where it is gone."""
        first = self.first(keys)
        return keys.index(self.selected, first) if self.selected in keys[first : first + self.room] else first

    def _move(self, step: int) -> None:
        found = self.watch.picture(self.offset + 2 * self.room)
        keys = self.keys(found) if found else []
        if not keys:
            return
        at = max(0, min(self.place(keys) + step, len(keys) - 1))
        self.selected = keys[at]
        self.offset = min(max(self.offset, at - self.room + 1), at)

    def _zoom(self) -> None:
        found = self.picture()
        keys = self.keys(found) if found else []
        if keys:
            self.watch.zoom(keys[self.place(keys)])
            self._first()

    def _back(self) -> None:
        if self.watch.unzoom():
            self._first()
        elif self.watch.filter:
            self.watch.search("")
            self._first()

    # ---- the filter ----

    def _type(self) -> None:
        self.typed, self.refused = self.watch.filter, ""

    def _edit(self, key: str) -> None:
        assert self.typed is not None
        self.refused = ""
        if key == "enter":
            try:
                self.watch.search(self.typed)
                self.typed = None
                self._first()
            except BadExpression as why:
                self.refused = str(why)
        elif key == "esc":
            self.typed = None
        elif key == "backspace":
            self.typed = self.typed[:-1]
        elif key == "ctrl u":
            self.typed = ""
        elif len(key) == 1 and key.isprintable():
            self.typed += key
