"""How fast a log grows, by its own blocks; and what it will take after a year of that, by what is kept of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from bpft.block import Block
from bpft.blockscan import backwards
from bpft.lognames import parts
from bpft.source import Source

if TYPE_CHECKING:
    from bpft.keeping import Keep

#: Blocks as they were saved are looked at as far back as this, so that a quiet Sunday says nothing of a week.
_RECENT_NS = 7 * 86_400_000_000_000
#: A rate that less than this was watched for says nothing.
_WORTH_NS = 600_000_000_000
_MOST_BLOCKS = 2000  # a quarter of hours; enough of what was rolled up lies before them, or nothing does
_DAY_NS = 86_400_000_000_000
_YEAR = timedelta(days=365)


@dataclass(slots=True)
class Growth:
    """One log with the files that rotation made of it."""

    size: int = 0  #: bytes
    saved_ns: int = 0  #: UTC: the end of its last block; 0: there is none
    full_bytes: int = 0  #: of recent blocks that are as they were saved
    full_ns: int = 0  #: the length of those
    rolled_bytes: int = 0  #: of blocks that were rolled up
    rolled_ns: int = 0

    def add(self, block: Block) -> bool:
        """Count one in, the later first; False: no more is needed."""
        header = block.header
        length = header.end_ns - header.begin_ns
        if header.is_undated:
            return True
        self.saved_ns = self.saved_ns or header.end_ns
        if header.source == "compacted":
            self.rolled_bytes, self.rolled_ns = self.rolled_bytes + block.length, self.rolled_ns + length
            return self.rolled_ns < _RECENT_NS
        if header.end_ns > self.saved_ns - _RECENT_NS:
            self.full_bytes, self.full_ns = self.full_bytes + block.length, self.full_ns + length
        return True

    @property
    def per_day(self) -> int | None:
        """Bytes that a day of saves takes; None: too little was watched to tell."""
        return self.full_bytes * _DAY_NS // self.full_ns if self.full_ns >= _WORTH_NS else None

    def per_year(self, keep: "Keep | None") -> int | None:
        """Bytes that a year takes when it is over, by what is kept of it; None: too little was watched.

        Where nothing was rolled up yet, as if nothing would be smaller for it: the most that it can be.
        """
        full = self.per_day
        if full is None:
            return None
        rolled = self.rolled_bytes * _DAY_NS // self.rolled_ns if self.rolled_ns >= _WORTH_NS else full
        whole, ends = _YEAR, _YEAR
        if keep is not None:
            first = keep.stages[0]
            ends = min(keep.ends or _YEAR, _YEAR)
            whole = min(first.until or _YEAR, ends) if first.is_full else timedelta(0)
        day = timedelta(days=1)
        return int(full * (whole / day) + min(rolled, full) * ((ends - whole) / day))


def growth(log: Path) -> Growth:
    """Of the files of a log, which need not be there.  Raises CannotRead."""
    found = Growth()
    files = parts(log) if log.parent.is_dir() else []
    found.size = sum(path.stat().st_size for path in files)
    for block in islice(_backwards(files), _MOST_BLOCKS):
        if not found.add(block):
            break
    return found


def _backwards(files: list[Path]) -> Iterator[Block]:
    """Blocks from the last one on; of each file up to its first damage."""
    for path in reversed(files):
        source = Source(path)
        yield from backwards(source, source.size)
