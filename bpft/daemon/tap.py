"""The interface being counted: its capture, the thread that runs it, and its return after it vanished."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable

from bpft import host, messages
from bpft.core import LiveError, Table
from bpft.daemon.describe import Kernel, common
from bpft.daemon.epoch import COUNTING
from bpft.daemon.settings import Settings
from bpft.errors import BpftError
from bpft.host.watch import name_of
from bpft.meter.capture import SNAPLEN, Live, buffer_wanted, open_live
from bpft.record import CountingMode, Header

NOT_THERE = "it is not there"
DOWN = "it is down"


class Tap:
    """Opened by the constructor, counting between start() and stop().

    The table that is counted into is exchanged with swap(), at any time: while there is no capture, because the
    interface is gone or after stop(), the tap holds the table itself.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises what open_live() raises."""
        self._settings = settings
        self._table = Table(settings.main_cap)
        self._capture: Live | None = None
        self._thread: threading.Thread | None = None
        self._outcome = ""
        self._past: Kernel = (0, 0, 0)  # counted by captures that were closed
        self._now: Kernel = (0, 0, 0)  # counted by the one that is open
        self._ended: tuple[int, int] | None = None
        self.info = host.interface_info(settings.interface)
        self.link_types: list[int] = []
        self.engine = ""  #: the one that was taken last
        self.buffer = 0  #: bytes of its kernel buffer; 0: not known
        self.counting: CountingMode = COUNTING[-1]  #: how merged frames are counted (C2): the least exact way so far
        self._told: set[str] = set()  # of what is said once, however often it opens
        self._left = ""  # why the capture was ended though nobody asked for it
        self._real = self.info is not None  # not "any", nor another one that only libpcap knows
        self._started = False  # the capture has the table
        self._open()

    def _open(self) -> None:
        settings = self._settings
        self._capture = open_live(
            settings.interface,
            self.info,
            filter=settings.filter,
            optimize=settings.optimize,
            promiscuous=settings.promiscuous,
            key=settings.key,
            engine=settings.engine,
            buffer=settings.buffer,
        )
        self.engine, self.buffer = self._capture.engine, self._capture.buffer_bytes
        self.counting = min(self.counting, self._way(self._capture), key=COUNTING.index)
        self._left = ""
        if self._capture.fallback:
            self._say_once(messages.notice, f"counting through libpcap: {self._capture.fallback}")
        if self._capture.error:  # Of libpcap, which works all the same.
            self._say_once(messages.warning, self._capture.error)
        wanted = buffer_wanted(settings.buffer)
        if 0 < self.buffer < wanted * 3 // 4:  # Rings are made of whole blocks.
            self._say_once(messages.warning, f"the kernel holds {messages.size(self.buffer)} for us, {_more(wanted)}")
        link_type = self._capture.link_type
        if link_type >= 0 and link_type not in self.link_types:
            self.link_types.append(link_type)

    def _way(self, capture: Live) -> CountingMode:
        """How a capture counts merged frames: without an MTU nothing tells which they are."""
        if capture.exact:
            return "wire-exact"
        has_mtu = self.info is not None and self.info.mtu
        return "wire-estimated" if has_mtu and capture.engine != "reference" else "as-captured"

    def _say_once(self, say: Callable[[str], None], text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            say(f"{self._settings.interface}: {text}")

    @property
    def may_vanish(self) -> bool:
        """Whether it may have to be opened again."""
        return self._settings.interface != "any" and not (self.info and self.info.loopback)

    @property
    def descriptors(self) -> list[int]:
        """What must stay open when the process detaches."""
        if self._capture is None:
            return []
        return list(self._capture.fds())

    @property
    def capturing(self) -> bool:
        return self._capture is not None

    @property
    def working(self) -> bool:
        """The capture's thread runs, or there is nothing to capture from."""
        return self._capture is None or (self._thread is not None and self._thread.is_alive())

    def start(self, count: int = 0) -> int:
        """Count, in a thread of its own; the descriptor returned is readable whenever that thread has ended."""
        if self._ended is None:
            self._ended = os.pipe()
        assert self._capture is not None
        table, self._table = self._table, Table()  # It is the capture's alone, so that its memory ends with it.
        self._capture.swap(table)  # Before the thread runs: from now on a swap can come at any time.
        self._started = True
        self._thread = threading.Thread(target=self._run, args=(self._capture, count), name="capture")
        self._thread.start()
        return self._ended[0]

    def _run(self, capture: Live, count: int) -> None:
        outcome = "gone"
        try:
            outcome = capture.run(Table(), count)
        finally:
            self._outcome = outcome
            if self._ended is not None:
                os.write(self._ended[1], b".")

    def outcome(self) -> tuple[str, str]:
        """Why the thread ended: "stopped", "count" or "gone", and what the capture says of it."""
        if self._ended is not None:
            os.read(self._ended[0], 1)
        self._join()
        return self._outcome, self._left or self._astray() or (self._capture.error if self._capture else "")

    def check_name(self) -> None:
        """End the capture of an interface that is gone, or has another name: a trafd is of a name, not of a device."""
        if self._capture is not None and not self._left and (why := self._astray()):
            self._left = why
            self._capture.stop()

    def _astray(self) -> str:
        """What became of the device that was opened, if it no longer has the interface's name; "": it has."""
        if self.info is None or self.info.index is None:
            return ""
        name = name_of(self.info.index)
        if name == self._settings.interface:
            return ""
        return f"is called {name} now, and is not followed there" if name else "The interface disappeared"

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def swap(self, table: Table, merge: bool = False, settle: bool = False) -> Table:
        """core.Capture.swap(), with or without a capture."""
        if self._capture is not None and self._started:
            return self._capture.swap(table, merge, settle)
        if merge:
            table.merge(self._table)
        previous, self._table = self._table, table
        return previous

    def kernel(self) -> Kernel:
        """(received, dropped by the kernel, dropped by the interface) since the first capture was opened."""
        if self._capture is not None:
            with contextlib.suppress(LiveError):  # The interface has just gone: its last figures stand.
                self._now = self._capture.stats()
        received, dropped, if_dropped = (past + now for past, now in zip(self._past, self._now, strict=True))
        return received, dropped, if_dropped

    def release(self) -> None:
        """Close the capture, whose thread has ended; the tap holds the table."""
        if self._capture is None:
            return
        self._past, self._now = self.kernel(), (0, 0, 0)
        capture, self._capture = self._capture, None
        if self._started:
            self._table = capture.swap(Table())
            self._started = False
        capture.close()

    def stop(self) -> None:
        """End the capture; what the kernel still held is counted."""
        if self._capture is not None:
            self._capture.stop()
            self._join()
            self.release()

    def reopen(self) -> str:
        """Try to capture again after the interface was gone: "" when it counts again, else why not."""
        try:
            info = host.interface_info(self._settings.interface)
            if self._real and info is None:
                return NOT_THERE
            if info is not None and not info.up:
                return DOWN
            self.info = info
            self._open()
        except (BpftError, OSError) as why:
            return str(why)
        return ""

    def header(self, role: str) -> Header:
        """What a block says of this interface and how it is counted; times and sums are the epoch's to fill."""
        settings, info = self._settings, self.info
        header = common(settings)._replace(
            role="dump" if role == "dump" else "save",
            clock_synchronised=host.clock_synchronised(),
            link_types=tuple(self.link_types),
            source="live",
            engine=self.engine,
            counting=self.counting,
            snaplen=0 if self.engine == "reference" else SNAPLEN,
            promiscuous=settings.promiscuous,
            min_all=settings.min_all if role == "save" else 0,
        )
        if info is None:
            return header
        return header._replace(
            interface_index=info.index,
            interface_alias=info.alias,
            mac=info.mac,
            mtu=info.mtu,
            speed_mbit=info.speed_mbit,
            hardware=info.hardware,
            loopback=info.loopback,
            prefixes=tuple(info.prefixes),
        )


def _more(wanted: int) -> str:
    """How to get a kernel buffer of so many bytes, of which it gave less."""
    if sys.platform.startswith("linux"):
        return f"not {messages.size(wanted)}: there is no memory for it"
    return f"not {messages.size(wanted)}; allow it with: sysctl net.bpf.maxbufsize={wanted}"
