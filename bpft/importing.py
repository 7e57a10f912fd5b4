"""Old logs and dumps appended to a log of today, each block once however often it is tried."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bpft.blockscan import Damage, scan
from bpft.heritage import OldFile
from bpft.logfile import LogWriter


class Imported(NamedTuple):
    """What became of a file."""

    blocks: int
    known: int  #: of them were in the log already
    records: int
    bytes: int


def append(old: OldFile, log: LogWriter, interface: str = "", host: str = "") -> Iterator[Imported]:
    """Append every block that the log does not hold yet; after each, what was done so far.

    Raises CannotRead, CannotWrite; what was appended stays, and is known when it is tried again.
    """
    there = _epochs(log.path)
    done = Imported(0, 0, 0, 0)
    for block in old.blocks(interface, host):
        if block.header.epoch in there:
            done = done._replace(blocks=done.blocks + 1, known=done.known + 1)
        else:
            table = block.table()
            log.append(block.header, table)
            there.add(block.header.epoch)
            done = Imported(done.blocks + 1, done.known, done.records + len(table), done.bytes + table.totals()[1])
        yield done


def _epochs(path: Path) -> set[bytes]:
    """What the intact blocks of a log stand for."""
    found: set[bytes] = set()
    if path.exists():
        for block in scan(path):
            if not isinstance(block, Damage):
                found.update(block.header.epochs or [block.header.epoch])
    return found
