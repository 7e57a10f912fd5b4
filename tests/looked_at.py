"""A trafd for those who look at it: it answers at a control socket with the table that a test gives it."""

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from bpft.block import write_block
from bpft.core import Table
from bpft.paths import paths
from bpft.record import Counters, Header

SECOND = 10**9
BEGAN = 1_795_262_400 * SECOND  #: 2026-11-21T12:00Z
HEADER = Header(
    role="dump",
    epoch=b"e" * 16,
    begin_ns=BEGAN,
    boot_begin_ns=0,
    interface="eth0",
    prefixes=("10.0.0.1/8",),
    counters=Counters(received=1000),
)


class Daemon:
    """Of one interface below root, until close()."""

    def __init__(self, root: Path, interface: str, answer: Callable[[int], tuple[Header, Table]]) -> None:
        """answer: the header and table of the n-th look; its end should tell when it was."""
        where = paths(str(root))
        where.run.mkdir(parents=True, exist_ok=True)
        where.interface_lock(interface).touch()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(where.socket_name(interface))
        self._listener.listen(8)
        self._answer = answer
        self.looks = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                if b"table" not in client.recv(4096):
                    continue  # Somebody wants to know whether there is anybody.
                header, table = self._answer(self.looks)
                self.looks += 1
                body = b"".join(write_block(header, table))
                client.sendall(json.dumps({"ok": True, "message": "", "length": len(body)}).encode() + b"\n" + body)

    def close(self) -> None:
        # Else accept() would go on waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def at(second: float, **fields: object) -> Header:
    """The header of a look so long after BEGAN."""
    ns = round(second * SECOND)
    return HEADER._replace(end_ns=BEGAN + ns, boot_end_ns=ns, **fields)
