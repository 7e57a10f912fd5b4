"""What a case of a rule is: one frame made by hand, and the key and sums or the skip counter it must give."""

from typing import NamedTuple

import frames as f
from frames import A4, A6, B4, B6, Captured

P4 = f.ipv4(f.udp(b"x" * 10))
P6 = f.ipv6(f.udp(b"x" * 10))
ROW4 = (A4, 1000, B4, 53, f.UDP, 38, 10)  # key, all, data
ROW6 = (A6, 1000, B6, 53, f.UDP, 58, 10)


class Case(NamedTuple):
    """name begins with the rule's id; expected: a row, or the name of a skip counter."""

    name: str
    link_type: int
    frame: bytes | Captured
    expected: tuple | str
