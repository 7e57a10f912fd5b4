"""The block format, defined with construct: what bpft(5) says, in code.  Nothing on the fast path imports it.

``python -m bpft.blockdef`` prints bpft/blocklayout.py: the same layout as struct formats.  Reading and writing use that
one, because importing construct takes longer than a whole small report.  A test keeps it current; another proves that
this definition and the fast path agree on any header and any records.
"""

import zlib
from typing import Any, NamedTuple

from construct import (
    Adapter,
    Array,
    Bytes,
    Check,
    Checksum,
    Compressed,
    Computed,
    Const,
    Construct,
    Error,
    Flag,
    FormatField,
    GreedyBytes,
    GreedyRange,
    Int8ul,
    Int16ul,
    Int32ul,
    Int64sl,
    Int64ul,
    Prefixed,
    RawCopy,
    RepeatUntil,
    Struct,
    Switch,
    Terminated,
    VarInt,
    this,
)

#: Survives no conversion of line ends, no loss of the eighth bit and no end-of-file character unnoticed.
MAGIC = b"\x89BPFT\r\n\x1a\n"
FORMAT_VERSION = 1
#: Set in the type of a field or section: a reader that does not know it passes over it.  Else it refuses the block.
IGNORABLE = 0x8000

HEADER, ROWS, END = 1, 2, 255  #: types of sections
OTHER = 1  #: flag of a row group: its rows are remainders (SEMANTICS C7)
STORED, ZLIB, ZSTD = 0, 1, 2  #: compressions of a column


class Text(Adapter):  # type: ignore[misc]
    """UTF-8; bytes that are none survive as Python's surrogate escapes (file names may hold any)."""

    def _decode(self, obj: bytes, context: object, path: str) -> str:
        return obj.decode("utf-8", "surrogateescape")

    def _encode(self, obj: str, context: object, path: str) -> bytes:
        return obj.encode("utf-8", "surrogateescape")


text = Text(GreedyBytes)
Bytes16 = Bytes(16)


class Field(NamedTuple):
    """One kind of header field; many: the field may be there any number of times."""

    number: int
    name: str
    form: Construct
    many: bool = False
    mandatory: bool = False

    @property
    def type(self) -> int:
        return self.number if self.mandatory else self.number | IGNORABLE


interval = Struct("begin_ns" / Int64sl, "end_ns" / Int64sl)
counters = Struct(
    "seen" / Int64ul,
    "counted" / Int64ul,
    "folded" / Int64ul,
    "received" / Int64ul,
    "dropped" / Int64ul,
    "if_dropped" / Int64ul,
    "first_ns" / Int64sl,
    "last_ns" / Int64sl,
)
skipped = Struct("frames" / Int64ul, "reason" / text)
direction = Struct(
    "direction" / Int8ul,
    "frames" / Int64ul,
    "bytes" / Int64ul,
    "wire_frames" / Int64ul,
    "wire_bytes" / Int64ul,
)
delta = Struct(
    "rx_bytes" / Int64ul,
    "tx_bytes" / Int64ul,
    "rx_packets" / Int64ul,
    "tx_packets" / Int64ul,
    "covered_ns" / Int64ul,
    "resets" / Int64ul,
)
prefix_len = Struct("ipv4" / Int8ul, "ipv6" / Int8ul)
label = Struct("name_bytes" / Int16ul, "name_value" / text)

