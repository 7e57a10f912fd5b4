"""Does it add up?  What became of every frame, and what the interface itself counted (SEMANTICS C3, C4)."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bpft.record import CountingMode, Header
from bpft.report import units
from bpft.report.coverage import Span, union, without
from bpft.report.period import SECOND, Period
from bpft.report.units import Units

_COUNTING: dict[CountingMode, str] = {
    "as-captured": "as captured",
    "wire-estimated": "as on the wire (estimated)",
    "wire-exact": "as on the wire",
}
#: Linux shows lo's frames with an Ethernet header, and counts lo's bytes without.
_ETHERNET, _ETHERNET_HEADER = 1, 14
_TOLERANCE = SECOND  # counters are read a moment before and after a table is cut
_LOUD, _LEAST = 2, 1_000_000  # per cent and bytes that may be missing before it is said loudly


@dataclass(slots=True)
class Account:
    """One interface: bytes accounted against bytes it says it moved, over the blocks that can be compared."""

    interface: str
    blocks: int = 0
    compared: int = 0
    accounted: int = 0  #: frame bytes, as tapped (virtual) or as on the wire (hardware)
    moved: int = 0  #: the interface's own rx + tx (loopback: rx)
    dropped: int = 0  #: packets, by the kernel
    if_dropped: int = 0  #: packets, by the interface
    as_captured: bool = False  #: compared by frames that merge packets, while the records count those (C2)
    resets: int = 0  #: of the interface's counters
    reasons: Counter[str] = field(default_factory=Counter)  #: why blocks cannot be compared
    watched: list[Span] = field(default_factory=list)  #: by its blocks; those without a date are not in it

    def missing(self, period: Period, elsewhere: Iterable[Span] = ()) -> list[Span]:
        """When it was not watched: between its blocks, and where a period was asked for, before and behind them.

        elsewhere: what its blocks watched that belong to other periods; they reach into this one.
        """
        if not self.watched:
            return []
        begin, end = min(self.watched)[0], max(last for _, last in self.watched)
        begin = min(begin, period.begin) if period.begin is not None else begin
        end = max(end, min(period.end, time.time_ns())) if period.end is not None else end
        gaps, reach = [], begin
        for first, last in [*sorted([*self.watched, *elsewhere]), (end, end)]:
            first = min(first, end)
            if first - reach > _TOLERANCE:
                gaps.append((reach, first))
            reach = max(reach, last)
        return gaps

    def add(self, header: Header) -> None:
        """Account for one block of a live interface."""
        counters, delta = header.counters, header.delta
        self.blocks += 1
        self.watched += _watched(header)
        self.dropped += counters.dropped
        self.if_dropped += counters.if_dropped
        reason = _incomparable(header)
        if reason or delta is None:
            self.reasons[reason] += 1
            return
        self.compared += 1
        self.resets += delta.resets
        self.moved += delta.rx_bytes + (0 if header.loopback else delta.tx_bytes)
        self.as_captured |= not header.hardware and header.counting != "as-captured"
        place = 3 if header.hardware else 1
        self.accounted += sum(figures[place] for figures in counters.direction.values())
        if header.loopback and header.link_types == (_ETHERNET,):
            self.accounted -= _ETHERNET_HEADER * sum(frames for frames, *_ in counters.direction.values())

    def figures(self) -> dict[str, object]:
        """For programs; what could not be compared has none."""
        return {
            "blocks": self.blocks,
            "blocks_compared": self.compared,
            "bytes_accounted": self.accounted if self.compared else None,
            "bytes_moved": self.moved if self.compared else None,
            "packets_dropped": self.dropped,
            "packets_dropped_by_interface": self.if_dropped,
            "not_comparable": dict(self.reasons),
        }

    def lines(self, show: Units) -> list[str]:
        """For people."""
        lost = f"{units.count(self.dropped, show) if self.dropped else 'no'} {_packets(self.dropped)} by the kernel"
        if self.if_dropped:
            lost += f", {units.count(self.if_dropped, show)} by the interface"
        why = "; ".join(
            reason + (f" ({times} of {self.blocks} blocks)" if self.blocks > 1 else "")
            for reason, times in self.reasons.items()
        )
        if not self.compared:
            return [f"{self.interface}: not comparable: {why}; {lost}"]
        if self.moved:
            share = units.share(self.accounted, self.moved)
            apart = abs(self.moved - self.accounted)
            loud = apart > _LEAST and apart * 100 > self.moved * _LOUD
            told = f"{'INCOMPLETE: ' * loud}accounted {share} of {self.interface}'s {units.size(self.moved, show)}"
            told += " in frames as captured" if self.as_captured else ""
        else:
            told = f"accounted {units.size(self.accounted, show)}; {self.interface} itself counted nothing"
        lines = [f"{told}; {lost}"]
        if why:
            lines.append(
                f"{self.interface}: {self.compared} of {self.blocks} blocks compared, the others are not: {why}"
            )
        if self.resets:
            lines.append(f"{self.interface}: its counters were reset {self.resets} times meanwhile")
        return lines


@dataclass(slots=True)
class Undated:
    """Blocks recorded before the clock of their machine was set."""

    blocks: int = 0
    ns: int = 0  #: their length
    bytes: int = 0  #: of frames as on the wire

    def add(self, header: Header) -> None:
        self.blocks += 1
        self.ns += header.end_ns - header.begin_ns
        self.bytes += sum(wire_bytes for *_, wire_bytes in header.counters.direction.values())

    def told(self, show: Units) -> str:
        """For people."""
        blocks = f"{units.grouped(self.blocks)} block{'' if self.blocks == 1 else 's'}"
        size = units.size(self.bytes, show)
        return f"{blocks} ({units.span(self.ns)}, {size} in frames) recorded before the clock was set"


@dataclass(slots=True)
class Completeness:
    """Of all blocks and captures of one report."""

    accounts: dict[str, Account] = field(default_factory=dict)
    captures: int = 0
    imported: int = 0  #: blocks of old BPFTs, which counted neither packets nor frames
    repaired: int = 0  #: blocks whose records may not all be there
    undated: Undated = field(default_factory=Undated)  #: blocks that are in the report
    unplaced: Undated = field(default_factory=Undated)  #: blocks that are in no period, so not in this one
    seen: int = 0
    counted: int = 0
    packets: int = 0  #: in all records that were read
    skipped: Counter[str] = field(default_factory=Counter)
    folded: int = 0  #: records the cap folded into "other"
    counting: list[CountingMode] = field(default_factory=list)  #: C2, in order of appearance
    cut: list[tuple[int, int]] = field(default_factory=list)  #: bits of addresses that are networks (IPv4, IPv6)
    period: Period = field(default_factory=Period)  #: that was asked for
    _elsewhere: dict[str, list[Span]] = field(default_factory=dict)  #: interface: watched by blocks left out

    def add(self, header: Header) -> None:
        """Account for one block or capture."""
        self.repaired += header.made_of("repaired")
        if header.is_undated:
            self.undated.add(header)
        self.imported += header.made_of("import")
        if header.source == "import" or (header.made_of("import") and not header.counters.seen):
            return
        counters = header.counters
        self.seen += counters.seen
        self.counted += counters.counted
        self.skipped.update({reason: n for reason, n in counters.skipped.items() if n})
        self.folded += counters.folded
        if header.counting not in self.counting:
            self.counting.append(header.counting)
        if header.prefix_len is not None and header.prefix_len not in self.cut:
            self.cut.append(header.prefix_len)
        if header.source == "file":
            self.captures += 1
        else:
            self.accounts.setdefault(header.interface, Account(header.interface)).add(header)

    def leave_out(self, header: Header) -> None:
        """A block that the period asked for does not hold: without a date it might have been in it."""
        if header.is_undated:
            self.unplaced.add(header)
        self._elsewhere.setdefault(header.interface, []).extend(_watched(header))

    def missing(self) -> dict[str, list[Span]]:
        """By interface, when it was not watched."""
        found = {
            name: account.missing(self.period, self._elsewhere.get(name, ())) for name, account in self.accounts.items()
        }
        return {name: gaps for name, gaps in found.items() if gaps}

    @property
    def adds_up(self) -> bool:
        """The sum rule: frames seen = counted + skipped; counted as captured, each is one packet of a record."""
        each_is_one = self.counting == ["as-captured"]
        return self.seen == self.counted + self.skipped.total() and (not each_is_one or self.counted == self.packets)

    def lines(self, show: Units = "si") -> list[str]:
        """For people, most important first."""
        lines = [line for account in self.accounts.values() for line in account.lines(show)]
        lines += [_told_missing(interface, gaps) for interface, gaps in self.missing().items()]
        if self.undated.blocks:
            lines.append(f"{self.undated.told(show)}: no date is known of that part")
        if self.unplaced.blocks:
            lines.append(f"left out, as no date is known of it: {self.unplaced.told(show)}")
        if self.imported:
            blocks = f"{units.grouped(self.imported)} block{'' if self.imported == 1 else 's'}"
            lines.append(f"{blocks} of an old BPFT: packets, frames and drops are not known")
            if not self.counting:
                return lines
        skipped, how = self.skipped.total(), " and ".join(_COUNTING.get(mode, mode) for mode in self.counting)
        frames = f"{units.grouped(self.seen)} frame{'' if self.seen == 1 else 's'}"
        if skipped or not self.adds_up:
            reasons = ", ".join(f"{reason} {units.grouped(n)}" for reason, n in self.skipped.most_common())
            frames += f", {units.grouped(self.counted)} counted {how}, {units.grouped(skipped)} skipped"
            frames += f": {reasons}" if reasons else ""
        else:
            frames += f", all counted {how}"
        if not self.adds_up:
            lines.insert(0, f"DOES NOT ADD UP: the records hold {units.grouped(self.packets)} packets of {frames}")
        if self.repaired:
            blocks = f"{units.grouped(self.repaired)} block{'' if self.repaired == 1 else 's'}"
            lines.insert(0, f"INCOMPLETE: {blocks} had been damaged, and what could be saved is here without the rest")
        if not self.accounts:
            frames = ("capture file: " if self.captures == 1 else f"{self.captures} capture files: ") + frames
        lines += [
            f"addresses may stand for networks: some blocks keep only /{four} and /{six}" for four, six in self.cut
        ]
        return [*lines, frames]


def _incomparable(header: Header) -> str:
    """Why a block cannot be compared with its interface's counters (C4), or nothing."""
    delta, interval = header.delta, header.end_ns - header.begin_ns
    if header.interface == "any":
        return "any has no counters of its own"
    if header.filter:
        return f"only frames of the filter '{header.filter}' were counted"
    if header.gaps:
        return f"not watched for {units.span(sum(end - begin for begin, end in header.gaps))} of it"
    if delta is None:
        return "the interface's own counters were not recorded"
    if delta.covered_ns + _TOLERANCE * max(1, len(header.epochs)) < interval:
        return f"the interface's own counters cover {units.span(delta.covered_ns)} of {units.span(interval)}"
    return ""


def _watched(header: Header) -> list[Span]:
    return without(header.begin_ns, header.end_ns, header.gaps) if header.end_ns and not header.is_undated else []


def _told_missing(interface: str, gaps: list[Span]) -> str:
    """For people."""
    longest = max(gaps, key=lambda gap: gap[1] - gap[0])
    more = f" and {len(gaps) - 1} time{'s' * (len(gaps) > 2)} more" if len(gaps) > 1 else ""
    return f"{interface} was not watched for {units.span(union(gaps))}: {units.interval(*longest)}{more}"


def _packets(n: int) -> str:
    return "packets dropped" if n > 1 else "packet dropped"
