"""The series of a block: what the interface itself counted, a point for each five minutes of UTC (bpft(5)).

So that rates and percentiles of an interface need no small blocks (SEMANTICS R4).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from bpft.blocklayout import SERIES

STEP_NS = 300_000_000_000
_STEP_S = STEP_NS // 1_000_000_000
#: A year and a quarter; a series that grows longer forgets its oldest points.
MAX_POINTS = 1 << 17
#: Numbers of a point: its step since 1970 as the difference to the point before, milliseconds covered, and four sums.
_COLUMNS = 6
_PLANES = 8
_WORD = 1 << 64

#: rx bytes, tx bytes, rx packets, tx packets
Sums = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Point:
    """Five minutes of an interface: how much of them was watched, and what its counters rose by meanwhile.

    Each number has 64 bits and wraps around, as the sums of records do.
    """

    begin_ns: int  #: UTC nanoseconds, a multiple of STEP_NS
    covered_ms: int  #: of 300,000; more where the clock was set back meanwhile
    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int


class Series:
    """Points in the order of time; what was not watched has none."""

    def __init__(self) -> None:
        self._points: dict[int, list[int]] = {}  # step since 1970 -> covered ms and the sums

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[Point]:
        for step in sorted(self._points):
            yield Point(step * STEP_NS, *self._points[step])

    def add(self, begin_ns: int, end_ns: int, sums: Sums) -> None:
        """What the counters rose by from begin to end; read late, it is spread evenly over all steps it touches."""
        length = end_ns - begin_ns
        if length <= 0:
            return
        first = max(begin_ns // STEP_NS, (end_ns - 1) // STEP_NS - MAX_POINTS + 1)
        numbers = [length // 1_000_000, *sums]
        given = [0] * len(numbers)
        for step in range(first, (end_ns - 1) // STEP_NS + 1):
            passed = min((step + 1) * STEP_NS, end_ns) - begin_ns
            until = [number * passed // length for number in numbers]
            self._into(step, [now - before for now, before in zip(until, given, strict=True)])
            given = until
        self._forget()

    def merge(self, other: "Series") -> None:
        """Add another series of the same interface, of other times."""
        for step, numbers in other._points.items():
            self._into(step, numbers)
        self._forget()

    def shift(self, before_ns: int, by_ns: int) -> None:
        """Points before an instant were told by a clock that was behind by so much; to the nearest step."""
        steps = (by_ns + STEP_NS // 2) // STEP_NS
        for step in [step for step in self._points if step * STEP_NS < before_ns]:
            self._into(step + steps, self._points.pop(step))

    def _into(self, step: int, numbers: list[int]) -> None:
        if any(numbers):
            point = self._points.setdefault(step, [0] * len(numbers))
            point[:] = [(a + b) % _WORD for a, b in zip(point, numbers, strict=True)]

    def _forget(self) -> None:
        if len(self._points) > MAX_POINTS:
            for step in sorted(self._points)[:-MAX_POINTS]:
                del self._points[step]

    # ---- as a header holds it ----

    def pack(self) -> bytes:
        """The value of the header field; empty for a series without points."""
        if not self._points:
            return b""
        steps = sorted(self._points)
        columns = [[(now - before) % _WORD for now, before in zip(steps, [0, *steps], strict=False)]]
        columns += [[self._points[step][place] for step in steps] for place in range(_COLUMNS - 1)]
        planes = b"".join(_planes(column) for column in columns)
        return SERIES.pack(_STEP_S, len(steps)) + zlib.compress(planes, 9)

    @classmethod
    def unpack(cls, value: bytes) -> "Series":
        """The series of a header field's value.  ValueError where it makes no sense."""
        series = cls()
        if not value:
            return series
        if len(value) < SERIES.size:
            raise ValueError("the series is cut short")
        step_s, points = SERIES.unpack_from(value)
        if step_s != _STEP_S or not 1 <= points <= MAX_POINTS:
            raise ValueError(f"a series of {points} points of {step_s} seconds is not known here")
        size = points * _COLUMNS * _PLANES
        try:
            planes = zlib.decompressobj().decompress(value[SERIES.size :], size + 1)
        except zlib.error as error:
            raise ValueError(f"the series cannot be decompressed: {error}") from None
        if len(planes) != size:
            raise ValueError("the series has not the length it says")
        length = points * _PLANES
        columns = [_numbers(planes[at : at + length]) for at in range(0, size, length)]
        step = 0
        for rise, *numbers in zip(*columns, strict=True):
            step = (step + rise) % _WORD
            series._points[step - _WORD if step >= _WORD // 2 else step] = numbers
        return series


def joined(*values: bytes) -> bytes:
    """Values of the header field as one: of blocks of one interface whose intervals do not overlap."""
    series = Series()
    for value in values:
        series.merge(Series.unpack(value))
    return series.pack()


def _planes(numbers: list[int]) -> bytes:
    """The lowest bytes of all numbers, then the second lowest, and so on: what is alike lies together."""
    data = struct.pack(f"<{len(numbers)}Q", *numbers)
    return b"".join(data[place::_PLANES] for place in range(_PLANES))


def _numbers(planes: bytes) -> tuple[int, ...]:
    data = bytearray(len(planes))
    points = len(planes) // _PLANES
    for place in range(_PLANES):
        data[place::_PLANES] = planes[place * points : (place + 1) * points]
    return struct.unpack(f"<{points}Q", data)
