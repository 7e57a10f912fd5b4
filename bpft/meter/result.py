"""What became of a capture file."""

from typing import NamedTuple


class FileResult(NamedTuple):
    """error: one line where the file breaks; what came before is counted (RULES F2)."""

    error: str | None
    frames: int  #: that passed the filter
    link_types: tuple[int, ...]
    format: str  #: "pcap" or "pcapng"
    snaplen: int
