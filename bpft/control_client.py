"""Asks a running trafd over its control socket: one JSON line out, one back after the effect (P2).

Imported by commands that must start fast: keep it to sys, os, socket and json.
"""

import json
import os
import socket
from typing import Any

from bpft.errors import BpftError, NotRunning

COMMANDS = ("dump", "save", "stop", "status")
MAX_LINE = 65536  #: bytes of a request or an answer
ANSWER_WITHIN_S = 300.0  #: a save of many records on a slow disk takes its time

_LONGEST_ADDRESS = 100  # sun_path holds 104 bytes on BSD, 108 on Linux


class NoAnswer(BpftError):
    """{0}: trafd does not answer: {1}"""


class SocketAddress:
    """A path as a socket address, also where it is longer than an address may be: then through its directory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._directory: int | None = None
        self.address = os.fspath(path)
        if len(os.fsencode(self.address)) > _LONGEST_ADDRESS:
            parent, name = os.path.split(self.address)
            self._directory = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.address = f"/proc/self/fd/{self._directory}/{name}"

    def __enter__(self) -> str:
        return self.address

    def __exit__(self, *_: object) -> None:
        if self._directory is not None:
            os.close(self._directory)


def ask(path: str | os.PathLike[str], interface: str, command: str, timeout: float = ANSWER_WITHIN_S) -> dict[str, Any]:
    """The answer of the trafd of interface, whose socket is path: ``ok``, ``message`` and more.

    Raises NotRunning, NoAnswer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            with SocketAddress(path) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NotRunning(interface) from None
        except OSError as why:
            raise NoAnswer(interface, why.strerror or "timed out") from None
        try:
            connection.sendall(json.dumps({"command": command}).encode() + b"\n")
            line = b""
            while not line.endswith(b"\n") and len(line) < MAX_LINE:
                piece = connection.recv(4096)
                if not piece:
                    break
                line += piece
            answer = json.loads(line)
        except OSError as why:
            raise NoAnswer(interface, why.strerror or "timed out") from None
        except ValueError:
            raise NoAnswer(interface, "it ended before it had answered") from None
    if not isinstance(answer, dict):
        raise NoAnswer(interface, "it does not speak this protocol")
    return answer
