"""Whether the interface is there: looked for while it is gone, and watched for another name while it is captured."""

import math
import select
import time
from typing import Protocol

from bpft import messages
from bpft.daemon.tap import DOWN, NOT_THERE
from bpft.host.watch import LinkWatch

LOOK_EVERY_S = 1.0  #: how often, where nothing tells of changes, or where it is there and cannot be opened
RARELY_S = 10.0  #: a vanished interface is looked for all the same where something tells: a look costs milliseconds
REST_S = 0.2  #: after a change, before the next is heard of: on some machines links change all the time


class Watched(Protocol):
    """What is needed of a tap."""

    @property
    def capturing(self) -> bool: ...

    def check_name(self) -> None: ...
    def reopen(self) -> str: ...


class Presence:
    """Add watched() to what is polled until deadline(), hear() what was ready, then look()."""

    def __init__(self, interface: str, tap: Watched, watch: LinkWatch | None) -> None:
        self._interface, self._tap, self._watch = interface, tap, watch
        self._look_at = time.monotonic()  # The name may have changed before the watch began.
        self._deaf_until = -math.inf
        self._told = NOT_THERE  # the last reason why it is not back

    def watched(self) -> dict[int, int]:
        """The descriptor to poll, with its event."""
        if self._watch is None or time.monotonic() < self._deaf_until:
            return {}
        return {self._watch.fileno(): select.POLLIN}

    def deadline(self) -> float:
        """When to look, or to listen again, by the monotonic clock."""
        deaf = self._deaf_until > time.monotonic()
        return min(self._look_at, self._deaf_until) if deaf else self._look_at

    def hear(self, ready: dict[int, int]) -> None:
        """Something changed somewhere: look."""
        if self._watch is not None and self._watch.fileno() in ready:
            self._watch.take()
            self._look_at = time.monotonic()
            self._deaf_until = self._look_at + REST_S

    def lost(self) -> None:
        """The capture has ended: from now on it is looked for."""
        self._look_at, self._told = time.monotonic(), NOT_THERE

    def look(self) -> bool:
        """If it is time: True when the interface is back and open again.  Each reason why not is told only once."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        if self._tap.capturing:
            self._look_at = now + LOOK_EVERY_S if self._watch is None else math.inf
            self._tap.check_name()
            return False
        why = self._tap.reopen()
        kernel_tells = self._watch is not None and why in (NOT_THERE, DOWN)
        self._look_at = now + (RARELY_S if kernel_tells else LOOK_EVERY_S)
        if why and why != self._told:
            self._told = why
            messages.info(f"{self._interface}: {why}")
        return not why
