"""What a log, a dump or a capture is: who wrote it, when, of what, and how much it holds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bpft.block import MAGIC, Block
from bpft.blocklayout import FORMAT_VERSION
from bpft.blockscan import is_log, scan, sniff
from bpft.core import Table
from bpft.errors import NotACapture, NotALog
from bpft.lineage import lineage, mark
from bpft.meter.capture import FOREIGN, meter_file
from bpft.source import Source

_DAY_NS = 86_400_000_000_000
#: A rate of growth that less than this was watched for says nothing.
_WORTH_NS = 3_600_000_000_000


@dataclass(slots=True)
class LogInfo:
    """A file of blocks, by their headers alone.  Lists hold each value once, in order of appearance.

    Only blocks, size, head, kind and damaged are of the file as it is; all else is of the blocks that count (E7).
    """

    name: str
    size: int = 0
    kind: str = "log"  #: "log", or "dump"
    format_version: int = FORMAT_VERSION
    blocks: int = 0
    void: int = 0  #: of the blocks, those that count no more (E7)
    void_size: int = 0  #: their bytes
    imported: int = 0  #: of the blocks that count, those of old BPFTs, of which only the records are known
    records: int = 0
    undated: int = 0  #: of the blocks that count, those recorded before the clock was set
    begin_ns: int = 0  #: of the earliest block that has a date, UTC
    end_ns: int = 0
    watched_ns: int = 0  #: intervals of the blocks without their gaps
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
        return (self.size - self.void_size) / self.records if self.records else None

    @property
    def bytes_per_day(self) -> float | None:
        """How the file grows; None: too little was watched to tell."""
        size = self.size - self.void_size
        return size * _DAY_NS / self.watched_ns if self.watched_ns >= _WORTH_NS else None

    @property
    def frames_known(self) -> bool:
        """Whether anything tells what was captured and how: old BPFTs did not."""
        return not self.imported or self.imported < self.blocks - self.void

    def add(self, blocks: Sequence[Block]) -> None:
        """Count the blocks of the file in, in their order."""
        counts = lineage([mark(block) for block in blocks]).counts
        self.blocks = len(blocks)
        self.void = self.blocks - len(counts)
        self.void_size = sum(block.length for block in blocks) - sum(blocks[place].length for place in counts)
        if blocks:
            self.kind = "dump" if blocks[-1].header.role == "dump" and self.blocks == 1 else "log"
            self.head = blocks[-1].id
            dated = [header for place in counts if not (header := blocks[place].header).is_undated]
            self.undated = len(counts) - len(dated)
            self.begin_ns = min((header.begin_ns for header in dated), default=0)
            self.end_ns = max((header.end_ns for header in dated), default=0)
        for place in counts:
            self._add(blocks[place])

    def _add(self, block: Block) -> None:
        header, counters = block.header, block.header.counters
        self.watched_ns += header.end_ns - header.begin_ns - sum(end - begin for begin, end in header.gaps)
        self.gaps += header.gaps
        self.records += block.rows
        for known, value in (
            (self.hosts, header.host),
            (self.interfaces, header.interface),
            (self.sources, header.source),
            (self.software, header.software),
        ):
            _once(known, value)
        # A sum of nothing but imported blocks knows no more of frames than they.
        if header.source == "import" or (header.made_of("import") and not counters.seen):
            self.imported += 1
            return
        if header.filter not in self.filters:
            self.filters.append(header.filter)
        _once(self.counting, header.counting)
        _once(self.key_modes, header.key_mode)
        self.seen += counters.seen
        self.skipped.update(counters.skipped)
        self.folded += counters.folded
        self.received += counters.received
        self.dropped += counters.dropped
        self.if_dropped += counters.if_dropped


def _once(known: list[str], value: str) -> None:
    if value and value not in known:
        known.append(value)


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
    blocks = []
    for found in scan(source, check=False):
        if isinstance(found, Block):
            blocks.append(found)
        else:
            info.damaged += found.length
    info.add(blocks)
    return info
