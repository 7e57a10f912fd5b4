"""What systemd is told of a trafd in the foreground: sd_notify(3)'s datagrams, without its library."""

import contextlib
import os
import socket
from collections.abc import Mapping

from bpft import messages

_STATUS_EVERY_S = 60.0  #: how old the status may be, where no watchdog asks more often
_PATIENCE_S = 1.0  # for a full queue; counting matters more than telling of it


class Notifier:
    """The line to the service manager; without one nothing is said, and nothing is asked for."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of it count (sd_watchdog_enabled(3))."""
        found = environment or {}
        name = found.get("NOTIFY_SOCKET", "")
        #: "@" stands for the zero byte of an abstract socket; what is neither that nor a path is no socket of ours.
        self._address = ("\0" + name[1:] if name[0] == "@" else name) if name.startswith(("@", "/")) else ""
        #: Seconds between two alive(), half of what the watchdog waits for; None: nobody wants to know.
        self.every_s = (_watchdog_s(found) or 2 * _STATUS_EVERY_S) / 2 if self._address else None

    def ready(self) -> None:
        """Frames are counted, and requests are answered."""
        self._tell("READY=1", "STATUS=capturing")

    def alive(self, status: str) -> None:
        """Both threads do their work; call it each every_s seconds, and only where that is so."""
        self._tell("WATCHDOG=1", f"STATUS={messages.one_line(status)}")

    def status(self, text: str) -> None:
        """What systemctl status shows."""
        self._tell(f"STATUS={messages.one_line(text)}")

    def stopping(self) -> None:
        """The end has begun: the table goes to the disk."""
        self._tell("STOPPING=1", "STATUS=writing the table")

    def _tell(self, *lines: str) -> None:
        """One datagram.  A manager that does not take it costs at most a second, and one message."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(_PATIENCE_S)
            try:
                line.sendto("\n".join(lines).encode(), self._address)
            except OSError as why:
                messages.warning(f"NOTIFY_SOCKET: {why.strerror or 'nobody reads it'}")


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Seconds within which the watchdog wants a word of this process; 0: it wants none."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    with contextlib.suppress(ValueError):
        return max(int(environment.get("WATCHDOG_USEC", "")), 0) / 1e6
    return 0
