"""The control socket: one JSON line in, one out (and a block behind it), for clients that may be slow, dead or mad.

Nothing here blocks: sockets are non-blocking, lines bounded, and who takes too long is cut off.
"""

import contextlib
import json
import os
import select
import socket
import time
from pathlib import Path
from typing import Any

from bpft.control_client import COMMANDS, SocketAddress
from bpft.errors import CannotRead, CannotWrite
from bpft.source import Source

MAX_REQUEST = 4096  #: bytes of a request line
MAX_CLIENTS = 64
PATIENCE_S = 10.0  #: for a request to come, and for an answer to be taken
SLOWEST = 1_000_000  #: bytes a second that a long answer must be taken at
_PIECE = 1 << 18  # bytes of a body in memory at once


class Client:
    """One connection: reading a request, then waiting for its effect, then taking the answer."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.deadline: float | None = time.monotonic() + PATIENCE_S  #: None: it waits for us
        self.received = b""
        self.unsent = b""
        self.body: Source | None = None  # what is sent behind the line,
        self.sent = 0  # and how much of it has left

    def fileno(self) -> int:
        return self.connection.fileno()


class Control:
    """The listening socket and its clients."""

    def __init__(self, path: Path) -> None:
        """Listen at path, replacing what a former daemon left there: call it with the interface's lock held."""
        self._path = path
        self._clients: dict[int, Client] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            mask = os.umask(0o117)  # For root and the group from the first moment on.
            try:
                with SocketAddress(path) as address:
                    self._listener.bind(address)
            finally:
                os.umask(mask)
            self._bound = path.lstat()  # The inode is no other file's as long as we listen.
            self._listener.listen(MAX_CLIENTS)
        except OSError as why:
            self._listener.close()
            raise CannotWrite(path, why.strerror or str(why)) from None
        self._listener.setblocking(False)

    def fileno(self) -> int:
        """The listening descriptor."""
        return self._listener.fileno()

    def watched(self) -> dict[int, int]:
        """The descriptors to poll, with the events that matter."""
        watched = {}
        for fd, client in self._clients.items():
            if client.deadline is not None:  # Who waits for us is left in peace, also when it closed its half.
                watched[fd] = select.POLLOUT if client.unsent else select.POLLIN
        if len(self._clients) < MAX_CLIENTS:
            watched[self._listener.fileno()] = select.POLLIN
        return watched

    def deadline(self) -> float | None:
        """The monotonic time at which somebody's patience is over; None: nobody is awaited."""
        return min((client.deadline for client in self._clients.values() if client.deadline), default=None)

    def serve(self, ready: dict[int, int]) -> list[tuple[Client, str]]:
        """Handle the descriptors that poll() found ready; the requests that came in."""
        if self._listener.fileno() in ready:
            self._accept()
        requests = []
        for fd in ready:
            client = self._clients.get(fd)
            if client is None:
                continue
            if client.unsent:
                self._send(client)
            elif command := self._receive(client):
                requests.append((client, command))
        now = time.monotonic()
        for client in list(self._clients.values()):
            if client.deadline is not None and now >= client.deadline:
                self._drop(client)
        return requests

    def answer(self, client: Client, ok: bool, message: str, body: Source | None = None, **more: Any) -> None:
        """One line to client, and the bytes of body, whose ``length`` the line tells; then client is let go."""
        length = body.size if body else 0
        told = {"length": length} if body else {}
        client.unsent = json.dumps({"ok": ok, "message": message, **more, **told}).encode() + b"\n"
        client.body = body
        client.deadline = time.monotonic() + PATIENCE_S + length / SLOWEST
        self._send(client)

    def close(self) -> None:
        """Listen no more, and take the socket away if it is still ours; clients that wait can still be answered."""
        with contextlib.suppress(OSError):
            if os.path.samestat(self._bound, self._path.lstat()):
                self._path.unlink()
        self._listener.close()

    def hang_up(self) -> None:
        """Let everybody go."""
        for client in list(self._clients.values()):
            self._drop(client)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # It went away before we came.
        connection.setblocking(False)
        self._clients[connection.fileno()] = Client(connection)

    def _receive(self, client: Client) -> str:
        """The command, once its line is complete; "" until then, and for what is no request."""
        try:
            piece = client.connection.recv(MAX_REQUEST)
        except BlockingIOError:
            return ""
        except OSError:
            piece = b""
        client.received += piece
        if not client.received:
            self._drop(client)
            return ""
        line, end, _ = client.received.partition(b"\n")
        if not end and piece and len(line) < MAX_REQUEST:
            return ""
        command = _command(line) if len(line) < MAX_REQUEST else ""
        if not command:
            self.answer(client, False, f'not a request; one line such as {{"command": "{COMMANDS[0]}"}} is')
            return ""
        client.deadline = None
        return command

    def _send(self, client: Client) -> None:
        try:
            client.unsent = client.unsent[client.connection.send(client.unsent) :]
            if not client.unsent and client.body:
                client.unsent = client.body.read(client.sent, _PIECE)
                client.sent += len(client.unsent)
        except BlockingIOError:
            return
        except (OSError, CannotRead):
            client.unsent = b""
        if not client.unsent:
            self._drop(client)

    def _drop(self, client: Client) -> None:
        self._clients.pop(client.fileno(), None)
        client.connection.close()


def _command(line: bytes) -> str:
    """The command of a request line; "" where it is none."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    command = request.get("command") if isinstance(request, dict) else None
    return command if isinstance(command, str) and command in COMMANDS else ""
