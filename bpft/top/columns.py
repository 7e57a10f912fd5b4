"""The figures of a row that a width has room for, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpft.report import units
from bpft.top.history import WINDOWS_S
from bpft.top.picture import TOTAL, Order
from bpft.top.view import BOTH, IN, OUT

if TYPE_CHECKING:
    from bpft.report.units import Units
    from bpft.top.picture import Picture, Row

_WIDTHS = {"si": 7, "iec": 8, "bytes": 19}  # of a figure, with a blank before it
_NAME = 30  # columns for what a row is called, at least, or half the width: then there are fewer figures
_NAMES = (*(f"{seconds}s" for seconds in WINDOWS_S), "total")
_WAYS = ("", "in ", "out ")


@dataclass(frozen=True, slots=True)
class Column:
    """One figure: rates in bit/s, totals in bytes."""

    order: Order
    width: int

    @property
    def title(self) -> str:
        return _title(self.order)

    def text(self, found: Picture, row: Row | None, units_: Units) -> str:
        """The figure of a row, or of everything; empty where it is not known yet."""
        window, way = self.order
        amount, span_ns = found.bytes(row, window, way), found.windows[window].span_ns
        if window == TOTAL:
            return units.size(amount, units_).replace(" ", "")
        rate = units.rate(amount, span_ns).removesuffix("bit/s").replace(" ", "")
        return rate or ("0" if span_ns else "")


#: What goes first where the width is not enough for all, then what goes next.
_SETS = (
    [Order(window, way) for window in range(TOTAL + 1) for way in (IN, OUT, BOTH) if window != 2 or way == BOTH],
    [Order(0, IN), Order(0, OUT), *(Order(window) for window in range(TOTAL + 1))],
    [Order(0, IN), Order(0, OUT), Order(0), Order(TOTAL)],
    [Order(0), Order(TOTAL)],
    [Order(0)],
)


def columns(width: int, units_: Units) -> list[Column]:
    """The most that fit beside the names."""
    for orders in _SETS:
        found = [_column(order, units_) for order in orders]
        if width - sum(column.width for column in found) >= min(_NAME, width // 2):
            break
    return found


def _column(order: Order, units_: Units) -> Column:
    figure = _WIDTHS[units_ if order.window == TOTAL else "si"]
    return Column(order, max(figure, len(_title(order)) + 2))  # a blank, and the mark of what is sorted by


def _title(order: Order) -> str:
    return _WAYS[order.way] + _NAMES[order.window]
