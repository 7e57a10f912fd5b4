"""What is looked at and how: readings come in, keys change the question, a picture is to be had at any time."""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from bpft.errors import BadExpression, BpftError
from bpft.report.scope import Scopes
from bpft.top.asked import Asked
from bpft.top.filter import compiled, read_filter, refusal
from bpft.top.history import History
from bpft.top.label import Key, Labels, read_key
from bpft.top.picture import Order, Picture, picture
from bpft.top.view import VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpft.core import RecordFilter, Version
    from bpft.top.source import Reading

_PATIENCE = 120  # readings that are kept while paused
_REMEMBERED = 1 << 16  # rows


class Watch:
    """One interface at a time."""

    def __init__(self, labels: Labels, scopes: Scopes, view: str = "hosts", order: Order = Order()) -> None:  # noqa: B008 - it does not change
        self.labels, self._scopes = labels, scopes
        self.view, self.order = VIEWS[view], order
        self.filter = ""  #: as it was typed
        self.zooms: list[Key] = []  #: each within the one before
        self.paused = False
        self.trouble = ""  #: why nothing was read last time
        self.reading: Reading | None = None  #: what is shown
        self._history = History()
        self.dropped = 0  #: packets that the kernel dropped between the last two readings
        self._waiting: deque[Reading] = deque(maxlen=_PATIENCE)  # what came while paused
        self._where: RecordFilter | None = None
        self._part = ""
        self._asked: Asked | None = None
        self._told: tuple[object, ...] = ()  # what _remembered rests on
        self._remembered = self._fits

    # ---- what comes in ----

    def take(self, reading: Reading) -> None:
        """The next reading; while paused it waits.  Raises BadExpression where it does not hold what is filtered by."""
        if self._where and (why := refusal(self._where, reading.header.key_mode)):
            raise BadExpression(why)
        self.trouble = ""
        if self.paused:
            if self._waiting:  # Of those in between only what was gained matters.
                self._waiting.append(replace(self._waiting.pop(), held={}))
            self._waiting.append(reading)
            return
        if self.reading is None or _place(self.reading) != _place(reading):
            self._asked = None
        self.dropped = _drops(reading) - (_drops(self.reading) if self.reading else _drops(reading))
        self.reading = reading
        if reading.gained is None:
            self._history.clear()
        else:
            self._history.add(reading.span_ns, reading.gained)

    def fail(self, why: BpftError) -> None:
        """There was no reading."""
        self.trouble = str(why)

    def forget(self) -> None:
        """Another interface comes."""
        self.reading, self.trouble, self._asked = None, "", None
        self._waiting.clear()
        self._history.clear()

    def pause(self, paused: bool) -> None:
        self.paused = paused
        if len(self._waiting) == _PATIENCE:
            self._history.clear()  # Between what it knows and what waits something is missing.
        while self._waiting:
            self.take(self._waiting.popleft())

    # ---- what is asked ----

    def show(self, view: str) -> None:
        """Rows of another kind."""
        self.view, self._asked = VIEWS[view], None

    def search(self, text: str) -> None:
        """Only what fits a filter; "": all.  Raises BadExpression, and then all stays as it is."""
        where, part = read_filter(text) if text.strip() else (None, "")
        if where and self.reading and (why := refusal(where, self.reading.header.key_mode)):
            raise BadExpression(why)
        self.filter, self._where, self._part, self._asked = text.strip(), where, part, None

    def zoom(self, key: Key) -> None:
        """Only what a row is made of, by what comes next: a host's pairs, a pair's services, a service's hosts."""
        if key.other or not (key.expression or key.scope):
            return
        self.zooms.append(key)
        self.show({"hosts": "pairs", "pairs": "services", "services": "hosts", "scopes": "hosts"}[self.view.name])

    def unzoom(self) -> bool:
        """Back by one step; False: there is none."""
        if not self.zooms:
            return False
        left = self.zooms.pop()
        self.show(_shown_by(left))
        return True

    # ---- what is seen ----

    def picture(self, limit: int) -> Picture | None:
        """The first rows; None: nothing was read yet."""
        if self.reading is None:
            return None
        if self._asked is None:
            filters = [compiled(key.expression) for key in self.zooms if key.expression]
            filters += [self._where] if self._where else []
            within = [key.scope for key in self.zooms if key.scope]
            self._asked = Asked(self.view, self._scopes, self.reading.header, filters, within)
        return picture(self._history, self.reading.held, self._asked, self.order, limit, self._fitting())

    def key(self, version: Version, key: bytes) -> Key:
        assert self._asked is not None
        return read_key(self._asked, version, key)

    def _fitting(self) -> Callable[[Version, bytes], bool] | None:
        """Whether a row fits; remembered until it may be called something else.  None: all do."""
        if not self._part:
            return None
        told = (self._asked, self._part, self.labels.state)
        if self._told != told:
            self._told, self._remembered = told, functools.lru_cache(_REMEMBERED)(self._fits)
        return self._remembered

    def _fits(self, version: Version, key: bytes) -> bool:
        """Whether a part of what the row is called is what was typed."""
        read = self.key(version, key)
        texts = (*self.labels.of(read), *read.addresses)
        return any(self._part in text.lower() for text in texts)


def _place(reading: Reading) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What scopes are computed from."""
    return reading.header.prefixes, reading.header.link_types


def _drops(reading: Reading) -> int:
    return reading.header.counters.dropped + reading.header.counters.if_dropped


def _shown_by(key: Key) -> str:
    """The view that a zoom began in."""
    if key.scope:
        return "scopes"
    return ("services", "hosts", "pairs")[len(key.addresses)]
