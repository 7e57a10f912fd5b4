"""The life of a table between two saves (E1): its id, its time, and what kernel and interface counted meanwhile."""

import os
from dataclasses import dataclass, field

from bpft import host
from bpft.core import Table
from bpft.daemon.describe import Kernel, counters
from bpft.host.interface import InterfaceInfo, LinkCounters
from bpft.record import NO_CLOCK_NS, CountingMode, Header, InterfaceDelta
from bpft.series import Series

#: Two clocks that drift apart by more than this tell of a step, or between a dump and its resumption of a reboot.
_STEP_NS = 5_000_000_000
#: The least exact first (C2): a table is counted as the least exact of its parts.
COUNTING: tuple[CountingMode, ...] = ("as-captured", "wire-estimated", "wire-exact")


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as the wall clock showed it then, and by the clock that runs since boot."""

    utc_ns: int
    boot_ns: int | None  #: None: of another boot

    def utc_at(self, now: "Moment") -> int:
        """As the wall clock tells it now: it may have been set since, and the later clock is the right one."""
        if self.boot_ns is None or now.boot_ns is None:
            return min(self.utc_ns, now.utc_ns)
        told_ns = now.utc_ns - (now.boot_ns - self.boot_ns)
        return told_ns if abs(told_ns - self.utc_ns) > _STEP_NS or self.utc_ns > now.utc_ns else self.utc_ns


@dataclass(frozen=True, slots=True)
class Cut:
    """One instant, as every clock and counter saw it."""

    utc_ns: int
    boot_ns: int
    kernel: Kernel
    info: InterfaceInfo | None  #: the interface with its counters; None: it is not there

    @property
    def moment(self) -> Moment:
        return Moment(self.utc_ns, self.boot_ns)


def cut(interface: str, kernel: Kernel) -> Cut:
    """Now."""
    try:
        info = host.interface_info(interface)
    except OSError:
        info = None  # The system does not answer: the block says so by leaving its fields empty.
    return Cut(host.utc_ns(), host.boottime_ns(), kernel, info)


@dataclass(slots=True)
class Epoch:
    """begin() or resume() it, observe() each cut, ask header() for what a block says."""

    id: bytes
    began: Moment
    gaps: list[tuple[Moment, Moment]] = field(default_factory=list)
    kernel: Kernel = (0, 0, 0)  #: counted in this epoch
    delta: InterfaceDelta | None = None  #: counted in this epoch; None: never seen
    series: Series = field(default_factory=Series)  #: the same, every five minutes
    counting: CountingMode = COUNTING[-1]  #: of what it was resumed with
    _kernel_base: Kernel = (0, 0, 0)
    _link: LinkCounters | None = None  # at the last cut; None: not watched since
    _last: Moment = Moment(0, 0)  # the last cut
    _blind_since: Moment | None = None  # since then nothing is captured

    @classmethod
    def begin(cls, at: Cut) -> "Epoch":
        """An empty table begins (E1)."""
        epoch = cls(os.urandom(16), at.moment)
        epoch._watch(at)
        return epoch

    @classmethod
    def resume(cls, header: Header, at: Cut) -> "Epoch":
        """A dumped table goes on (E6): id, begin and sums stay, the time between is a gap."""
        counters = header.counters
        boot_ns = header.boot_begin_ns
        if (
            header.boot_end_ns is None
            or abs((at.utc_ns - header.end_ns) - (at.boot_ns - header.boot_end_ns)) > _STEP_NS
        ):
            boot_ns = None  # Another boot: its clock says nothing about ours.
        epoch = cls(
            header.epoch,
            Moment(header.begin_ns, boot_ns),
            [(Moment(begin, None), Moment(end, None)) for begin, end in header.gaps],
            (counters.received, counters.dropped, counters.if_dropped),
            header.delta,
            _series(header),
            header.counting,
        )
        epoch.gaps.append((Moment(header.end_ns, None), at.moment))
        epoch._watch(at)
        return epoch

    @property
    def begin_ns(self) -> int:
        """UTC nanoseconds, as the clock of the last cut tells it."""
        return self.began.utc_at(self._last)

    def successor(self, at: Cut) -> "Epoch":
        """The epoch of the table that is counted into since at."""
        epoch = Epoch.begin(at)
        if self._blind_since is not None:
            epoch.blind(at)
        return epoch

    def _watch(self, at: Cut) -> None:
        """Counters are compared with at from here on."""
        self._kernel_base = at.kernel
        self._last = at.moment
        self._link = at.info.counters if at.info else None

    def observe(self, at: Cut) -> None:
        """Add what kernel and interface counted since the last cut (C4)."""
        a, b, c = (
            total + now - base for total, now, base in zip(self.kernel, at.kernel, self._kernel_base, strict=True)
        )
        self.kernel = (a, b, c)
        if self._last.utc_ns < NO_CLOCK_NS <= at.utc_ns:
            self.series.shift(NO_CLOCK_NS, self._last.utc_at(at.moment) - self._last.utc_ns)
        link = at.info.counters if at.info else None
        if link and self._link and self._blind_since is None:
            self._add(self._link, link, at)
        self._watch(at)

    def _add(self, last: LinkCounters, now: LinkCounters, at: Cut) -> None:
        delta = self.delta or InterfaceDelta()
        was_reset = any(after < before for before, after in zip(last, now, strict=True))
        if was_reset:
            last = LinkCounters()  # What it counted before the reset is lost.
        rx_bytes, tx_bytes, rx_packets, tx_packets = (after - before for before, after in zip(last, now, strict=True))
        elapsed_ns = at.boot_ns - (self._last.boot_ns or 0)
        self.delta = InterfaceDelta(
            delta.rx_bytes + rx_bytes,
            delta.tx_bytes + tx_bytes,
            delta.rx_packets + rx_packets,
            delta.tx_packets + tx_packets,
            delta.covered_ns + elapsed_ns,
            delta.resets + was_reset,
        )
        self.series.add(at.utc_ns - elapsed_ns, at.utc_ns, (rx_bytes, tx_bytes, rx_packets, tx_packets))

    def blind(self, at: Cut) -> None:
        """The interface vanished: nothing is captured until sighted()."""
        self._blind_since = at.moment

    def sighted(self, at: Cut) -> None:
        """It is back: the time between is a gap, its counters began anew."""
        if self._blind_since is not None:
            self.gaps.append((self._blind_since, at.moment))
            self._blind_since = None
        self._watch(at)

    def header(self, template: Header, at: Cut, table: Table) -> Header:
        """template with what this epoch knows at the cut, which was observed, and the counters of table.

        All instants are told by the wall clock of the cut: where that was set meanwhile, lengths are boot time's.
        """
        begin_ns, boot_begin_ns = self.began.utc_at(at.moment), self.began.boot_ns
        gaps = [(begin.utc_at(at.moment), end.utc_at(at.moment)) for begin, end in self.gaps]
        if self._blind_since is not None:
            gaps.append((self._blind_since.utc_at(at.moment), at.utc_ns))
        counted = counters(table, self.kernel)
        if counted.first_ns < NO_CLOCK_NS <= begin_ns:
            # The first frame was told by a clock that was not set yet.
            counted = counted._replace(first_ns=counted.first_ns and begin_ns)
        return template._replace(
            counting=min(self.counting, template.counting, key=COUNTING.index),
            epoch=self.id,
            begin_ns=begin_ns,
            end_ns=at.utc_ns,
            boot_begin_ns=boot_begin_ns,
            boot_end_ns=at.boot_ns if boot_begin_ns is not None else None,
            clock_synchronised=template.clock_synchronised if at.utc_ns >= NO_CLOCK_NS else False,
            gaps=tuple(gaps),
            counters=counted,
            delta=self.delta,
            series=self.series.pack(),
        )


def _series(header: Header) -> Series:
    try:
        return Series.unpack(header.series)
    except ValueError:
        return Series()  # Written by another version: that the series is not known before now is all that is lost.
