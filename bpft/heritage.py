"""Logs and dumps of BPFT up to version 4: C structs without magic, version or checksum, recognised by walking them.

A file is blocks, one behind the other: a header of five integers, then fixed entries.  Two layouts of entries exist, in
either byte order; which one a file has is found by demanding that every block of it makes sense and the last one ends
where the file does.  Times are UTC, addresses in network order, sums 32 bits that wrap.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Literal, NamedTuple

from bpft import __version__, core
from bpft.digest import blake2b
from bpft.errors import BpftError, CannotRead
from bpft.record import Header
from bpft.source import Source

LayoutName = Literal["old", "v4"]
Endian = Literal["little", "big"]

#: What a dump of the old daemon may begin with: the size of its table.
_TABLE_SIZE = 136240
_SECOND, _MICROSECOND = 1_000_000_000, 1000
_CHUNK = 65536  # entries in memory at once
_DENSE = Struct(core.RECORD4)
_NO_PORT, _SOURCE, _DESTINATION, _BOTH = range(4)  # who_srv: whose port an entry of the old layout keeps


class NotOld(BpftError):
    """{0}: is no log or dump of an old BPFT{1}"""


class Ambiguous(BpftError):
    """{0}: reads as more than one old layout; name it with bpft import {1}"""


class OldDamaged(BpftError):
    """{0}: from byte {1} on: {2}; bpft import --salvage keeps what is whole"""


class Layout(NamedTuple):
    """How a file is laid out."""

    name: LayoutName
    endian: Endian
    header: Struct  #: entries, begin and end as seconds and microseconds
    entry: Struct  #: old: src dst proto who_srv port all data; v4: src dst proto sport dport all data
    wide: bool = False  #: as a 64-bit build would have written it

    def __str__(self) -> str:
        return f"{self.name}, {self.endian}-endian" + (", 64-bit" if self.wide else "")


class _Head(NamedTuple):
    """A block's header, and where its entries lie."""

    offset: int  #: of the block, its table size included
    entries_at: int
    entries: int
    begin_ns: int
    end_ns: int


def _layouts(name: LayoutName | None, endian: Endian | None) -> list[Layout]:
    """What to try: the layouts that are known and, where one is named, what 64-bit builds would have made of it."""
    found = []
    for layout, entry, wide_entry in (("old", "4s4sBBHII", "4s4sBBH4xQQ"), ("v4", "4s4sBxHH2xII", "4s4sBxHH2xQQ")):
        for order, sign in (("little", "<"), ("big", ">")):
            if name not in (None, layout) or endian not in (None, order):
                continue
            found.append(Layout(layout, order, Struct(sign + "5i"), Struct(sign + entry)))  # type: ignore[arg-type]
            if name:
                for form in (entry, wide_entry):
                    found.append(Layout(layout, order, Struct(sign + "i4x4q"), Struct(sign + form), True))  # type: ignore[arg-type]
    return found


@dataclass(frozen=True, slots=True)
class OldBlock:
    """One block of an old file."""

    source: Source
    layout: Layout
    header: Header
    rows: int
    entries_at: int
    missing: int = 0  #: entries that the file is too short for

    @property
    def id(self) -> bytes:
        """The hash of its bytes, as that of any block."""
        return self.header.epoch

    def table(self) -> core.Table:
        """Its records, under 64-bit sums; packets are 0: they are not known."""
        table = core.Table()
        for data in _entries(self.source, self.layout, self.entries_at, self.rows):
            table.add_records(4, _dense(self.layout, data))
        return table


@dataclass(frozen=True, slots=True)
class OldFile:
    """A file whose layout is known."""

    source: Source
    layout: Layout
    heads: list[_Head]
    trouble: str = ""  #: what of its end is left out, where that is allowed

    def blocks(self, interface: str = "", host: str = "") -> Iterator[OldBlock]:
        """Every block; the interface is taken from the file's name where none is given."""
        interface = interface or _interface(self.source.name)
        for head in self.heads:
            there = (self.source.size - head.entries_at) // self.layout.entry.size
            rows = min(head.entries, there)
            header = self._header(head, rows)._replace(interface=interface, host=host)
            yield OldBlock(self.source, self.layout, header, rows, head.entries_at, head.entries - rows)

    def _header(self, head: _Head, rows: int) -> Header:
        """What an old block says about itself, and what it does not.

        The epoch is a hash of the block's bytes, so that a block which is imported twice counts once (SEMANTICS E7).
        """
        content = blake2b(digest_size=16)
        for data in self.source.pieces(head.offset, head.entries_at + rows * self.layout.entry.size):
            content.update(data)
        labels = {
            "layout": f"BPFT {self.layout}",
            "unknown": "packets, frames, drops, filter, -m, direction",
        }
        if self.layout.name == "old":
            labels["ports"] = "one is kept: the other is 0, or equal where its side is not known"
        if rows < head.entries:
            labels["torn"] = f"{rows} of {head.entries} records"
        return Header(
            epoch=content.digest(),
            begin_ns=head.begin_ns,
            end_ns=head.end_ns,
            source="import",
            source_name=Path(self.source.name).name,
            counting="as-captured",
            software=f"bpft {__version__}",
            labels=labels,
        )


