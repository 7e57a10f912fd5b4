"""bpft compact and bpft forget: logs made smaller with age, what is too old and addresses taken out; sums stay exact.

Both write a new file and put it in the place of the log in one step, while a daemon may be appending to it.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from bpft import core
from bpft.block import Block
from bpft.blockscan import scan
from bpft.derive import Collection, Plan, collect, remade
from bpft.errors import BpftError, CannotWrite, NotALog, UsageError
from bpft.newfile import replace_log, write_log
from bpft.record import Header
from bpft.rotation import middle
from bpft.source import Source
from bpft.span import age_h
from bpft.summing import same_kind

Unit = Literal["hour", "day", "month"]
#: The kind of blocks that were recorded before the clock was set: never summed, for nobody knows the day.
UNDATED = ("undated",)

_SECOND = 1_000_000_000


class Damaged(BpftError):
    """{0}: {1} bytes at byte {2} hold no whole block ({3}); first make a repaired copy: bpft verify --repair"""


class DumpInUse(BpftError):
    """{0} is the dump of a trafd that runs; stop it first: trafstop"""


class Remade(NamedTuple):
    """What became of a file."""

    read: int  #: blocks
    written: int
    changed: int  #: blocks that were summed or edited
    length_before: int  #: bytes
    length: int
    troubles: list[str]  #: what of it could not be read, a line each

    @property
    def is_other(self) -> bool:
        """Whether anything changed."""
        return bool(self.changed) or self.written < self.read


# ---- compact ----


class Reduction(NamedTuple):
    """Keys made coarser: an Edit."""

    drop_ports: bool = False
    prefix_len: tuple[int, int] | None = None  #: bits of IPv4 and IPv6 addresses that stay

    def header(self, header: Header) -> Header:
        """What a block says of itself then: the same object where nothing changes."""
        ports, plus, vlan = header.key_mode.partition("+")
        key_mode = f"no-ports{plus}{vlan}" if self.drop_ports and ports != "addresses" else header.key_mode
        cut = self._cut(header)
        if (key_mode, cut) == (header.key_mode, header.prefix_len):
            return header
        return header._replace(key_mode=key_mode, prefix_len=cut, source=_kept_source(header))

    def _cut(self, header: Header) -> tuple[int, int] | None:
        if self.prefix_len is None:
            return header.prefix_len
        was = header.prefix_len or (32, 128)
        cut = min(was[0], self.prefix_len[0]), min(was[1], self.prefix_len[1])
        return header.prefix_len if cut == was else cut

    def records(self, version: "core.Version", records: bytes, header: Header) -> bytes:
        """All records at once, as one large number: their keys without what goes."""
        size, bits = (4, 32) if version == 4 else (16, 128)
        keep = bits if self.prefix_len is None else self.prefix_len[0 if version == 4 else 1]
        address = (((1 << keep) - 1) << (bits - keep)).to_bytes(size, "big")
        ports = bytes(4) if self.drop_ports else b"\xff" * 4
        tail = b"\xff" * (2 + 2 + 24)  # protocol and flags, VLAN, sums
        flags = bytes(2 * size + 5) + bytes([core.NO_PORTS if self.drop_ports else 0]) + bytes(2 + 24)
        mask = address * 2 + ports + tail
        rows = len(records) // len(mask)
        number = int.from_bytes(records, "little")
        number &= int.from_bytes(mask * rows, "little")
        number |= int.from_bytes(flags * rows, "little")
        return number.to_bytes(len(records), "little")


def _kept_source(header: Header) -> Literal["file", "compacted"]:
    return "file" if header.source == "file" else "compacted"


def age(text: str) -> timedelta:
    """An age as 31d, 12h, 4w or 2y.  Raises UsageError."""
    hours = age_h(text)
    if hours is None:
        raise UsageError(f"--older-than {text!r}: use a number and h, d, w or y, as 31d")
    return timedelta(hours=hours)


def period_of(header: Header, unit: Unit, tz: tzinfo | None) -> tuple[int, int]:
    """Begin and end, UTC seconds, of the hour, day or month of a zone that a block belongs to (SEMANTICS R4)."""
    moment = middle(header, tz).replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        return int(moment.timestamp()), int(moment.timestamp()) + 3600
    first = datetime(moment.year, moment.month, moment.day if unit == "day" else 1)
    after = first + timedelta(days=1 if unit == "day" else 31)
    if unit == "month":
        after = after.replace(day=1)
    begin, end = (int(naive.replace(tzinfo=tz).timestamp()) for naive in (first, after))
    return begin, end


class Compaction(NamedTuple):
    """Which blocks become what."""

    cutoff_s: float  #: UTC seconds: only what lies before it whole is touched
    unit: Unit | None = None  #: None: every block for itself
    zone: tzinfo | None = None
    reduction: Reduction | None = None

    def look(self, block: Block) -> tuple[tuple[object, ...], bool]:
        """For collect(): () as kind of a block that is too young."""
        header = block.header
        after = self.reduction.header(header) if self.reduction else header
        if header.is_undated:
            return UNDATED, after is not header
        if self.end_ns(header) > self.cutoff_s * _SECOND:
            return (), False
        period = period_of(header, self.unit, self.zone) if self.unit else None
        return (period, header.host, header.probe, *same_kind(after)), after is not header

    def end_ns(self, header: Header) -> int:
        """What has to lie before the cutoff: the end of its period, else its middle."""
        if self.unit:
            return period_of(header, self.unit, self.zone)[1] * _SECOND
        return (header.begin_ns + header.end_ns) // 2

    def plans(self, found: Collection, keep_last: bool) -> list[Plan]:
        """What is to be written, each sum where the first of its blocks was.  keep_last: the last stays as it is."""
        kin = found.lineage()
        if kin.torn:
            kin.counts = sorted([*kin.counts, *kin.torn])  # they stay, and the report tells
        plans: list[Plan] = []
        sums: dict[tuple[object, ...], Plan] = {}
        ends = _ends(found)
        for place in kin.counts:
            entry = found.entries[place]
            void = [found.entries[other].mark for other in kin.stands_for.get(place, ())]
            dated = entry.kind != UNDATED
            old = bool(entry.kind) if dated else ends[place] <= self.cutoff_s * _SECOND
            old = old and place not in kin.torn and not (keep_last and place == kin.counts[-1])
            plan = sums.get(entry.kind) if old and self.unit else None
            if plan is None:
                plan = Plan([entry], void)
                plans.append(plan)
                if old and dated:
                    sums[entry.kind] = plan
            else:
                plan.entries.append(entry)
                plan.void += void
            if old and entry.edited:
                plan.edit = self.reduction
        return plans


def compact(path: Path, compaction: Compaction, out: Path | None = None) -> Remade:
    """Roll old blocks of a log up, in place or into out.  Raises BpftError; then the log is as it was."""
    found = collect([Source(path)], compaction.look)
    return _remake(path, found, lambda keep_last: compaction.plans(found, keep_last), out)


def oldest(path: Path, compaction: Compaction, length: int) -> tuple[float, int]:
    """A cutoff (UTC seconds) below compaction's, such that so many bytes of blocks that it would change lie before it.

    And how many they are: less where there are not so many, 0 where it would change nothing.  Raises CannotRead.
    """
    kinds: dict[tuple[object, ...], list[Block]] = {}
    edited: set[tuple[object, ...]] = set()
    for block in scan(path, check=False):
        if isinstance(block, Block):
            kind, edit = compaction.look(block)
            kinds.setdefault(kind, []).append(block)
            edited |= {kind} if edit else set()
    found = sorted(
        (max(compaction.end_ns(block.header) for block in blocks), sum(block.length for block in blocks))
        for kind, blocks in kinds.items()
        if kind not in ((), UNDATED) and (kind in edited or (compaction.unit and len(blocks) > 1))
    )
    end, bytes_ = 0, 0
    for end_ns, more in found:
        end, bytes_ = end_ns // _SECOND + 1, bytes_ + more
        if bytes_ >= length:
            break
    return end, bytes_


def expire(path: Path, cutoff_s: float) -> Remade:
    """Delete the blocks of a log that end before an instant (UTC seconds).  Raises BpftError; then it is as it was.

    The last block of a log that trafd appends to stays: the next one goes on from it.
    """
    found = collect([Source(path)], lambda block: (UNDATED if block.header.is_undated else (), False))
    ends = _ends(found)

    def plans(keep_last: bool) -> list[Plan]:
        last = len(found.entries) - 1
        return [
            Plan([entry])
            for place, entry in enumerate(found.entries)
            if ends[place] > cutoff_s * _SECOND or (keep_last and place == last)
        ]

    return _remake(path, found, plans, None)


def _ends(found: Collection) -> list[int]:
    """When each block ended, UTC ns; of an undated one it is known only that it lies before the next that is dated."""
    ends, end = [], 1 << 63
    for entry in reversed(found.entries):
        if entry.kind != UNDATED:
            end = entry.end_ns
        ends.append(end)
    return ends[::-1]


# ---- forget ----


class Forgetting(NamedTuple):
    """Records of an address become a part of the remainder: an Edit."""

    net: IPv4Network | IPv6Network

    def header(self, header: Header) -> Header:
        """Nothing is said about it: that a block replaces another tells enough."""
        return header

    def look(self, block: Block) -> tuple[tuple[object, ...], bool]:
        """For collect(): whether the block knows the address."""
        return (), any(
            self._mine(group.version, block.header) and self._filter("").select(group.version, group.records())
            for group in block.groups()
        )

    def records(self, version: "core.Version", records: bytes, header: Header) -> bytes:
        """The records of others, then what is to become a part of the remainder.

        The remainder itself is in row groups of its own, where no filter selects anything.
        """
        if not self._mine(version, header):
            return records
        forgotten = self._filter("").select(version, records)
        if not forgotten:
            return records
        size, key = (40, 16) if version == 4 else (64, 40)
        remainder = bytearray(key)
        remainder[-3] = core.OTHER | core.NO_PORTS | core.NO_PROTO
        folded = b"".join(remainder + forgotten[at + key : at + size] for at in range(0, len(forgotten), size))
        return self._filter("not ").select(version, records) + folded

    def _mine(self, version: int, header: Header) -> bool:
        """Whether records of this version can know the address: not where they were cut to less of it."""
        if version != self.net.version:
            return False
        cut = (header.prefix_len or (32, 128))[0 if version == 4 else 1]
        return self.net.prefixlen <= cut

    def _filter(self, negation: str) -> core.RecordFilter:
        return core.RecordFilter(f"{negation}net {self.net}")


def network(text: str) -> IPv4Network | IPv6Network:
    """The address or network named.  Raises UsageError."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise UsageError(f"{error}; use an address or a network as 192.0.2.0/24") from None


