"""Every grouping, alone and combined, against SQL in DuckDB over the exported Parquet (SEMANTICS R2, R4, C6, C7)."""

import ipaddress
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import blocks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpft.cli.main import run
from bpft.logfile import LogWriter
from bpft.record import Counters, Header
from bpft.report.answer import Answer, Question, answer
from bpft.report.bucket import TooFine, bucket_of
from bpft.report.dimension import BadGrouping, grouping
from bpft.report.rows import BadSort
from bpft.report.source import Sources

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
#: Instants where a local clock is set, or a day or a month ends: in UTC.
TURNS = {
    "Europe/Rome": ["2026-03-29T01:00", "2026-10-25T01:00", "2026-01-31T23:00", "2026-12-31T23:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30", "2026-02-28T13:00"],
    # Its clock is set at midnight; of later years DuckDB and the system may know different laws.
    "America/Havana": ["2024-03-10T05:00", "2024-11-03T05:00"],
    "Asia/Kathmandu": ["2026-02-28T18:15"],
}
#: What a dimension is in SQL: (column, expression as seen from the source, as seen from the destination).
SERVICE = """CASE WHEN sport = dport THEN sport WHEN sport IS NULL THEN NULL ELSE coalesce(least(
    CASE WHEN sport BETWEEN 1 AND 32767 THEN sport END, CASE WHEN dport BETWEEN 1 AND 32767 THEN dport END), 0) END"""
LOCAL = "timezone(zone, make_timestamptz(middle // 1000))"
OFFSET = f"(epoch({LOCAL}) - epoch(make_timestamptz(middle // 1000)))::BIGINT"
MINUTES = "lpad((5 * (minute({0}) // 5))::VARCHAR, 2, '0')"
PROTO = ("proto", "proto", "proto")
SQL: dict[str, list[tuple[str, str, str]]] = {
    "key": [(name, name, "") for name in ("src", "sport", "dst", "dport", "proto")],
    "src": [("src", "src", "")],
    "dst": [("dst", "dst", "")],
    "pair": [("src", "src", ""), ("dst", "dst", "")],
    "sport": [("sport", "sport", ""), PROTO],
    "dport": [("dport", "dport", ""), PROTO],
    "host": [("host", "src", "dst")],
    "net": [("net", "src_net", "dst_net")],
    "port": [("port", "sport", "dport"), PROTO],
    "service": [("service", SERVICE, SERVICE), PROTO],
    "proto": [PROTO],
    "direction": [("direction", "direction", "direction")],
    "vlan": [("vlan", "vlan", "vlan")],
    "interface": [("interface", "interface", "interface")],
    "5min": [("5min", *[f"strftime({LOCAL}, '%Y-%m-%dT%H:') || {MINUTES.format(LOCAL)} || ' ' || {OFFSET}"] * 2)],
    "hour": [("hour", *[f"strftime({LOCAL}, '%Y-%m-%dT%H:00') || ' ' || {OFFSET}"] * 2)],
    "day": [("day", *[f"strftime({LOCAL}, '%Y-%m-%d')"] * 2)],
    "month": [("month", *[f"strftime({LOCAL}, '%Y-%m')"] * 2)],
}
ALONE = [name for name in SQL if name != "net"]
COMBINED = [
    "net/24",
    "net/20,56",
    "net/48",
    "day,host",
    "host,day",
    "hour,src",
    "month,interface",
    "interface,5min,proto",
    "host,service",
    "host,port",
    "host,direction",
    "net/16,vlan",
    "src,service",
    "dst,dport",
    "proto,src",
    "dst,src",
    "sport,dport",
    "pair,direction",
    "key,vlan",
    "port,vlan",
    "port,interface,day",
    "direction,interface",
    "vlan,direction,proto",
]
ENDS = ("host", "net", "port")
BY_DAYS = ("day", "month", "hour", "5min")


