"""Records, tables and headers for the tests of the log format."""

import struct
from typing import Any

from hypothesis import strategies as st

from bpft import core
from bpft.record import Counters, Header, InterfaceDelta

WORD = (1 << 64) - 1
NO_PORTS, NO_PROTO, OTHER = core.NO_PORTS, core.NO_PROTO, core.OTHER
FORMAT = {4: struct.Struct(core.RECORD4), 6: struct.Struct(core.RECORD6)}


def record(
    version: int = 4,
    src: int = 1,
    dst: int = 2,
    sport: int = 1000,
    dport: int = 80,
    proto: int = 6,
    flags: int = 0,
    vlan: int = 0,
    packets: int = 1,
    all: int = 40,
    data: int = 0,
) -> bytes:
    """One dense record; addresses as integers."""
    size = 4 if version == 4 else 16
    if flags & NO_PORTS:
        sport = dport = 0
    if flags & NO_PROTO:
        proto = 0
    if flags & OTHER:
        src = dst = 0
    return FORMAT[version].pack(
        src.to_bytes(size, "big"),
        dst.to_bytes(size, "big"),
        sport.to_bytes(2, "big"),
        dport.to_bytes(2, "big"),
        proto,
        flags,
        vlan,
        packets,
        all,
        data,
    )


def split(version: int, records: bytes) -> list[bytes]:
    size = FORMAT[version].size
    return [records[at : at + size] for at in range(0, len(records), size)]


versions = st.sampled_from([4, 6])
#: Small numbers, as traffic has, and the largest there are.
words = st.one_of(st.integers(0, 5), st.integers(0, 1 << 20), st.integers(0, WORD))
#: What a record may know: direction, ports, protocol; or that it is a remainder.
flags = st.builds(
    lambda direction, absent: direction | absent,
    st.integers(0, 2),
    st.sampled_from([0, 0, 0, NO_PORTS, NO_PORTS | NO_PROTO, OTHER | NO_PORTS | NO_PROTO]),
)


@st.composite
def dense(draw: st.DrawFn, version: int, max_size: int = 60) -> bytes:
    """Dense records in any order; keys may repeat."""
    top = (1 << (32 if version == 4 else 128)) - 1
    addresses = st.one_of(st.integers(0, 3), st.integers(top - 3, top), st.integers(0, top))
    ports = st.one_of(st.sampled_from([80, 443]), st.integers(0, 65535))
    one = st.builds(
        record,
        version=st.just(version),
        src=addresses,
        dst=addresses,
        sport=ports,
        dport=ports,
        proto=st.one_of(st.sampled_from([1, 6, 17, 58]), st.integers(0, 255)),
        flags=flags,
        vlan=st.sampled_from([0, 0, 1, 4096, 65535]),
        packets=words,
        all=words,
        data=words,
    )
    return b"".join(draw(st.lists(one, min_size=1, max_size=max_size)))


def table(*records: tuple[int, bytes], counters: dict[str, Any] | None = None) -> core.Table:
    """A table of (version, dense records)."""
    made = core.Table()
    for version, some in records:
        made.add_records(version, some)
    if counters is not None:
        made.set_counters(counters)
    return made


def contents(found: core.Table) -> dict[int, bytes]:
    """All that a table holds, sorted by key."""
    out = {}
    for version in (4, 6):
        view = found.view(version)
        out[version] = view.records(0, len(view))
    return out


def traffic(rows: int, version: int = 4, seed: int = 1) -> bytes:
    """Records such as a busy network has: few servers, many clients, sizes that follow the packets."""
    import random

    draw = random.Random(seed)
    out = []
    for _ in range(rows):
        packets = draw.choice([1, 1, 2, 3, 5, 8, 40, 1200])
        proto = draw.choice([6, 6, 6, 17, 1])
        size = draw.choice([40, 52, 1500])
        out.append(
            record(
                version,
                src=0x0A000000 + draw.randrange(40),
                dst=0xC0A80000 + draw.randrange(3000),
                sport=draw.randrange(1024, 65536) if proto != 1 else 0,
                dport=draw.choice([443, 80, 53]) if proto != 1 else 0,
                proto=proto,
                packets=packets,
                all=packets * (size + 20),
                data=packets * size,
            )
        )
    return b"".join(out)


texts = st.text(max_size=12)
_u32, _u64, _i64 = st.integers(0, (1 << 32) - 1), st.integers(0, WORD), st.integers(-(1 << 63), (1 << 63) - 1)
_maybe = lambda values: st.none() | values  # noqa: E731
counters = st.builds(
    Counters,
    seen=_u64,
    counted=_u64,
    skipped=st.dictionaries(texts, st.integers(1, WORD), max_size=3),
    direction=st.dictionaries(st.sampled_from(["unknown", "rx", "tx"]), st.tuples(_u64, _u64, _u64, _u64)),
    folded=_u64,
    received=_u64,
    dropped=_u64,
    if_dropped=_u64,
    first_ns=_i64,
    last_ns=_i64,
)
headers = st.builds(
    Header,
    role=st.sampled_from(["save", "dump"]),
    epoch=st.binary(max_size=16),
    sequence=_u64,
    begin_ns=_i64,
    end_ns=_i64,
    boot_begin_ns=_maybe(_i64),
    boot_end_ns=_maybe(_i64),
    clock_synchronised=_maybe(st.booleans()),
    zone=texts,
    gaps=st.lists(st.tuples(_i64, _i64), max_size=3).map(tuple),
    host=texts,
    probe=st.binary(max_size=16),
    interface=texts,
    interface_index=_maybe(_u32),
    interface_alias=texts,
    mac=st.binary(max_size=8),
    mtu=_maybe(_u32),
    link_types=st.lists(_u32, max_size=3).map(tuple),
    speed_mbit=_maybe(_u64),
    hardware=_maybe(st.booleans()),
    loopback=st.booleans(),
    prefixes=st.lists(texts, max_size=3).map(tuple),
    source=st.sampled_from(["live", "file", "import", "recovered", "compacted", "flow"]),
    source_name=texts,
    engine=texts,
    counting=st.sampled_from(["as-captured", "wire-estimated", "wire-exact"]),
    filter=texts,
    snaplen=_u32,
    key_mode=st.sampled_from(["full", "addresses", "no-ports"]),
    promiscuous=_maybe(st.booleans()),
    min_all=_u64,
    replaces=st.lists(st.binary(min_size=16, max_size=16), max_size=2).map(tuple),
    epochs=st.lists(st.binary(min_size=16, max_size=16), max_size=2).map(tuple),
    prefix_len=_maybe(st.tuples(st.integers(0, 32), st.integers(0, 128))),
    counters=counters,
    delta=_maybe(st.builds(InterfaceDelta, *[_u64] * 6)),
    software=texts,
    rules=texts,
    labels=st.dictionaries(texts, texts, max_size=3),
)
