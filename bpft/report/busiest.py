"""The hosts that an overview names: the largest of some blocks, on this side of the Internet where they are seen."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from bpft import core
from bpft.block import Block
from bpft.blocklayout import COLUMNS
from bpft.core import Table
from bpft.errors import BlockDamaged
from bpft.report.scope import INTERNET, MULTICAST, Scopes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bpft.core import Version

_TOP = 3  # hosts
_MOST = 50  # largest addresses among which these are looked for
_SUMMED = ("src4", "src6", "dst4", "dst6", "packets", "all", "data")
_KEY: dict[Version, int] = {4: 16, 6: 40}
_ADDRESS: dict[Version, int] = {4: 4, 6: 16}
_FLAGS_FROM_END = 3  # of a key


@dataclass(slots=True)
class Host:
    """What one host received and sent, in bytes of IP packets."""

    address: str
    into: int
    out: int
    share: float  #: of all bytes of the interface's IP packets; a packet counts for both its ends


def busiest(blocks: Sequence[Block], troubles: list[str]) -> list[Host]:
    """The largest hosts of some blocks, without this host: what it moves is what the interface moves.

    Those on this side of the Internet, where they have a part in half of the traffic: who used the line, not what for.
    Groups of multicast and the like are no hosts, but better than none.
    """
    tables = {by: Table() for by in ("both:src", "src", "dst")}
    for block in blocks:
        sum_block(block, [(table, by) for by, table in tables.items()], troubles)
    own = {str(ip_interface(prefix).ip) for block in blocks for prefix in block.header.prefixes}
    whole = tables["src"].totals()[1]
    found = sorted(_largest(tables, _MOST + len(own)), key=lambda host: -host[0])
    others = [host for host in found if host[1] not in own and not _is_group(host[1])]
    if others:
        place = Scopes().at(blocks[-1].header)
        near = [host for host in others if place.of(ip_address(host[1])) not in (INTERNET, MULTICAST)]
        if near and 2 * sum(host[0] for host in near) >= whole:
            others = near
    return [Host(address, into, out, all_ / whole) for all_, address, into, out in (others or found)[:_TOP] if all_]


def _is_group(address: str) -> bool:
    known = ip_address(address)
    return known.is_multicast or known.is_unspecified or address == "255.255.255.255"


def _largest(tables: dict[str, Table], most: int) -> Iterator[tuple[int, str, int, int]]:
    """(all, address, in, out) of the largest hosts of each IP version."""
    version: Version
    for version, family in ((4, AF_INET), (6, AF_INET6)):
        view = tables["both:src"].view(version, "all", most)
        records, size = view.records(0, most), _KEY[version] + 24
        for at in range(0, len(records), size):
            key = records[at : at + _KEY[version]]
            if key[-_FLAGS_FROM_END] & core.OTHER:
                continue
            all_, into, out = ((tables[by].get(version, key) or (0, 0, 0))[1] for by in ("both:src", "dst", "src"))
            yield all_, inet_ntop(family, key[: _ADDRESS[version]]), into, out


def sum_block(block: Block, tables: list[tuple[Table, str]], troubles: list[str]) -> None:
    """Sum the records of a block, of the row groups that are not damaged."""
    needed = [COLUMNS[name] for name in _SUMMED]
    into = [(table, by, (32, 128)) for table, by in tables]
    try:
        for group in block.groups():
            columns = group.unpacked(needed)
            with group.damaging():
                core.add_columns(group.version, group.rows, columns, into, group.other)
    except BlockDamaged as error:
        troubles.append(str(error))
