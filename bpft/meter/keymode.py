"""What of a packet its key keeps: the options that decide it, the core's arguments for them, their name in a block."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import TypedDict

    from bpft.core import Ports

    class KeyOptions(TypedDict):
        """The keyword arguments of core.Capture and core.read_capture."""

        addresses_only: bool
        ports: Ports
        vlan: bool
        prefix_len: tuple[int, int] | None


WHOLE = (32, 128)  #: bits of an IPv4 and of an IPv6 address


class KeyMode(NamedTuple):
    """As it stands: everything but the VLAN."""

    addresses_only: bool = False  #: -X (C6)
    ports: "Ports" = "all"  #: "service": of two ports the one that names the service
    vlan: bool = False  #: the outermost 802.1Q id as well
    prefix_len: tuple[int, int] | None = None  #: bits of addresses that are kept, IPv4 and IPv6; None: all

    @property
    def name(self) -> str:
        """Field key_mode of a block (bpft(5)); prefixes have a field of their own."""
        ports = "addresses" if self.addresses_only else {"all": "full", "none": "no-ports"}.get(self.ports, self.ports)
        return f"{ports}+vlan" if self.vlan else ports

    @property
    def is_plain(self) -> bool:
        """Whether the reference meter can make such keys: it knows -X alone."""
        return (self.ports, self.vlan, self.prefix_len) == ("all", False, None)

    def options(self) -> "KeyOptions":
        return {
            "addresses_only": self.addresses_only,
            "ports": self.ports,
            "vlan": self.vlan,
            "prefix_len": self.prefix_len,
        }


PLAIN = KeyMode()
