"""--where: a tcpdump expression over records (SEMANTICS R3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpft.core import FilterError, RecordFilter
from bpft.errors import BadExpression

if TYPE_CHECKING:
    from bpft.core import Version

_WORDS = "host, net, src, dst, ip, ip6"
#: By key mode, why ports are absent; by its "full" some records never had any, as those of an old BPFT.
_WHY = {
    "addresses": " (recorded with -X)",
    "no-ports": " (recorded with --ports none, or compacted with --drop-ports)",
}
_ALL_WORDS = f"{_WORDS}, port, portrange, tcp, udp, icmp, proto"


class Where:
    """A compiled expression; raises BadExpression where it does not compile or asks what no record holds."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        try:
            self._filter = RecordFilter(expression)
        except FilterError as error:
            text = str(error)
            hint = "" if "use host" in text else f"; words that work: {_ALL_WORDS}"
            raise BadExpression(f"--where {expression!r}: {text}{hint}") from error
        except ValueError as error:
            raise BadExpression(f"--where {expression!r}: it holds bytes that are no text") from error

    def refuse_unknown(self, origin: str, key_mode: str, has_ports: bool, has_proto: bool) -> None:
        """Raise BadExpression where records of origin do not hold what the expression reads; key_mode: its header's."""
        if (self._filter.needs_ports and not has_ports) or (self._filter.needs_proto and not has_proto):
            absent = "ports and protocols" if not has_proto else "ports"
            why = _WHY.get(key_mode.removesuffix("+vlan"), "")
            raise BadExpression(
                f"--where {self.expression!r}: {origin} holds no {absent}{why}; words that work: {_WORDS}"
            )

    def select(self, version: Version, records: bytes) -> bytes:
        """The dense records that match."""
        return self._filter.select(version, records)
