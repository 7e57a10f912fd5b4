"""Opens a source: a capture file to the end, or a live interface with the settings that lose nothing."""

import os
import stat
import sys
from typing import TYPE_CHECKING, Literal, Protocol

from bpft import access, core, host
from bpft.errors import BadExpression, CannotCapture, CannotRead, NoPermission, NoSuchInterface, NotACapture
from bpft.meter import interfaces
from bpft.meter.keymode import PLAIN, KeyMode
from bpft.meter.result import FileResult

if TYPE_CHECKING:
    from bpft.host.interface import InterfaceInfo

Engine = Literal["auto", "pcap", "ring", "reference"]

SNAPLEN = 128  #: bytes of a frame; holds every header but those inside tunnels
TIMEOUT_MS = 20  #: until a block that is not full is handed over
_WHOLE_FRAMES = 262144  # what a snaplen of 0 means
_MIN_BUFFER, _MAX_BUFFER = 4 << 20, 64 << 20  # unless somebody decided
_LEAST_BUFFER = 1 << 20  # that an engine asks for; 1M is a little less

#: The reason of NotACapture where nothing says that it was meant to be one.
FOREIGN = "not a pcap or pcapng capture"

# pcap/pcap.h
_NO_SUCH_DEVICE, _NO_PERMISSION, _NOT_UP, _NO_PROMISC_PERMISSION = -5, -8, -9, -11


class Live(Protocol):
    """A live capture as the daemon uses it; core.Capture says what each call does."""

    @property
    def link_type(self) -> int: ...
    @property
    def error(self) -> str:
        """Once open: what libpcap warns of; once run() said "gone": why."""

    @property
    def engine(self) -> str: ...
    @property
    def exact(self) -> bool: ...
    @property
    def buffer_bytes(self) -> int: ...
    @property
    def fallback(self) -> str: ...
    def run(self, table: core.Table, count: int = 0) -> str: ...
    def swap(self, table: core.Table, merge: bool = False, settle: bool = False) -> core.Table: ...
    def stop(self) -> None: ...
    def stats(self) -> tuple[int, int, int]: ...
    def dump_filter(self, expression: str, optimize: bool = True) -> str: ...
    def fds(self) -> tuple[int, ...]: ...
    def close(self) -> None: ...


def open_live(
    interface: str,
    info: "InterfaceInfo | None",
    *,
    filter: str = "",
    optimize: bool = True,
    promiscuous: bool = True,
    key: KeyMode = PLAIN,
    engine: Engine = "auto",
    buffer: int = 0,
) -> Live:
    """Open interface, filtered and non-blocking, ready to run; info is what the host says of it.

    engine "auto" takes the ring where it works; the capture's fallback says why it does not.
    buffer: bytes that the kernel may hold for us; 0: as much as suits this machine.
    Raises NoSuchInterface, NoPermission, CannotCapture, BadExpression.
    """
    mac = info.mac if info else b""
    if engine == "reference":
        from bpft.meter.reference_capture import ReferenceCapture

        try:
            return ReferenceCapture(interface, filter, promiscuous, key.addresses_only, mac)
        except CannotCapture:
            if interface not in (known := interfaces.names()):
                raise NoSuchInterface(interface, ", ".join(known) or "none") from None
            raise
    try:
        capture = core.Capture(
            interface,
            promiscuous=promiscuous,
            snaplen=SNAPLEN,
            timeout_ms=TIMEOUT_MS,
            buffer_bytes=buffer_wanted(buffer),
            mtu=(info.mtu if info else None) or 0,
            mac=mac if len(mac) == 6 else None,
            engine=engine,
            **key.options(),
        )
    except core.LiveError as why:
        code, text = why.args
        if code in (_NO_PERMISSION, _NO_PROMISC_PERMISSION):
            raise NoPermission(interface) from None
        if engine == "ring" and interface in interfaces.names() and code != _NOT_UP:
            raise CannotCapture(interface, f"{text}; use --engine pcap here") from None
        if code == _NO_SUCH_DEVICE or info is None:
            raise NoSuchInterface(interface, ", ".join(interfaces.names()) or "none") from None
        raise CannotCapture(interface, "it is down; bring it up first" if code == _NOT_UP else text) from None
    try:
        capture.set_filter(filter, optimize)
    except core.FilterError as why:
        capture.close()
        raise BadExpression(*why.args) from None
    return capture


def buffer_wanted(buffer: int = 0) -> int:
    """The bytes of kernel buffer to ask for; buffer: what somebody decided, 0: nobody did."""
    if buffer:
        return max(buffer, _LEAST_BUFFER)
    return min(max(host.machine_memory() // 100, _MIN_BUFFER), _MAX_BUFFER)


def meter_file(
    path: str,
    table: core.Table,
    *,
    filter: str = "",
    optimize: bool = True,
    count: int = 0,
    key: KeyMode = PLAIN,
    engine: Engine = "auto",
    descriptor: int | None = None,
) -> FileResult:
    """Meter the capture file path ("-": standard input) into table, as captured (C2); but for "reference" all engines
    are one here.

    descriptor: of the capture, where it is open already; it stays the caller's.
    Raises CannotRead, NotACapture, BadExpression; a file that breaks in the middle is counted up to there and says so
    in the result's error.
    """
    opened = _open(path) if descriptor is None else descriptor
    try:
        if engine == "reference":
            return _meter_reference(opened, table, filter, optimize, count, key.addresses_only)
        found = core.read_capture(opened, table, filter, optimize=optimize, count=count, **key.options())
    except core.CaptureError as why:
        raise NotACapture(path, *why.args) from None
    except core.FilterError as why:
        raise BadExpression(*why.args) from None
    except OSError as why:
        raise CannotRead(path, why.strerror) from None
    finally:
        if descriptor is None and path != "-":
            os.close(opened)
    return FileResult(*(found[key] for key in ("error", "frames", "linktypes", "format", "snaplen")))  # type: ignore[arg-type]


def _open(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if path != "-" else _standard_input()
    except OSError as why:
        raise CannotRead(path, access.reading(path, why)) from None
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        if path != "-":
            os.close(descriptor)
        raise CannotRead(path, "is a directory, not a capture")
    return descriptor


def _standard_input() -> int:
    if sys.stdin is None:
        raise CannotRead("standard input", "is closed")
    return sys.stdin.fileno()


def _meter_reference(
    descriptor: int, table: core.Table, filter: str, optimize: bool, count: int, addresses_only: bool
) -> FileResult:
    from bpft.meter.reference import accepts, meter_reference

    accept = accepts(filter, optimize) if filter else None

    with open(descriptor, "rb", closefd=False) as stream:
        return meter_reference(stream, table, count=count, addresses_only=addresses_only, accept=accept)


def program_text(interface: str, path: str | None, expression: str, optimize: bool, engine: Engine = "auto") -> str:
    """The compiled expression as `tcpdump -d` prints it, for the opened interface (P5) or for the capture file path.

    The program is libpcap's with every engine.  Raises what open_live() and meter_file() raise.
    """
    try:
        if path is None:
            capture = open_live(
                interface, host.interface_info(interface), engine="pcap" if engine == "reference" else engine
            )
            try:
                return capture.dump_filter(expression, optimize)
            finally:
                capture.close()
        found = meter_file(path, core.Table(), count=1)
        if not found.link_types:
            raise NotACapture(path, "has no interface, so there is nothing to compile the filter for")
        return core.Filter(expression, found.link_types[0], found.snaplen or _WHOLE_FRAMES, optimize).dump()
    except core.FilterError as why:
        raise BadExpression(*why.args) from None
