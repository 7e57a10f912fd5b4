"""The binding of the C core.  Bulk work runs without the interpreter lock.

Dense records are bytes-like, native byte order, addresses and ports in network
order (flow.h): 40 bytes a record for IPv4 (``RECORD4``), 64 for IPv6 (``RECORD6``).
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias, final

from _typeshed import ReadableBuffer

Version: TypeAlias = Literal[4, 6]
GroupBy: TypeAlias = str  #: see Table.add_records()
Engine: TypeAlias = Literal["auto", "pcap", "ring"]
Ports: TypeAlias = Literal["all", "service", "none"]
Sort: TypeAlias = Literal["key", "packets", "all", "data"]

RECORD4: str  # struct format "=4s4s2s2sBBHQQQ": src dst sport dport proto flags vlan packets all data
RECORD6: str  # struct format "=16s16s2s2sBBHQQQ"
DIR_RX: int
DIR_TX: int
DIR_MASK: int
NO_PORTS: int
NO_PROTO: int
OTHER: int
PCAP_ERROR_NO_SUCH_DEVICE: int
PCAP_ERROR_PERM_DENIED: int
PCAP_ERROR_PROMISC_PERM_DENIED: int
SKIP_REASONS: tuple[str, ...]
LINK_TYPES: tuple[int, ...]  # link types the decoder enters

class CaptureError(Exception):
    """A capture file that cannot be read, or that breaks in the middle.  args: (text,)"""

class FilterError(Exception):
    """libpcap's own message about an expression.  args: (text,)"""

class LiveError(Exception):
    """The interface cannot be opened or vanished.  args: (code: PCAP_ERROR_*, text)"""

