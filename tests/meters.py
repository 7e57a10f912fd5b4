"""Run the C meter and its twin on the bytes of a capture, and put what they counted in words."""

import io
import socket
import struct
import tempfile
from dataclasses import dataclass, field

from bpft import core
from bpft.meter.reference import meter_reference
from bpft.meter.result import FileResult

Key = tuple[str, int, str, int, int]  # src, sport, dst, dport, proto
Sums = tuple[int, int, int]  # packets, all, data


@dataclass
class Metered:
    """A table in words."""

    error: str | None
    frames: int
    link_types: tuple[int, ...]
    format: str
    snaplen: int
    rows: dict[Key, Sums]  #: summed over direction
    flags: dict[Key, set[int]]  #: of the keys behind a row
    counters: dict
    records: dict[int, bytes] = field(repr=False)  #: dense, sorted by key

    @property
    def skipped(self) -> dict[str, int]:
        return {reason: n for reason, n in self.counters["skipped"].items() if n}


NO_FILE = FileResult(None, 0, (), "", 0)


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def describe(table: core.Table, result: FileResult = NO_FILE) -> Metered:
    rows: dict[Key, Sums] = {}
    flags: dict[Key, set[int]] = {}
    records = {}
    for version, layout in ((4, core.RECORD4), (6, core.RECORD6)):
        view = table.view(version)
        records[version] = view.records(0, len(view))
        for src, dst, sport, dport, proto, flag, _, *sums in struct.iter_unpack(layout, records[version]):
            key = (
                _text(src),
                int.from_bytes(sport, "big"),
                _text(dst),
                int.from_bytes(dport, "big"),
                proto,
            )
            rows[key] = tuple(map(sum, zip(rows.get(key, (0, 0, 0)), sums, strict=True)))
            flags.setdefault(key, set()).add(flag)
    counters = table.counters()
    assert counters["seen"] == counters["counted"] + sum(counters["skipped"].values())  # C3
    return Metered(*result, rows, flags, counters, records)


def c_meter(capture: bytes, **options) -> Metered:
    """What core.read_capture makes of a capture file with these bytes.  Raises core.CaptureError."""
    table = core.Table()
    with tempfile.TemporaryFile() as file:
        file.write(capture)
        file.seek(0)
        result = core.read_capture(file.fileno(), table, **options)
    return describe(table, FileResult(*(result[key] for key in ("error", "frames", "linktypes", "format", "snaplen"))))


def twin(capture: bytes, **options) -> Metered:
    """What the reference meter makes of it.  Raises UnsupportedLink besides."""
    table = core.Table()
    return describe(table, meter_reference(io.BytesIO(capture), table, **options))
