"""What lies in the directories of logs and dumps: ends and recent blocks of logs, dumps and who holds them."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from bpft import access
from bpft.block import Block, find_end, read_block
from bpft.blockscan import backwards, scan
from bpft.doctor.facts import RECENT_NS, Dump, Log, RecentBlock
from bpft.errors import BlockDamaged, BpftError, CannotRead
from bpft.heritage import is_old
from bpft.holder import holder
from bpft.logfile import read_dump
from bpft.paths import DAMAGED, Paths
from bpft.record import NO_CLOCK_NS
from bpft.source import Source

_PREFIX = "trafd."
_MOST_BLOCKS = 2500  #: of a log: a week of saves each five minutes
_PATIENCE_S = 2.0  #: with somebody who is just appending


def logs(where: Paths, now_ns: int) -> Iterator[Log]:
    """Every file that bears the name of a log; a block that several hold is told once."""
    told: set[bytes] = set()
    for path in _files(where.logs):
        ext = path.name.removeprefix(_PREFIX)
        yield _log(Log(path, ext), now_ns, told)


def refusal(path: Path, mode: int) -> str:
    """What would open path to the caller; "": it is open."""
    if os.access(path, mode, effective_ids=True):
        return ""
    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return access.reading(path, refused).partition("; ")[2]


def _files(directory: Path) -> list[Path]:
    return sorted(it for it in directory.iterdir() if it.name.startswith(_PREFIX) and _is_regular(it))


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _log(log: Log, now_ns: int, told: set[bytes]) -> Log:
    try:
        source = Source(log.path)
        size = _settled_size(source)
        if size is None:
            return replace(log, busy=True)
        if not size:
            return log
        last, damage = _end(source, size)
        if last is None:
            return log if is_old(log.path) else replace(log, foreign=True)
        recent = tuple(_recent(last, now_ns - RECENT_NS, told))[::-1]
    except CannotRead as why:
        return replace(log, trouble=str(why.args[-1]), denied=refusal(log.path, os.R_OK))
    return replace(log, recent=recent, last=last.header, damage=damage)


def _settled_size(source: Source) -> int | None:
    """A length that no writer is at work on; None where one does not finish.  The lock is held for a moment only."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(source.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as why:
            if why.errno != errno.EWOULDBLOCK:
                return source.size  # a file system without locks
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
            continue
        size = source.size
        fcntl.flock(source.fileno(), fcntl.LOCK_UN)
        return size


def _end(source: Source, size: int) -> tuple[Block | None, str]:
    """The last block that is whole, and what is wrong behind it or with the one that is last."""
    start = find_end(source, size)
    if start is not None:
        try:
            block = read_block(source, start)
            block.verify()
        except (ValueError, BlockDamaged):
            pass
        else:
            return block, ""
    last, damage = None, ""
    for found in scan(source, check=False):
        if isinstance(found, Block):
            last, damage = found, ""
        else:
            damage = f"bytes {found.offset} to {found.offset + found.length} hold no whole block: {found.reason}"
    if last is not None and not damage:
        damage = f"its last block, at byte {last.offset}, is not as it was written"
    return last, damage


def _recent(last: Block, since_ns: int, told: set[bytes]) -> Iterator[RecentBlock]:
    """From the last block back to one that ended before since_ns, or to damage; undated ones may lie between."""
    for block in islice(chain([last], backwards(last.source, last.offset)), _MOST_BLOCKS):
        if NO_CLOCK_NS <= block.header.end_ns < since_ns:
            return
        if block.id not in told:
            told.add(block.id)
            yield RecentBlock(block.header, block.length)


# ---- dumps ----


def dumps(where: Paths, logs: Iterable[Log]) -> tuple[tuple[Dump, ...], tuple[Dump, ...]]:
    """The dumps, and those that a trafd could not read and set aside."""
    found, set_aside = [], []
    for path in _files(where.dumps):
        ext = path.name.removeprefix(_PREFIX)
        if "~" in ext and ext.endswith(DAMAGED):
            ext = ext.rpartition("~")[0]
            set_aside.append(Dump(path, ext, where.log(ext)))
        else:
            held = bool(holder(str(where.lock(ext))))
            found.append(_dump(Dump(path, ext, where.log(ext), held), logs))
    return tuple(found), tuple(set_aside)


def _dump(dump: Dump, logs: Iterable[Log]) -> Dump:
    if dump.held:
        return dump  # It is replaced at any moment, and safe.
    try:
        header = read_dump(dump.path).header
    except BpftError as why:
        return replace(dump, trouble=str(why.args[-1]), denied=refusal(dump.path, os.R_OK))
    saved = any(
        header.epoch in (it.epoch, *it.epochs) and it.end_ns >= header.end_ns
        for log in logs
        for it in (*(block.header for block in log.recent), *([log.last] if log.last else []))
    )
    return replace(dump, header=header, saved=saved)
