"""The blocks of the last weeks, of all that is recorded here: logs are read from their ends, no further than needed."""

from collections.abc import Iterator
from pathlib import Path

from bpft import blockscan
from bpft.block import Block
from bpft.blockscan import Damage
from bpft.errors import CannotRead
from bpft.lineage import lineage, mark
from bpft.lognames import recorded
from bpft.paths import Paths
from bpft.record import Header
from bpft.report import live
from bpft.source import Source


def recent(where: Paths, since_ns: int, troubles: list[str]) -> tuple[list[Block], set[tuple[str, str]]]:
    """(blocks that reach beyond an instant, each epoch once (SEMANTICS E7); (interface, host) that are counted now).

    Of each file the last block comes as well, be it older.  troubles: is given a line for each daemon that does not
    answer, each file or directory that cannot be read, and each damage behind the instant.
    """
    found = live.tables(where, (), troubles.append)  # before dumps, and those before logs: nothing falls between
    counted = {(block.header.interface, block.header.host) for block in found}
    for directory in (where.dumps, where.logs):
        try:
            paths = recorded(directory)
        except CannotRead as error:
            troubles.append(str(error))
            continue
        for path in paths:
            try:
                found += _last(path, since_ns, troubles)
            except CannotRead as error:
                if path.exists():  # else a save has just taken it
                    troubles.append(str(error))
    return [found[place] for place in lineage([mark(block) for block in found]).counts], counted


def _last(path: Path, since_ns: int, troubles: list[str]) -> Iterator[Block]:
    """The blocks of a file that reach beyond an instant, and the last one."""
    source = Source(path)
    kept = False
    for found in _backwards(source):
        if isinstance(found, Damage):
            troubles.append(f"{path}: {found.length} bytes at byte {found.offset} are left out: {found.reason}")
        elif found.header.end_ns > since_ns or not kept:
            kept = True
            yield found
        elif _is_in_order(found.header):
            return


def _backwards(source: Source) -> Iterator[Block | Damage]:
    """From the end on; where damage is met, what lies before it is looked for from the start."""
    end = yield from blockscan.backwards(source, source.size)
    if end:
        yield from reversed([found for found in blockscan.scan(source, check=False) if found.offset < end])


def _is_in_order(header: Header) -> bool:
    """Whether blocks before it in a log are older: not so where it was imported, or its clock was not set."""
    return not header.is_undated and not header.made_of("import")