def open_old(
    path: str | os.PathLike[str] | Source,
    layout: LayoutName | None = None,
    endian: Endian | None = None,
    salvage: bool = False,
) -> OldFile:
    """Recognise an old file by walking it under every layout that is not ruled out.

    layout: believe that it is this one: data larger than all (sums that wrapped) and odd times are then no objection.
    salvage: leave out what is not whole at the end, but for the whole entries of a torn block.
    Raises CannotRead, NotOld, Ambiguous, OldDamaged.
    """
    source = path if isinstance(path, Source) else Source(path)
    walks = [_walk(source, one, strict=layout is None) for one in _layouts(layout, endian)]
    best = max(walk.reached for walk in walks)
    fitting = [walk for walk in walks if walk.reached == best and walk.heads]
    whole = [walk for walk in fitting if not walk.why]
    if not fitting or (not whole and layout is None and not any(walk.entries for walk in fitting)):
        raise NotOld(source.name, f" with the {layout} layout" if layout else "")
    fitting = whole or [walk for walk in fitting if walk.entries] or fitting
    fitting = [walk for walk in fitting if not walk.layout.wide] or fitting
    found = fitting[0]
    if not found.entries:  # then only the byte order matters
        fitting = [walk for walk in fitting if walk.layout.name == found.layout.name]
    if any(walk.layout != found.layout and (walk.entries or walk.heads != found.heads) for walk in fitting):
        raise Ambiguous(source.name, _telling_apart(fitting))
    if found.why and not salvage:
        raise OldDamaged(source.name, found.reached, found.why)
    trouble = f"{source.name}: from byte {found.reached} on: {found.why}" if found.why else ""
    return OldFile(source, found.layout, found.heads, trouble)


def _telling_apart(walks: list[_Walk]) -> str:
    names = "--layout old or v4" if len({walk.layout.name for walk in walks}) > 1 else ""
    orders = "--endian little or big" if len({walk.layout.endian for walk in walks}) > 1 else ""
    return " and ".join(filter(None, (names, orders)))


def is_old(path: str | os.PathLike[str]) -> bool:
    """Whether a regular file is a log or dump of an old BPFT, be its layout doubtful or its end damaged."""
    try:
        open_old(path)
    except (NotOld, CannotRead):
        return False
    except (Ambiguous, OldDamaged):
        return True
    return True


# ---- walking ----


class _Walk(NamedTuple):
    """How far a file makes sense under one layout; why: what ends it before the file's end."""

    layout: Layout
    heads: list[_Head]  #: whole blocks, then one that is torn at the end of the file
    entries: int
    reached: int  #: the end of the last whole block
    why: str


def _walk(source: Source, layout: Layout, strict: bool) -> _Walk:
    heads: list[_Head] = []
    size, at, entries = source.size, 0, 0
    while at < size:
        head = _head(source, layout, at, strict)
        if isinstance(head, str):
            return _Walk(layout, heads, entries, at, head)
        end = head.entries_at + head.entries * layout.entry.size
        there = min(head.entries, (size - head.entries_at) // layout.entry.size)
        for data in _entries(source, layout, head.entries_at, there):
            if why := _objection(layout, data, strict):
                return _Walk(layout, heads, entries, at, why)
        heads.append(head)
        entries += there
        if end > size:
            return _Walk(layout, heads, entries, at, f"a block of {head.entries} records ends after {there}")
        at = end
    return _Walk(layout, heads, entries, at, "" if heads else "it is empty")


def _head(source: Source, layout: Layout, at: int, strict: bool) -> _Head | str:
    """The header at a place, or what is wrong with it."""
    data = source.read(at, 4 + layout.header.size)
    prefix = 4 if int.from_bytes(data[:4], layout.endian) == _TABLE_SIZE else 0
    if len(data) < prefix + layout.header.size:
        return f"{len(data)} bytes that are no block"
    count, *times = layout.header.unpack_from(data, prefix)
    begin, end = times[0] * _SECOND + times[1] * _MICROSECOND, times[2] * _SECOND + times[3] * _MICROSECOND
    if count < 0 or not all(0 <= part < 1_000_000 for part in times[1::2]) or not _fits(begin, end):
        return "no block begins here"
    if strict and not 0 < begin <= end:
        return "a block's interval makes no sense"
    return _Head(at, at + prefix + layout.header.size, count, begin, end)


def _fits(*times: int) -> bool:
    return all(0 <= time < 1 << 63 for time in times)


def _entries(source: Source, layout: Layout, at: int, count: int) -> Iterator[bytes]:
    size = layout.entry.size
    for start in range(0, count, _CHUNK):
        yield source.read(at + start * size, min(_CHUNK, count - start) * size)


def _objection(layout: Layout, data: bytes, strict: bool) -> str:
    """Why bytes are no entries of this layout, or nothing."""
    for entry in layout.entry.iter_unpack(data):
        if layout.name == "old" and entry[3] > _BOTH:
            return f"a record has a port of kind {entry[3]}"
        if strict and entry[-1] > entry[-2]:
            return "a record has more data than bytes"
    return ""


# ---- records ----


def _dense(layout: Layout, data: bytes) -> bytes:
    """Dense IPv4 records: ports in network order, packets 0."""
    pack, order = _DENSE.pack, Struct(">H").pack
    if layout.name == "v4":
        return b"".join(
            pack(src, dst, order(sport), order(dport), proto, 0, 0, 0, all_, data_)
            for src, dst, proto, sport, dport, all_, data_ in layout.entry.iter_unpack(data)
        )
    none = bytes(2)
    return b"".join(
        pack(
            src,
            dst,
            order(port) if who in (_SOURCE, _BOTH) else none,
            order(port) if who in (_DESTINATION, _BOTH) else none,
            proto,
            0,
            0,
            0,
            all_,
            data_,
        )
        for src, dst, proto, who, port, all_, data_ in layout.entry.iter_unpack(data)
    )


def _interface(name: str) -> str:
    """What follows trafd. in a file's name, where collectors have put other words before it."""
    found = re.search(r"(?:^|[.:_-])trafd\.([^/]+)$", Path(name).name)
    return found[1] if found else ""
