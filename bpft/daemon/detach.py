"""Leaves the terminal (P1): the first process stays until the daemon counts, and ends with its word on how it went.

The one door to python-daemon.
"""

import contextlib
import os
import resource
import signal
import sys

from bpft import messages

_READY = b"\0"
_DESCRIPTORS = 1024  # far more than a trafd ever opens
_NUMBERS = 1 << 20  # that a descriptor has, where no limit says it


class Starter:
    """The daemon's line to the process that waits for it; in the foreground nobody waits."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd

    def ready(self) -> None:
        """It counts: let the first process go, with 0."""
        self._say(_READY)

    def failed(self, message: str) -> None:
        """It does not start: the first process says why, and ends with 1."""
        self._say(messages.one_line(message).encode()[:4000])

    def _say(self, text: bytes) -> None:
        if self._fd is None:
            return
        with contextlib.suppress(OSError):  # Nobody waits any more; the daemon goes on all the same.
            os.write(self._fd, text)
        os.close(self._fd)
        self._fd = None


def secure_standard_streams() -> None:
    """Descriptors 0 to 2 exist, so that no log or socket can ever get one of their numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def close_inherited() -> None:
    """Whatever whoever started us left open: none of ours is open yet, and so they will have low numbers."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(3, _NUMBERS if limit == resource.RLIM_INFINITY else limit)


def detach(preserve: list[int]) -> Starter:
    """Go on as a daemon with the descriptors of preserve open; does not return in the first process."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(write_end)
        _leave(read_end, child)
    os.close(read_end)
    _bound_descriptors(max(*preserve, write_end))
    import daemon  # type: ignore[import-untyped]

    context = daemon.DaemonContext(
        detach_process=True,
        umask=0o027,
        working_directory="/",
        files_preserve=[*preserve, write_end],
        signal_map={signal.SIGTSTP: None, signal.SIGTTIN: None, signal.SIGTTOU: None},
    )
    context.open()
    messages.to_syslog()
    return Starter(write_end)


def _bound_descriptors(highest: int) -> None:
    """Let few descriptors be open: python-daemon before 3.0 keeps a set of all the numbers they may have."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    bound = max(_DESCRIPTORS, highest + 1)
    if limit == resource.RLIM_INFINITY or limit > bound:
        os.closerange(bound, _NUMBERS if limit == resource.RLIM_INFINITY else limit)
        resource.setrlimit(resource.RLIMIT_NOFILE, (bound, bound))


def _leave(read_end: int, child: int) -> None:
    """Wait for the daemon's word, or for its death, and end."""
    os.waitpid(child, 0)  # The daemon is a grandchild of it.
    with open(read_end, "rb") as pipe:
        word = pipe.read()
    if word == _READY:
        code = 0
    else:
        code = 1
        messages.error(word.decode("utf-8", "replace") or "the daemon died before it counted")
    os._exit(code)  # Without the cleaning up that is the daemon's business.
