"""Asks a running trafd over its control socket: one JSON line out, one back after the effect (P2).

trafdump and its sisters start in under twice the time of a bare interpreter, and either of socket and json would take
all of that.  So the bare _socket does, and json is for answers that cannot be read without it.
"""

import os
from _socket import AF_UNIX, SOCK_STREAM, socket

from bpft.errors import BpftError, NotRunning, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bpft.block import Block
    from bpft.paths import Paths

COMMANDS = ("dump", "save", "stop", "status", "table")
MAX_LINE = 65536  #: bytes of a request or an answer
_PIECE = 1 << 16  # bytes of a table taken at once
ANSWER_WITHIN_S = 300.0  #: a save of many records on a slow disk takes its time

_Path = str | os.PathLike[str]
_LONGEST_ADDRESS = 100  # sun_path holds 104 bytes on BSD, 108 on Linux


class NoAnswer(BpftError):
    """{0}: trafd does not answer: {1}"""


class Closed(NoAnswer):
    """{0}: its control socket: {1}"""


class SocketAddress:
    """A path as a socket address, also where it is longer than an address may be: then through its directory."""

    def __init__(self, path: _Path) -> None:
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


def runs(where: "Paths", interface: str) -> bool:
    """Whether a trafd counts interface, be it one whose socket was taken away."""
    return listens(where.socket_name(interface)) or bool(_holder(where, interface))


def _holder(where: "Paths", interface: str) -> str:
    from bpft.holder import holder

    return holder(where.interface_lock_name(interface))


def listens(path: _Path) -> bool:
    """Whether somebody takes connections at path; what a crash left behind does not."""
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        with SocketAddress(path) as address:
            connection.connect(address)
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        return True  # It is there; asking it will tell what is wrong.
    finally:
        connection.close()
    return True


def tell(where: "Paths", interface: str, command: str, timeout: float = ANSWER_WITHIN_S) -> tuple[bool, str]:
    """Whether the trafd of interface did it, and what it says.  Raises NotRunning, Unreachable, NoAnswer."""
    line = _exchange(where, interface, command, timeout)
    for ok, begin in ((True, b'{"ok": true, "message": "'), (False, b'{"ok": false, "message": "')):
        message, quote, _ = line.removeprefix(begin).partition(b'"')
        if line.startswith(begin) and quote and b"\\" not in message:
            return ok, message.decode("utf-8", "replace")
    answer = _parse(line, interface)
    return answer.get("ok") is True, str(answer.get("message"))


def ask(where: "Paths", interface: str, command: str, timeout: float = ANSWER_WITHIN_S) -> dict[str, object]:
    """As tell(), but all that the answer holds: ``ok``, ``message`` and more."""
    return _parse(_exchange(where, interface, command, timeout), interface)


def fetch(where: "Paths", interface: str, timeout: float = ANSWER_WITHIN_S) -> "Block":
    """The table of interface, as its dump would hold it; counting goes on, and nothing on the disk changes.

    Raises NotRunning, Unreachable, NoAnswer, and CannotWrite for the file without a name that the block is then in.
    """
    import tempfile

    from bpft.block import read_block
    from bpft.errors import CannotWrite
    from bpft.source import Source

    body: list[bytes] = []
    answer = _parse(_exchange(where, interface, "table", timeout, body), interface)
    if answer.get("ok") is not True:
        raise NoAnswer(interface, str(answer.get("message")))
    if sum(map(len, body)) != answer.get("length"):
        raise NoAnswer(interface, "it ended before it had answered")
    try:
        with tempfile.TemporaryFile() as file:
            file.writelines(body)
            file.flush()
            return read_block(Source(f"the table of {interface}", file.fileno()), 0)
    except OSError as why:
        raise CannotWrite(tempfile.gettempdir(), why.strerror) from None
    except ValueError as why:
        raise NoAnswer(interface, f"its table cannot be read: {why.args[0]}") from None


def _parse(line: bytes, interface: str) -> dict[str, object]:
    import json

    try:
        answer = json.loads(line)
    except ValueError:
        raise NoAnswer(interface, "it ended before it had answered") from None
    if not isinstance(answer, dict):
        raise NoAnswer(interface, "it does not speak this protocol")
    return answer


def _exchange(where: "Paths", interface: str, command: str, timeout: float, body: list[bytes] | None = None) -> bytes:
    """The line that answers; body is given what follows it."""
    connection = _connect(where, interface, timeout)
    line = b""
    try:
        connection.sendall(b'{"command": "%s"}\n' % command.encode())
        while b"\n" not in line and len(line) < MAX_LINE and (piece := connection.recv(4096)):
            line += piece
        if body is not None:
            line, _, piece = line.partition(b"\n")
            body.append(piece)
            while piece := connection.recv(_PIECE):
                body.append(piece)
    except OSError as why:
        raise NoAnswer(interface, why.strerror or "timed out") from None
    finally:
        connection.close()
    return line


def _connect(where: "Paths", interface: str, timeout: float) -> socket:
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with SocketAddress(where.socket_name(interface)) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        pid = _holder(where, interface)
        raise (Unreachable(interface, pid) if pid else NotRunning(interface)) from None
    except PermissionError as why:
        from bpft import access

        connection.close()
        raise Closed(interface, access.reading(where.socket_name(interface), why)) from None
    except OSError as why:
        connection.close()
        raise NoAnswer(interface, why.strerror or "timed out") from None
    return connection
