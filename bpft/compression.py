"""The compression of columns: zstd where python zstandard is installed, else zlib; both are read."""

import threading
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from bpft.blocklayout import STORED, ZLIB, ZSTD

if TYPE_CHECKING:
    import zstandard

Held = TypeVar("Held", bytes, memoryview)

_ZLIB_LEVEL = 6
#: Below this many bytes no compressor's frame pays for itself.
_WORTH_IT = 24
_own = threading.local()  # to make a decompressor takes longer than to use it, and each is for one thread


class Compressor:
    """Compresses columns, each alone; not for use by two threads at once.

    With zstd every column is tried twice: looking for repeats, and (min_match 7 over a tiny table, so hardly any)
    only with an entropy coder, which does better on planes of small random numbers.  Each takes about 15 ms per
    million records.
    """

    def __init__(self) -> None:
        self._zstd = _zstd_compressors()

    def compress(self, parts: Sequence[bytes]) -> tuple[int, bytes]:
        """(compression, bytes) of the parts joined, whichever is shortest; each part begins a new block."""
        raw = b"".join(parts)
        best = STORED, raw
        if len(raw) < _WORTH_IT:
            return best
        if self._zstd:
            tries = [(ZSTD, _zstd_blocks(zstd, parts, len(raw))) for zstd in self._zstd]
        else:
            tries = [(ZLIB, zlib.compress(raw, _ZLIB_LEVEL))]
        return min(best, *tries, key=lambda found: len(found[1]))


def _zstd_compressors() -> "tuple[zstandard.ZstdCompressor, ...]":
    try:
        import zstandard
    except ImportError:
        return ()
    entropy = zstandard.ZstdCompressionParameters(
        window_log=17,
        hash_log=6,
        chain_log=6,
        search_log=1,
        min_match=7,
        target_length=0,
        strategy=zstandard.STRATEGY_FAST,
    )
    return zstandard.ZstdCompressor(level=3), zstandard.ZstdCompressor(compression_params=entropy)


def _zstd_blocks(zstd: "zstandard.ZstdCompressor", parts: Sequence[bytes], size: int) -> bytes:
    """One frame, which says its size, with a block boundary between the parts: planes do not share a code table."""
    from zstandard import COMPRESSOBJ_FLUSH_BLOCK

    stream = zstd.compressobj(size=size)
    out = []
    for part in parts[:-1]:
        out += [stream.compress(part), stream.flush(COMPRESSOBJ_FLUSH_BLOCK)]
    return b"".join([*out, stream.compress(parts[-1]), stream.flush()])


def obstacle(compression: int) -> str:
    """Why columns that are compressed so cannot be read here; empty: they can."""
    if compression == ZSTD:
        try:
            import zstandard  # noqa: F401
        except ImportError:
            return "it is compressed with zstd; to read it install python zstandard"
    elif compression not in (STORED, ZLIB):
        return f"written by a newer bpft: compression {compression} is not known here"
    return ""


def decompress(compression: int, data: Held, length: int) -> Held | bytes:
    """The ``length`` bytes that were compressed; ValueError, saying why, where data does not hold exactly those.

    Nothing larger than length is ever allocated, whatever data claims.
    """
    if reason := obstacle(compression):
        raise ValueError(reason)
    raw: Held | bytes = data
    if compression != STORED:
        raw = _from_zlib(data, length) if compression == ZLIB else _from_zstd(data, length)
    if len(raw) != length:
        raise ValueError("a column has not the length it says")
    return raw


def _from_zlib(data: bytes | memoryview, length: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, length + 1)
    except zlib.error as error:
        raise ValueError(f"a column cannot be decompressed: {error}") from None


def _from_zstd(data: bytes | memoryview, length: int) -> bytes:
    import zstandard

    try:
        if zstandard.frame_content_size(data) != length:
            raise ValueError("a column has not the length it says")
        if not hasattr(_own, "zstd"):
            _own.zstd = zstandard.ZstdDecompressor()
        decompressor: zstandard.ZstdDecompressor = _own.zstd
        return decompressor.decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(f"a column cannot be decompressed: {error}") from None
