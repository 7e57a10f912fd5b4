"""What bpft status shows of the daemons: a line each, in 80 columns."""

import time
from typing import Any

import pytest

from bpft.cli.status import _lines, _table
from bpft.messages import one_line

DAY_NS = 86_400 * 10**9


def answer(**more: object) -> dict[str, Any]:
    now = time.time_ns()
    return {
        "interface": "eth0",
        "state": "capturing",
        "pid": 7,
        "uptime_s": 1_051_200.0,
        "engine": "ring",
        "counting": "wire-exact",
        "key_mode": "service",
        "filter": "",
        "flows": 1_234_567,
        "max_flows": 4_194_304,
        "packets": 10**9,
        "all": 10**12,
        "rate_bps": 9_876_543_210,
        "rate_s": 400.0,
        "seen": 10**9,
        "counted": 10**9,
        "skipped": {},
        "folded": 0,
        "received": 10**9,
        "dropped": 999_999,
        "if_dropped": 0,
        "begin_ns": now,
        "saved_ns": now,
        "dumped_ns": now,
        "next_save_ns": now + 10**9,
        "next_dump_ns": None,
        "retention": "31d,400d:day+no-ports",
        "budget": 200_000_000,
        "log": "/var/lib/bpft/trafd.eth0",
        "dump": "/var/lib/bpft/tmp/trafd.eth0",
        "log_bytes": 123_456_789,
        "bytes_per_day": 1_234_567,
        "bytes_per_year": 123_456_789,
        **more,
    }


def test_full_figures_fit_80_columns() -> None:
    title, row, _ = _table([answer(interface="enp0s31f6", saved_ns=time.time_ns() - 3 * DAY_NS)])
    assert title.split() == ["iface", "up", "flows", "bit/s", "dropped", "saved", "dumped", "next", "kB/day", "MB/year"]
    assert max(len(title), len(row)) <= 80
    assert row.split()[:5] == ["enp0s31f6", "12d", "1.23M", "9.88G", "1.00M"]
    assert row.split()[-2:] == ["1235", "123"]


def test_what_there_is_not() -> None:
    nothing = dict.fromkeys(("saved_ns", "dumped_ns", "next_save_ns", "bytes_per_day", "bytes_per_year"))
    _, row, note = _table([answer(state="waiting for the interface", **nothing)])
    assert row.split()[-5:] == ["-"] * 5
    assert note.startswith("eth0: waiting for the interface; ")


def test_where_every_frame_went() -> None:
    _, _, note = _table([answer(seen=12_345, counted=12_300, skipped={"non-ip": 40, "short-link": 5})])
    assert note == "eth0: 12,345 frames seen, 12,300 counted, 45 skipped (non-ip 40, short-link 5)"


def test_several_share_their_columns() -> None:
    lines = list(_table([answer(), answer(interface="wlan0", uptime_s=59.0, flows=0, bytes_per_day=12_300)]))
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[2].split()[1:3] == ["59s", "0"]
    assert lines[2].split()[-2] == "12.3"


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0s"), (60, "1min"), (7200, "2h"), (172_800, "2d")])
def test_the_largest_unit(seconds: int, shown: str) -> None:
    assert list(_table([answer(uptime_s=float(seconds))]))[1].split()[1] == shown


def test_the_long_form() -> None:
    text = one_line("\n".join(_lines(answer(bytes_per_day=None, next_save_ns=None))))
    assert "growth     not known yet" in text
    assert "next save  not timed" in text
    assert "kept       31d,400d:day+no-ports, at most 200 MB" in text
    assert "growth     1.23 MB a day, 123 MB after a year" in "\n".join(_lines(answer()))
