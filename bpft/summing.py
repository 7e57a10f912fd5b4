"""What a block made of several says of itself: their sums, what they agree on, and the time that one did not watch."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from bpft.record import Counters, Header, InterfaceDelta, SourceKind
from bpft.series import joined

Span = tuple[int, int]  #: UTC nanoseconds, begin and end

_WORD = (1 << 64) - 1  # sums wrap around, as those of records do
#: Two clocks that drift apart by more than this within an interval tell of a reboot or a step.
_SAME_BOOT_NS = 5_000_000_000
#: Fields that a sum keeps where all agree, and leaves unknown where they do not.
_COMMON = (
    "clock_synchronised",
    "zone",
    "host",
    "probe",
    "interface",
    "interface_index",
    "interface_alias",
    "mac",
    "mtu",
    "speed_mbit",
    "hardware",
    "loopback",
    "source_name",
    "engine",
    "counting",
    "filter",
    "snaplen",
    "key_mode",
    "prefix_len",
    "promiscuous",
    "software",
    "rules",
)
#: Sources that a sum still tells of, by a label: records may be missing, or have no packets.
_KEPT: tuple[SourceKind, ...] = ("repaired", "import")
_COUNTED = ("seen", "counted", "folded", "received", "dropped", "if_dropped")
_DELTA = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "covered_ns", "resets")


def same_kind(header: Header) -> tuple[object, ...]:
    """What must be equal in blocks that are summed, so that the sum means what each of them meant."""
    return (
        header.interface,
        header.filter,
        header.key_mode,
        header.prefix_len,
        header.counting,
        header.hardware,
        header.loopback,
        header.source == "file",
    )


def summed(headers: Sequence[Header]) -> Header:
    """The header of the sum of blocks of the same kind, in the order of their log; lineage is left to the caller."""
    first = headers[0]
    begin_ns, end_ns = min(header.begin_ns for header in headers), max(header.end_ns for header in headers)
    boot_begin_ns, boot_end_ns = _boot_times(headers, end_ns - begin_ns)
    one_machine = len({(header.host, header.probe) for header in headers}) == 1
    total = Header(**_agreed(headers))._replace(
        source=first.source if len(headers) == 1 or first.source == "file" else "compacted",
        sequence=max(header.sequence for header in headers),
        begin_ns=begin_ns,
        end_ns=end_ns,
        boot_begin_ns=boot_begin_ns,
        boot_end_ns=boot_end_ns,
        gaps=_unwatched(headers),
        link_types=_union(header.link_types for header in headers),
        prefixes=_union(header.prefixes for header in headers),
        min_all=max(header.min_all for header in headers),
        counters=_counters([header.counters for header in headers]),
        delta=_delta([header.delta for header in headers if header.delta is not None]),
        series=_series(headers) if one_machine and not _overlap(headers) else b"",
    )
    if any(header.clock_synchronised is False for header in headers):
        total = total._replace(clock_synchronised=False)
    return total._replace(labels=_labels(headers, total.source))


def _agreed(headers: Sequence[Header]) -> dict[str, Any]:
    """The _COMMON fields that all agree on."""
    first = headers[0]
    return {
        name: getattr(first, name)
        for name in _COMMON
        if all(getattr(header, name) == getattr(first, name) for header in headers)
    }


def _labels(headers: Sequence[Header], made: SourceKind) -> dict[str, str]:
    """Those that all agree on, and how many blocks of the _KEPT sources the sum stands for."""
    agreed = {
        name: text
        for name, text in headers[0].labels.items()
        if all(header.labels.get(name) == text for header in headers)
    }
    kept = {source: sum(header.made_of(source) for header in headers) for source in _KEPT if source != made}
    return agreed | {source: str(blocks) for source, blocks in kept.items() if blocks}


def _boot_times(headers: Sequence[Header], length_ns: int) -> tuple[int | None, int | None]:
    """Begin and end by the clock since boot, where one boot of one machine saw it all."""
    begins = [header.boot_begin_ns for header in headers if header.boot_begin_ns is not None]
    ends = [header.boot_end_ns for header in headers if header.boot_end_ns is not None]
    if not len(begins) == len(ends) == len(headers) or len({header.host for header in headers}) > 1:
        return None, None
    begin, end = min(begins), max(ends)
    if abs(length_ns - (end - begin)) > _SAME_BOOT_NS:
        return None, None
    return begin, end


def _unwatched(headers: Sequence[Header]) -> tuple[Span, ...]:
    """The gaps of each, and the time between them."""
    gaps = [gap for header in headers for gap in header.gaps]
    reach = None
    for begin, end in sorted((header.begin_ns, header.end_ns) for header in headers):
        if reach is not None and begin > reach:
            gaps.append((reach, begin))
        reach = end if reach is None else max(reach, end)
    joined: list[Span] = []
    for begin, end in sorted(gaps):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((begin, end))
    return tuple(joined)


def _series(headers: Sequence[Header]) -> bytes:
    try:
        return joined(*(header.series for header in headers))
    except ValueError:
        return b""  # One is of a kind not known here, which a reader may ignore.


def _overlap(headers: Sequence[Header]) -> bool:
    """Whether two of them tell of the same time, so that what an interface counted in it would be there twice."""
    spans = sorted((header.begin_ns, header.end_ns) for header in headers)
    return any(begin < end for (_, end), (begin, _) in pairwise(spans))


def _counters(each: Sequence[Counters]) -> Counters:
    skipped: dict[str, int] = {}
    direction: dict[str, tuple[int, int, int, int]] = {}
    for one in each:
        for reason, frames in one.skipped.items():
            skipped[reason] = (skipped.get(reason, 0) + frames) & _WORD
        for name, (a, b, c, d) in one.direction.items():
            e, f, g, h = direction.get(name, (0, 0, 0, 0))
            direction[name] = (a + e) & _WORD, (b + f) & _WORD, (c + g) & _WORD, (d + h) & _WORD
    return Counters(
        **{name: sum(getattr(one, name) for one in each) & _WORD for name in _COUNTED},
        first_ns=min((one.first_ns for one in each if one.first_ns), default=0),
        last_ns=max(one.last_ns for one in each),
        skipped=skipped,
        direction=direction,
    )


def _delta(each: Sequence[InterfaceDelta]) -> InterfaceDelta | None:
    if not each:
        return None
    return InterfaceDelta(**{name: sum(getattr(one, name) for one in each) & _WORD for name in _DELTA})


def _union(lists: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(item for items in lists for item in items))
