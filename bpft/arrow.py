"""Chunks as Arrow record batches: the one door to pyarrow."""

from __future__ import annotations

import socket
from array import array
from collections.abc import Callable
from typing import Any

from bpft import core
from bpft.chunk import ROW, Chunk
from bpft.errors import BpftError


class NoArrow(BpftError):
    """{0} needs pyarrow; install it with: pip install 'bpft[parquet]'"""


def load(what: str) -> Any:
    """The module pyarrow, with its compute and parquet.  Raises NoArrow, which names what."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise NoArrow(what) from None
    return pyarrow


def schema(pa: Any) -> Any:
    """Every column that is exported: text is dictionary-encoded, numbers are unsigned; null: not known."""
    text = pa.dictionary(pa.int32(), pa.string())
    types = dict.fromkeys(("begin", "end"), pa.timestamp("ns", "UTC")) | dict.fromkeys(("interface", "host"), text)
    types |= dict.fromkeys(ROW, pa.uint64()) | dict.fromkeys(("src", "dst", "direction"), text)
    types |= dict.fromkeys(("sport", "dport", "vlan"), pa.uint16()) | {"proto": pa.uint8(), "other": pa.bool_()}
    return pa.schema(list(types.items()))


def batch(pa: Any, begin_ns: int, end_ns: int, interface: str, host: str, chunk: Chunk) -> Any:
    """One chunk as a record batch of this schema."""
    return _Columns(pa, chunk).batch(begin_ns, end_ns, interface, host)


class _Columns:
    """The columns of a chunk, taken out of its dense records."""

    def __init__(self, pa: Any, chunk: Chunk) -> None:
        self.pa, self.chunk, self.rows = pa, chunk, chunk.size
        self.address = 4 if chunk.version == 4 else 16
        self.stride = 2 * self.address + 32
        self.flags = bytes(self._strided("B", 2 * self.address + 5))

    def batch(self, begin_ns: int, end_ns: int, interface: str, host: str) -> Any:
        pa, tail = self.pa, 2 * self.address
        vlan, packets = self._strided("H", tail + 6), self._strided("Q", tail + 8)
        directed = bytes(flag & core.DIR_MASK for flag in range(256))
        columns = [
            self._constant(pa.timestamp("ns", "UTC"), begin_ns),
            self._constant(pa.timestamp("ns", "UTC"), end_ns),
            self._named(interface),
            self._named(host),
            self._addresses(0),
            self._addresses(self.address),
            self._known(self._ports(tail), core.NO_PORTS),
            self._known(self._ports(tail + 2), core.NO_PORTS),
            self._known(self._numbers(pa.uint8(), self._strided("B", tail + 4)), core.NO_PROTO),
            self._words(self._nonzero(pa.uint8(), self.flags.translate(directed)), ("", "rx", "tx").__getitem__),
            pa.compute.subtract(self._nonzero(pa.uint16(), vlan), pa.scalar(1, pa.uint16())),
            self._nonzero(pa.uint64(), packets),
            self._numbers(pa.uint64(), self._strided("Q", tail + 16)),
            self._numbers(pa.uint64(), self._strided("Q", tail + 24)),
            self._constant(pa.bool_(), self.chunk.other),
        ]
        return pa.record_batch(columns, schema=schema(pa))

    def _strided(self, code: str, offset: int) -> bytes:
        """One field of every record, side by side."""
        view = memoryview(self.chunk.data).cast(code)  # type: ignore[call-overload]
        found: bytes = view[offset // view.itemsize :: self.stride // view.itemsize].tobytes()
        return found

    def _numbers(self, kind: Any, data: bytes) -> Any:
        return self.pa.Array.from_buffers(kind, self.rows, [None, self.pa.py_buffer(data)])

    def _nonzero(self, kind: Any, data: bytes) -> Any:
        """Numbers of which 0 means: not known."""
        numbers = self._numbers(kind, data)
        return self.pa.compute.if_else(
            self.pa.compute.equal(numbers, self.pa.scalar(0, kind)), self.pa.scalar(None, kind), numbers
        )

    def _ports(self, offset: int) -> Any:
        ports = array("H", self._strided("H", offset))
        if socket.htons(1) != 1:
            ports.byteswap()
        return self._numbers(self.pa.uint16(), ports.tobytes())

    def _known(self, numbers: Any, absent: int) -> Any:
        """Numbers, null where a record's flags say that it has none."""
        unknown = self.flags.translate(bytes(flag & absent and 1 for flag in range(256)))
        if not any(unknown):
            return numbers
        mask = self._numbers(self.pa.uint8(), unknown).cast(self.pa.bool_())
        return self.pa.compute.if_else(mask, self.pa.scalar(None, numbers.type), numbers)

    def _constant(self, kind: Any, value: object) -> Any:
        return self.pa.repeat(self.pa.scalar(value, kind), self.rows)

    def _named(self, name: str) -> Any:
        return self._words(self._constant(self.pa.uint8(), 0 if name else None), lambda _: name)

    def _addresses(self, offset: int) -> Any:
        pa = self.pa
        if self.chunk.other:
            return self._named("0.0.0.0/0" if self.chunk.version == 4 else "::/0")
        whole = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(self.stride), self.rows, [None, pa.py_buffer(self.chunk.data)]
        )
        family = socket.AF_INET if self.chunk.version == 4 else socket.AF_INET6
        packed = pa.compute.binary_slice(whole, offset, offset + self.address)
        return self._words(packed, lambda address: socket.inet_ntop(family, address))

    def _words(self, values: Any, word: Callable[[Any], str]) -> Any:
        """Each distinct value as one word of a dictionary."""
        found = values.dictionary_encode()
        words = self.pa.array([word(value) for value in found.dictionary.to_pylist()], self.pa.string())
        return self.pa.DictionaryArray.from_arrays(found.indices, words)
