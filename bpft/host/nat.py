"""Whether this host forwards packets for others, and hides them behind its own address.

Outside such a host every address is its own: who used what is seen on the inside alone.
"""

import sys
from typing import NamedTuple


class Nat(NamedTuple):
    """What the kernel does with packets of others."""

    forwards: bool = False
    masquerades: bool | None = False  #: source addresses are rewritten on the way out; None: not for us to see
    rule: str = ""  #: where that is said, for people: "nft table ip nat, chain postrouting"


def nat() -> Nat:
    """The state of this network namespace.  Rules are shown to root alone; unless packets are forwarded nobody asks."""
    if sys.platform.startswith("linux"):
        from bpft.host.nat_linux import forwards, rule
    else:
        from bpft.host.nat_bsd import forwards, rule
    if not forwards():
        return Nat()
    found = rule()
    return Nat(True, None if found is None else bool(found), found or "")
