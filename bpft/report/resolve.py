"""Host names by reverse DNS, asked in parallel and never waited for longer than a moment."""

import queue
import re
import socket
import threading
import time
from collections.abc import Iterable

_WORKERS = 16
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?\Z")  # what a terminal may be shown


def host_names(addresses: Iterable[str], patience: float = 2.0) -> dict[str, str]:
    """Names of the addresses that were answered within patience seconds altogether; no answer is no entry.

    The threads are daemons: a resolver that hangs delays neither the report nor the exit.
    """
    wanted = list(dict.fromkeys(addresses))
    questions: queue.SimpleQueue[str] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for address in wanted:
        questions.put(address)
    for _ in range(min(_WORKERS, len(wanted))):
        threading.Thread(target=_work, args=(questions, answers), daemon=True).start()
    names: dict[str, str] = {}
    deadline = time.monotonic() + patience
    for _ in wanted:
        try:
            address, name = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if name:
            names[address] = name
    return names


def _work(questions: "queue.SimpleQueue[str]", answers: "queue.SimpleQueue[tuple[str, str]]") -> None:
    while True:
        try:
            address = questions.get_nowait()
        except queue.Empty:
            return
        answers.put((address, _ask(address)))


def _ask(address: str) -> str:
    """One name, or "" where there is none or it is not one that may be printed."""
    try:
        name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except (OSError, UnicodeError):
        return ""
    return name if _NAME.match(name) and not name.replace(".", "").isdecimal() else ""
