"""Word of interfaces that come, go, go up or down, or get another name: rtnetlink(7), where there is one."""

import contextlib
import socket
import sys

_LINK = 1  # RTMGRP_LINK
_PIECE = 1 << 16
_MOST = 1000  # messages taken at once; what is left wakes again


class LinkWatch:
    """Its descriptor is readable when something changed; it needs no privilege."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._kernel = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        try:
            self._kernel.bind((0, _LINK))
        except OSError:
            self._kernel.close()
            raise

    def fileno(self) -> int:
        return self._kernel.fileno()

    def take(self) -> None:
        """Forget what came: who is woken looks for itself."""
        with contextlib.suppress(OSError):  # No more; or more came than fits, and something changed all the same.
            for _ in range(_MOST):
                self._kernel.recv(_PIECE)

    def close(self) -> None:
        self._kernel.close()


def watch_links() -> LinkWatch | None:
    """A watch; None: this system gives none, look now and then."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return LinkWatch()
    except OSError:
        return None


def name_of(index: int) -> str:
    """What interface number index is called; "": there is none."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""
