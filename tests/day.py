"""A day of an office's router as 24 hourly blocks: some 200 hosts, two uplinks' worth of habits, a handful of drops."""

import datetime
import math
import random
from pathlib import Path
from zoneinfo import ZoneInfo

from blocks import record, table

from bpft import core
from bpft.logfile import LogWriter
from bpft.record import Counters, Header, InterfaceDelta
from bpft.series import Series

HOUR = 3600 * 10**9
ZONE = ZoneInfo("Europe/Berlin")
BEGIN = int(datetime.datetime(2026, 11, 19, tzinfo=ZONE).timestamp()) * 10**9
LAN, STAFF = 0xC0A80A00, 150

#: (address, port, protocol, weight): what an office talks to.
_FAR = [
    (0x8EFA_B90E, 443, 17, 30.0),
    (0x1711_D22B, 443, 6, 16.0),
    (0x3420_7A11, 443, 6, 14.0),
    (0x9765_0181, 443, 6, 7.0),
    (0x0808_0808, 53, 17, 0.2),
    (0x5DB8_D822, 80, 6, 1.5),
    (0xC633_6417, 22, 6, 2.0),
    (0xCB00_7105, 993, 6, 1.2),
    (0xCB00_7119, 25, 6, 0.4),
    (0xA29F_C801, 123, 17, 0.01),
] + [(0x2D40_0000 + 7919 * n, 443, 6, 6.0 / (n + 2)) for n in range(40)]


def busy(hour: float) -> float:
    """How much an office does at an hour of the day; a backup runs at two in the morning."""
    work = math.exp(-(((hour - 10.5) / 2.2) ** 2)) + 0.9 * math.exp(-(((hour - 15) / 2.0) ** 2))
    return 0.02 + work


def write_day(path: Path, hours: int = 24, seed: int = 7) -> Path:
    """Append the blocks to a log; returns it."""
    draw = random.Random(seed)
    writer = LogWriter(path)
    for hour in range(hours):
        records4, records6 = _hour(draw, hour)
        held = table((4, b"".join(records4)), (6, b"".join(records6)))
        writer.append(_header(draw, hour, held), held)
    return path


def _hour(draw: random.Random, hour: int) -> tuple[list[bytes], list[bytes]]:
    four, six = [], []
    for host in range(STAFF):
        amount = busy(hour) * draw.lognormvariate(17.4, 1.1) / (1 + host / 12)
        for far, port, proto, weight in draw.choices(_FAR, [one[3] for one in _FAR], k=3):
            share = amount * weight / 20
            four += _talk(LAN + 20 + host, far, draw.randrange(32768, 60999), port, proto, share / 9, share)
        if host % 5 == 0 and busy(hour) > 0.1:
            six += _talk6(host, draw.randrange(32768, 60999), amount / 6)
        if host % 3 == 0:
            amount = busy(hour) * draw.lognormvariate(14, 1)
            four += _talk(LAN + 20 + host, LAN + 5, draw.randrange(32768, 60999), 445, 6, amount / 2, amount)
    if hour in (2, 3):
        four += _talk(LAN + 5, 0xC633_6417, 50022, 22, 6, 4e9, 6e7)
    four += _talk(LAN + 20, 0xEFFF_FFFA, 1900, 1900, 17, 2e5, 0)
    return four, six


def _talk(near: int, far: int, sport: int, dport: int, proto: int, sent: float, received: float) -> list[bytes]:
    made = []
    for size, swap in ((int(sent), False), (int(received), True)):
        if size < 100:
            continue
        packets = max(1, size // 1100)
        ends = (far, near, dport, sport) if swap else (near, far, sport, dport)
        flags = core.DIR_TX if swap else core.DIR_RX
        data = size - 40 * packets
        made.append(record(4, *ends, proto, flags, 0, packets, size, max(0, data)))
    return made


def _talk6(host: int, sport: int, amount: float) -> list[bytes]:
    near, far = (0x20010DB8_00010000 << 64) + 0x1000 + host, (0x20010DB8_FFFF0000 << 64) + host % 7
    return [
        record(6, far, near, 443, sport, 17, core.DIR_TX, 0, int(amount) // 1200 + 1, int(amount) + 48, int(amount)),
        record(6, near, far, sport, 443, 17, core.DIR_RX, 0, int(amount) // 9000 + 1, int(amount) // 8 + 48, 1),
    ]


def _header(draw: random.Random, hour: int, held: core.Table) -> Header:
    begin = BEGIN + hour * HOUR
    packets, all_, _ = held.totals()
    wire = all_ + 18 * packets
    sent = wire * 4 // 5
    direction = {"rx": (packets // 3, wire - sent, packets // 3, wire - sent)}
    direction["tx"] = (packets - packets // 3, sent, packets - packets // 3, sent)
    moved = InterfaceDelta(wire - sent + 900, sent, packets // 3 + 1, packets, HOUR)
    series = Series()
    for step in range(12):
        part = draw.uniform(0.6, 1.4) / 12
        sums = int(moved.rx_bytes * part), int(moved.tx_bytes * part), packets // 36, packets // 18
        series.add(begin + step * HOUR // 12, begin + (step + 1) * HOUR // 12, sums)
    return Header(
        epoch=hour.to_bytes(16, "big"),
        sequence=hour,
        begin_ns=begin,
        end_ns=begin + HOUR,
        zone="Europe/Berlin",
        clock_synchronised=True,
        host="gw.office.example",
        interface="eth1",
        mtu=1500,
        link_types=(1,),
        speed_mbit=1000,
        hardware=True,
        prefixes=("192.168.10.1/24", "2001:db8:1::1/64"),
        engine="ring",
        counting="wire-exact",
        key_mode="full",
        counters=Counters(
            seen=packets + 31,
            counted=packets,
            skipped={"arp": 31},
            direction=direction,
            received=packets + 31,
            dropped=12 if hour == 10 else 0,
        ),
        delta=moved,
        series=series.pack(),
        software="bpft",
    )
