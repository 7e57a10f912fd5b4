"""Host names: from files of this machine, then by reverse DNS, asked in parallel and never waited for long."""

import queue
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from bpft.config.model import Names
from bpft.report import hostfiles
from bpft.report.hostfiles import printable, usual

PATIENCE_S = 2.0  #: what all names of one report may take

_WORKERS = 16


class HostNames:
    """Names of addresses, each looked for once.

    The DNS is asked through the system's resolver, so that private networks get the names that their own servers know.
    The threads that ask are daemons: a resolver that hangs delays neither the report nor the exit.
    """

    def __init__(self, names: Names | None = None, patience: float = PATIENCE_S) -> None:
        """names: of the configuration; patience: seconds of waiting, in all calls together.

        With a patience of 0 a call returns what is known by then, and a later one what was learnt meanwhile.
        """
        self.troubles: list[str] = []  #: files of the configuration that cannot be read, a line each
        self._left = patience
        self._known: dict[str, str] = {}  # "": it has no name
        self._asked: set[str] = set()
        self._questions: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._answered = threading.Condition()
        self._workers = 0
        self._own = self._from_files(names or Names())

    def of(self, addresses: Iterable[str]) -> dict[str, str]:
        """Names of those addresses that have one, as far as they were found in time."""
        wanted = dict.fromkeys(addresses)
        new = [address for address in wanted if address not in self._own and address not in self._asked]
        for address in new:
            self._asked.add(address)
            self._questions.put(address)
        while self._workers < min(_WORKERS, len(new)):
            self._workers += 1
            threading.Thread(target=self._work, daemon=True).start()
        begin = time.monotonic()
        with self._answered:
            self._answered.wait_for(lambda: all(a in self._known or a in self._own for a in wanted), self._left)
            found = {address: self._own.get(address) or self._known.get(address, "") for address in wanted}
        self._left = max(0.0, self._left - (time.monotonic() - begin))
        return {address: name for address, name in found.items() if name}

    def known(self, address: str) -> str:
        """Its name, as far as it was learnt by now; "": none.  Nobody is asked."""
        return self._own.get(address) or self._known.get(address, "")

    @property
    def learnt(self) -> int:
        """How many answers of the DNS have come."""
        return len(self._known)

    def addresses(self, name: str) -> list[str]:
        """What a name stands for: in the files, whole or up to a dot; else in the DNS.  Empty: nothing, in time."""
        wanted = name.lower().removesuffix(".")
        own = [address for address, known in self._own.items() if _is_called(known.lower(), wanted)]
        if own:
            return own
        answer: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        threading.Thread(target=lambda: answer.put(_addresses(wanted)), daemon=True).start()
        begin = time.monotonic()
        try:
            return answer.get(timeout=self._left)
        except queue.Empty:
            return []
        finally:
            self._left = max(0.0, self._left - (time.monotonic() - begin))

    def _from_files(self, names: Names) -> dict[str, str]:
        """The first file that knows an address decides."""
        found: dict[str, str] = {}
        files = [(hostfiles.read_hosts, Path(file)) for file in names.hosts]
        files += [(hostfiles.read_leases, Path(file)) for file in names.leases]
        if not names.leases:
            files += [(hostfiles.read_leases, file) for file in hostfiles.LEASES]
        for place, (read, file) in enumerate(files):
            try:
                found = read(file) | found
            except OSError as error:
                if place < len(names.hosts) + len(names.leases):
                    self.troubles.append(f"{file}: its names are not used: {(error.strerror or str(error)).lower()}")
        return found

    def _work(self) -> None:
        while True:
            address = self._questions.get()
            name = _ask(address)
            with self._answered:
                self._known[address] = name
                self._answered.notify_all()


def _is_called(known: str, wanted: str) -> bool:
    return known == wanted or known.partition(".")[0] == wanted


def _ask(address: str) -> str:
    """One name, or "" where there is none or it is not one that may be printed."""
    try:
        return printable(socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0])
    except (OSError, UnicodeError):
        return ""


def _addresses(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(usual(str(place[0]).partition("%")[0]) for *_, place in found))
