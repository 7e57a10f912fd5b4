"""The block layout as struct formats: made by ``python -m bpft.blockdef``, not by hand."""

from struct import Struct
from typing import NamedTuple

MAGIC = b"\x89BPFT\x0d\x0a\x1a\x0a"
FORMAT_VERSION = 1
IGNORABLE = 32768
HEADER = 1
ROWS = 2
END = 255
OTHER = 1
STORED = 0
ZLIB = 1
ZSTD = 2

START = Struct("<9sB2s")
SECTION = Struct("<HL")
CRC = Struct("<L")
FIELD = Struct("<HL")
GROUP = Struct("<LHH")
SERIES = Struct("<LL")
COLUMN = Struct("<HBBLL")
END_BODY = Struct("<QQ16s")

#: Column ids by name.
COLUMNS = {
    "all": 1,
    "packets": 2,
    "proto": 4,
    "sport": 7,
    "src4": 8,
    "dport": 11,
    "dst4": 12,
    "src6": 27,
    "dst6": 28,
    "vlan": 58,
    "version": 60,
    "direction": 61,
    "data": 32769,
}


class Field(NamedTuple):
    """A header field: its value is struct ``format`` (or nothing), then a rest of kind "" (none), "text" or "bytes"."""

    type: int
    name: str
    format: str
    rest: str
    many: bool


FIELDS = (
    Field(1, "kind", "", "text", False),
    Field(2, "role", "", "text", False),
    Field(3, "epoch", "", "bytes", False),
    Field(4, "interval", "<qq", "", False),
    Field(32773, "sequence", "<Q", "", False),
    Field(32774, "previous", "", "bytes", False),
    Field(7, "replaces", "<16s", "", True),
    Field(32776, "boot_begin_ns", "<q", "", False),
    Field(32777, "boot_end_ns", "<q", "", False),
    Field(32778, "clock_synchronised", "<?", "", False),
    Field(32779, "zone", "", "text", False),
    Field(32780, "gaps", "<qq", "", True),
    Field(13, "epochs", "<16s", "", True),
    Field(32784, "host", "", "text", False),
    Field(32785, "probe", "", "bytes", False),
    Field(32786, "interface", "", "text", False),
    Field(32787, "interface_index", "<L", "", False),
    Field(32788, "interface_alias", "", "text", False),
    Field(32789, "mac", "", "bytes", False),
    Field(32790, "mtu", "<L", "", False),
    Field(32791, "link_types", "<L", "", True),
    Field(32792, "speed_mbit", "<Q", "", False),
    Field(32793, "hardware", "<?", "", False),
    Field(32794, "loopback", "<?", "", False),
    Field(32795, "prefixes", "", "text", True),
    Field(32800, "source", "", "text", False),
    Field(32801, "source_name", "", "text", False),
    Field(32802, "engine", "", "text", False),
    Field(32803, "counting", "", "text", False),
    Field(32804, "filter", "", "text", False),
    Field(32805, "snaplen", "<L", "", False),
    Field(32806, "key_mode", "", "text", False),
    Field(32807, "promiscuous", "<?", "", False),
    Field(32808, "min_all", "<Q", "", False),
    Field(41, "prefix_len", "<BB", "", False),
    Field(32816, "counters", "<QQQQQQqq", "", False),
    Field(32817, "skipped", "<Q", "text", True),
    Field(32818, "direction", "<BQQQQ", "", True),
    Field(32819, "delta", "<QQQQQQ", "", False),
    Field(32820, "series", "", "bytes", False),
    Field(32824, "software", "", "text", False),
    Field(32825, "rules", "", "text", False),
    Field(32826, "labels", "<H", "text", True),
)
