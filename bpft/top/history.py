"""The last minute in pieces: what was gained in each, and what it sums up to under the question that is asked now."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bpft.core import Table
from bpft.report.period import SECOND
from bpft.top.change import contents
from bpft.top.sums import Sums, Window

if TYPE_CHECKING:
    from bpft.top.asked import Asked
    from bpft.top.change import Dense

WINDOWS_S = (2, 10, 60)
_FINE_NS = WINDOWS_S[1] * SECOND  # what is older is kept in longer pieces,
_COARSE_NS = 5 * SECOND  # of this length


class Piece:
    """What flows gained in a time."""

    def __init__(self, span_ns: int, records: Dense) -> None:
        self.span_ns, self.records = span_ns, records
        self._sums: Sums | None = None

    def sums(self, asked: Asked) -> Sums:
        """Under the question; kept until another one is asked."""
        if self._sums is None or self._sums.asked is not asked:
            self._sums = Sums(asked, self.records)
        return self._sums


class History:
    """Pieces, the latest last."""

    def __init__(self) -> None:
        self._fine: deque[Piece] = deque()
        self._coarse: deque[Piece] = deque()

    def add(self, span_ns: int, gained: Dense) -> None:
        """The next piece; what is older than the longest window goes."""
        self._fine.append(Piece(span_ns, gained))
        if _span(self._fine) >= _FINE_NS + _COARSE_NS:
            self._age()
        whole = _span(self._coarse) + _span(self._fine)
        while self._coarse and whole - self._coarse[0].span_ns >= WINDOWS_S[-1] * SECOND:
            whole -= self._coarse.popleft().span_ns

    def clear(self) -> None:
        """Nothing is known of what was before."""
        self._fine.clear()
        self._coarse.clear()

    def windows(self, asked: Asked) -> list[Window]:
        """One for each of WINDOWS_S, as near as pieces allow; a longer one has all of a shorter."""
        found: list[Window] = []
        parts: list[Sums] = []
        span_ns = 0
        pieces = [*self._coarse, *self._fine]
        for seconds in WINDOWS_S:
            while pieces and (not span_ns or span_ns + pieces[-1].span_ns // 2 <= seconds * SECOND):
                piece = pieces.pop()
                parts.append(piece.sums(asked))
                span_ns += piece.span_ns
            found.append(Window(parts, span_ns))
        return found

    def _age(self) -> None:
        """The oldest fine pieces become one coarse piece."""
        span_ns, table = 0, Table()
        while span_ns < _COARSE_NS and len(self._fine) > 1:
            piece = self._fine.popleft()
            span_ns += piece.span_ns
            for version, records in piece.records.items():
                table.add_records(version, records)
        self._coarse.append(Piece(span_ns, contents(table)))


def _span(pieces: deque[Piece]) -> int:
    return sum(piece.span_ns for piece in pieces)