@contextmanager
def local_time(zone: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


@st.composite
def dense(draw: st.DrawFn, kind: str) -> list[tuple[int, bytes]]:
    """Records of one block: kind is what its keys hold."""
    found = []
    near = [0x0A000001, 0x0A000002, 0x0A0000FF, 0x0A010001, 0xC0A80001]
    ports = [0, 53, 443, 32767] if kind == "service" else [0, 53, 443, 32767, 32768, 65535]
    absent = blocks.NO_PORTS | blocks.NO_PROTO if kind == "addresses" else 0
    for version, places in ((4, near), (6, [(0x2001 << 112) + (near[3] << 48) + place for place in near])):
        for _ in range(draw(st.integers(0, 6))):
            size = draw(st.integers(0, 1 << 40))
            found.append(
                blocks.record(
                    version,
                    src=draw(st.sampled_from(places)),
                    dst=draw(st.sampled_from(places)),
                    sport=draw(st.sampled_from(ports)),
                    dport=draw(st.sampled_from(ports)),
                    proto=draw(st.sampled_from([0, 1, 6, 17, 58])),
                    flags=absent | draw(st.integers(0, 2)),
                    vlan=draw(st.sampled_from([0, 1, 43])),
                    packets=draw(st.integers(1, 9)),
                    all=size,
                    data=draw(st.integers(0, size)),
                )
            )
        if draw(st.booleans()) and kind != "full":
            flags = blocks.OTHER | blocks.NO_PORTS | blocks.NO_PROTO
            found.append(blocks.record(version, flags=flags, packets=2, all=draw(st.integers(0, 999))))
    return [(4 if len(record) == 40 else 6, record) for record in found]


@st.composite
def logs(draw: st.DrawFn) -> tuple[str, list[tuple[Header, list[tuple[int, bytes]]]]]:
    """A zone, and blocks around an instant where something turns in it: (header, records) each."""
    zone = draw(st.sampled_from(list(TURNS)))
    turn = datetime.fromisoformat(draw(st.sampled_from(TURNS[zone]))).replace(tzinfo=UTC)
    found = []
    for number in range(draw(st.integers(1, 6))):
        begin = int(turn.timestamp()) * SECOND + draw(st.integers(-150, 150)) * MINUTE + draw(st.integers(0, SECOND))
        kind = draw(st.sampled_from(["full", "full", "addresses", "service"]))
        header = Header(
            epoch=number.to_bytes(16, "big"),
            begin_ns=begin,
            end_ns=begin + draw(st.integers(0, 5 * MINUTE)),
            interface=draw(st.sampled_from(["eth0", 'wg "0",', "lo"])),
            key_mode=kind,
        )
        found.append((header, draw(dense(kind))))
    return zone, found


def asked(path: Path, by: str, **question: Any) -> Answer:
    sources = Sources()
    sources.add(str(path))
    found = answer(Question(by, **question), sources)
    assert found.troubles == []
    return found


class Export:
    """The Parquet that bpft export makes of a log, as a table of DuckDB."""

    def __init__(self, path: Path, zone: str) -> None:
        out = path.with_suffix(".parquet")
        assert run(["export", str(path), "--format", "parquet", "-o", str(out)]) == 0
        self.sql = duckdb.connect()
        self.sql.execute("SET TimeZone = 'UTC'")
        self.sql.execute(
            f"CREATE TABLE record AS SELECT row_number() OVER () AS id, '{zone}' AS zone,"
            ' epoch_ns(begin) + (epoch_ns("end") - epoch_ns(begin)) // 2 AS middle, * EXCLUDE (begin, "end")'
            f" FROM read_parquet('{out}')"
        )

    def rows(self, by: str) -> dict[tuple[Any, ...], list[int]]:
        """What each key must sum to; the last of a key: whether it is the remainder."""
        words = by.split(",")
        names = [word.partition("/")[0] for word in words if not word.isdecimal()]
        columns = list(dict.fromkeys(column for name in names for column in SQL[name]))
        if "net" in names:
            self._nets(grouping(by).bits)
        ends = any(name in ENDS for name in names)
        of_block = all(name in ("interface", *BY_DAYS) for name in names)
        titles = ", ".join(f'made."{column}"' for column, _, _ in columns)
        other = "false" if of_block else "other"
        found: dict[tuple[Any, ...], list[int]] = {}
        sides = [", ".join(f'{column[side]} AS "{column[0]}"' for column in columns) for side in (1, 2)]
        keys = f"SELECT id, {other} AS other, {sides[0]} FROM record"
        if ends:
            keys += f" UNION SELECT id, {other} AS other, {sides[1]} FROM record"
        sums = 'sum(packets), sum("all"), sum(data)'
        for *key, remainder, packets, all_, data in self.sql.execute(
            f"SELECT {titles}, made.other, {sums} FROM ({keys}) made JOIN record USING (id) GROUP BY ALL"
        ).fetchall():
            found[*key, remainder] = [packets, all_, data]
        if "host" in names or "net" in names:
            for side in (1, 0):  # in comes before out
                some = self.sql.execute(
                    f'SELECT {titles}, other, sum("all") FROM (SELECT {sides[side]}, {other} AS other, "all"'
                    " FROM record) made GROUP BY ALL"
                ).fetchall()
                moved = {tuple(row[:-1]): row[-1] for row in some}
                for place, into in found.items():
                    into.append(moved.get(place, 0))
        return found

    def _nets(self, bits: tuple[int, int]) -> None:
        addresses = self.sql.execute("SELECT src FROM record UNION SELECT dst FROM record").fetchall()
        self.sql.execute("DROP TABLE IF EXISTS net; CREATE TABLE net (address VARCHAR, net VARCHAR)")
        for (address,) in addresses:
            net = address if "/" in address else cut(address, bits)
            self.sql.execute("INSERT INTO net VALUES (?, ?)", [address, net])
        for end in ("src", "dst"):
            self.sql.execute(f"ALTER TABLE record ADD COLUMN IF NOT EXISTS {end}_net VARCHAR")
            self.sql.execute(f"UPDATE record SET {end}_net = (SELECT net FROM net WHERE address = {end})")


def cut(address: str, bits: tuple[int, int]) -> str:
    version = ipaddress.ip_address(address).version
    return str(ipaddress.ip_network(f"{address}/{bits[version == 6]}", strict=False))


def told(found: Answer) -> dict[tuple[Any, ...], list[int]]:
    """The rows of an answer as SQL tells them; what was watched and is empty is in no table."""
    columns = found.ranking.grouping.columns
    rows = {}
    for row in found.rows():
        if any(row.sums):
            key = [in_sql(column, cell) for column, cell in zip(columns, row.key, strict=True)]
            assert (*key, row.other) not in rows
            rows[*key, row.other] = list(row.sums)
    return rows


def in_sql(column: str, cell: Any) -> Any:
    if column not in ("hour", "5min"):
        return cell
    when = datetime.fromisoformat(cell)
    offset = when.utcoffset()
    assert offset is not None
    return f"{when:%Y-%m-%dT%H:%M} {int(offset.total_seconds())}"


@contextmanager
def written(zone: str, some: list[tuple[Header, list[tuple[int, bytes]]]]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name, local_time(zone):
        path = Path(name) / "log"
        for header, records in some:
            packets = blocks.table(*records).totals()[0]
            counted = header._replace(counters=Counters(seen=packets, counted=packets))
            LogWriter(path).append(counted, blocks.table(*records))
        yield path


@settings(max_examples=15, deadline=None)
@given(log=logs())
def test_every_grouping_is_what_sql_gives(log: tuple[str, list[tuple[Header, list[tuple[int, bytes]]]]]) -> None:
    zone, some = log
    with written(zone, some) as path:
        export = Export(path, zone)
        totals = export.sql.execute('SELECT sum(packets), sum("all"), sum(data) FROM record').fetchone()
        for by in ALONE + COMBINED:
            found = asked(path, by)
            assert told(found) == export.rows(by), by
            assert found.totals == tuple(value or 0 for value in totals), by


def in_order(column: str, cell: Any) -> tuple[Any, ...]:
    if cell is None:
        return (0,)
    if column in ("src", "dst", "host", "net"):
        address, _, length = cell.partition("/")
        plain = ipaddress.ip_address(address)
        return 1, plain.version, length == "0", plain.packed
    if column in ("hour", "5min"):
        return 1, datetime.fromisoformat(cell)
    return 1, cell


@settings(max_examples=40, deadline=None)
@given(log=logs(), by=st.sampled_from(ALONE + COMBINED), data=st.data(), top=st.integers(1, 4), reverse=st.booleans())
def test_rows_come_in_any_order_and_the_others_are_told(
    log: tuple[str, list[tuple[Header, list[tuple[int, bytes]]]]],
    by: str,
    data: st.DataObject,
    top: int,
    reverse: bool,
) -> None:
    found = grouping(by)
    sort = data.draw(st.sampled_from([*found.sums, *found.columns, "key"]))
    with written(*log) as path:
        every = list(asked(path, by, sort=sort, reverse=reverse).rows())
        some = asked(path, by, sort=sort, reverse=reverse, top=top)
        shown = list(some.rows())
        assert len(every) == len(some.ranking)
        assert len(shown) == min(top, len(every))
        if sort in found.sums:
            place = found.sums.index(sort)
            values: list[Any] = [row.sums[place] for row in every]
            assert [row.sums[place] for row in shown] == values[:top]
        else:
            columns = [found.columns.index(sort)] if sort != "key" else range(len(found.columns))
            values = [[in_order(found.columns[place], row.key[place]) for place in columns] for row in every]
            if by.startswith("key") and sort == "key":  # whole keys are in order of both addresses, then of both ports
                values = [[value[place] for place in (0, 2, 1, 3, 4, *range(5, len(value)))] for value in values]
            assert shown == every[:top]
        if not any(row.other for row in every):
            assert values == sorted(values, reverse=reverse != (sort in found.sums))
        sums = [sum(column) for column in zip([0] * len(found.sums), *(row.sums for row in shown), strict=True)]
        left = [sum(column) for column in zip([0] * len(found.sums), *(row.sums for row in every[top:]), strict=True)]
        assert list(some.rest(sums)) == left


def test_without_a_sort_buckets_come_in_order_and_in_each_the_largest_first() -> None:
    day = 86400 * SECOND
    some = [
        (
            Header(epoch=bytes([place] * 16), begin_ns=(20400 + place) * day, end_ns=(20400 + place) * day + MINUTE),
            [(4, blocks.record(src=src, all=100 * size)) for src, size in ((1, 1 + place), (2, 5 - place), (3, 1))],
        )
        for place in (2, 0, 1, 4)
    ]
    with written("UTC", some) as path:
        rows = list(asked(path, "day,src", top=2).rows())
        assert [(row.key[0], row.sums[1]) for row in rows] == [
            ("2025-11-08", 500), ("2025-11-08", 100), ("2025-11-09", 400), ("2025-11-09", 200),
            ("2025-11-10", 300), ("2025-11-10", 300), ("2025-11-12", 500), ("2025-11-12", 100),
        ]  # fmt: skip
        assert len(list(asked(path, "src,day", top=2).rows())) == 2


def test_of_what_only_blocks_tell_as_well_the_first_leads_and_in_it_the_largest_come_first() -> None:
    some = long_blocks(1, 1, 1)
    some = [
        (header._replace(interface=name), [(4, blocks.record(src=src, dst=0x0A000001, all=size))])
        for (header, _), (name, src, size) in zip(
            some, [("a", 0x0A000002, 20), ("b", 0x0A000002, 50), ("a", 0x08080808, 10)], strict=True
        )
    ]
    with written("UTC", some) as path:
        order = lambda by, top=0: [row.key for row in asked(path, by, top=top).rows()]  # noqa: E731
        assert order("interface,scope") == [("a", "LAN"), ("a", "Internet"), ("b", "LAN")]
        assert order("day,interface") == [("2025-11-08", "b"), ("2025-11-08", "a")]
        assert order("day,interface", 1) == [("2025-11-08", "b")]
        assert order("interface,day") == [("a", "2025-11-08"), ("b", "2025-11-08")]
        assert order("interface") == [("b",), ("a",)]


@pytest.mark.parametrize(
    ("zone", "kind", "when", "name", "minutes"),
    [
        ("Europe/Rome", "day", "2026-03-29T12:00", "2026-03-29", 23 * 60),
        ("Europe/Rome", "day", "2026-10-25T12:00", "2026-10-25", 25 * 60),
        ("Europe/Rome", "hour", "2026-10-25T00:30", "2026-10-25T02:00:00+02:00", 60),
        ("Europe/Rome", "hour", "2026-10-25T01:30", "2026-10-25T02:00:00+01:00", 60),
        ("Europe/Rome", "month", "2026-10-31T22:59", "2026-10", 31 * 1440 + 60),
        ("Europe/Rome", "month", "2026-10-31T23:00", "2026-11", 30 * 1440),
        ("Australia/Lord_Howe", "hour", "2026-04-04T14:45", "2026-04-05T01:00:00+11:00", 60),
        ("Australia/Lord_Howe", "hour", "2026-04-04T15:15", "2026-04-05T01:00:00+10:30", 30),
        ("Australia/Lord_Howe", "hour", "2026-10-03T15:45", "2026-10-04T02:00:00+11:00", 30),
        ("America/Havana", "day", "2026-03-08T12:00", "2026-03-08", 23 * 60),  # which has no midnight
        ("America/Havana", "day", "2026-11-01T04:30", "2026-11-01", 25 * 60),  # which has two
        ("Asia/Kathmandu", "hour", "2026-01-01T00:20", "2026-01-01T06:00:00+05:45", 60),
        ("UTC", "5min", "2026-01-01T00:04:59", "2026-01-01T00:00:00+00:00", 5),
    ],
)
def test_a_bucket_is_as_long_as_it_was(zone: str, kind: str, when: str, name: str, minutes: int) -> None:
    second = int(datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp())
    with local_time(zone):
        bucket = bucket_of(kind, second)
        assert (bucket.name, bucket.end_ns - bucket.begin_ns) == (name, minutes * MINUTE)
        assert bucket.begin_ns <= second * SECOND < bucket.end_ns
        assert bucket_of(kind, bucket.end_ns // SECOND - 1) == bucket == bucket_of(kind, bucket.begin_ns // SECOND)
        assert bucket_of(kind, bucket.end_ns // SECOND).begin_ns == bucket.end_ns


def test_an_hour_that_comes_twice_is_told_with_its_zone() -> None:
    turn = int(datetime.fromisoformat(TURNS["Europe/Rome"][1]).replace(tzinfo=UTC).timestamp())
    with local_time("Europe/Rome"):
        told = [bucket_of("hour", turn + 3600 * hour + 60).label for hour in (-4, -1, 0, 3)]
        assert told[1:3] == ["2026-10-25 02:00 CEST", "2026-10-25 02:00 CET"]
        assert (told[0], told[3]) == ("2026-10-24 23:00", "2026-10-25 05:00")
        assert bucket_of("day", turn).label == "2026-10-25"


def long_blocks(*hours: float) -> list[tuple[Header, list[tuple[int, bytes]]]]:
    found = []
    begin = 20400 * 86400 * SECOND
    for place, length in enumerate(hours):
        end = begin + int(length * 3600) * SECOND
        found.append((Header(epoch=bytes([place] * 16), begin_ns=begin, end_ns=end), [(4, blocks.record())]))
        begin = end
    return found


def test_a_bucket_finer_than_the_blocks_is_refused_and_says_what_helps() -> None:
    with written("UTC", long_blocks(2, 2, 1)) as path:
        with pytest.raises(TooFine, match=r"2 of 3 blocks are longer .* 2 h, .* trafd --save-every 1h"):
            asked(path, "hour,host")
        assert len(asked(path, "day").ranking) == 1
    [(header, records)] = long_blocks(2)
    some = header._replace(series=b"whatever"), records
    with written("UTC", [some]) as path, pytest.raises(TooFine, match="own rates of five minutes are told --by day"):
        asked(path, "hour")


def test_the_few_blocks_that_are_longer_are_told() -> None:
    with written("UTC", long_blocks(1, 1, 1, 1, 3, 1.01)) as path:
        [note] = asked(path, "hour").notes
        assert note.startswith("1 of 6 blocks is longer than --by hour, up to 3 h")
        assert asked(path, "day").notes == []


def test_a_capture_is_one_block(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sample = Path(__file__).parent / "captures/sample.pcap"
    with local_time("UTC"):
        found = asked(sample, "interface")
        assert next(found.rows()).key == (str(sample),)


def test_what_has_no_date_is_in_no_bucket() -> None:
    some = long_blocks(1)
    undated = Header(epoch=bytes([9] * 16), begin_ns=SECOND, end_ns=60 * SECOND, clock_synchronised=False)
    some.append((undated, [(4, blocks.record(all=77))]))
    with written("UTC", some) as path:
        assert [(row.key, row.bucket is None, row.sums[1]) for row in asked(path, "day").rows()] == [
            ((None,), True, 77),
            (("2025-11-08",), False, 40),
        ]


def test_what_was_watched_has_a_row_even_without_traffic() -> None:
    some = long_blocks(1, 1)
    some[1][1].clear()
    with written("UTC", some) as path:
        assert [row.sums for row in asked(path, "hour").rows()] == [(1, 40, 0), (0, 0, 0)]


@pytest.mark.parametrize(
    ("by", "hint"),
    [
        ("", "an empty word"),
        ("hosts", "there are key, src"),
        ("day,,host", "an empty word"),
        ("host,host", "host is there twice"),
        ("pair,src", "src is there twice"),
        ("day,month", "take one of them"),
        ("host,src", "looks at both ends"),
        ("src,port", "use sport, dport or service"),
        ("host,net/8", "take one of them"),
        ("service,dport", "take one of them"),
        ("net/33,64", "up to 32"),
        ("net/129", "up to 32 bits, of IPv6 up to 128"),
        ("net/24,200", "up to 128"),
        ("net/24,48,64", "no dimension"),
    ],
)
def test_what_cannot_be_grouped_is_explained(by: str, hint: str) -> None:
    with pytest.raises(BadGrouping, match=hint) as caught:
        grouping(by)
    assert caught.value.exit_code == 127


def test_a_column_that_is_not_there_is_no_order(tmp_path: Path) -> None:
    with (
        written("UTC", long_blocks(1)) as path,
        pytest.raises(BadSort, match="these rows have src, packets, all, data;"),
    ):
        asked(path, "src", sort="dst")


#: Of an interface 192.0.2.10/24: how far an address is, and its scope.
PLACES = {
    "192.0.2.10": (0, "this host"),
    "127.0.0.1": (0, "this host"),
    "192.0.2.77": (1, "LAN"),
    "10.9.9.9": (1, "LAN"),
    "203.0.113.5": (2, "office"),
    "198.51.100.1": (4, "Internet"),
    "224.0.0.251": (5, "multicast"),
    "192.0.2.255": (5, "multicast"),
}
SCOPES = (("office", ("203.0.113.0/24",)),)


@settings(max_examples=40, deadline=None)
@given(
    ends=st.lists(
        st.tuples(st.sampled_from(list(PLACES)), st.sampled_from(list(PLACES)), st.integers(0, 2), st.integers(0, 999)),
        max_size=30,
    )
)
def test_scopes_are_those_of_the_farther_end(ends: list[tuple[str, str, int, int]]) -> None:
    number = lambda text: int(ipaddress.ip_address(text))  # noqa: E731
    records = [
        (4, blocks.record(src=number(src), dst=number(dst), flags=way, packets=1, all=size))
        for src, dst, way, size in ends
    ]
    records.append((4, blocks.record(flags=blocks.OTHER | blocks.NO_PORTS | blocks.NO_PROTO, packets=1, all=5)))
    header = Header(epoch=b"e", begin_ns=SECOND, end_ns=MINUTE, interface="eth0", prefixes=("192.0.2.10/24",))
    expected: dict[tuple[str, bool], list[int]] = {("other", True): [1, 5, 0, 0]}
    by_host: dict[tuple[str, str], int] = {}
    for src, dst, way, size in ends:
        (near, source), (far, target) = PLACES[src], PLACES[dst]
        scope = source if near > far else target
        into = expected.setdefault((scope, False), [0, 0, 0, 0])
        inward = near > far or (near == far and way == 1)
        outward = near < far or (near == far and way == 2)
        for place, value in enumerate((1, size, size * inward, size * outward)):
            into[place] += value
        for host in {src, dst}:
            by_host[scope, host] = by_host.get((scope, host), 0) + size
    with written("UTC", [(header, records)]) as path:
        rows = list(asked(path, "scope", scopes=SCOPES).rows())
        assert {(row.key[0], row.other): [*row.sums[:2], *row.sums[3:]] for row in rows} == expected
        assert [row.sums[1] for row in rows] == sorted((row.sums[1] for row in rows), reverse=True)
        found = asked(path, "scope,host,proto", scopes=SCOPES)
        assert {row.key[:2]: row.sums[1] for row in found.rows() if not row.other} == by_host
        assert found.totals[1] == 5 + sum(size for *_, size in ends)
        assert asked(path, "day,scope,service", scopes=SCOPES).totals == found.totals
        only = asked(path, "scope", scopes=SCOPES, where="host 10.9.9.9")
        assert only.totals[1] == sum(size for src, dst, _, size in ends if "10.9.9.9" in (src, dst))


def test_a_log_without_records_has_no_scopes() -> None:
    with written("UTC", [(Header(epoch=b"e", begin_ns=SECOND, end_ns=MINUTE), [])]) as path:
        assert list(asked(path, "scope,host").rows()) == []
        assert list(asked(path, "day,scope").groups()) == []