def forget(path: Path, net: IPv4Network | IPv6Network) -> Remade:
    """Take an address out of every block of a log or dump, in place.  Raises BpftError; then the file is as it was."""
    edit = Forgetting(net)
    with _dump_at_rest(path):
        found = collect([Source(path)], edit.look)

        def plans(_: bool) -> list[Plan]:
            return [Plan([entry], [], edit if entry.edited else None) for entry in found.entries]

        return _remake(path, found, plans, None)


@contextmanager
def _dump_at_rest(path: Path) -> Iterator[None]:
    """The lock of EXT, where path is a dump beside its log: a daemon replaces its dump without asking (E8)."""
    lock = path.absolute().parent.parent / f".{path.name}.lock"
    if not lock.is_file():
        yield
        return
    with lock.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DumpInUse(path) from None
        yield


# ---- both ----


def _remake(path: Path, found: Collection, planned: Callable[[bool], list[Plan]], out: Path | None) -> Remade:
    """Write what is planned.  planned: is told whether the last block has to stay."""
    if not found.entries:
        if found.damages or Source(path).size:
            raise NotALog(path, "it holds no block of a log")
        if out is not None:
            raise NotALog(path, f"it is empty, and {out} is not made")
        return Remade(0, 0, 0, 0, 0, [])
    if out is None:
        _refuse_loss(path, found)
    troubles = [
        f"{path}: {damage.length} bytes at byte {damage.offset} are left out: {damage.reason}"
        for _, damage in found.damages
    ]
    source = found.entries[0].source
    plans = planned(out is None and _is_owned(path))
    changed = sum(len(plan.entries) for plan in plans if not plan.is_copy)
    pieces = chain.from_iterable(remade(plan, keep_role=True) for plan in plans)
    before = source.size
    if out is not None:
        length = write_log(out, pieces)
    elif changed or len(plans) < len(found.entries):
        length = replace_log(source, found.end, pieces)
    else:
        length = before
    return Remade(len(found.entries), len(plans), changed, before, length, troubles)


def _refuse_loss(path: Path, found: Collection) -> None:
    """What cannot be read here would be gone with the file that holds it."""
    if path.is_symlink():
        raise CannotWrite(path, "is a link; name the file itself")
    for _, damage in found.damages:
        if damage.newer:
            raise NotALog(path, f"the block at byte {damage.offset} cannot be kept: {damage.reason}")
        raise Damaged(path, damage.length, damage.offset, damage.reason)


def _is_owned(path: Path) -> bool:
    """Whether trafd appends to it: its lock lies beside.

    What was dumped last may be later than the last block (E7): as long as that is itself, nothing counts twice.
    """
    return path.with_name(f".{path.name}.lock").exists()
