"""What there is to be shown of one moment: the rows in their order, with rates and totals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bpft.report.period import SECOND
from bpft.top.history import WINDOWS_S
from bpft.top.sums import Sums, Window
from bpft.top.view import BOTH

if TYPE_CHECKING:
    from bpft.core import Version
    from bpft.top.asked import Asked
    from bpft.top.change import Dense
    from bpft.top.history import History

TOTAL = len(WINDOWS_S)  #: the window behind the others: since the save


class Order(NamedTuple):
    """What rows are sorted by, the most first."""

    window: int = 0  #: of WINDOWS_S, or TOTAL
    way: int = BOTH


class Row(NamedTuple):
    """The key of a row in the tables of the view."""

    version: Version
    key: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """Some rows of a view, and the figures of each and of everything."""

    asked: Asked
    rows: list[Row]
    windows: tuple[Window, ...]  #: TOTAL last

    def bytes(self, row: Row | None, window: int, way: int) -> int:
        """Of a row, or of everything: bytes of IP packets."""
        found = self.windows[window]
        return found.of(*row, way) if row else found.everything(way)

    def rate(self, row: Row | None, window: int, way: int) -> int | None:
        """bit/s; None where nothing is known yet."""
        span_ns = self.windows[window].span_ns
        return self.bytes(row, window, way) * 8 * SECOND // span_ns if span_ns else None


def picture(
    history: History,
    held: Dense,
    asked: Asked,
    order: Order,
    limit: int,
    fits: Callable[[Version, bytes], bool] | None = None,
) -> Picture:
    """The first rows of those that fit.  Those that have nothing in the window come last, by their totals.

    Behind them what moved in the last minute and was saved since.
    """
    windows = (*history.windows(asked), Window((Sums(asked, held),)))
    orders = [order, Order(TOTAL)]
    if fits is None:  # else all keys would be looked at once more where few fit
        orders.append(Order(TOTAL - 1))
    rows: list[Row] = []
    for version, key in _keys(asked, windows, orders):
        if len(rows) >= limit:
            break
        if fits is None or fits(version, key):
            rows.append(Row(version, key))
    return Picture(asked, rows, windows)


def _keys(asked: Asked, windows: tuple[Window, ...], orders: list[Order]) -> Iterator[tuple[Version, bytes]]:
    """Each once."""
    seen = set()
    for window, way in orders:
        for found in windows[window].ranked(asked, way):
            if found not in seen:
                seen.add(found)
                yield found
