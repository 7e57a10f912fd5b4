"""Dimensions: what --by names, alone and combined, and what each takes from records or from blocks (SEMANTICS R2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpft.blocklayout import COLUMNS
from bpft.errors import UsageError

if TYPE_CHECKING:
    from bpft.core import GroupBy

Bits = tuple[int, int]  #: leading bits of addresses that are kept, IPv4 and IPv6
WHOLE: Bits = (32, 128)

ADDRESSES = ("src", "dst", "host")  #: the columns that hold addresses, which are never absent
BUCKETS = ("5min", "hour", "day", "month")
OUTER = (*BUCKETS, "interface", "scope")  #: what all records of a block (by scope, of a part of it) share
SUMS = ("packets", "all", "data")

#: Where a row's cell stands among those of a record: src, sport, dst, dport, proto, direction, VLAN.
_PLACE = {"src": 0, "sport": 1, "dst": 2, "dport": 3, "proto": 4, "direction": 5, "vlan": 6}
#: dimension: its columns, and the fields of a record that they are read from.
_RECORD: dict[str, tuple[tuple[str, str], ...]] = {
    "key": tuple((name, name) for name in ("src", "sport", "dst", "dport", "proto")),
    "src": (("src", "src"),),
    "dst": (("dst", "dst"),),
    "host": (("host", "src"),),
    "net": (("net", "src"),),
    "pair": (("src", "src"), ("dst", "dst")),
    "sport": (("sport", "sport"), ("proto", "proto")),
    "dport": (("dport", "dport"), ("proto", "proto")),
    "port": (("port", "sport"), ("proto", "proto")),
    "service": (("service", "service"), ("proto", "proto")),
    "proto": (("proto", "proto"),),
    "direction": (("direction", "direction"),),
    "vlan": (("vlan", "vlan"),),
}
_BOTH_ENDS = {"host": "hosts", "net": "networks", "port": "ports"}  # a packet is in the rows of both
_ONE_END = ("key", "src", "dst", "pair", "sport", "dport")
_SPEC = ("src", "dst", "sport", "dport", "proto", "direction", "vlan", "service")  # the order of fields in a spec
#: The columns of a block that a field is read from, from either end of a flow.
_STORED = {
    "src": ("src4", "src6"),
    "dst": ("dst4", "dst6"),
    **dict.fromkeys(("sport", "dport", "service"), ("sport", "dport")),  # one alone would be told as absent
    **{name: (name,) for name in ("proto", "direction", "vlan")},
}
_OTHER_END = {"src": "dst", "dst": "src", "sport": "dport", "dport": "sport"}
_NET = re.compile(r"net(?:/(\d{1,3}))?")
_NET_BITS: Bits = (24, 64)

WORDS = f"{', '.join(name for name in _RECORD if name != 'net')}, net/LEN, {', '.join(OUTER)}"


class BadGrouping(UsageError):
    """--by {0!r}: {1}"""


@dataclass(frozen=True, slots=True)
class Grouping:
    """What --by names: the key columns of its rows, where they come from, and the tables that it takes."""

    name: str  #: as it was asked
    columns: tuple[str, ...]
    outer: tuple[str, ...]  #: those of the columns that a block tells
    fields: tuple[str, ...]  #: of a record; empty: all of a block is one row
    cells: tuple[int, ...]  #: the place of each column among a record's seven cells, then those of outer
    bits: Bits
    twice: str  #: where a packet is in two rows: of what; rows then add up to more than the total
    tables: dict[str, GroupBy]  #: role (rows, out, in, self, once: see Tally) -> what is left of a key

    @property
    def bucket(self) -> str:
        """The time bucket, or nothing."""
        return next((name for name in self.outer if name in BUCKETS), "")

    @property
    def lead(self) -> int:
        """How many of outer come before all other columns."""
        return next((place for place, name in enumerate(self.columns) if name not in self.outer), len(self.outer))

    @property
    def needed(self) -> set[int]:
        """The ids of the columns of a block that rows and totals depend on."""
        seen = set(self.fields) | {_OTHER_END.get(name, name) for name in self.fields if self.twice}
        stored = [name for field in seen for name in _STORED[field]]
        return {COLUMNS[name] for name in (*stored, *SUMS)}

    @property
    def sums(self) -> tuple[str, ...]:
        """The sum columns."""
        return (*SUMS, "in", "out") if "in" in self.tables else SUMS

    @property
    def has_addresses(self) -> bool:
        """Whether rows of IPv4 and IPv6 are different ones."""
        return "src" in self.fields or "dst" in self.fields

    @property
    def has_few_rows(self) -> bool:
        """Whether there are likely many records to a row: it keeps no whole addresses."""
        return not self.has_addresses or self.bits != WHOLE


def grouping(text: str) -> Grouping:
    """Read a comma list of dimensions.  BadGrouping, naming the words that work."""
    names, bits = _split(text)
    record = [name for name in names if name in _RECORD]
    _refuse_clashes(text, names, record)
    pairs = [pair for name in names for pair in _RECORD.get(name, ((name, name),))]
    pairs = list(dict.fromkeys(pairs))  # port and service bring proto along
    outer = tuple(name for name in names if name in OUTER)
    taken = {field for _, field in pairs}
    fields = tuple(field for field in _SPEC if field in taken)
    place = {**_PLACE, "service": _PLACE["sport"], **{name: len(_PLACE) + at for at, name in enumerate(outer)}}
    twice = next((_BOTH_ENDS[name] for name in ("host", "net", "port") if name in names), "")
    return Grouping(
        text,
        tuple(column for column, _ in pairs),
        outer,
        fields,
        tuple(place[field] for _, field in pairs),
        bits,
        twice,
        _tables("+".join(fields), "host" in names or "net" in names, "port" in names, "scope" in names),
    )


def _split(text: str) -> tuple[list[str], Bits]:
    """The dimensions, and the bits of net/LEN or net/LEN4,LEN6."""
    names: list[str] = []
    bits: list[int] = []
    for word in (word.strip() for word in text.split(",")):
        net = _NET.fullmatch(word)
        if net:
            bits = [int(net[1])] if net[1] else []
            names.append("net")
        elif word.isdecimal() and names and names[-1] == "net" and len(bits) == 1:
            bits.append(int(word))
        elif word in _RECORD or word in OUTER:
            names.append(word)
        else:
            raise BadGrouping(
                text, f"{word or 'an empty word'} is no dimension; there are {WORDS}; join them by commas"
            )
    four, six = _bits(bits)
    if four > WHOLE[0] or six > WHOLE[1]:
        raise BadGrouping(text, "networks have up to 32 bits, of IPv6 up to 128: net/24, or net/24,48")
    return names, (four, six) if "net" in names else WHOLE


def _bits(given: list[int]) -> Bits:
    """The other length, where one is given: what is as large for its version; one past 32 is of IPv6."""
    if not given:
        return _NET_BITS
    if len(given) == 2:
        return given[0], given[1]
    if given[0] > WHOLE[0]:
        return _NET_BITS[0], given[0]
    return given[0], {32: 128, 24: 64, 16: 48, 8: 32, 0: 0}.get(given[0], min(128, 16 + 2 * given[0]))


def _refuse_clashes(text: str, names: list[str], record: list[str]) -> None:
    columns = [column for name in names for column, _ in _RECORD.get(name, ((name, name),)) if column != "proto"]
    if twice := [name for name in dict.fromkeys(columns) if columns.count(name) > 1]:
        raise BadGrouping(text, f"{twice[0]} is there twice")
    buckets = [name for name in names if name in BUCKETS]
    if len(buckets) > 1:
        raise BadGrouping(text, f"{buckets[0]} and {buckets[1]}: take one of them")
    both = [name for name in record if name in _BOTH_ENDS]
    one = [name for name in record if name in _ONE_END]
    if both and one:
        use = "sport, dport or service" if both == ["port"] else "src or dst"
        raise BadGrouping(text, f"{both[0]} looks at both ends of a flow, {one[0]} at one: use {use} with {one[0]}")
    if "host" in both and "net" in both:
        raise BadGrouping(text, "host and net: take one of them")
    ports = [name for name in record if name in ("key", "sport", "dport", "port")]
    if "service" in record and ports:
        raise BadGrouping(text, f"service is one of the ports of {ports[0]}: take one of them")


def _tables(spec: str, ends: bool, port: bool, scope: bool) -> dict[str, GroupBy]:
    if ends:
        return {"out": f"sender:{spec}", "in": f"receiver:{spec}", "self": f"self:{spec}"}
    tables: dict[str, GroupBy] = {"rows": f"sender:{spec}" if spec else "total"}
    if port:
        tables = {"rows": f"both:{spec}", "once": "total"}
    if scope:
        tables |= {"in": tables["rows"], "out": tables["rows"]}
    return tables
