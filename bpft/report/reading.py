"""Parts on their way into tables: where each record of them goes, and what stands beside the rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from bpft.report.ahead import ahead
from bpft.report.completeness import Completeness
from bpft.report.coverage import Coverage
from bpft.report.dimension import SUMS, grouping
from bpft.report.group import Tally, Totals, added, remainder
from bpft.report.part import Aside, Columns, Part, Piece
from bpft.report.rows import check_sort
from bpft.report.where import Where

if TYPE_CHECKING:
    from bpft.core import Sort
    from bpft.report.answer import Question
    from bpft.report.bucket import Bucket, Buckets
    from bpft.report.scope import Scopes

ROWS_AT_ONCE = 2_500_000  # rows take 55 bytes each: of more, shares are summed one after the other


def shares(question: Question, rows: int) -> int:
    """In how many shares rows may have to be summed: one, unless only the largest are asked for."""
    by = grouping(question.by)
    largest = question.top and question.sort in ("", *SUMS) and not question.reverse
    if not largest or question.where or by.outer or list(by.tables) != ["rows"] or not by.has_addresses:
        return 1
    return max(1, min(255, -(-rows // ROWS_AT_ONCE)))


class Reading:
    """Parts on their way into tables."""

    def __init__(self, question: Question, most_shares: int) -> None:
        self.grouping = grouping(question.by)
        check_sort(self.grouping, question.sort)
        self.most_shares, self.shares = most_shares, 1
        self.adds_aside = most_shares == 1 and self.grouping.has_few_rows
        self.where = Where(question.where) if question.where else None
        self.tallies: dict[tuple[str | None, ...], Tally] = {}
        self.before_where = Tally(grouping("proto"))
        self.remainder: Totals = (0, 0, 0)
        self.coverage = Coverage()
        self.completeness = Completeness(period=question.period)
        self.watched: dict[tuple[str, Bucket], Coverage] = {}
        self.series: dict[str, list[bytes]] = {}
        self.buckets: Buckets | None = None
        self.scopes: Scopes | None = None
        if self.grouping.bucket:
            from bpft.report.bucket import Buckets

            self.buckets = Buckets(self.grouping.bucket)
        if "scope" in self.grouping.outer:
            from bpft.report.scope import Scopes

            self.scopes = Scopes(question.scopes)

    def add(self, part: Part) -> None:
        """Raises BlockDamaged, and BadExpression where the part does not hold what --where asks for."""
        whole = self.where or self.scopes
        pieces: Iterator[Piece | Columns] = part.pieces() if whole else part.columns(self.grouping.needed)
        aside = Aside(Tally(self.grouping)) if self.adds_aside and part.is_long else None
        with ahead(pieces, aside.add if aside else None) if part.is_long else nullcontext(pieces) as pieces:
            part.verify()
            header = part.header
            self.coverage.add(header, part.origin, part.is_live)
            self.completeness.add(header)
            if header.series:
                self.series.setdefault(header.interface, []).append(header.series)
            bucket = self.buckets.of(header) if self.buckets else None
            if bucket:
                interface = _interface(part) if "interface" in self.grouping.outer else ""
                self.watched.setdefault((interface, bucket), Coverage()).add(header, part.origin)
            if not self.scopes:
                self._tally(part, bucket)  # what was watched has its place, even where it holds nothing
            for piece in pieces:
                if isinstance(piece, Columns):
                    piece.add_to(self._tally(part, bucket))
                else:
                    self._add_piece(part, piece, bucket)
                if self.shares < self.most_shares:
                    self._share_if_many()
        if aside and aside.records:
            self.adds_aside = aside.pays
            self._tally(part, bucket).join(aside.tally)

    def _add_piece(self, part: Part, piece: Piece, bucket: Bucket | None) -> None:
        """What is "other" of a piece, and with --where what is asked for; by scope, each share where it belongs."""
        version, records = piece.version, piece.records
        self.remainder = added(self.remainder, remainder(records))
        if self.where:
            piece.add_to(self.before_where)
            if not piece.other:
                self.where.refuse_unknown(part.origin, part.header.key_mode, piece.has_ports, piece.has_proto)
            records = self.where.select(version, records)
        if not self.scopes:
            self._tally(part, bucket).add(version, records)
            return
        for share in self.scopes.at(part.header).split(version, records):
            self._tally(part, bucket, share.scope).add(version, share.records, share.way)

    def _tally(self, part: Part, bucket: Bucket | None, scope: str = "") -> Tally:
        """Where its records go."""
        known = {"interface": _interface(part), "scope": scope}
        outer = tuple(known.get(name, bucket and bucket.name) for name in self.grouping.outer)
        if outer not in self.tallies:
            self.tallies[outer] = Tally(self.grouping, outer, bucket)
        return self.tallies[outer]

    def _share_if_many(self) -> None:
        (tally,) = self.tallies.values()  # rows that a block tells nothing of
        if len(tally.tables["rows"]) > ROWS_AT_ONCE:
            self.shares = self.most_shares
            tally.take_share((0, self.shares))

    def add_shares(self, parts: list[Part], sort: Sort, top: int) -> None:
        """What is left of the rows of parts that were added, a share after the other; of each the largest stay."""
        for whole in self.tallies.values():
            whole.keep_largest(sort, top)
            for share in range(1, self.shares):
                tally = Tally(self.grouping, share=(share, self.shares))
                for part in parts:
                    pieces = part.columns(self.grouping.needed)
                    with ahead(pieces) if part.is_long else nullcontext(pieces) as some:
                        for piece in some:
                            piece.add_to(tally)
                tally.keep_largest(sort, top)
                whole.join(tally)

    def totals(self) -> Totals:
        """Of the records asked for."""
        found: Totals = (0, 0, 0)
        for tally in self.tallies.values():
            found = added(found, tally.totals())
        return found

    def timed(self) -> dict[str, list[Bucket]]:
        """The buckets of each interface, in order, with the time watched in them; the tallies are told as well."""
        covered = {place: coverage.covered_ns for place, coverage in self.watched.items()}
        found: dict[str, list[Bucket]] = {}
        for interface, bucket in sorted(covered, key=lambda place: place[1].begin_ns):
            known = bucket._replace(covered_ns=covered[interface, bucket])
            found.setdefault(interface, []).append(known)
        for tally in self.tallies.values():
            if tally.bucket:
                named = dict(zip(self.grouping.outer, tally.outer, strict=True))
                place = named.get("interface") or "", tally.bucket
                tally.bucket = tally.bucket._replace(covered_ns=covered[place])
        return found


def _interface(part: Part) -> str:
    """Where a part was counted; a capture is its file."""
    return part.header.interface or part.header.source_name or part.origin
