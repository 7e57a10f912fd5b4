"""One host: what it sent and received, with whom, through which services, and when; each interface apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from bpft.errors import BlockDamaged, BpftError
from bpft.report import units
from bpft.report.ahead import ahead
from bpft.report.answer import Answer, Question, answer
from bpft.report.bucket import Bucket, bucket_of
from bpft.report.completeness import Completeness
from bpft.report.coverage import Coverage
from bpft.report.dimension import grouping
from bpft.report.group import Tally, Totals, added, remainder
from bpft.report.part import Part, Piece
from bpft.report.period import SECOND, Period
from bpft.report.rows import Ranking
from bpft.report.source import Sources
from bpft.report.where import Where

if TYPE_CHECKING:
    from bpft.record import Header

_NONE: Totals = (0, 0, 0)
#: The finest of these that leaves a screen of them, and that no block is much longer than.
_BUCKETS = (("hour", 3600), ("day", 86400), ("month", 31 * 86400))
_MOST_BUCKETS = 49
_SLACK = 1.1  # a block that a timer saved is a little longer than it was told


class UnknownHost(BpftError):
    """{0} is not in what was recorded{1}{2}"""


class Moved(NamedTuple):
    """Bytes of IP packets that the host received and sent."""

    into: int = 0
    out: int = 0

    @property
    def all(self) -> int:
        return self.into + self.out


class Peer(NamedTuple):
    """Another host that it talked with."""

    address: str  #: the remainder is of no host, and so never among them
    scope: str
    moved: Moved


class Service(NamedTuple):
    """A service, by its port; None: the log keeps none."""

    port: int | None  #: 0: of a protocol without ports
    proto: int | None
    moved: Moved


@dataclass(slots=True)
class Profile:
    """What one interface saw of a host."""

    interface: str
    header: Header  #: of its last block
    kind: str  #: of the buckets: hour, day or month
    coverage: Coverage = field(default_factory=Coverage)
    completeness: Completeness = field(default_factory=Completeness)
    remainder: Totals = _NONE  #: of flows that nobody can tell the hosts of
    times: dict[Bucket, Moved] = field(default_factory=dict)  #: of every bucket that has a block
    _peers: Tally = field(default_factory=lambda: Tally(grouping("host")))
    _services: tuple[Tally, Tally] = field(
        default_factory=lambda: (Tally(grouping("service")), Tally(grouping("service")))
    )
    _everything: Tally = field(default_factory=lambda: Tally(grouping("proto")))

    @property
    def moved(self) -> Moved:
        return Moved(*(tally.totals()[1] for tally in self._services))

    @property
    def packets(self) -> Moved:
        """The same in packets."""
        return Moved(*(tally.totals()[0] for tally in self._services))

    def add(self, part: Part, ways: tuple[Where, Where]) -> None:
        """What of a block the host received, and what it sent.  Raises BlockDamaged."""
        pieces = part.pieces()
        with ahead(pieces) if part.is_long else nullcontext(pieces) as pieces:
            part.verify()
            self.header, before = part.header, self.moved
            self.coverage.add(part.header, part.origin, part.is_live)
            self.completeness.add(part.header)
            for piece in pieces:
                self._add(piece, ways)
        self.completeness.packets = self._everything.totals()[0]
        if bucket := self.bucket(part.header):
            there, now = self.times.get(bucket, Moved()), self.moved
            self.times[bucket] = Moved(there.into + now.into - before.into, there.out + now.out - before.out)

    def _add(self, piece: Piece, ways: tuple[Where, Where]) -> None:
        piece.add_to(self._everything)
        self.remainder = added(self.remainder, remainder(piece.records))
        for where, services in zip(ways, self._services, strict=True):
            records = where.select(piece.version, piece.records)
            services.add(piece.version, records)
            self._peers.add(piece.version, records)

    def bucket(self, header: Header) -> Bucket | None:
        """Where a block belongs (SEMANTICS R4); None: it has no date."""
        if header.is_undated:
            return None
        return bucket_of(self.kind, (header.begin_ns + (header.end_ns - header.begin_ns) // 2) // SECOND)

    def peers(self, own: Collection[str], scopes: Sequence[tuple[str, Sequence[str]]], top: int) -> list[Peer]:
        """The largest first; own: the addresses of the host.  top 0: all."""
        from bpft.report.scope import Scopes

        place = Scopes(scopes).at(self.header)
        found = []
        for row in Ranking(self._peers).rows("all", top + len(own) if top else 0):
            address = str(row.key[0])
            if address not in own and not row.other:
                # What the peer received is what the host sent.
                found.append(Peer(address, place.of(ip_address(address)), Moved(row.sums[4], row.sums[3])))
        return found[: top or None]

    @property
    def peer_count(self) -> int:
        """How many hosts there are in its records, itself included; 0: there are none."""
        return len(Ranking(self._peers))

    def services(self) -> list[Service]:
        """The largest first."""
        sums: dict[tuple[Any, ...], list[int]] = {}
        for place, tally in enumerate(self._services):
            for row in Ranking(tally).rows():
                sums.setdefault(row.key, [0, 0])[place] += row.sums[1]
        found = [Service(port, proto, Moved(*moved)) for (port, proto), moved in sums.items()]
        return sorted(found, key=lambda it: (-it.moved.all, it.port or 0, it.proto or 0))


def profiles(own: Sequence[str], period: Period, interfaces: Collection[str], sources: Sources) -> list[Profile]:
    """What each interface saw of the host with these addresses, the one that saw most first.

    Raises UnknownHost where none saw it, and what answer() raises where nothing lies in the period.
    """

    def takes(header: Header) -> bool:
        return period.takes(header) and (not interfaces or header.interface in interfaces)

    to = " or ".join(f"dst host {address}" for address in own)
    sent = " or ".join(f"src host {address}" for address in own)
    ways = Where(to), Where(f"({sent}) and not ({to})")  # what it sends to itself counts once
    kind = _kind([header for header in sources.headers() if takes(header)])
    found: dict[str, Profile] = {}
    for part in sources.parts():
        if not takes(part.header):
            continue
        name = part.header.interface or part.header.source_name or part.origin
        try:
            found.setdefault(name, Profile(name, part.header, kind)).add(part, ways)
        except BlockDamaged as error:
            sources.troubles.append(str(error))
    seen = [profile for profile in found.values() if profile.peer_count]
    if not seen:
        raise _unknown(own, period, tuple(interfaces), sources)
    return sorted(seen, key=lambda profile: (-profile.moved.all, profile.interface))


def _kind(headers: Sequence[Header]) -> str:
    """Of the buckets."""
    dated = [header for header in headers if not header.is_undated and header.end_ns]
    if not dated:
        return _BUCKETS[0][0]
    length = (max(it.end_ns for it in dated) - min(it.begin_ns for it in dated)) // SECOND
    longest = max(it.end_ns - it.begin_ns for it in dated) // SECOND
    fine = (kind for kind, step in _BUCKETS if longest <= step * _SLACK and length <= step * _MOST_BUCKETS)
    return next(fine, _BUCKETS[-1][0])


def _unknown(own: Sequence[str], period: Period, interfaces: tuple[str, ...], sources: Sources) -> BpftError:
    """Why nothing is known of a host, and which host was seen that is nearest to it."""
    try:
        everybody = answer(Question("host", "key", period=period, interfaces=interfaces), sources)
    except BpftError as error:
        return error  # Nothing was recorded then.
    nearest = _nearest(own[0], everybody)
    when = f" of {period.said}" if period.said and period.said != "all" else ""
    since = f", which reaches from {units.moment(everybody.coverage.begin_ns)} to "
    since += units.moment(everybody.coverage.end_ns)
    hint = f"; the nearest address in it is {nearest}" if nearest else ""
    return UnknownHost(" and ".join(own), when + since, hint)


def _nearest(wanted: str, everybody: Answer) -> str:
    one = ip_address(wanted)

    def known() -> Iterator[tuple[int, str]]:
        for row in everybody.ranking.rows("key"):
            if not row.other and (other := ip_address(str(row.key[0]))).version == one.version:
                yield int(one) ^ int(other), str(other)

    return min(known(), default=(0, ""))[1]
