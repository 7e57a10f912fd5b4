"""The Python interface: open logs, dumps, captures and files of old BPFTs, and take blocks and records out of them."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bpft.chunk import Chunk, chunks_of
from bpft.config import places
from bpft.core import Table
from bpft.errors import BlockDamaged, UsageError
from bpft.paths import environment_root
from bpft.record import Header, Record
from bpft.report.group import VERSIONS
from bpft.report.part import Part
from bpft.report.period import SECOND, EmptyPeriod, Period, read_begin, read_end
from bpft.report.source import Sources
from bpft.report.where import Where

if TYPE_CHECKING:
    from bpft.core import Version

#: UTC nanoseconds, a datetime (local where it has no zone), or text as ``bpft report --begin`` takes it; None: open.
When: TypeAlias = int | datetime | str | None
#: raw: records as they are; key: without direction and VLAN, summed within each block.
By: TypeAlias = Literal["raw", "key"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE = 65536  #: records of a table that is read in pieces


class DamageWarning(UserWarning):
    """Something could not be read and is left out; the text says where and why."""


def open(*files: str | os.PathLike[str]) -> Log:
    """Everything in files, told apart by content; without files, all that trafd recorded here.

    Nothing is ever counted twice: of a dump and its save only the later counts.  Damage is passed over with a
    DamageWarning.  Raises CannotRead, NotACapture and NothingRecorded (all BpftError).
    """
    return Log(sources_of([os.fspath(name) for name in files]))


def sources_of(files: Sequence[str], root: str = "") -> Sources:
    """What files hold, of which an empty one is a log without blocks; without files, all that trafd recorded.

    root: where that lies below; "": BPFT_ROOT.  Raises CannotRead, NotACapture and NothingRecorded.
    """
    sources = Sources()
    for name in files:
        if not _is_empty(name):
            sources.add(name)
    if not files:
        sources.add_recorded(places(root or environment_root()))
    return sources


def _is_empty(name: str) -> bool:
    try:
        found = Path(name).stat()
    except OSError:
        return False  # Whoever opens it says why.
    return stat.S_ISREG(found.st_mode) and not found.st_size


class Block:
    """One block: an interval of one interface, and its records."""

    def __init__(self, part: Part) -> None:
        self._part = part

    @property
    def header(self) -> Header:
        """Everything that it says about itself."""
        return self._part.header

    @property
    def path(self) -> str:
        """The file it is in, as it was named."""
        return self._part.origin

    @property
    def id(self) -> bytes:
        """The hash of its bytes, 16 bytes; a capture has none."""
        content = self._part.content
        return b"" if isinstance(content, Table) else content.id

    @property
    def rows(self) -> int:
        """How many records."""
        content = self._part.content
        return len(content) if isinstance(content, Table) else content.rows

    @property
    def begin(self) -> datetime:
        """In UTC, to the microsecond; header.begin_ns is exact."""
        return _EPOCH + timedelta(microseconds=self.header.begin_ns // 1000)

    @property
    def end(self) -> datetime:
        """In UTC, to the microsecond; header.end_ns is exact."""
        return _EPOCH + timedelta(microseconds=self.header.end_ns // 1000)

    def chunks(self, where: str | Where = "", by: By = "raw") -> Iterator[Chunk]:
        """Its records, up to 65,536 at a time.  Every byte of the block is checked first.

        where: a tcpdump expression over records, as for ``bpft report --where``.
        Raises BlockDamaged, BadExpression also where the records do not know what the expression asks, and UsageError
        where by is neither.
        """
        _check(by)
        found = self._selected(Where(where) if isinstance(where, str) and where else where or None)
        if by == "raw":
            for version, records in found:
                yield from chunks_of(version, records)
            return
        table = Table()
        for version, records in found:
            table.add_records(version, records, "key")
        for version in VERSIONS:
            view = table.view(version)
            for start in range(0, len(view), _AT_ONCE):
                yield from chunks_of(version, view.records(start, _AT_ONCE))

    def records(self, where: str | Where = "", by: By = "raw") -> Iterator[Record]:
        """Its records, one at a time; see chunks()."""
        for chunk in self.chunks(where, by):
            yield from chunk.records()

    def _selected(self, where: Where | str | None) -> Iterator[tuple[Version, bytes]]:
        self._part.verify()
        for piece in self._part.pieces():
            if not isinstance(where, Where):
                yield piece.version, piece.records
                continue
            if not piece.other:
                where.refuse_unknown(self.path, self.header.key_mode, piece.has_ports, piece.has_proto)
            yield piece.version, where.select(piece.version, piece.records)


class Log:
    """Any number of blocks, of any number of files."""

    def __init__(self, sources: Sources, tell: Callable[[str], None] | None = None) -> None:
        """tell: is told what could not be read, a line each, instead of a DamageWarning."""
        self._sources = sources
        self._tell = tell or _warn
        self._told: set[str] = set()
        self._tell_troubles()

    @property
    def troubles(self) -> list[str]:
        """What could not be read so far, a line each."""
        return list(self._sources.troubles)

    def blocks(
        self, begin: When = None, end: When = None, interface: str | Iterable[str] | None = None
    ) -> Iterator[Block]:
        """The blocks whose interval has its middle in [begin, end), on one of the interfaces (SEMANTICS R4).

        A date alone as end means its last instant.  Raises UsageError where one of them is of another type.
        """
        period = _period(begin, end)
        wanted = _interfaces(interface)
        for part in self._sources.parts():
            header = part.header
            if (wanted is None or header.interface in wanted) and period.takes(header):
                yield Block(part)
        self._tell_troubles()

    def chunks(
        self,
        begin: When = None,
        end: When = None,
        where: str = "",
        interface: str | Iterable[str] | None = None,
        by: By = "raw",
    ) -> Iterator[tuple[Block, Chunk]]:
        """The records of blocks(), each chunk with its block; a damaged block is passed over with a warning."""
        _check(by)
        expression = Where(where) if where else ""
        for block in self.blocks(begin, end, interface):
            try:
                for chunk in block.chunks(expression, by):
                    yield block, chunk
            except BlockDamaged as error:
                self._sources.troubles.append(str(error))
                self._tell_troubles()

    def records(
        self,
        begin: When = None,
        end: When = None,
        where: str = "",
        interface: str | Iterable[str] | None = None,
        by: By = "raw",
    ) -> Iterator[Record]:
        """The records of blocks(); a damaged block is passed over with a warning."""
        for _, chunk in self.chunks(begin, end, where, interface, by):
            yield from chunk.records()

    def arrow(
        self,
        begin: When = None,
        end: When = None,
        where: str = "",
        interface: str | Iterable[str] | None = None,
        by: By = "raw",
    ) -> Any:
        """The records as a pyarrow.RecordBatchReader, with the columns of ``bpft export``.

        Pandas, polars and DuckDB take it as it is.  Raises NoArrow where pyarrow is not installed.
        """
        from bpft import arrow

        pa = arrow.load("Arrow")
        batches = (
            arrow.batch(pa, *context(block.header), chunk)
            for block, chunk in self.chunks(begin, end, where, interface, by)
        )
        return pa.RecordBatchReader.from_batches(arrow.schema(pa), batches)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow().__arrow_c_stream__(requested_schema)

    def _tell_troubles(self) -> None:
        for trouble in self._sources.troubles:
            if trouble not in self._told:
                self._told.add(trouble)
                self._tell(trouble)


def context(header: Header) -> tuple[int, int, str, str]:
    """What every record of a block shares in an export: begin and end in UTC nanoseconds, interface, host."""
    interface, host = (name.encode("utf-8", "replace").decode() for name in (header.interface, header.host))
    return header.begin_ns, header.end_ns, interface, host


def _warn(trouble: str) -> None:
    warnings.warn(trouble, DamageWarning, stacklevel=4)


def _check(by: By) -> None:
    if by not in ("raw", "key"):
        raise UsageError(f"by {by!r}: use 'raw' or 'key'")


def _period(begin: When, end: When) -> Period:
    now = datetime.now().astimezone()
    last = _instant("end", end, lambda text: read_end("end", text, now))
    first = _instant("begin", begin, lambda text: read_begin("begin", text, now, last))
    if first is not None and last is not None and first >= last:
        raise EmptyPeriod(begin, end)
    return Period(first, last)


def _instant(option: str, when: When, read: Callable[[str], int | None]) -> int | None:
    if isinstance(when, datetime):
        try:
            whole = when.astimezone().replace(microsecond=0)
        except (ValueError, OverflowError):  # of a local time in the first or last year there is
            raise UsageError(f"{option} {when} is too far away") from None
        return int(whole.timestamp()) * SECOND + when.microsecond * 1000
    if isinstance(when, str):
        return read(when)
    if when is None or (isinstance(when, int) and not isinstance(when, bool)):
        return when
    raise UsageError(f"{option} {when!r} is no time: use UTC nanoseconds, a datetime, text or None")


def _interfaces(interface: str | Iterable[str] | None) -> set[str] | None:
    """The names asked for; None: all."""
    if interface is None:
        return None
    with suppress(TypeError):
        names = {interface} if isinstance(interface, str) else set(interface)
        if all(isinstance(name, str) for name in names):
            return names
    raise UsageError(f"interface {interface!r} is no name: use text, several texts or None")
