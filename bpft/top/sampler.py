"""Reads a source again and again in a thread of its own, so that keys are answered while a daemon is busy."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from bpft.errors import BpftError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpft.top.source import Reading, Source

SHARE = 20  #: looking takes at most one part in so many of the time, of the daemon's and of ours
_RECENT = 5  # looks: where all of them took long, it is not that something else was busy for a moment


class Sampler:
    """take is called in its thread, with what was read or why nothing was, and the source it is of.

    After anything but a BpftError nothing more is read.
    """

    def __init__(self, source: Source, interval_s: float, take: Callable[[Source, Reading | Exception], None]) -> None:
        self._source, self._interval_s, self._take = source, interval_s, take
        self.drawing_s = 0.0  #: what is done with a reading costs so much of a processor's time
        self._changed = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def look_at(self, source: Source) -> None:
        """From now on at another one."""
        self._source = source
        self._changed.set()

    def close(self) -> None:
        """No more; waits no longer than a moment for a daemon that hangs."""
        self._ended = True
        self._changed.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        source = self._source
        costs_s: deque[float] = deque(maxlen=_RECENT)
        while not self._ended:
            began = time.monotonic()
            if source is not self._source:
                source.close()
                source = self._source
                costs_s.clear()
            try:
                self._take(source, source.read())
            except BpftError as why:
                self._take(source, why)
            except Exception as why:  # noqa: BLE001 - nobody sees what a thread behind a page dies of
                self._take(source, why)
                return
            passed_s = time.monotonic() - began
            costs_s.append(passed_s + self.drawing_s)
            due_s = SHARE * min(costs_s) if len(costs_s) == _RECENT else 0.0
            self._changed.wait(max(self._interval_s, due_s) - passed_s)
            self._changed.clear()
        source.close()