@final
class Table:
    """Keys and their sums in memory; not for use by two threads at once."""

    def __init__(self, max_flows: int = 0) -> None:
        """max_flows 0: no cap.  Past it the smallest flows fold into "other" (C7)."""
    max_flows: int  # may be set while a capture counts into the table; what is too much then folds at the next new key
    def __len__(self) -> int:
        """Records held, "other" included."""
    @property
    def memory(self) -> int:
        """Bytes in use."""
    def counters(self) -> dict[str, object]:
        """``seen counted folded first_ns last_ns`` as int, ``skipped`` {reason: n} with every
        reason, ``dir`` {"unknown"|"rx"|"tx": (frames, bytes, wire_frames, wire_bytes)}."""
    def set_counters(self, counters: dict[str, object]) -> None:
        """The inverse of counters(): for a table loaded from a dump (-r)."""
    def merge(self, other: Table) -> None:
        """Add records and counters of other, which stays as it is."""
    def add_records(
        self,
        version: Version,
        records: ReadableBuffer,
        by: GroupBy = "raw",
        bits: tuple[int, int] = (32, 128),
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """Add dense records under a reduced key; counters stay.

        by: fields that are kept, as "src+proto": src, dst, sport, dport, proto, direction, vlan and service (in the
        sport slot: the port that names the service, see trafd(8), --ports service); all else is zero, ports and
        protocol flagged absent.  In front may stand which end of its flow a record is looked at from: "sender:" (as
        it is), "receiver:" (src for dst, sport for dport), "both:" (one addition where they give the same) or "self:"
        (only where they do).  Names for some: raw (every field), key (without direction and VLAN), pair (src+dst),
        dst (receiver:src), self (self:src), port (both:sport+proto); total: no field is kept.
        bits: leading bits of IPv4 and IPv6 addresses that are kept.
        share: (i, n) adds only the i-th of n shares of all keys, each of which is in one share: where all of them
        would need too much memory.  "other" is in one of them as well.
        An "other" record keeps being "other" under every grouping ("self" ignores it).
        """
    def share(self, i: int, n: int, /) -> Table:
        """A table of those records that are in the i-th of n shares of all keys, as for add_records(); no counters."""
    def get(self, version: Version, key: ReadableBuffer) -> tuple[int, int, int] | None:
        """(packets, all, data) of one key: the first 16 or 40 bytes of a dense record."""
    def totals(self) -> tuple[int, int, int]:
        """(packets, all, data) summed over all records."""
    def view(self, version: Version, sort: Sort = "key", limit: int = 0, min_all: int = 0) -> View:
        """A sorted view: by key ascending, or by a sum descending (ties by key).

        limit 0: all.  min_all (-m, C8): records with all < min_all are summed into "other",
        in the view alone; the table stays as it is.  "other" comes last under sort="key".
        """

@final
class View:
    """A sorted order over a table; it holds the table, which must not change meanwhile."""

    def __len__(self) -> int: ...
    def records(self, start: int, count: int) -> bytes:
        """Dense records start .. start+count (clipped at the end)."""

@final
class Filter:
    """A compiled tcpdump expression.  Raises FilterError."""

    def __init__(self, expression: str, link_type: int, snaplen: int = 262144, optimize: bool = True) -> None: ...
    def dump(self) -> str:
        """The program as ``tcpdump -d`` prints it, a line an instruction."""
    def matches(self, frame: ReadableBuffer, wirelen: int = 0) -> bool:
        """Does it accept this captured frame?"""

@final
class RecordFilter:
    """A tcpdump expression over records (SEMANTICS R3).

    FilterError where the expression does not compile or reads what a record does not hold.
    """

    def __init__(self, expression: str) -> None: ...
    @property
    def needs_ports(self) -> bool: ...
    @property
    def needs_proto(self) -> bool: ...
    def select(self, version: Version, records: ReadableBuffer) -> bytes:
        """The dense records that match; "other" never does."""

@final
class Signals:
    """Flag-only signal handlers in C: a handler sets a flag and writes one byte to a pipe."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """Install handlers; close() restores what was there."""
    def fileno(self) -> int:
        """Readable when a signal waits."""
    def take(self) -> dict[int, bool]:
        """Signals since the last call: {number: typed}; typed: the kernel sent it (si_code > 0), like Ctrl-C (P3)."""
    def close(self) -> None: ...

def libpcap_version() -> str: ...
def read_capture(
    source: int,
    table: Table,
    filter: str = "",
    *,
    optimize: bool = True,
    count: int = 0,
    addresses_only: bool = False,
    ports: Ports = "all",
    vlan: bool = False,
    prefix_len: tuple[int, int] | None = None,
) -> dict[str, object]:
    """Meter a capture from an open descriptor (file or pipe) into table, as captured (C2).

    Reads pcap and pcapng (RULES F1-F6).  Returns ``error`` (None, or one line where the file is broken: what
    came before is counted), ``frames`` (passed the filter), ``linktypes`` (tuple), ``format`` ("pcap"|"pcapng")
    and ``snaplen``.
    Raises CaptureError when it is no capture at all, FilterError for a bad expression.
    count: stop after so many frames that passed the filter (C9).  addresses_only: -X (C6).
    ports: "service" keeps of two ports the one that names the service, "none" neither.  vlan: the outermost 802.1Q id
    is part of the key.  prefix_len: bits of addresses that are kept, IPv4 and IPv6.
    """

@final
class Capture:
    """A live interface through libpcap; run() in one thread, the rest from another."""

    def __init__(
        self,
        interface: str,
        *,
        promiscuous: bool = True,
        snaplen: int = 128,
        timeout_ms: int = 20,
        buffer_bytes: int = 4194304,
        addresses_only: bool = False,
        mtu: int = 0,
        mac: bytes | None = None,
        engine: Engine = "pcap",
        ports: Ports = "all",
        vlan: bool = False,
        prefix_len: tuple[int, int] | None = None,
    ) -> None:
        """Open, set non-blocking.  buffer_bytes is halved on ENOMEM, not below 1 MiB.

        mtu > 0: frames above it count as on the wire, estimated (C2).  mac: direction by source MAC (C5);
        cooked link types carry the direction themselves.  engine: "ring" is Linux's own and counts merged frames
        exactly; "auto" takes it where it works.  ports, vlan, prefix_len: as read_capture().  LiveError on failure.
        """
    @property
    def link_type(self) -> int: ...
    @property
    def buffer_bytes(self) -> int:
        """The kernel buffer that could be had."""
    @property
    def engine(self) -> str:
        """The one that was taken: pcap or ring."""
    @property
    def exact(self) -> bool:
        """Merged frames are counted as they were on the wire (C2)."""
    @property
    def fallback(self) -> str:
        """Why "auto" did not take the ring; "" where it did."""
    def set_filter(self, expression: str, optimize: bool = True) -> None:
        """Always call it, with "" too.  FilterError."""
    def dump_filter(self, expression: str, optimize: bool = True) -> str:
        """What ``tcpdump -d`` prints for this opened interface (P5)."""
    def run(self, table: Table, count: int = 0) -> str:
        """Capture until "stopped", "count" (count frames passed the filter) or "gone" (see error).

        Counts into table, unless swap() has put one in before.

        Blocks without the interpreter lock, all signals blocked in the calling thread.
        stop() drains one timeout first.
        """
    def swap(self, table: Table, merge: bool = False, settle: bool = False) -> Table:
        """Make table the one that is counted into, return the one that was: O(1), while run() runs or not.

        merge: first add what was counted so far into table (which goes on); the returned table is then spent.
        settle: let what the kernel already holds arrive first (one timeout and a little).
        Before the first run() there was none: table itself is returned.
        """
    def stop(self) -> None: ...
    def stats(self) -> tuple[int, int, int]:
        """(received, dropped by the kernel, dropped by the interface) since opening; received includes dropped."""
    @property
    def error(self) -> str: ...
    def fds(self) -> tuple[int, ...]:
        """Every descriptor it holds: to be preserved when detaching."""
    def close(self) -> None: ...

# ---- codec: dense records <-> column bytes (codec.c); bpft(5) has the encodings ----

def encode_columns(
    version: Version, records: ReadableBuffer
) -> list[tuple[int, bool, list[tuple[int, int, tuple[bytes, ...]]]]]:
    """Up to 65,536 dense records, best sorted by key, as row groups: (rows, other, columns).

    A column is (id, encoding, parts): its bytes, cut where a compressor should begin a new block.  Records that know
    different things (ports, protocol, direction, VLAN, packets, "other") come in different groups, in their order.
    No record is made without a packet: one of 0 packets does not know them.
    ValueError for flags that no column can hold, MemoryError.
    """

def decode_columns(
    version: Version, rows: int, columns: Sequence[tuple[int, int, ReadableBuffer]], other: bool = False
) -> bytes:
    """Dense records of one row group from its columns (id, encoding, bytes); ids not known here are passed over.

    A column that is not given leaves its field zero, and flagged absent for ports and protocol.  other: flag the
    records OTHER.  ValueError where the bytes are not exactly rows values.
    """

def add_columns(
    version: Version,
    rows: int,
    columns: Sequence[tuple[int, int, ReadableBuffer]],
    tables: Sequence[tuple[Table, GroupBy, tuple[int, int]] | tuple[Table, GroupBy, tuple[int, int], tuple[int, int]]],
    other: bool = False,
) -> None:
    """As decode_columns(), and the records added to each table under (by, bits), as Table.add_records() does.

    Faster, as the records never leave the processor's cache.  ValueError as there; rows before the wrong one are added.
    """