FIELDS = (
    Field(1, "kind", text, mandatory=True),
    Field(2, "role", text, mandatory=True),
    Field(3, "epoch", GreedyBytes, mandatory=True),
    Field(4, "interval", interval, mandatory=True),
    Field(5, "sequence", Int64ul),
    Field(6, "previous", GreedyBytes),
    Field(7, "replaces", Bytes16, many=True, mandatory=True),
    Field(8, "boot_begin_ns", Int64sl),
    Field(9, "boot_end_ns", Int64sl),
    Field(10, "clock_synchronised", Flag),
    Field(11, "zone", text),
    Field(12, "gaps", interval, many=True),
    Field(13, "epochs", Bytes16, many=True, mandatory=True),
    Field(16, "host", text),
    Field(17, "probe", GreedyBytes),
    Field(18, "interface", text),
    Field(19, "interface_index", Int32ul),
    Field(20, "interface_alias", text),
    Field(21, "mac", GreedyBytes),
    Field(22, "mtu", Int32ul),
    Field(23, "link_types", Int32ul, many=True),
    Field(24, "speed_mbit", Int64ul),
    Field(25, "hardware", Flag),
    Field(26, "loopback", Flag),
    Field(27, "prefixes", text, many=True),
    Field(32, "source", text),
    Field(33, "source_name", text),
    Field(34, "engine", text),
    Field(35, "counting", text),
    Field(36, "filter", text),
    Field(37, "snaplen", Int32ul),
    Field(38, "key_mode", text),
    Field(39, "promiscuous", Flag),
    Field(40, "min_all", Int64ul),
    Field(41, "prefix_len", prefix_len, mandatory=True),
    Field(48, "counters", counters),
    Field(49, "skipped", skipped, many=True),
    Field(50, "direction", direction, many=True),
    Field(51, "delta", delta),
    Field(52, "series", GreedyBytes),
    Field(56, "software", text),
    Field(57, "rules", text),
    Field(58, "labels", label, many=True),
)

field = Struct(
    "type" / Int16ul,
    "number" / Computed(this.type & ~IGNORABLE),
    "value" / Prefixed(Int32ul, Switch(this.number, {f.number: f.form for f in FIELDS}, default=GreedyBytes)),
)

header = Struct("fields" / GreedyRange(field), Terminated)

#: The value of field 52: six columns of unsigned 64-bit integers, each as eight planes of bytes, the lowest first.
series = Struct(
    "step_s" / Int32ul,
    "points" / Int32ul,
    "columns" / Compressed(Array(6, Array(8, Bytes(this._root.points))), "zlib"),
    Terminated,
)

# ---- row groups ----

#: Column ids: IPFIX element numbers, and our own from 0x8000 on.
COLUMNS = {
    "all": 1,
    "packets": 2,
    "proto": 4,
    "sport": 7,
    "src4": 8,
    "dport": 11,
    "dst4": 12,
    "src6": 27,
    "dst6": 28,
    "vlan": 58,
    "version": 60,
    "direction": 61,
    "data": 0x8001,
}

column = Struct(
    "id" / Int16ul,
    "encoding" / Int8ul,
    "compression" / Int8ul,
    "length" / Int32ul,
    "stored" / Int32ul,
)

rows = Struct(
    "rows" / Int32ul,
    Check((this.rows >= 1) & (this.rows <= 65536)),
    "flags" / Int16ul,
    "count" / Int16ul,
    "columns" / Array(this.count, column),
    "chunks" / Array(this.count, Bytes(lambda context: context.columns[context._index].stored)),
)


