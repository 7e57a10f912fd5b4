"""One host for people, as JSON, and as rows."""

import json
from collections.abc import Sequence
from typing import Any, BinaryIO, TextIO

from bpft.messages import one_line, valid
from bpft.report import units
from bpft.report.bucket import bucket_of
from bpft.report.names import protocol_name, service_name
from bpft.report.period import SECOND, Period
from bpft.report.render import flat
from bpft.report.render.grid import Grid
from bpft.report.render.letters import is_fine
from bpft.report.render.table import Style
from bpft.report.render.words import when
from bpft.report.who import Moved, Peer, Profile, Service

SCHEMA = "bpft-who-1"  #: changes when a field changes its meaning or goes

#: Of a row of CSV, JSON lines and Parquet; "what" is peer, service, or the name of a time (hour, day, month).
COLUMNS = {
    "interface": "string",
    "what": "string",
    "address": "string",
    "scope": "string",
    "port": "uint16",
    "proto": "uint8",
    "begin_ns": "int64",
    "end_ns": "int64",
    "in": "uint64",
    "out": "uint64",
    "all": "uint64",
}

_FIGURES = ("In", "Out", "All")
_SHORTEST_BAR = 5


class Host:
    """Whom a page is about."""

    def __init__(
        self,
        addresses: Sequence[str],
        period: Period,
        scopes: Sequence[tuple[str, Sequence[str]]],
        called: str,
        top: int,
    ) -> None:
        """called: the name that was asked for, if it was one.  top: peers and services, 0: all."""
        self.addresses, self.period, self.scopes, self.called, self.top = addresses, period, scopes, called, top

    def peers(self, profile: Profile) -> list[Peer]:
        return profile.peers(self.addresses, self.scopes, self.top)

    def services(self, profile: Profile) -> tuple[list[Service], int]:
        """Those that are shown, and how many there are."""
        found = profile.services()
        return found[: self.top or None], len(found)


def write(host: Host, profiles: Sequence[Profile], out: TextIO, style: Style) -> None:
    """The interface that saw most of it; where it was seen besides."""
    profile, *others = profiles
    peers = host.peers(profile)
    names: dict[str, str] = {}
    if not style.numeric:
        from bpft.report.resolve import HostNames  # numbers need no network

        names = (style.names or HostNames()).of([*host.addresses, *(peer.address for peer in peers)])
    lines = [*_heading(host, profile, names, style), ""]
    lines += _peers(peers, profile.peer_count - len(host.addresses), names, style)
    lines += _services(*host.services(profile), style)
    lines += _times(profile, out, style)
    lines += [
        f"on {other.interface} as well: {_said(other.moved, other.packets, style)}; -i {other.interface} shows it"
        for other in others
    ]
    if profile.remainder[1]:
        told = units.size(profile.remainder[1], style.units)
        lines.append(f"in other: {told} of flows that are not kept apart, of whatever hosts")
    lines += profile.completeness.lines(style.units)
    out.write("".join(one_line(line) + "\n" for line in lines))


def _heading(host: Host, profile: Profile, names: dict[str, str], style: Style) -> list[str]:
    called = host.called or names.get(host.addresses[0], "")
    who = ", ".join(host.addresses)
    coverage = profile.coverage
    where = f"{profile.interface} on {coverage.hosts[0]}" if coverage.hosts else profile.interface
    lines = [f"{called} ({who})" if called else who, f"{where}, {host.period.said}" if host.period.said else where]
    if coverage.end_ns:
        lines.append(when(coverage))
    return [*lines, _said(profile.moved, profile.packets, style)]


def _said(moved: Moved, packets: Moved, style: Style) -> str:
    """Without packets where these are not known."""
    told = []
    for verb, size, count in (("received", moved.into, packets.into), ("sent", moved.out, packets.out)):
        known = f" in {units.count(count, style.units)} packet{'s' * (count != 1)}" if count else ""
        told.append(f"{verb} {units.size(size, style.units)}{known}")
    return ", ".join(told)


def _figures(moved: Moved, style: Style) -> tuple[str, ...]:
    if style.units == "bytes":
        return str(moved.into), str(moved.out), str(moved.all)
    return tuple(units.size(value, style.units) for value in (moved.into, moved.out, moved.all))


def _peers(peers: list[Peer], count: int, names: dict[str, str], style: Style) -> list[str]:
    rows = [(names.get(it.address, it.address), it.scope, *_figures(it.moved, style)) for it in peers]
    return _table(("With", "Scope", *_FIGURES), 2, rows, count, "hosts", style)


def _services(services: list[Service], count: int, style: Style) -> list[str]:
    rows = [(*_service(it, style.numeric), *_figures(it.moved, style)) for it in services]
    return _table(("Service", "Proto", *_FIGURES), 2, rows, count, "services", style)


