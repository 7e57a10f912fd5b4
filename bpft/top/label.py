"""What the key of a row is called: addresses and their names, services, scopes."""

from __future__ import annotations

import functools
from _socket import AF_INET, AF_INET6, inet_ntop
from typing import TYPE_CHECKING, NamedTuple

from bpft import core
from bpft.report.names import protocol_name, service_name
from bpft.top.asked import TAIL
from bpft.top.change import FLAGS_FROM_END, KEY_SIZE

if TYPE_CHECKING:
    from bpft.core import Version
    from bpft.report.resolve import HostNames
    from bpft.top.asked import Asked

OTHER = "other"
_REMEMBERED = 1 << 16  # addresses


class Key(NamedTuple):
    """What a row is about; what it has not is None or ()."""

    addresses: tuple[str, ...] = ()
    port: int | None = None
    proto: int | None = None
    scope: str = ""
    other: bool = False  #: the remainder (SEMANTICS C7)

    @property
    def expression(self) -> str:
        """The filter that takes the records of the row; "": there is none."""
        words = [f"host {address}" for address in self.addresses]
        words += [f"port {self.port}"] if self.port is not None else []
        words += [f"proto {self.proto}"] if self.proto is not None else []
        return " and ".join(words)


def read_key(asked: Asked, version: Version, key: bytes) -> Key:
    """A key of the tables of the view that is asked for."""
    flags = key[-FLAGS_FROM_END]
    if flags & core.OTHER:
        return Key(other=True)
    if asked.view.name == "scopes":
        return Key(scope=asked.scopes[int.from_bytes(key[-TAIL : 2 - TAIL], "big")])
    if asked.view.name == "services":
        port = int.from_bytes(key[-TAIL : 2 - TAIL], "big")
        has_port = port and not flags & core.NO_PORTS
        return Key(port=port if has_port else None, proto=None if flags & core.NO_PROTO else key[4 - TAIL])
    half = (KEY_SIZE[version] - TAIL) // 2
    ends = (key[:half], key[half : 2 * half])
    return Key(tuple(map(_text, ends[: 1 if asked.view.name == "hosts" else 2])))


class Labels:
    """Names where there are any; those of hosts come while others look at the rows."""

    def __init__(self, names: HostNames, numeric: bool = False) -> None:
        """names: with a patience of 0."""
        self._names = names
        self.numeric = numeric  #: addresses and numbers; may be changed at any time

    @property
    def state(self) -> tuple[bool, int]:
        """While this is the same, everything is called what it was called."""
        return self.numeric, self._names.learnt

    def ask(self, keys: list[Key]) -> None:
        """Look for the names of these hosts, without waiting."""
        if not self.numeric:
            self._names.of(address for key in keys for address in key.addresses)

    def of(self, key: Key) -> tuple[str, ...]:
        """One text, or two for a pair."""
        if key.other:
            return (OTHER,)
        if key.scope:
            return (key.scope,)
        if key.addresses:
            return tuple(map(self.host, key.addresses))
        return (self._service(key),)

    def host(self, address: str) -> str:
        """An address, or its name where that was learnt by now."""
        return address if self.numeric else self._names.known(address) or address

    def _service(self, key: Key) -> str:
        if key.proto is None:
            return "not recorded" if key.port is None else str(key.port)
        proto = str(key.proto) if self.numeric else protocol_name(key.proto)
        if key.port is None:
            return proto
        port = str(key.port) if self.numeric else service_name(key.port, key.proto)
        return f"{port}/{proto}"


@functools.lru_cache(_REMEMBERED)
def _text(address: bytes) -> str:
    return inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)
