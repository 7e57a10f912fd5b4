"""What a former trafd left behind (SEMANTICS E6): resumed, appended as recovered, or known as saved already."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bpft import block, host, logfile, messages
from bpft.block import Block
from bpft.core import Table
from bpft.daemon.settings import Settings
from bpft.errors import BlockDamaged, CannotRead, NotALog
from bpft.lognames import siblings, sync_directory
from bpft.record import NO_CLOCK_NS, Header


def recover(settings: Settings, log: logfile.LogWriter) -> tuple[Table, Header] | None:
    """The dumped table that goes on, with its header; None: begin with an empty one.

    Call it with the lock of EXT held.  Raises CannotRead and CannotWrite: then the dump is still there.
    """
    path = settings.paths.dump(settings.ext)
    if not os.path.lexists(path):
        return None
    try:
        left = logfile.read_dump(path)
        table = block.load_table(left, settings.main_cap)
    except (BlockDamaged, NotALog) as why:
        _set_aside(settings, path, str(why))
        return None
    header = left.header
    _part_from(settings, path, left.length)
    if _saved_until(settings, header.epoch) >= header.end_ns:  # A later dump is a superset of an earlier block (E7).
        _remove(path)
        messages.info(f"{path}: is in the log already, removed")
        return None
    mismatch = _mismatch(settings, header)
    if settings.resume and not mismatch:
        messages.notice(f"{settings.interface}: goes on with {messages.count(len(table), 'record')} of {path}")
        return table, header
    if settings.resume:
        messages.warning(f"{path}: not resumed, {mismatch}; appended to the log instead")
    left_over = header._replace(source="recovered", role="save", min_all=settings.min_all)
    log.append(left_over, table, settings.min_all)
    _remove(path)
    messages.notice(f"{settings.interface}: appended {messages.count(len(table), 'record')} of {path} to the log")
    return None


def _mismatch(settings: Settings, header: Header) -> str:
    """Why the table of header cannot go on under these settings; "": it can."""
    if header.is_undated != (host.utc_ns() < NO_CLOCK_NS):
        return f"the clock was not set {'then' if header.is_undated else 'yet'}"
    for what, was, now in (
        ("interface", header.interface, settings.interface),
        ("filter", header.filter, settings.filter),
        ("key mode", header.key_mode, settings.key.name),
        ("prefix length", _prefixes(header.prefix_len), _prefixes(settings.key.prefix_len)),
    ):
        if was != now:
            return f"its {what} was {was or 'none'!r}, now it is {now or 'none'!r}"
    return ""


def _prefixes(bits: tuple[int, int] | None) -> str:
    return "{},{}".format(*bits) if bits else ""


def _saved_until(settings: Settings, epoch: bytes) -> int:
    """The end (UTC ns) of the latest block of an epoch in the log or a rotated sibling; -1: there is none.

    Every block of every sibling is looked at: a dump that could not be removed may be older than the last one.
    Modification times do not help, they are coarser than ours and clocks are set.
    """
    path = settings.paths.log(settings.ext)
    return max((end for file in (path, *siblings(path)) for end in _ends(file, epoch)), default=-1)


def _ends(path: Path, epoch: bytes) -> Iterator[int]:
    """The end of each block of an epoch in one file; a repaired one may lack what a dump of it has."""
    try:
        for found in logfile.scan(path, check=False):
            if not isinstance(found, Block) or epoch not in (found.header.epoch, *found.header.epochs):
                continue
            if found.header.source != "repaired" and _is_whole(found):
                yield found.header.end_ns
    except CannotRead:
        return  # No log yet, or a sibling that cannot be read: it cannot tell.


def _is_whole(found: Block) -> bool:
    try:
        found.verify()
    except BlockDamaged:
        return False
    return True


def _aside(settings: Settings) -> Path:
    """A name that is free, for what cannot be read."""
    names = (settings.paths.damaged(settings.ext, number) for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def _part_from(settings: Settings, path: Path, length: int) -> None:
    """Bytes behind the block of a dump, which ends at length, get a file of their own; the block is as good as ever."""
    aside = _aside(settings)
    try:
        with path.open("rb+") as dump:
            if dump.seek(0, os.SEEK_END) == length:
                return
            dump.seek(length)
            with aside.open("xb") as rest:
                shutil.copyfileobj(dump, rest)
                rest.flush()
                os.fsync(rest.fileno())
            sync_directory(path.parent)
            dump.truncate(length)
            os.fsync(dump.fileno())
    except OSError as why:
        aside.unlink(missing_ok=True)
        messages.warning(f"{path}: bytes follow its block, which is used without them: {why.strerror}")
    else:
        messages.warning(f"{path}: bytes follow its block, which is used without them; kept as {aside}")


def _set_aside(settings: Settings, path: Path, why: str) -> None:
    """An unreadable dump keeps its bytes."""
    aside = _aside(settings)
    try:
        os.rename(path, aside)  # noqa: PTH104 - as os.X, so that a test can make it fail
    except OSError as error:
        raise CannotRead(path, f"is damaged ({why}) and cannot be renamed: {error.strerror}") from None
    messages.error(f"{why}; kept as {aside}")


def _remove(path: Path) -> None:
    try:
        os.unlink(path)  # noqa: PTH108 - as os.X, so that a test can make it fail
    except OSError as why:
        messages.warning(f"{path}: cannot be removed: {why.strerror}")  # Its epoch tells that it is stale (E7).
