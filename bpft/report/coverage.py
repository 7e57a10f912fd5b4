"""The blocks a report stands on: where they come from and the time they really cover (SEMANTICS R4)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bpft.record import Header
from bpft.report.period import Period

Span = tuple[int, int]  #: UTC nanoseconds


@dataclass(slots=True)
class Coverage:
    """Of all blocks and captures that were added."""

    blocks: int = 0
    interfaces: list[str] = field(default_factory=list)
    captures: list[str] = field(default_factory=list)  #: file names
    hosts: list[str] = field(default_factory=list)  #: that ran the probes
    live_ns: int = 0  #: until when what running daemons hold is in it; 0: none of it is
    undated_ns: int = 0  #: watched before the clock was set, nobody knows when
    _watched: list[Span] = field(default_factory=list)

    def add(self, header: Header, origin: str, is_live: bool = False) -> None:
        """One more block, or capture; origin: its file.  is_live: a running daemon holds it."""
        self.blocks += 1
        if is_live:
            self.live_ns = max(self.live_ns, header.end_ns)
        if header.source == "file":
            _note(self.captures, header.source_name or origin)
        else:
            _note(self.interfaces, header.interface)
        _note(self.hosts, header.host)
        watched = without(header.begin_ns, header.end_ns, header.gaps)
        if header.is_undated:
            self.undated_ns += union(watched)
        elif header.end_ns:  # a capture without frames has no time
            self._watched += watched

    @property
    def begin_ns(self) -> int:
        """The first instant; 0: there is none."""
        return min((begin for begin, _ in self._watched), default=0)

    @property
    def end_ns(self) -> int:
        """The last instant."""
        return max((end for _, end in self._watched), default=0)

    @property
    def covered_ns(self) -> int:
        """The time watched between the two, and what has no date."""
        return union(self._watched) + self.undated_ns

    def reaches_into(self, period: Period) -> bool:
        """Whether anything of a period was watched."""
        return any(
            (period.end is None or begin < period.end) and (period.begin is None or period.begin < end)
            for begin, end in self._watched
        )


def without(begin: int, end: int, gaps: Iterable[Span]) -> list[Span]:
    """What is left of an interval between its gaps."""
    left = []
    for gap_begin, gap_end in sorted(gaps):
        left.append((begin, min(gap_begin, end)))
        begin = max(begin, gap_end)
    return [(first, last) for first, last in [*left, (begin, end)] if first <= last]


def union(spans: Iterable[Span]) -> int:
    """Nanoseconds in the union of spans."""
    total = 0
    reach: int | None = None
    for begin, end in sorted(spans):
        total += max(0, end - (begin if reach is None else max(begin, reach)))
        reach = end if reach is None else max(reach, end)
    return total


def _note(known: list[str], name: str) -> None:
    if name and name not in known:
        known.append(name)
