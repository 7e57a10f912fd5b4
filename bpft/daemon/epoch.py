"""The life of a table between two saves (E1): its id, its time, and what kernel and interface counted meanwhile."""

import os
from dataclasses import dataclass, field, replace

from bpft import host
from bpft.core import Table
from bpft.host import InterfaceInfo, LinkCounters
from bpft.record import Counters, CountingMode, Header, InterfaceDelta
from bpft.series import Series

Kernel = tuple[int, int, int]  # received, dropped by the kernel, dropped by the interface

#: Two clocks that drift apart by more than this between a dump and its resumption tell of a reboot or a step.
_SAME_BOOT_NS = 5_000_000_000
#: The least exact first (C2): a table is counted as the least exact of its parts.
COUNTING: tuple[CountingMode, ...] = ("as-captured", "wire-estimated", "wire-exact")


@dataclass(frozen=True, slots=True)
class Cut:
    """One instant, as every clock and counter saw it."""

    utc_ns: int
    boot_ns: int
    kernel: Kernel
    info: InterfaceInfo | None  #: the interface with its counters; None: it is not there


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
    begin_ns: int
    boot_begin_ns: int | None
    gaps: list[tuple[int, int]] = field(default_factory=list)
    kernel: Kernel = (0, 0, 0)  #: counted in this epoch
    delta: InterfaceDelta | None = None  #: counted in this epoch; None: never seen
    series: Series = field(default_factory=Series)  #: the same, every five minutes
    counting: CountingMode = COUNTING[-1]  #: of what it was resumed with
    _kernel_base: Kernel = (0, 0, 0)
    _link: LinkCounters | None = None  # at the last cut; None: not watched since
    _boot_ns: int = 0  # of the last cut
    _blind_since: int | None = None  # UTC ns: since then nothing is captured

    @classmethod
    def begin(cls, at: Cut) -> "Epoch":
        """An empty table begins (E1)."""
        epoch = cls(os.urandom(16), at.utc_ns, at.boot_ns)
        epoch._watch(at)
        return epoch

    @classmethod
    def resume(cls, header: Header, at: Cut) -> "Epoch":
        """A dumped table goes on (E6): id, begin and sums stay, the time between is a gap."""
        counters = header.counters
        epoch = cls(
            header.epoch,
            header.begin_ns,
            header.boot_begin_ns,
            list(header.gaps),
            (counters.received, counters.dropped, counters.if_dropped),
            header.delta and replace(header.delta),
            _series(header),
            header.counting,
        )
        if header.boot_end_ns is None or abs((at.utc_ns - header.end_ns) - (at.boot_ns - header.boot_end_ns)) > (
            _SAME_BOOT_NS
        ):
            epoch.boot_begin_ns = None  # Another boot: its clock says nothing about ours.
        epoch.gaps.append((header.end_ns, at.utc_ns))
        epoch._watch(at)
        return epoch

    def successor(self, at: Cut) -> "Epoch":
        """The epoch of the table that is counted into since at."""
        epoch = Epoch.begin(at)
        if self._blind_since is not None:
            epoch.blind(at)
        return epoch

    def _watch(self, at: Cut) -> None:
        """Counters are compared with at from here on."""
        self._kernel_base = at.kernel
        self._boot_ns = at.boot_ns
        self._link = at.info.counters if at.info else None

    def observe(self, at: Cut) -> None:
        """Add what kernel and interface counted since the last cut (C4)."""
        a, b, c = (
            total + now - base for total, now, base in zip(self.kernel, at.kernel, self._kernel_base, strict=True)
        )
        self.kernel = (a, b, c)
        link = at.info.counters if at.info else None
        if link and self._link and self._blind_since is None:
            self._add(self._link, link, at)
        self._watch(at)

    def _add(self, last: LinkCounters, now: LinkCounters, at: Cut) -> None:
        delta = self.delta = self.delta or InterfaceDelta()
        names = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets")
        if any(getattr(now, name) < getattr(last, name) for name in names):
            delta.resets += 1
            last = LinkCounters()  # What it counted before the reset is lost.
        rises = [getattr(now, name) - getattr(last, name) for name in names]
        for name, rise in zip(names, rises, strict=True):
            setattr(delta, name, getattr(delta, name) + rise)
        elapsed_ns = at.boot_ns - self._boot_ns
        delta.covered_ns += elapsed_ns
        self.series.add(at.utc_ns - elapsed_ns, at.utc_ns, (rises[0], rises[1], rises[2], rises[3]))

    def blind(self, at: Cut) -> None:
        """The interface vanished: nothing is captured until sighted()."""
        self._blind_since = at.utc_ns

    def sighted(self, at: Cut) -> None:
        """It is back: the time between is a gap, its counters began anew."""
        if self._blind_since is not None:
            self.gaps.append((self._blind_since, at.utc_ns))
            self._blind_since = None
        self._watch(at)

    def header(self, template: Header, at: Cut, table: Table) -> Header:
        """template with what this epoch knows at the cut, which was observed, and the counters of table."""
        begin_ns = self.begin_ns
        boot_begin_ns = self.boot_begin_ns
        if at.utc_ns < begin_ns:  # The wall clock was set back: the end is right, the length is boot time's.
            begin_ns = at.utc_ns - (at.boot_ns - boot_begin_ns if boot_begin_ns is not None else 0)
        gaps = list(self.gaps)
        if self._blind_since is not None:
            gaps.append((self._blind_since, at.utc_ns))
        return replace(
            template,
            counting=min(self.counting, template.counting, key=COUNTING.index),
            epoch=self.id,
            begin_ns=begin_ns,
            end_ns=at.utc_ns,
            boot_begin_ns=boot_begin_ns,
            boot_end_ns=at.boot_ns if boot_begin_ns is not None else None,
            gaps=gaps,
            counters=counters(table, self.kernel),
            delta=self.delta and replace(self.delta),
            series=self.series.pack(),
        )


def _series(header: Header) -> Series:
    try:
        return Series.unpack(header.series)
    except ValueError:
        return Series()  # Written by another version: that the series is not known before now is all that is lost.


def counters(table: Table, kernel: Kernel = (0, 0, 0)) -> Counters:
    """What table and kernel counted, as a block says it."""
    counted = table.counters()
    skipped: dict[str, int] = counted["skipped"]  # type: ignore[assignment]
    direction: dict[str, tuple[int, int, int, int]] = counted["dir"]  # type: ignore[assignment]
    return Counters(
        seen=int(counted["seen"]),  # type: ignore[call-overload]
        counted=int(counted["counted"]),  # type: ignore[call-overload]
        skipped=skipped,
        direction=direction,
        first_ns=int(counted["first_ns"]),  # type: ignore[call-overload]
        last_ns=int(counted["last_ns"]),  # type: ignore[call-overload]
        folded=int(counted["folded"]),  # type: ignore[call-overload]
        received=kernel[0],
        dropped=kernel[1],
        if_dropped=kernel[2],
    )
