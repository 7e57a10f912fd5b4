"""What a block says about itself as bytes, and back: header fields of type, length, value (bpft(5)).

Both ways go by blocklayout.py, which is made from the construct definition: importing construct would double the time
that ``trafd --read`` takes to start.
"""

import struct
from collections.abc import Iterator
from typing import Any

from bpft.blocklayout import FIELD, FIELDS, IGNORABLE, Field
from bpft.record import Counters, Header, InterfaceDelta

KIND = "traffic"
#: A block says at least these.
REQUIRED = ("kind", "role", "interval")

#: A value is the numbers of its fixed part, then the rest where the field has one.
_Value = tuple[Any, ...]

_BY_NAME = {field.name: field for field in FIELDS}
_BY_NUMBER = {field.type & ~IGNORABLE: field for field in FIELDS}
_PLAIN = [
    name
    for name in Header._fields
    if name in _BY_NAME and name not in ("counters", "delta", "gaps", "labels", "prefix_len")
]
_DIRECTIONS = ("unknown", "rx", "tx")
_COUNTERS = ("seen", "counted", "folded", "received", "dropped", "if_dropped", "first_ns", "last_ns")
_DELTA = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "covered_ns", "resets")


def pack_header(header: Header, previous: bytes = b"") -> bytes:
    """The header section's fields.  previous: the id of the block before it in the log.

    struct.error for a number that its field cannot hold.
    """
    return b"".join(_pack(_BY_NAME[name], value) for name, value in _values(header, previous))


def parse_header(body: bytes) -> tuple[Header, bytes]:
    """(header, id of the previous block) from a header section's fields.

    ValueError, saying why, where the fields are malformed, where one that this version does not know must not be
    ignored, or where the block is of a kind not known here.
    """
    values: dict[str, list[_Value]] = {}
    unknown = []
    for kind, data in _split(body):
        field = _BY_NUMBER.get(kind & ~IGNORABLE)
        if field is not None:
            values.setdefault(field.name, []).append(_parse(field, data))
        elif not kind & IGNORABLE:
            unknown.append(kind)
    if unknown:
        raise ValueError(
            f"written by a newer bpft: header field {unknown[0]} must be understood, and is not known here"
        )
    for name, found in values.items():
        if len(found) > 1 and not _BY_NAME[name].many:
            raise ValueError(f"header field {name} is there twice")
    for name in REQUIRED:
        if name not in values:
            raise ValueError(f"the header does not say its {name}")
    if values["kind"] != [(KIND,)]:
        raise ValueError(f"blocks of kind {values['kind'][0][0]!r} are not known here")
    return _header(values), values.get("previous", [(b"",)])[0][0]


# ---- one field ----


def _pack(field: Field, value: _Value) -> bytes:
    fixed = value[:-1] if field.rest else value
    data = struct.pack(field.format, *fixed) if field.format else b""
    if field.rest == "text":
        data += value[-1].encode("utf-8", "surrogateescape")
    elif field.rest == "bytes":
        data += value[-1]
    return FIELD.pack(field.type, len(data)) + data


def _parse(field: Field, data: bytes) -> _Value:
    size = struct.calcsize(field.format)
    if len(data) < size or (len(data) > size and not field.rest):
        raise ValueError(f"header field {field.name} has a wrong length")
    value: _Value = struct.unpack_from(field.format, data) if field.format else ()
    if field.rest == "text":
        return (*value, data[size:].decode("utf-8", "surrogateescape"))
    return (*value, data[size:]) if field.rest else value


def _split(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        if at + FIELD.size > len(body):
            raise ValueError("the header ends within a field")
        kind, length = FIELD.unpack_from(body, at)
        at += FIELD.size
        if length > len(body) - at:
            raise ValueError("the header ends within a field")
        yield kind, body[at : at + length]
        at += length


# ---- the values of a Header ----


def _values(header: Header, previous: bytes) -> Iterator[tuple[str, _Value]]:
    """What is known: None, empty text, empty lists and reasons that skipped no frame are not written."""
    counters = header.counters
    yield "kind", (KIND,)
    yield "interval", (header.begin_ns, header.end_ns)
    if previous:
        yield "previous", (previous,)
    for name in _PLAIN:
        value = getattr(header, name)
        if _BY_NAME[name].many:
            yield from ((name, (item,)) for item in value)
        elif value is not None and value != "" and value != b"":
            yield name, (value,)
    yield from (("gaps", gap) for gap in header.gaps)
    if header.prefix_len is not None:
        yield "prefix_len", header.prefix_len
    yield "counters", tuple(getattr(counters, name) for name in _COUNTERS)
    yield from (("skipped", (frames, reason)) for reason, frames in counters.skipped.items() if frames)
    yield from (("direction", (_DIRECTIONS.index(name), *sums)) for name, sums in counters.direction.items())
    if header.delta is not None:
        yield "delta", tuple(getattr(header.delta, name) for name in _DELTA)
    for name, text in header.labels.items():
        yield "labels", (len(name.encode("utf-8", "surrogateescape")), name + text)


def _header(values: dict[str, list[_Value]]) -> Header:
    found: dict[str, Any] = {}
    found["begin_ns"], found["end_ns"] = values["interval"][0]
    for name in _PLAIN:
        if name in values:
            each = tuple(value[0] for value in values[name])
            found[name] = each if _BY_NAME[name].many else each[0]
    if "prefix_len" in values:
        bits4, bits6 = found["prefix_len"] = values["prefix_len"][0]
        if bits4 > 32 or bits6 > 128:
            raise ValueError(f"header field prefix_len has no prefixes of {bits4} and {bits6} bits")
    if "delta" in values:
        found["delta"] = InterfaceDelta(**dict(zip(_DELTA, values["delta"][0], strict=True)))
    return Header(**found, gaps=tuple(values.get("gaps", ())), counters=_counters(values), labels=_labels(values))


def _counters(values: dict[str, list[_Value]]) -> Counters:
    sums = dict(zip(_COUNTERS, values["counters"][0], strict=True)) if "counters" in values else {}
    skipped = {reason: frames for frames, reason in values.get("skipped", ())}
    directions: dict[str, tuple[int, int, int, int]] = {}
    for direction, *figures in values.get("direction", ()):
        if direction >= len(_DIRECTIONS):
            raise ValueError(f"header field direction has no direction {direction}")
        directions[_DIRECTIONS[direction]] = (figures[0], figures[1], figures[2], figures[3])
    return Counters(**sums, skipped=skipped, direction=directions)


def _labels(values: dict[str, list[_Value]]) -> dict[str, str]:
    labels = {}
    for name_bytes, both in values.get("labels", ()):
        raw = both.encode("utf-8", "surrogateescape")
        name, text = (part.decode("utf-8", "surrogateescape") for part in (raw[:name_bytes], raw[name_bytes:]))
        labels[name] = text
    return labels
