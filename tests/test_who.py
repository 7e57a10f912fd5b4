"""bpft who: one host's peers, services and hours against a plain computation, and how it is found by name."""

import csv
import io
import json
import os
import pty
import subprocess
from collections import defaultdict
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

import pytest
from blocks import record, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_cli_report import BPFT, ENVIRONMENT, lines, refused, run

from bpft import core
from bpft.logfile import LogWriter
from bpft.paths import paths
from bpft.record import Counters, Header
from bpft.report.period import SECOND, Period
from bpft.report.render.who import COLUMNS
from bpft.report.source import Sources
from bpft.report.who import profiles

BEGIN = datetime(2026, 11, 20, 0, 0)  # local
HOSTS = [0x0A000001, 0x0A000002, 0x0A000003, 0x08080808]
PORTS = [40000, 50000, 443, 53]
SAMPLE = Path(__file__).parent / "captures/sample.pcap"


class Flow(NamedTuple):
    hour: int
    src: int
    dst: int
    sport: int
    dport: int
    proto: int
    all: int
    other: bool


def ns(hour: int) -> int:
    return int((BEGIN + timedelta(hours=hour)).timestamp()) * SECOND


def log(path: Path, flows: list[Flow], interface: str = "eth0") -> None:
    """A block an hour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = LogWriter(path)
    for hour in sorted({flow.hour for flow in flows}):
        rows = b"".join(
            record(
                src=it.src,
                dst=it.dst,
                sport=it.sport,
                dport=it.dport,
                proto=it.proto,
                flags=core.OTHER | core.NO_PORTS | core.NO_PROTO if it.other else 0,
                packets=1,
                all=it.all,
            )
            for it in flows
            if it.hour == hour
        )
        made = table((4, rows))
        head = Header(
            epoch=f"{interface:>6}{hour:010}".encode(),
            begin_ns=ns(hour),
            end_ns=ns(hour + 1),
            interface=interface,
            prefixes=("10.0.0.1/24",),
            counters=Counters(seen=1, counted=1),
            counting="wire-exact",
        )
        writer.append(head, made)


FLOWS = st.lists(
    st.builds(
        Flow,
        st.integers(0, 5),
        st.sampled_from(HOSTS),
        st.sampled_from(HOSTS),
        st.sampled_from(PORTS),
        st.sampled_from(PORTS),
        st.sampled_from([6, 17]),
        st.integers(1, 10**6),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flows=FLOWS)
def test_it_is_what_a_plain_sum_gives(tmp_path: Path, flows: list[Flow]) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    me = HOSTS[0]
    flows.append(Flow(0, me, HOSTS[3], 40000, 443, 6, 7, False))
    log(path, flows)
    sources = Sources()
    sources.add(str(path))
    (found,) = profiles([str(IPv4Address(me))], Period(), (), sources)

    peers: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    hours: dict[int, list[int]] = {ns(flow.hour): [0, 0] for flow in flows}
    packets = [0, 0]
    for flow in flows:
        if flow.other or me not in (flow.src, flow.dst):
            continue
        way = 0 if flow.dst == me else 1
        packets[way] += 1
        hours[ns(flow.hour)][way] += flow.all
        if flow.src != flow.dst:
            peers[str(IPv4Address(flow.src if way == 0 else flow.dst))][way] += flow.all
    assert list(found.packets) == packets
    assert found.moved.into == sum(into for into, _ in hours.values())
    assert found.moved.out == sum(out for _, out in hours.values())
    assert {bucket.begin_ns: list(moved) for bucket, moved in found.times.items()} == hours
    shown = found.peers([str(IPv4Address(me))], (), 0)
    assert {it.address: list(it.moved) for it in shown} == peers
    assert [it.moved.all for it in shown] == sorted((it.moved.all for it in shown), reverse=True)
    assert {it.address: it.scope for it in shown}["8.8.8.8"] == "Internet"
    services = found.services()
    assert sum(it.moved.into for it in services) == found.moved.into
    assert sum(it.moved.out for it in services) == found.moved.out
    assert found.remainder[1] == sum(flow.all for flow in flows if flow.other)
    assert sources.troubles == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    flows = [
        Flow(0, HOSTS[0], HOSTS[3], 40000, 443, 6, 100, False),
        Flow(0, HOSTS[3], HOSTS[0], 443, 40000, 6, 9000, False),
        Flow(30, HOSTS[0], HOSTS[1], 40000, 53, 17, 50, False),
    ]
    log(paths(str(tmp_path)).log("eth0"), flows)
    log(paths(str(tmp_path)).log("wan0"), flows[:1], "wan0")
    return tmp_path


def test_a_page_of_a_host(root: Path) -> None:
    printed = lines("who", "10.0.0.1", "all", "--root", root, "-n")
    assert printed[0] == "10.0.0.1"
    assert printed[1] == "eth0, all"
    assert printed[3] == "received 9.00 kB in 1 packet, sent 150 B in 2 packets"
    assert printed[6].split() == ["8.8.8.8", "Internet", "9.00", "kB", "100", "B", "9.10", "kB"]
    assert printed[7].split() == ["10.0.0.2", "LAN", "0", "B", "50", "B", "50", "B"]
    assert printed[10].split()[:2] == ["443", "6"]
    bars = [line for line in printed if line.endswith("█")]
    assert [line[:10] for line in bars] == ["2026-11-20", "2026-11-21"]
    assert max(map(len, printed[: printed.index(bars[1]) + 1])) <= 80
    assert bars[0].count("█") > bars[1].count("█") == 1
    assert "on wan0 as well: received 0 B, sent 100 B in 1 packet; -i wan0 shows it" in printed
    assert "#" in "".join(lines("who", "10.0.0.1", "all", "--root", root, "-n", PYTHONIOENCODING="ascii"))


def test_when_nothing_was_watched_is_no_silence(root: Path) -> None:
    printed = lines("who", "10.0.0.1", "all", "-i", "eth0", "--root", root, "-n")
    assert printed[2].endswith(" (2 h of it watched)")
    place = next(at for at, line in enumerate(printed) if "not watched for 1 d 5 h" in line)
    assert [line[:13] for line in printed[place - 1 : place + 2]] == ["2026-11-20 00", "2026-11-20 01", "2026-11-21 06"]
    gap = ("2026-11-20T02:00..2026-11-20T05:00", "--root", root)
    refused(run("who", "10.0.0.1", *gap), 1, "was not watched", ", with gaps")


def test_bars_where_somebody_says_c(root: Path) -> None:
    for environment, letter in ({"LC_ALL": "C"}, "#"), ({"LC_ALL": "C.UTF-8"}, "█"):
        assert letter in "".join(lines("who", "10.0.0.1", "all", "--root", root, "-n", **environment))


def test_json_has_every_interface(root: Path) -> None:
    document = json.loads(run("who", "10.0.0.1", "2026-11-20", "--root", root, "--json").stdout)
    assert document["schema"] == "bpft-who-1"
    first, second = document["interfaces"]
    assert (first["interface"], first["in"], first["out"], first["packets_in"]) == ("eth0", 9000, 100, 1)
    assert (second["interface"], second["all"]) == ("wan0", 100)
    assert first["services"] == [{"port": 443, "proto": 6, "in": 9000, "out": 100, "all": 9100}]
    only = json.loads(run("who", "10.0.0.1", "all", "-i", "wan0", "--root", root, "--json").stdout)
    assert [it["interface"] for it in only["interfaces"]] == ["wan0"]


def test_a_name_is_looked_up_in_the_files_of_the_configuration(root: Path) -> None:
    config = Path(paths(str(root)).config)
    config.parent.mkdir(parents=True)
    hosts = root / "hosts"
    hosts.write_text("10.0.0.1 laptop.home\n10.0.0.2 dns.home\n")
    config.write_text(f'[names]\nhosts = ["{hosts}"]\n')
    printed = lines("who", "laptop", "all", "--root", root)
    assert printed[0] == "laptop (10.0.0.1)"
    assert any(line.startswith("dns.home") for line in printed)
    assert lines("who", "10.0.0.1", "all", "--root", root)[0] == "laptop.home (10.0.0.1)"
    refused(run("who", "nosuch.invalid", "all", "--root", root), 127, "'nosuch.invalid' is no address, and no name")


def test_who_is_not_known_is_told_with_whom_is_near(root: Path) -> None:
    words = ("all", "--root", root)
    refused(run("who", "10.0.0.9", *words), 1, "10.0.0.9 is not in", "reaches from 2026-11-20", "is 10.0.0.1")
    day = ("2026-11-20", "--root", root)
    refused(run("who", "10.0.0.9", *day), 1, "not in what was recorded of 2026-11-20")
    refused(run("who", "8.8.4.4", *words), 1, "nearest address in it is 8.8.8.8")
    refused(run("who", "fd00::1", *words), 1, "fd00::1 is not in")
    refused(run("who", "10.0.0.1", "--root", root), 1, "today was not watched")
    refused(run("who", "10.0.0.1", "all", "-i", "eth7", "--root", root), 1, "nothing of eth7")
    refused(run("who", "10.0.0.0/8", *words), 127, "--where 'net 10.0.0.0/8'")
    refused(run("who", "10.0.0.1", "yesturday", "--root", root), 127, "did you mean yesterday?")
    refused(run("who"), 127, "bpft who")
    refused(run("who", "192.0.2.77", "-", "-n", data=SAMPLE.read_bytes()), 1, "192.0.2.77 is not in")


def test_ipv6_and_a_capture() -> None:
    (seen,) = json.loads(run("who", "2001:DB8:1::20", SAMPLE, "--json").stdout)["interfaces"]
    rows = run("report", SAMPLE, "--by", "host", "-n", "--format", "csv").stdout.decode().splitlines()
    (row,) = (line.split(",") for line in rows if line.startswith("2001:db8:1::20,"))
    assert [str(seen[name]) for name in ("in", "out", "all")] == [row[4], row[5], row[2]]
    assert IPv6Address(seen["peers"][0]["address"])


def test_times_are_as_coarse_as_the_blocks(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log")
    rows = table((4, record(src=HOSTS[0], dst=HOSTS[1], packets=1, all=5)))
    for day in range(3):
        head = Header(epoch=bytes([day]) * 16, begin_ns=ns(24 * day), end_ns=ns(24 * day + 24), interface="eth0")
        writer.append(head, rows)
    (seen,) = json.loads(run("who", "10.0.0.1", tmp_path / "log", "--json").stdout)["interfaces"]
    assert (seen["bucket"], [it["all"] for it in seen["times"]]) == ("day", [5, 5, 5])


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_rows_say_what_json_says(form: str) -> None:
    """One for each peer, service and time, with every column; --top 0 is theirs without asking."""
    capture, host = SAMPLE, "192.168.1.20"
    document = json.loads(run("who", host, "-r", capture, "--json", "--top", "0").stdout)
    wanted = [
        dict.fromkeys(COLUMNS) | {"interface": seen["interface"], "what": what} | _only(row)
        for seen in document["interfaces"]
        for what, rows in (("peer", seen["peers"]), ("service", seen["services"]), (seen["bucket"], seen["times"]))
        for row in rows
    ]
    assert {row["what"] for row in wanted} == {"peer", "service", "hour"}
    done = run("who", host, "-r", capture, "--format", form)
    assert (done.returncode, done.stderr) == (0, b"")
    if form == "csv":
        found = list(csv.DictReader(done.stdout.decode().splitlines()))
        assert found == [{name: "" if value is None else str(value) for name, value in row.items()} for row in wanted]
    elif form == "ndjson":
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert [{name: row[name] for name in COLUMNS} for row in told] == wanted
        assert {(row["schema"], row["host"], row["adds_up"]) for row in told} == {("bpft-who-1", host, True)}
    else:
        pq = pytest.importorskip("pyarrow.parquet")
        assert pq.read_table(io.BytesIO(done.stdout)).to_pylist() == wanted
        assert pq.read_schema(io.BytesIO(done.stdout)).metadata[b"bpft.schema"] == b"bpft-who-1"


@pytest.mark.parametrize("words", [("report", SAMPLE), ("who", "192.168.1.20", "-r", SAMPLE)])
def test_parquet_is_nothing_for_a_terminal(words: tuple[str | Path, ...]) -> None:
    ours, theirs = pty.openpty()
    try:
        command = [*BPFT, *map(str, words), "--format", "parquet"]
        done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=60, check=False)
        os.close(theirs)
        assert (done.returncode, done.stderr.count(b"\n")) == (127, 1)
        assert b"use > FILE, or a pipe" in done.stderr
    finally:
        os.close(ours)


def _only(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name in COLUMNS}
