"""--where: which records match, what is refused, and what happens to the remainder (SEMANTICS R3, C7)."""

import os
from pathlib import Path

import blocks
import pytest

from bpft import core
from bpft.errors import BadExpression
from bpft.logfile import LogWriter
from bpft.record import Counters, Header
from bpft.report.answer import Answer, Question, answer
from bpft.report.source import Sources
from bpft.report.where import Where

TEN, LAN = 0x0A000001, 0xC0A80001
RECORDS = b"".join(
    [
        blocks.record(src=TEN, dst=LAN, sport=40000, dport=443, proto=6, all=100),
        blocks.record(src=LAN, dst=TEN, sport=443, dport=40000, proto=6, all=200),
        blocks.record(src=TEN, dst=LAN, sport=40000, dport=53, proto=17, all=300),
        blocks.record(src=LAN, dst=TEN, sport=0, dport=0, proto=1, all=400),
    ]
)
OTHER = blocks.record(flags=core.OTHER | core.NO_PORTS | core.NO_PROTO, packets=7, all=5000)
BARE = blocks.record(src=TEN, dst=LAN, flags=core.NO_PORTS | core.NO_PROTO, all=600)


def ask(tmp_path: Path, expression: str, *records: bytes) -> Answer:
    path = tmp_path / "trafd.x"
    table = blocks.table(*((4, some) for some in records))
    packets = table.totals()[0]
    counters = Counters(seen=packets, counted=packets)
    LogWriter(path).append(Header(epoch=os.urandom(16), begin_ns=1, end_ns=2, source="file", counters=counters), table)
    sources = Sources()
    sources.add(str(path))
    return answer(Question("key", where=expression), sources)


@pytest.mark.parametrize(
    ("expression", "total"),
    [
        ("tcp", 300),
        ("tcp port 443", 300),
        ("src host 10.0.0.1", 400),
        ("net 192.168.0.0/16 and not icmp", 600),
        ("dst port 53 or icmp", 700),
        ("portrange 400-500", 300),
        ("ip proto 17", 300),
        ("ip6", 0),
    ],
)
def test_the_records_that_match_are_summed(tmp_path: Path, expression: str, total: int) -> None:
    found = ask(tmp_path, expression, RECORDS)
    assert found.totals[1] == sum(row.sums[1] for row in found.rows()) == total
    assert found.everything[1] == 1000


@pytest.mark.parametrize("expression", ["ip", "host 0.0.0.0", "not tcp", "net 0.0.0.0/0"])
def test_the_remainder_never_matches_and_is_told(tmp_path: Path, expression: str) -> None:
    found = ask(tmp_path, expression, RECORDS, OTHER)
    assert not any(row.other for row in found.rows())
    assert found.remainder == (7, 5000, 0)
    assert found.everything[1] == 6000


@pytest.mark.parametrize(
    "expression", ["greater 100", "len > 5", "tcp[13] & 2 != 0", "ip[8] < 5", "vlan", "ether broadcast"]
)
def test_what_no_record_knows_is_refused_with_the_words_that_work(expression: str) -> None:
    with pytest.raises(BadExpression, match="portrange") as error:
        Where(expression)
    assert error.value.exit_code == 1


def test_what_does_not_compile_is_refused() -> None:
    with pytest.raises(BadExpression, match="--where 'foo bar'"):
        Where("foo bar")


@pytest.mark.parametrize("expression", ["port 443", "tcp", "ip proto 6", "icmp or host 10.0.0.1"])
def test_ports_and_protocol_are_refused_where_none_are_kept(tmp_path: Path, expression: str) -> None:
    with pytest.raises(BadExpression, match="holds no ports and protocols"):
        ask(tmp_path, expression, BARE)


def test_addresses_can_be_asked_where_nothing_else_is_kept(tmp_path: Path) -> None:
    assert ask(tmp_path, "host 10.0.0.1", BARE).totals[1] == 600


def test_a_remainder_alone_keeps_no_ports_and_refuses_nothing(tmp_path: Path) -> None:
    assert ask(tmp_path, "tcp", RECORDS, OTHER).totals[1] == 300


@pytest.mark.parametrize(
    "expression",
    [
        "icmp6[icmp6type] = icmp6-echo",  # a byte behind the header: not the one libpcap reads in fragments
        "icmp[0:2] = 0",  # where ports would be, of a protocol without any
        "ip[ip[9]-4:2] = 0",  # at an offset that is no header length
        "ip[6:2] & 0x4000 != 0",  # a flag beside the fragment offset
        "ip6[40] = 0",
    ],
)
def test_what_only_looks_like_a_port_is_refused(expression):
    with pytest.raises(core.FilterError, match="a record keeps no"):
        core.RecordFilter(expression)


@pytest.mark.parametrize("expression", ["tcp[0:2] = 80", "udp[2:2] > 1000", "ip6 and tcp", "sctp port 9 or icmp6"])
def test_ports_by_another_name_are_answered(expression):
    core.RecordFilter(expression)
