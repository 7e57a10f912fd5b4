"""The views of bpft top: what a row is, and which tables its figures come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpft import core

if TYPE_CHECKING:
    from bpft.core import GroupBy

BOTH, IN, OUT = range(3)  #: ways
Lookup = tuple[int, int]  #: which table of a view has a figure, and the flags to be set in the key of the row

_ABSENT = core.NO_PORTS | core.NO_PROTO


@dataclass(frozen=True, slots=True)
class View:
    """What a row is.  The first table has a record for each row."""

    name: str
    heading: str
    tables: tuple[GroupBy, ...]
    ways: tuple[Lookup, Lookup, Lookup]  #: both, in, out
    has_addresses: bool = True  #: else rows of IPv4 and IPv6 are one

    @property
    def everything(self) -> int:
        """The number of the table that has all records, by direction."""
        return len(self.tables)


_RX, _TX = core.DIR_RX, core.DIR_TX
VIEWS = {
    view.name: view
    for view in (
        View("hosts", "Host", ("both:src", "receiver:src", "src"), ((0, 0), (1, 0), (2, 0))),
        View("pairs", "Hosts", ("both:src+dst", "receiver:src+dst", "src+dst"), ((0, 0), (1, 0), (2, 0))),
        View(
            "services",
            "Service",
            ("service+proto", "service+proto+direction"),
            ((0, 0), (1, _RX), (1, _TX)),
            has_addresses=False,
        ),
        View("scopes", "Scope", ("scope", "scope+way"), ((0, 0), (1, _RX), (1, _TX)), has_addresses=False),
    )
}
EVERYTHING: GroupBy = "direction"  #: behind the tables of each view: what the interface received and sent