def lane(rows: Any, nested: bool = False) -> Construct:
    """One vector of integers.  rows: how many, or a function of the context.  A nested one has no runs."""
    packings = {
        0: Struct("value" / VarInt),
        1: Struct("width" / Int8ul, "planes" / Array(this.width, Bytes(this._.rows))),
        2: Struct("numbers" / Array(this._.rows, VarInt)),
        3: Struct(
            "bits" / Int8ul,
            "count" / VarInt,
            "steps" / Array(this.count, VarInt),
            "indexes" / Bytes((this._.rows * this.bits + 7) // 8),
        ),
    }
    if not nested:
        packings[4] = Struct("runs" / VarInt, "lengths" / lane(this._.runs, True), "steps" / lane(this._.runs, True))
    return Struct("packing" / Int8ul, "rows" / Computed(rows), "body" / Switch(this.packing, packings, default=Error))


def column_data(rows: int, lanes: int, is_sorted: bool) -> Construct:
    """What a column holds once it is decompressed: one lane or two, in the sorted encoding each behind its base."""
    based = Struct("base" / (VarInt if is_sorted else Computed(0)), "lane" / lane(rows))
    return Struct("lanes" / Array(lanes, based), Terminated)


# ---- the block ----

end = Struct("length" / Int64ul, "rows" / Int64ul, "id" / Bytes16)

section = Struct(
    "checked"
    / RawCopy(
        Struct(
            "type" / Int16ul,
            "body"
            / Prefixed(
                Int32ul,
                Switch(this.type, {HEADER: header, ROWS: rows, END: end}, default=GreedyBytes),
            ),
        )
    ),
    "crc" / Checksum(Int32ul, zlib.crc32, this.checked.data),
)

start = Struct("magic" / Const(MAGIC), "version" / Const(FORMAT_VERSION, Int8ul), "reserved" / Bytes(2))

block = Struct(
    "start" / start,
    "sections" / RepeatUntil(lambda found, *_: found.checked.value.type == END, section),
)


# ---- the same layout for struct ----

_CONSTANTS = ("FORMAT_VERSION", "IGNORABLE", "HEADER", "ROWS", "END", "OTHER", "STORED", "ZLIB", "ZSTD")
_HEADS = {
    "START": start,
    "SECTION": Struct("type" / Int16ul, "length" / Int32ul),
    "CRC": Int32ul,
    "FIELD": Struct("type" / Int16ul, "length" / Int32ul),
    "GROUP": Struct("rows" / Int32ul, "flags" / Int16ul, "count" / Int16ul),
    "SERIES": Struct("step_s" / Int32ul, "points" / Int32ul),
    "COLUMN": column,
    "END_BODY": end,
}

_LAYOUT_HEAD = '"""The block layout as struct formats: made by ``python -m bpft.blockdef``, not by hand."""'

_LAYOUT_FIELD = '''

class Field(NamedTuple):
    """A header field: its value is struct ``format`` (or nothing), then a rest of kind "" (none), "text" or "bytes"."""

    type: int
    name: str
    format: str
    rest: str
    many: bool'''


def _parts(form: Construct) -> tuple[str, str]:
    """(struct format of the fixed part, kind of the rest behind it)."""
    if form is text:
        return "", "text"
    if form is GreedyBytes:
        return "", "bytes"
    if form is Flag:
        return "?", ""
    if isinstance(form, FormatField):
        return form.fmtstr.lstrip("<"), ""
    if isinstance(form, Bytes):
        return f"{form.length}s", ""
    if isinstance(form, Const):
        return (f"{len(form.value)}s", "") if isinstance(form.value, bytes) else _parts(form.subcon)
    parts = [_parts(sub.subcon) for sub in form.subcons]
    return "".join(fixed for fixed, _ in parts), parts[-1][1]


def layout() -> str:
    """The source of bpft/blocklayout.py."""
    magic = "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in MAGIC)
    lines = [_LAYOUT_HEAD, "", "from struct import Struct", "from typing import NamedTuple", ""]
    lines.append(f'MAGIC = b"{magic}"')
    lines += [f"{name} = {globals()[name]}" for name in _CONSTANTS]
    lines.append("")
    lines += [f'{name} = Struct("<{_parts(form)[0]}")' for name, form in _HEADS.items()]
    lines += ["", "#: Column ids by name.", "COLUMNS = {"]
    lines += [f'    "{name}": {number},' for name, number in COLUMNS.items()]
    lines += ["}", _LAYOUT_FIELD, "", "", "FIELDS = ("]
    for f in FIELDS:
        fixed, rest = _parts(f.form)
        lines.append(f'    Field({f.type}, "{f.name}", "{"<" + fixed if fixed else ""}", "{rest}", {f.many}),')
    lines.append(")")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(layout(), end="")
