"""Where bpft top looks: at the table of a running trafd, or, where none runs, at a capture of its own."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bpft import control_client, host
from bpft.core import LiveError, Table
from bpft.errors import BpftError, CannotCapture, NoPermission
from bpft.meter.capture import Live, open_live
from bpft.record import Counters, Header
from bpft.top.change import VERSIONS, change, contents

if TYPE_CHECKING:
    from bpft.core import Version
    from bpft.paths import Paths
    from bpft.top.change import Dense

ANSWER_WITHIN_S = 5.0  #: of a daemon, which may be saving; one that hangs must not hold up the others for long
_MAX_FLOWS = 1 << 18  # of a capture of our own; small ones beyond are summed up


class NotAllowed(BpftError):
    """{0}: no trafd runs here to look at, and only root may capture: run as root, or start one with: trafstart {0}"""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a table."""

    header: Header  #: of the table: since when it counts, what was dropped, which networks are near
    held: Dense  #: all records
    gained: Dense | None  #: since the reading before; None: there is none that it could be compared with
    span_ns: int  #: what gained is of

    @property
    def away_ns(self) -> int:
        """Since when the daemon waits for its interface, in UTC nanoseconds; 0: it counts."""
        begin, end = self.header.gaps[-1] if self.header.gaps else (0, 0)
        return begin if end == self.header.end_ns else 0


class Source(Protocol):
    """One interface, looked at again and again."""

    interface: str
    attached: bool  #: to a daemon; else it captures itself

    def read(self) -> Reading:
        """Raises BpftError where nothing can be seen now; a later call may succeed."""

    def close(self) -> None: ...


class Attached:
    """The table of a running trafd."""

    attached = True

    def __init__(self, where: Paths, interface: str) -> None:
        self.interface = interface
        self._where = where
        self._last: tuple[Header, Dense] | None = None

    def read(self) -> Reading:
        """Raises what fetch() raises, and BlockDamaged."""
        try:
            block = control_client.fetch(self._where, self.interface, ANSWER_WITHIN_S)
            groups = [(group.version, group.records()) for group in block.groups()]
        except BpftError:
            self._last = None
            raise
        header, held = block.header, _joined(groups)
        before, self._last = self._last, (header, held)
        return Reading(header, held, *_compared(before, header, held))

    def close(self) -> None:
        """Nothing is open between two readings."""


def _joined(groups: list[tuple[Version, bytes]]) -> Dense:
    return {version: b"".join(records for of, records in groups if of == version) for version in VERSIONS}


def _compared(before: tuple[Header, Dense] | None, header: Header, held: Dense) -> tuple[Dense | None, int]:
    """What was gained since, and in which time.

    A save in between began a new table: all of it is new, and of the time since its beginning.
    """
    if before is None:
        return None, 0
    earlier, had = before
    if header.boot_end_ns is not None and earlier.boot_end_ns is not None:
        began, now_ns, last_ns = header.boot_begin_ns or 0, header.boot_end_ns, earlier.boot_end_ns
    else:
        began, now_ns, last_ns = header.begin_ns, header.end_ns, earlier.end_ns
    if now_ns <= last_ns:
        return None, 0
    if header.epoch == earlier.epoch:
        return change(had, held), now_ns - last_ns
    return change({}, held), now_ns - max(began, last_ns)


class Captured:
    """A capture of our own; it begins with the first reading."""

    attached = False

    def __init__(self, interface: str, filter: str = "") -> None:
        self.interface = interface
        self._filter = filter
        self._capture: Live | None = None
        self._thread: threading.Thread | None = None
        self._total = Table(_MAX_FLOWS)
        self._header = Header()
        self._last_ns = 0
        self._kernel = (0, 0, 0)

    def read(self) -> Reading:
        """Raises what open_live() raises, CannotCapture where the interface went away."""
        if self._capture is None:
            self._open()
            return Reading(self._header, {}, None, 0)
        new = self._capture.swap(Table(_MAX_FLOWS))
        now_ns, last_ns = host.boottime_ns(), self._last_ns
        self._last_ns = now_ns
        self._total.merge(new)
        with contextlib.suppress(LiveError):  # It has just gone: the last figures stand, and why is told below.
            self._kernel = self._capture.stats()
        if self._thread is not None and not self._thread.is_alive():
            why = self._capture.error or "the capture ended"
            self.close()
            raise CannotCapture(self.interface, why)
        received, dropped, if_dropped = self._kernel
        counters = Counters(received=received, dropped=dropped, if_dropped=if_dropped)
        self._header = self._header._replace(counters=counters, end_ns=host.utc_ns())
        return Reading(self._header, contents(self._total), contents(new), now_ns - last_ns)

    def _open(self) -> None:
        info = host.interface_info(self.interface)
        try:
            capture = open_live(self.interface, info, filter=self._filter, promiscuous=False)
        except NoPermission:
            raise NotAllowed(self.interface) from None
        self._capture, self._total = capture, Table(_MAX_FLOWS)
        self._header = Header(
            begin_ns=host.utc_ns(),
            interface=self.interface,
            link_types=(capture.link_type,),
            hardware=info.hardware if info else None,
            loopback=bool(info and info.loopback),
            prefixes=tuple(info.prefixes) if info else (),
        )
        self._last_ns = host.boottime_ns()
        capture.swap(Table(_MAX_FLOWS))  # Before the thread runs: from now on a swap can come at any time.
        self._thread = threading.Thread(target=capture.run, args=(Table(),), name="capture", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the capture; a later reading begins a new one."""
        if self._capture is None:
            return
        capture, self._capture = self._capture, None
        capture.stop()
        if self._thread is not None:
            self._thread.join()
        capture.close()
