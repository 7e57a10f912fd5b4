"""What a report reads: logs, dumps, captures and files of old BPFTs, recognised by content (SEMANTICS R1, E7)."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bpft import blockscan
from bpft.blockscan import Damage
from bpft.core import Table
from bpft.errors import BlockDamaged, BpftError, CannotRead, NotACapture
from bpft.lineage import decisive, lineage, mark
from bpft.lognames import recorded
from bpft.paths import Paths
from bpft.record import Header
from bpft.report.part import Part
from bpft.report.stream import START, Stream
from bpft.report.units import moment
from bpft.source import Source

_RESTLESS_S = 2.0  # a log that was written to so lately may be in the middle of a block
_AGAIN_S = 0.05


class NothingRecorded(BpftError):
    """nothing is recorded in {0} yet; start recording with: trafstart"""


class NothingReadable(NothingRecorded):
    """{1}; nothing else is recorded in {0}"""


@dataclass(slots=True)
class Sources:
    """Everything that is to be read; troubles: what could not be, a line each."""

    troubles: list[str] = field(default_factory=list)
    advance: Callable[[int], None] | None = None  #: of every part
    _blocks: list[Part] = field(default_factory=list)
    _captures: list[str | Stream] = field(default_factory=list)
    _held: list[Part] = field(default_factory=list)  # captures that were metered
    _counting: list[Part] | None = None  # those of the blocks that count; None: not looked for yet

    def add(self, name: str) -> None:
        """Look what a file holds, "-" being standard input; raises BpftError where it can be no source at all."""
        if not name:
            raise CannotRead("''", "an empty name is no file")
        if name == "-" or not _is_regular(name):
            self._add_stream(Stream(name))
            return
        start = _start(name)
        if blockscan.sniff(start):
            self._add_blocks(name)
        elif reason := _no_capture(name):
            self._add_other(name, start, reason)
        else:
            self._captures.append(name)

    def add_running(self, paths: Paths, interfaces: Collection[str] = ()) -> None:
        """What the daemons that run hold now; interfaces: only theirs.

        Before add_recorded(): what a save takes from a table after this is found in the log then, as the later state
        of the same epoch.
        """
        from bpft.report import live

        self._blocks += [
            Part(f"the running trafd of {block.header.interface}", block.header, block, is_live=True)
            for block in live.tables(paths, interfaces, self.troubles.append)
        ]

    def add_recorded(self, paths: Paths) -> None:
        """All that trafd keeps.  Dumps first: what a save takes from a dump meanwhile is then found in the log.

        Logs until there is no new name among them: one that is set aside meanwhile is found under its new one.
        What may not be read is among the troubles; CannotRead where there is nothing else, NothingReadable where all
        is damaged or of a later version.
        """
        unread: dict[str, CannotRead] = {}
        troubles = len(self.troubles)
        for path in _listed(paths.dumps, unread):
            self._add_unless_gone(path, unread)
        known: set[Path] = set()
        while new := [path for path in _listed(paths.logs, unread) if path not in known]:
            known.update(new)
            for path in new:
                self._add_log(path, unread)
        if not self._blocks:
            if len(self.troubles) > troubles and not unread:
                raise NothingReadable(paths.logs, self.troubles.pop())
            raise next(iter(unread.values()), NothingRecorded(paths.logs))
        self.troubles += unread

    def _add_log(self, path: Path, unread: dict[str, CannotRead]) -> None:
        """What a save is writing at this moment looks torn until it is whole."""
        give_up = time.monotonic() + _RESTLESS_S
        blocks, troubles = len(self._blocks), len(self.troubles)
        self._add_unless_gone(path, unread)
        while len(self.troubles) > troubles and time.monotonic() < give_up and _is_restless(path):
            time.sleep(_AGAIN_S)
            del self._blocks[blocks:], self.troubles[troubles:]
            self._add_unless_gone(path, unread)

    def _add_unless_gone(self, path: Path, unread: dict[str, CannotRead]) -> None:
        try:
            self._add_blocks(str(path))
        except CannotRead as why:
            if path.exists():
                unread[str(why)] = why

    def interfaces(self, takes: Callable[[Header], bool]) -> list[str]:
        """The interfaces of the blocks that count and that takes() says yes to, sorted; "": of a capture."""
        return sorted({part.header.interface for part in self._counted() if takes(part.header)})

    def headers(self) -> list[Header]:
        """What each block that counts says of itself."""
        return [part.header for part in self._counted()]

    def parts(self) -> Iterator[Part]:
        """Blocks, each epoch once (E7, also in what was made of them), then captures, metered one after the other."""
        for part in self._counted():
            part.advance = self.advance
            yield part
        yield from self._held
        for name in self._captures:
            yield self._metered(name)

    def hold(self) -> None:
        """Meter captures now, so that parts() can be asked for again: a pipe is read but once."""
        while self._captures:
            self._held.append(self._metered(self._captures.pop(0)))

    def _counted(self) -> list[Part]:
        if self._counting is None:
            self._counting = self._found()
        return self._counting

    def _found(self) -> list[Part]:
        """Those that count.  Only what is intact keeps others from being counted, so that alone is verified here."""
        intact: set[int] = set()
        while True:
            marks = [mark(part.content) for part in self._blocks if not isinstance(part.content, Table)]
            found = lineage(marks)
            doubtful = [self._blocks[place] for place in sorted(decisive(marks, found))]
            damaged = [id(part) for part in doubtful if id(part) not in intact and not self._is_intact(part)]
            if not damaged:
                break
            intact.update(id(part) for part in doubtful)
            self._blocks = [part for part in self._blocks if id(part) not in damaged]
        for place in found.torn:
            part = self._blocks[place]
            self.troubles.append(
                f"{part.origin}: the block of {part.header.interface or 'a capture'} that ends at "
                f"{moment(part.header.end_ns)} is left out: it stands in part for blocks that others stand for; "
                "report on what they were made of"
            )
        return [self._blocks[place] for place in found.counts]

    def _is_intact(self, part: Part) -> bool:
        try:
            part.verify()
        except BlockDamaged as error:
            self.troubles.append(str(error))
            return False
        return True

    @property
    def names(self) -> list[str]:
        """The files that are read, once for each of their blocks."""
        captures = (one.name if isinstance(one, Stream) else one for one in self._captures)
        return [*(part.origin for part in (*self._blocks, *self._held)), *captures]

    @property
    def rows(self) -> int:
        """Records in the blocks; how many captures will yield, nobody knows."""
        return sum(part.content.rows for part in self._blocks if not isinstance(part.content, Table))

    def rows_of(self, takes: Callable[[Header], bool]) -> int:
        """Records in the blocks that count and that takes() says yes to."""
        counted = (part for part in self._counted() if takes(part.header))
        return sum(part.content.rows for part in counted if not isinstance(part.content, Table))

    def _add_blocks(self, name: str, source: Source | None = None) -> int:
        """Every intact block of a file; returns how many."""
        before = len(self._blocks)
        for found in blockscan.scan(source or name, check=False):
            if isinstance(found, Damage):
                self.troubles.append(
                    f"{name}: {found.length} bytes at byte {found.offset} are left out: {found.reason}"
                )
            else:
                self._blocks.append(Part(name, found.header, found))
        return len(self._blocks) - before

    def _add_stream(self, stream: Stream) -> None:
        """A capture stays a stream, of any length; all else has to be read more than once."""
        if blockscan.sniff(stream.start):
            self._add_blocks(stream.shown, stream.spooled())
            return
        with stream.first() as descriptor:
            reason = _no_capture(stream.shown, descriptor)
        if reason:
            self._add_other(stream.shown, stream.start, reason, stream.spooled())
        else:
            self._captures.append(stream)

    def _add_other(self, name: str, start: bytes, reason: str, source: Source | None = None) -> None:
        """A log whose start is damaged, or what an old BPFT wrote; reason: why it is no capture."""
        troubles = len(self.troubles)
        if self._add_blocks(name, source):
            return
        del self.troubles[troubles:]
        if not self._add_old(name, source):
            from bpft.report.captured import what_else

            raise NotACapture(name, what_else("" if source else name, start, reason))

    def _add_old(self, name: str, source: Source | None) -> bool:
        from bpft.heritage import NotOld, open_old

        try:
            old = open_old(source or name)
        except NotOld:
            return False
        self._blocks += [Part(name, block.header, block) for block in old.blocks()]
        return True

    def _metered(self, capture: str | Stream) -> Part:
        from bpft.report.captured import metered

        return metered(capture, self.troubles)


def _no_capture(name: str, descriptor: int | None = None) -> str:
    """Why a file is no capture; empty: it is one."""
    from bpft.report.captured import no_capture  # a report on logs starts without the meter

    return no_capture(name, descriptor)


def _listed(directory: Path, unread: dict[str, CannotRead]) -> list[Path]:
    """The logs or dumps in a directory; why it cannot be looked into is noted."""
    try:
        return recorded(directory)
    except CannotRead as why:
        unread[str(why)] = why
        return []


def _is_restless(path: Path) -> bool:
    """Whether somebody wrote to it a moment ago."""
    try:
        return abs(time.time() - path.stat().st_mtime) < _RESTLESS_S
    except OSError:
        return False


def _is_regular(name: str) -> bool:
    try:
        mode = Path(name).stat().st_mode
    except OSError as error:
        raise CannotRead(name, _reason(name, error)) from error
    if stat.S_ISDIR(mode):
        raise CannotRead(name, "is a directory; name the files in it")
    return stat.S_ISREG(mode)


def _start(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            start = file.read(START)
    except OSError as error:
        raise CannotRead(name, _reason(name, error)) from error
    return start


def _reason(name: str, error: OSError) -> str:
    """What the system says, with what helps against it."""
    if isinstance(error, PermissionError):
        from bpft import access

        return access.reading(name, error)
    return (error.strerror or str(error)).lower()
