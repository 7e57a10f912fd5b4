"""The reference decoder: a block as its definition in construct reads it, slowly, and its columns in plain Python.

It shares no code with the fast path but decompression, and is what tests hold that against.
"""

from dataclasses import dataclass
from typing import Any

from bpft import blockdef
from bpft.compression import decompress

_WORD = 1 << 64
_NAMES = {number: name for name, number in blockdef.COLUMNS.items()}
_KEY = ("src4", "src6", "dst4", "dst6", "sport", "dport")
_IP_HEADER = {4: 20, 6: 40}
_TRANSPORT_HEADER = {1: 8, 2: 8, 6: 20, 17: 8, 33: 12, 58: 8, 132: 12, 136: 8}


@dataclass(slots=True)
class ReferenceGroup:
    """A row group; columns: name (blockdef.COLUMNS) -> one value a row, addresses as integers."""

    rows: int
    other: bool
    version: int
    columns: dict[str, list[int]]


@dataclass(slots=True)
class ReferenceBlock:
    """fields: name -> each value that the header has of it, as construct parsed it."""

    fields: dict[str, list[Any]]
    groups: list[ReferenceGroup]
    length: int
    rows: int
    id: bytes


def decode_block(data: bytes) -> ReferenceBlock:
    """The block at the start of data.  Raises construct.ConstructError or ValueError."""
    found = blockdef.block.parse(data)
    fields: dict[str, list[Any]] = {}
    groups = []
    names = {field.number: field.name for field in blockdef.FIELDS}
    for section in found.sections:
        kind, body = section.checked.value.type, section.checked.value.body
        if kind == blockdef.HEADER:
            for field in body.fields:
                fields.setdefault(names.get(field.number, str(field.number)), []).append(field.value)
        elif kind == blockdef.ROWS:
            groups.append(_group(body))
        elif kind == blockdef.END:
            return ReferenceBlock(fields, groups, body.length, body.rows, body.id)
    raise ValueError("the block has no end")


def _group(body: Any) -> ReferenceGroup:
    raw = {
        _NAMES[entry.id]: (entry.encoding, decompress(entry.compression, chunk, entry.length))
        for entry, chunk in zip(body.columns, body.chunks, strict=True)
        if entry.id in _NAMES
    }
    columns: dict[str, list[int]] = {}
    changed = [True] + [False] * (body.rows - 1)
    for name in (*_KEY, "proto", "direction", "vlan", "version", "packets"):
        if name in raw:
            lanes = _lanes(
                body.rows, *raw[name], 2 if name in ("src6", "dst6") else 1, changed if name in _KEY else None
            )
            columns[name] = (
                lanes[0] if len(lanes) == 1 else [high << 64 | low for high, low in zip(*lanes, strict=True)]
            )
    version = columns["version"][0] if "version" in columns else 6 if "src6" in columns or "dst6" in columns else 4
    packets = columns.get("packets", [])
    for name, lean in (("all", 2), ("data", 3)):
        if name not in raw:
            continue
        lanes = _lanes(body.rows, *raw[name], 2 if raw[name][0] == lean else 1, None)
        if raw[name][0] == 0:
            columns[name] = lanes[0]
        elif name == "all":
            columns[name] = [(max(p, 1) * each + rest) % _WORD for p, each, rest in zip(packets, *lanes, strict=True)]
        else:
            columns[name] = _predicted(version, columns, lanes)
    return ReferenceGroup(body.rows, bool(body.flags & blockdef.OTHER), version, columns)


def _predicted(version: int, columns: dict[str, list[int]], lanes: list[list[int]]) -> list[int]:
    """Payload bytes: all, less the usual headers of each packet, less what the lanes say there was more."""
    out = []
    for row, (total, packets) in enumerate(zip(columns["all"], columns["packets"], strict=True)):
        proto = columns["proto"][row] if "proto" in columns else -1
        usual = _IP_HEADER[version] + _TRANSPORT_HEADER.get(proto, 0)
        more = max(packets, 1) * _unzigzag(lanes[0][row]) + lanes[1][row]
        out.append((total - packets * usual - more) % _WORD)
    return out


def _lanes(rows: int, encoding: int, data: bytes, count: int, changed: list[bool] | None) -> list[list[int]]:
    """The lanes of a column.  changed: which rows begin anew in the key so far; this column's changes are added."""
    out = []
    for based in blockdef.column_data(rows, count, encoding == 1).parse(data).lanes:
        values = _values(based.lane)
        if encoding == 1 and changed is not None:
            for row in range(rows):
                values[row] = (values[row] + (based.base if changed[row] else values[row - 1])) % _WORD
        if changed is not None:
            for row in range(1, rows):
                changed[row] = changed[row] or values[row] != values[row - 1]
        out.append(values)
    return out


def _values(lane: Any) -> list[int]:
    body, rows = lane.body, lane.rows
    if lane.packing == 0:
        return [body.value] * rows
    if lane.packing == 1:
        return [int.from_bytes(bytes(row), "little") for row in zip(*body.planes, strict=True)]
    if lane.packing == 2:
        return list(body.numbers)
    if lane.packing == 3:
        return _indexed(body, rows)
    values: list[int] = []
    value = 0
    for length, step in zip(_values(body.lengths), _values(body.steps), strict=True):
        value = (value + _unzigzag(step)) % _WORD
        values += [value] * (length + 1)
    return values


def _indexed(body: Any, rows: int) -> list[int]:
    distinct, value = [], 0
    for step in body.steps:
        value += step
        distinct.append(value)
    if body.bits == 16:
        low, high = body.indexes[:rows], body.indexes[rows:]
        return [distinct[a | b << 8] for a, b in zip(low, high, strict=True)]
    packed = int.from_bytes(body.indexes, "little")
    return [distinct[packed >> (row * body.bits) & ((1 << body.bits) - 1)] for row in range(rows)]


def _unzigzag(z: int) -> int:
    return (z >> 1) ^ -(z & 1)
