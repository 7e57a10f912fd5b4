"""The reference meter: a plain Python twin of the C meter, its oracle in tests and `--engine reference`.

It counts the same, on fewer link types (walk.LINKS).  It takes the Python way at each step, construct for the bytes and
a dict for the sums, so that the two share no mistake; it is some hundred times slower.
"""

import struct
from collections.abc import Callable
from typing import BinaryIO, Protocol

from bpft.core import DIR_RX, DIR_TX, NO_PORTS, NO_PROTO, SKIP_REASONS, Filter, FilterError, Table
from bpft.meter.result import FileResult
from bpft.meter.savefile import MAX_CAPTURED, Broken, CaptureFile, Frame
from bpft.meter.walk import Skip, decode, outgoing

_DIRECTIONS = {0: "unknown", DIR_RX: "rx", DIR_TX: "tx"}
_KEY = struct.Struct("=2s2sBBH")  # after the addresses: ports, protocol, flags, VLAN (core.RECORD4, core.RECORD6)
_SUMS = struct.Struct("=QQQ")


class Sink(Protocol):
    """What sums are moved into: a Table, or who keeps one."""

    def merge(self, other: Table) -> None: ...


class ReferenceMeter:
    """Sums of frames, as captured (C2), until they are moved into a table."""

    def __init__(self, addresses_only: bool = False, mac: bytes | None = None) -> None:
        """addresses_only: -X (C6).  mac: the interface's own, which tells the direction (C5)."""
        self._addresses_only = addresses_only
        self._mac = mac
        self._start()

    def _start(self) -> None:
        self._sums: dict[int, dict[bytes, tuple[int, int, int]]] = {4: {}, 6: {}}
        self._skipped = dict.fromkeys(SKIP_REASONS, 0)
        self._directions = dict.fromkeys(_DIRECTIONS, (0, 0))
        self._first_ns = self._last_ns = 0

    def add(self, frame: Frame) -> None:
        """Count one frame.  Raises UnsupportedLink, and then has not counted it."""
        direction = self._direction(frame)
        try:
            flow = decode(frame.link_type, frame.wire, frame.data)
        except Skip as why:
            self._skipped[why.args[0]] += 1
        else:
            ports, proto, flags, data = (flow.sport, flow.dport), flow.proto, direction, flow.data
            if self._addresses_only:
                ports, proto, flags, data = (b"\0\0", b"\0\0"), 0, direction | NO_PORTS | NO_PROTO, flow.payload
            key = flow.src + flow.dst + _KEY.pack(*ports, proto, flags, 0)
            sums = self._sums[4 if len(flow.src) == 4 else 6]
            packets, all_, data_ = sums.get(key, (0, 0, 0))
            sums[key] = (packets + 1, all_ + flow.all, data_ + data)
        frames, size = self._directions[direction]
        self._directions[direction] = (frames + 1, size + frame.wire)
        if frame.ns:  # 0: the source knows no time
            self._first_ns = min(self._first_ns or frame.ns, frame.ns)
            self._last_ns = max(self._last_ns, frame.ns)

    def _direction(self, frame: Frame) -> int:
        sent = outgoing(frame.link_type, frame.data)
        if sent is None and self._mac and len(frame.data) >= 12:
            sent = frame.data[6:12] == self._mac
        return 0 if sent is None else DIR_TX if sent else DIR_RX

    def move(self, sink: Sink) -> None:
        """Add what was counted to sink, and begin again with nothing."""
        counted = Table()
        for version in (4, 6):
            records = b"".join(key + _SUMS.pack(*sums) for key, sums in self._sums[version].items())
            counted.add_records(version, records, "raw")
        seen, skipped = sum(frames for frames, _ in self._directions.values()), sum(self._skipped.values())
        counted.set_counters(
            {
                "seen": seen,
                "counted": seen - skipped,
                "skipped": self._skipped,
                "dir": {_DIRECTIONS[d]: 2 * self._directions[d] for d in _DIRECTIONS},
                "first_ns": self._first_ns,
                "last_ns": self._last_ns,
                "folded": 0,
            }
        )
        sink.merge(counted)
        self._start()


def accepts(expression: str, optimize: bool = True) -> Callable[[Frame], bool]:
    """A test whether a frame matches a tcpdump expression, compiled for each link type as it is met (P6).

    Raises core.FilterError where it compiles for no usual link type, the test where it does not for the frame's.
    """
    filters: dict[int, Filter] = {}

    def compiled(link_type: int) -> Filter:
        if link_type not in filters:
            filters[link_type] = Filter(expression, link_type, MAX_CAPTURED, optimize)
        return filters[link_type]

    try:
        compiled(1)
    except FilterError:
        compiled(113)  # cooked frames know what others do not: inbound, outbound
    return lambda frame: compiled(frame.link_type).matches(frame.data, frame.wire)


def meter_reference(
    stream: BinaryIO,
    table: Table,
    *,
    count: int = 0,
    addresses_only: bool = False,
    accept: Callable[[Frame], bool] | None = None,
) -> FileResult:
    """Meter the capture that stream gives into table, as core.read_capture() does.

    accept: whether a frame passes the filter, see accepts().  count: stop after so many that passed (C9).
    Raises CaptureError when it is no capture, UnsupportedLink at the first frame of a link type that only the C meter
    knows; table then is as it was.
    """
    file, meter = CaptureFile(stream), ReferenceMeter(addresses_only)
    frames, error = 0, None
    try:
        for frame in file:
            if accept and not accept(frame):
                continue
            meter.add(frame)
            frames += 1
            if frames == count:
                break
    except Broken as why:
        error = str(why)
    meter.move(table)
    return FileResult(error, frames, tuple(file.link_types), file.format, file.snaplen)
