"""Standard output and error that cannot be written to: closed by the shell, full, or left by their reader."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def stand_in() -> None:
    """Where the shell closed them: no other file gets their numbers; who prints fails as on any file, and is told.

    What is said on a closed standard error nobody hears.
    """
    if sys.stdout is None:
        sys.stdout = _stream(1, os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _stream(2, os.O_WRONLY)


def _stream(number: int, flags: int) -> "TextIO":
    descriptor = os.open(os.devnull, flags)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    return open(number, "w", closefd=False)


def tell(line: str) -> None:
    """Say it on standard error; that nobody can be told is no failure of what was done."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # for what the interpreter still flushes


def lost(why: OSError) -> str:
    """Standard output failed, and is left alone from now on: what to say; "" where its reader has seen enough."""
    import errno

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what the interpreter still flushes
    if isinstance(why, BrokenPipeError):
        return ""
    return f"{why.filename or 'standard output'}: {'is closed' if why.errno == errno.EBADF else why.strerror}"
