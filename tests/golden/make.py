"""Makes the golden logs: files of format 1, each with its meaning beside it (NAME.json, NAME.csv).

They are what readers read for ever: never made anew because a test fails.  A new one may be added here; then
``python tests/golden/make.py NAME`` makes that one alone, and refuses where it is there already.
"""

import csv
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from unittest import mock

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from blocks import FORMAT, NO_PORTS, NO_PROTO, OTHER, record, table, traffic  # noqa: E402

from bpft import compression  # noqa: E402
from bpft.block import Block, write_block  # noqa: E402
from bpft.record import Counters, Header, InterfaceDelta  # noqa: E402
from bpft.series import Series  # noqa: E402

KEY = ["src", "sport", "dst", "dport", "proto", "direction", "vlan", "other"]
COLUMNS = ["block", "version", *KEY, "packets", "all", "data"]
HOUR = 3_600_000_000_000
BEGIN = 472_222 * HOUR
TOP = (1 << 64) - 1

Record = tuple[int, bytes]


# ---- what they hold ----


def _series() -> bytes:
    series = Series()
    for step in range(12):
        begin = BEGIN + step * 300_000_000_000
        series.add(
            begin + step, begin + 300_000_000_000, (step * 10**8 + 7, step * 10**6 + 5, step * 10**5, step * 999)
        )
    return series.pack()


def _everything() -> Header:
    """Each field with a value that is not the default."""
    return Header(
        role="save",
        epoch=bytes(range(16)),
        sequence=41,
        begin_ns=BEGIN,
        end_ns=BEGIN + HOUR,
        boot_begin_ns=1_000_000_001,
        boot_end_ns=HOUR + 1_000_000_001,
        clock_synchronised=True,
        zone="Europe/Rome",
        gaps=((BEGIN + 1, BEGIN + 2), (BEGIN + 5, BEGIN + 9)),
        host="gateway",
        probe=bytes(range(16, 32)),
        interface="eth0.7",
        interface_index=3,
        interface_alias="uplink, Büro",
        mac=bytes.fromhex("02005e000001"),
        mtu=1500,
        link_types=(1, 113),
        speed_mbit=1000,
        hardware=True,
        loopback=True,
        prefixes=("192.0.2.1/24", "2001:db8::1/64"),
        source="compacted",
        source_name="a\udcff.pcap",
        engine="pcap",
        counting="wire-estimated",
        filter="ip or ip6",
        snaplen=128,
        key_mode="no-ports",
        promiscuous=False,
        min_all=1024,
        replaces=(b"r" * 16, b"s" * 16),
        epochs=(b"e" * 16, b"f" * 16),
        prefix_len=(24, 64),
        counters=Counters(
            seen=1000,
            counted=990,
            skipped={"non-ip": 9, "fragment": 1},
            direction={"unknown": (1, 2, 3, 4), "rx": (5, 6, 7, 8), "tx": (9, 10, 11, TOP)},
            folded=12,
            received=1003,
            dropped=3,
            if_dropped=1,
            first_ns=BEGIN + 17,
            last_ns=BEGIN + HOUR - 17,
        ),
        delta=InterfaceDelta(10**12, 10**11, 10**9, 10**8, HOUR - 5, 1),
        series=_series(),
        software="bpft golden",
        rules="1",
        labels={"site": "Milano", "": "ü"},
    )


def _kinds() -> list[Record]:
    """A record of each class, and the largest numbers."""
    return [
        (4, record()),
        (4, record(src=0, dst=0xFFFFFFFF, sport=0, dport=65535, proto=255, packets=TOP, all=TOP, data=TOP)),
        (4, record(flags=1, vlan=1) + record(flags=2, vlan=4096)),
        (4, record(src=5, flags=NO_PORTS) + record(src=6, flags=NO_PORTS | NO_PROTO, packets=0)),
        (4, record(flags=OTHER | NO_PORTS | NO_PROTO, packets=9, all=900, data=90)),
        (6, record(6) + record(6, src=0, dst=(1 << 128) - 1, packets=7, all=1 << 40, data=1)),
        (6, record(6, flags=1) + record(6, src=9, flags=NO_PORTS | NO_PROTO)),
        (6, record(6, flags=OTHER | NO_PORTS | NO_PROTO, packets=TOP, all=0, data=0)),
    ]


