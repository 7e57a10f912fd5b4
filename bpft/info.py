"""What a log, a dump or a capture is: who wrote it, when, of what, and how much it holds."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bpft.block import MAGIC, Block
from bpft.blocklayout import FORMAT_VERSION
from bpft.blockscan import is_log, scan, sniff
from bpft.core import Table
from bpft.errors import NotACapture, NotALog
from bpft.meter.capture import FOREIGN, meter_file
from bpft.source import Source

_DAY_NS = 86_400_000_000_000
#: A rate of growth that less than this was watched for says nothing.
_WORTH_NS = 3_600_000_000_000


@dataclass(slots=True)
class LogInfo:
    """A file of blocks, by their headers alone.  Lists hold each value once, in order of appearance."""

    name: str
    size: int = 0
    kind: str = "log"  #: "log", or "dump"
    format_version: int = FORMAT_VERSION
    blocks: int = 0
    records: int = 0
    begin_ns: int = 0  #: of the earliest block, UTC
    end_ns: int = 0
    watched_ns: int = 0  #: intervals of all blocks without their gaps
    gaps: list[tuple[int, int]] = field(default_factory=list)  #: within blocks, UTC ns
    hosts: list[str] = field(default_factory=list)
    interfaces: list[str] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)  #: "": every frame was taken
    counting: list[str] = field(default_factory=list)
    key_modes: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    software: list[str] = field(default_factory=list)
    seen: int = 0  #: frames
    skipped: Counter[str] = field(default_factory=Counter)  #: frames, by reason
    folded: int = 0  #: records
    received: int = 0  #: packets, by the kernel
    dropped: int = 0
    if_dropped: int = 0
    head: bytes = b""  #: id of the last block
    damaged: int = 0  #: bytes that hold no block

    @property
    def bytes_per_record(self) -> float | None:
        return self.size / self.records if self.records else None

    @property
    def bytes_per_day(self) -> float | None:
        """How the file grows; None: too little was watched to tell."""
        return self.size * _DAY_NS / self.watched_ns if self.watched_ns >= _WORTH_NS else None

    def add(self, block: Block) -> None:
        """Count one block in."""
        header, counters = block.header, block.header.counters
        self.begin_ns = min(self.begin_ns, header.begin_ns) if self.blocks else header.begin_ns
        self.end_ns = max(self.end_ns, header.end_ns) if self.blocks else header.end_ns
        self.watched_ns += header.end_ns - header.begin_ns - sum(end - begin for begin, end in header.gaps)
        self.gaps += header.gaps
        self.blocks += 1
        self.records += block.rows
        self.kind = "dump" if header.role == "dump" and self.blocks == 1 else "log"
        self.head = block.id
        for known, value in (
            (self.hosts, header.host),
            (self.interfaces, header.interface),
            (self.filters, header.filter),
            (self.counting, header.counting),
            (self.key_modes, header.key_mode),
            (self.sources, header.source),
            (self.software, header.software),
        ):
            if value not in known and (value or known is self.filters):
                known.append(value)
        self.seen += counters.seen
        self.skipped.update(counters.skipped)
        self.folded += counters.folded
        self.received += counters.received
        self.dropped += counters.dropped
        self.if_dropped += counters.if_dropped


@dataclass(frozen=True, slots=True)
class CaptureInfo:
    """A capture file, by a pass over it."""

    name: str
    size: int
    format: str
    frames: int
    link_types: tuple[int, ...]
    snaplen: int
    begin_ns: int  #: of its first frame, UTC; 0, 0: it has none
    end_ns: int
    error: str  #: why reading it ended before its end


def look(name: str) -> LogInfo | CaptureInfo:
    """What a file is, decided by its content.  Raises CannotRead, NotALog."""
    source = Source(name)
    if sniff(source.read(0, len(MAGIC))):
        return _log(name, source)
    try:
        table = Table()
        result = meter_file(name, table)
    except NotACapture as error:
        if not is_log(name):
            reason = str(error.args[1])
            if reason == FOREIGN:
                reason = "it is neither a log of trafd nor a capture (pcap, pcapng)"
            raise NotALog(name, reason) from error
        return _log(name, source)
    counters = table.counters()
    return CaptureInfo(
        name,
        source.size,
        result.format,
        result.frames,
        tuple(result.link_types),
        result.snaplen,
        int(counters["first_ns"]),  # type: ignore[call-overload]
        int(counters["last_ns"]),  # type: ignore[call-overload]
        result.error or "",
    )


def _log(name: str, source: Source) -> LogInfo:
    info = LogInfo(name, Path(name).stat().st_size)
    for found in scan(source, check=False):
        if isinstance(found, Block):
            info.add(found)
        else:
            info.damaged += found.length
    return info