def _service(service: Service, numeric: bool) -> tuple[str, str]:
    port, proto = service.port, service.proto
    if not port:
        return "-", "-" if proto is None else str(proto) if numeric else protocol_name(proto)
    if numeric:
        return str(port), "-" if proto is None else str(proto)
    return service_name(port, proto), "-" if proto is None else protocol_name(proto)


def _times(profile: Profile, out: TextIO, style: Style) -> list[str]:
    """A bar for each bucket, as long as its bytes."""
    rows = [(bucket.label, *_figures(moved, style)) for bucket, moved in sorted(profile.times.items(), key=_begin)]
    if not rows:
        return []
    grid = Grid((profile.kind.capitalize(), *_FIGURES), 1, rows, "", style.width)
    room = style.width - len(grid.line(rows[0])) - 2
    most = max(moved.all for moved in profile.times.values())
    mark = "█" if is_fine(out) else "#"
    lines, watched_ns = [grid.line((profile.kind.capitalize(), *_FIGURES))], 0
    for row, (bucket, moved) in zip(rows, sorted(profile.times.items(), key=_begin), strict=True):
        if watched_ns and watched_ns < bucket.begin_ns:
            gap = bucket_of(profile.kind, watched_ns // SECOND)
            lines.append(f"{gap.label}  not watched for {units.span(bucket.begin_ns - watched_ns)}")
        watched_ns = bucket.end_ns
        length = -(-moved.all * room // most) if most and room >= _SHORTEST_BAR else 0
        lines.append(f"{grid.line(row)}  {mark * length}".rstrip())
    return [*lines, ""]


def _begin(item: tuple[Any, Moved]) -> int:
    begin: int = item[0].begin_ns
    return begin


def _table(
    titles: tuple[str, ...], words: int, rows: list[tuple[str, ...]], count: int, what: str, style: Style
) -> list[str]:
    if not rows:
        return []
    grid = Grid(titles, words, rows, "", style.width)
    left = [f"{count - len(rows)} more {what}; --top 0 shows all"] if count > len(rows) else []
    return [grid.line(titles), *map(grid.line, rows), *left, ""]


def write_json(host: Host, profiles: Sequence[Profile], out: TextIO) -> None:
    """One object; numbers are exact integers."""
    document = {
        "schema": SCHEMA,
        "host": {"addresses": list(host.addresses), "name": host.called or None},
        "period": host.period.said or None,
        "period_begin_ns": host.period.begin,
        "period_end_ns": host.period.end,
        "interfaces": [_profile(host, profile) for profile in profiles],
    }
    out.write(json.dumps(valid(document), indent=1) + "\n")


def _profile(host: Host, profile: Profile) -> dict[str, Any]:
    coverage, packets = profile.coverage, profile.packets
    return {
        "interface": profile.interface,
        "begin_ns": coverage.begin_ns or None,
        "end_ns": coverage.end_ns or None,
        "covered_ns": coverage.covered_ns,
        "live_ns": coverage.live_ns or None,
        **_sums(profile.moved),
        "packets_in": packets.into,
        "packets_out": packets.out,
        "peers": [{"address": it.address, "scope": it.scope, **_sums(it.moved)} for it in host.peers(profile)],
        "services": [{"port": it.port, "proto": it.proto, **_sums(it.moved)} for it in host.services(profile)[0]],
        "bucket": profile.kind,
        "times": [
            {"begin": bucket.name, "begin_ns": bucket.begin_ns, "end_ns": bucket.end_ns, **_sums(moved)}
            for bucket, moved in sorted(profile.times.items(), key=_begin)
        ],
        "remainder": profile.remainder[1],
        "adds_up": profile.completeness.adds_up,
    }


def _sums(moved: Moved) -> dict[str, int]:
    return {"in": moved.into, "out": moved.out, "all": moved.all}


def write_rows(host: Host, profiles: Sequence[Profile], form: flat.Form, out: TextIO, raw: BinaryIO) -> None:
    """A row for each peer, service and time of each interface.  raw: takes Parquet.  Raises NoArrow."""
    rows = [row for profile in profiles for row in _rows(_profile(host, profile))]
    context = {
        "schema": SCHEMA,
        "host": ",".join(host.addresses),
        "name": host.called or None,
        "period_begin_ns": host.period.begin,
        "period_end_ns": host.period.end,
        "adds_up": all(profile.completeness.adds_up for profile in profiles),
    }
    if form == "csv":
        flat.write_csv(tuple(COLUMNS), rows, out)
    elif form == "ndjson":
        flat.write_lines(context, rows, out)
    else:
        flat.write_parquet(COLUMNS, context, rows, raw)


def _rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = (("peer", document["peers"]), ("service", document["services"]), (document["bucket"], document["times"]))
    empty = dict.fromkeys(COLUMNS) | {"interface": document["interface"]}
    return [
        empty | {"what": what} | {name: value for name, value in row.items() if name in COLUMNS}
        for what, found in kinds
        for row in found
    ]