def _shapes() -> list[Record]:
    """Numbers for which each packing and each encoding is the smallest."""
    draw = random.Random(3)
    rows = []
    for row in range(700):
        packets = draw.choice([1, 1, 2, 1 << draw.randrange(60)])
        rows.append(
            record(
                src=row // 50,
                dst=draw.randrange(1 << 32),
                sport=draw.randrange(65536),
                dport=draw.choice([53, 80, 443]),
                proto=6 if row < 350 else 17,
                packets=packets,
                all=min(packets * 40 + draw.choice([0, 0, 12]), TOP),
                data=draw.choice([0, draw.randrange(1 << 30)]),
            )
        )
    runs = [record(6, src=row, dst=5, sport=7, dport=row // 100, proto=row // 130) for row in range(400)]
    return [(4, b"".join(rows)), (6, b"".join(runs))]


def _one(header: Header, records: list[Record], previous: bytes = b"") -> bytes:
    return b"".join(write_block(header, table(*records), previous=previous))


def _chain() -> bytes:
    """Three saves of one log."""
    data, previous = b"", b""
    for number in range(3):
        header = Header(
            epoch=bytes([number]) * 16,
            sequence=number,
            begin_ns=BEGIN + number * HOUR,
            end_ns=BEGIN + (number + 1) * HOUR,
            interface="eth0",
        )
        block = _one(header, [(4, traffic(40, seed=number)), (6, traffic(10, 6, seed=number))], previous)
        data, previous = data + block, block[-20:-4]
    return data


def _zlib() -> bytes:
    with mock.patch.object(compression, "_zstd_compressors", tuple):
        return _one(Header(epoch=b"z" * 16, begin_ns=BEGIN, end_ns=BEGIN + HOUR), _shapes())


MAKERS: dict[str, Callable[[], bytes]] = {
    "everything": lambda: _one(_everything(), [(4, record(flags=NO_PORTS))]),
    "kinds": lambda: _one(Header(epoch=b"k" * 16, begin_ns=-5, end_ns=BEGIN), _kinds()),
    "shapes": lambda: _one(Header(epoch=b"s" * 16, begin_ns=BEGIN, end_ns=BEGIN + HOUR), _shapes()),
    "zlib": _zlib,
    "chain": _chain,
    "dump": lambda: _one(Header(role="dump", epoch=b"d" * 16, begin_ns=BEGIN, end_ns=BEGIN + 1), []),
}


# ---- their meaning ----


def plain(value: object) -> object:
    """A value of a header as JSON has it: bytes as hexadecimal, named tuples as objects, others as lists."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Header | Counters | InterfaceDelta):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def meaning(blocks: list[Block]) -> list[dict[str, object]]:
    """What each block says about itself."""
    return [
        {
            "offset": block.offset,
            "length": block.length,
            "id": block.id.hex(),
            "previous": block.previous.hex(),
            "rows": block.rows,
            "header": plain(block.header),
            "series": [plain(list(asdict(point).values())) for point in Series.unpack(block.header.series)],
        }
        for block in blocks
    ]


def cells(blocks: list[Block]) -> Iterator[list[str]]:
    """A row of CSV a record; empty: not known."""
    for number, block in enumerate(blocks):
        for group in block.groups():
            for src, dst, sport, dport, proto, flags, vlan, *sums in FORMAT[group.version].iter_unpack(group.records()):
                ports = ["", ""] if flags & NO_PORTS else [int.from_bytes(port, "big") for port in (sport, dport)]
                other = bool(flags & OTHER)
                row = [
                    number,
                    group.version,
                    "" if other else ip_address(src),
                    ports[0],
                    "" if other else ip_address(dst),
                    ports[1],
                    "" if flags & NO_PROTO else proto,
                    ["", "rx", "tx"][flags & 3],
                    vlan - 1 if vlan else "",
                    int(other),
                    *sums,
                ]
                yield [str(cell) for cell in row]


def make(name: str) -> None:
    """Write one, with its meaning.  FileExistsError where it is there."""
    from bpft.blockscan import scan

    path = HERE / f"{name}.bpft"
    with path.open("xb") as file:
        file.write(MAKERS[name]())
    blocks = [found for found in scan(path) if isinstance(found, Block)]
    path.with_suffix(".json").write_text(json.dumps(meaning(blocks), indent=1) + "\n")
    with path.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *cells(blocks)])


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        make(wanted)
