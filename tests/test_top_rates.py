"""bpft top: what came between two looks, over saves, folds and restarts; rates over 2, 10 and 60 seconds."""

import struct
from collections import Counter
from pathlib import Path

import pytest
from blocks import NO_PORTS, NO_PROTO, OTHER, record, split, table
from hypothesis import given
from hypothesis import strategies as st
from looked_at import SECOND, Daemon, at

from bpft.core import Table
from bpft.errors import NotRunning
from bpft.paths import paths
from bpft.report.resolve import HostNames
from bpft.report.scope import Scopes
from bpft.top.asked import Asked
from bpft.top.change import change, contents
from bpft.top.history import History
from bpft.top.label import Labels
from bpft.top.picture import TOTAL, Order, picture
from bpft.top.source import Attached, Reading, _compared
from bpft.top.view import BOTH, IN, OUT, VIEWS
from bpft.top.watch import Watch

Dense = dict[int, bytes]
Flow = tuple[int, int, int, int]  # version, src, dst, sport
REST = OTHER | NO_PORTS | NO_PROTO

flows = st.tuples(st.sampled_from([4, 6]), st.integers(1, 4), st.integers(1, 4), st.integers(1000, 1002))
gains = st.lists(st.tuples(flows, st.integers(20, 1500)), max_size=20)


def dense(sums: Counter[Flow]) -> Dense:
    made = Table()
    for (version, src, dst, sport), bytes_ in sums.items():
        made.add_records(version, record(version, src, dst, sport, all=bytes_, data=bytes_ // 2))
    return contents(made)


def bytes_by_key(records: Dense) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    for version, some in records.items():
        for one in split(version, some):
            found[one[:-24]] += struct.unpack("=Q", one[-16:-8])[0]
    return found


@given(gains, gains)
def test_the_change_is_what_came(before: list[tuple[Flow, int]], after: list[tuple[Flow, int]]) -> None:
    had, came = Counter(), Counter()
    for flow, bytes_ in before:
        had[flow] += bytes_
    for flow, bytes_ in after:
        came[flow] += bytes_
    gained = change(dense(had), dense(had + came))
    assert gained is not None
    assert bytes_by_key(gained) == bytes_by_key(dense(came))


@given(gains, gains, st.sets(st.integers(1000, 1002)))
def test_what_was_folded_is_no_traffic(
    before: list[tuple[Flow, int]], after: list[tuple[Flow, int]], ports: set[int]
) -> None:
    """Flows of some ports go into "other" between two looks, with what they have gained."""
    looks = []
    whole: Counter[Flow] = Counter()
    for sums, folded in ((before, set()), (after, ports)):
        made = Table()
        for flow, bytes_ in sums:
            whole[flow] += bytes_
        for (version, src, dst, sport), bytes_ in whole.items():
            small = sport in folded
            made.add_records(version, record(version, src, dst, sport, flags=REST if small else 0, all=bytes_))
        looks.append(contents(made))
    gained = change(*looks)
    assert gained is not None
    assert sum(bytes_by_key(gained).values()) == sum(bytes_ for _, bytes_ in after)


def test_a_table_that_shrank_is_not_compared() -> None:
    """A daemon that was killed goes on with an old dump, under the same epoch."""
    flow = (4, 1, 2, 1000)
    assert change(dense(Counter({flow: 500})), dense(Counter({flow: 400}))) is None
    assert _compared((at(1), dense(Counter({flow: 500}))), at(2), dense(Counter({flow: 400})))[0] is None


def test_a_save_between_two_looks() -> None:
    flow = (4, 1, 2, 1000)
    saved = dense(Counter({flow: 5000}))
    new = dense(Counter({flow: 300}))
    gained, span_ns = _compared((at(1), saved), at(2.5, epoch=b"f" * 16), new)
    assert (gained, span_ns) == (change({}, new), 1.5 * SECOND)
    assert _compared((at(2), saved), at(2), saved) == (None, 0)
    began = at(2.5, epoch=b"f" * 16)._replace(begin_ns=at(1.9).end_ns, boot_begin_ns=round(1.9 * SECOND))
    assert _compared((at(1), saved), began, new)[1] == round(0.6 * SECOND), "what came before the save is not known"
    by_clock = began._replace(boot_begin_ns=None, boot_end_ns=None)
    assert _compared((at(1), saved), by_clock, new)[1] == round(0.6 * SECOND)


def test_looks_at_a_daemon(tmp_path: Path) -> None:
    source = Attached(paths(str(tmp_path)), "eth0")
    with pytest.raises(NotRunning):
        source.read()
    daemon = Daemon(tmp_path, "eth0", lambda n: (at(n), table((4, record(all=100 * (n + 1))))))
    try:
        first, second = source.read(), source.read()
    finally:
        daemon.close()
    assert (first.gained, first.span_ns) == (None, 0)
    assert second.gained is not None
    assert (list(bytes_by_key(second.gained).values()), second.span_ns) == ([100], SECOND)


# ---- windows ----


def asked(view: str = "hosts") -> Asked:
    return Asked(VIEWS[view], Scopes(), at(0))


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=150), st.sampled_from([0.5, 1.0, 2.0, 7.0]))
def test_windows_are_the_last_seconds(gained: list[int], step_s: float) -> None:
    """Each window has the last so many seconds, or up to a piece more or less where pieces are longer."""
    history = History()
    question = asked()
    for bytes_ in gained:
        history.add(round(step_s * SECOND), {4: record(all=bytes_)} if bytes_ else {})
        history.windows(question)  # What is remembered of pieces must not be of others.
    for seconds, window in zip((2, 10, 60), history.windows(question), strict=True):
        looks = round(window.span_ns / SECOND / step_s)
        assert window.everything(BOTH) == sum(gained[-looks:])
        known = len(gained) * step_s
        assert abs(window.span_ns / SECOND - min(seconds, known)) <= max(step_s, 5.0 if seconds == 60 else 0.0)


@pytest.mark.parametrize("step_s", [0.97, 1.04])
def test_looks_that_come_early_or_late(step_s: float) -> None:
    """Two seconds are two looks all the same."""
    history = History()
    for _ in range(90):
        history.add(round(step_s * SECOND), {4: record(all=100)})
    spans = [window.span_ns / SECOND for window in history.windows(asked())]
    assert spans[:2] == [pytest.approx(2 * step_s), pytest.approx(10 * step_s)]


def test_rows_are_ranked_by_all_pieces_of_a_window() -> None:
    history = History()
    history.add(SECOND, {4: record(src=1, dst=9, all=700)})
    history.add(SECOND, {4: record(src=2, dst=9, all=500) + record(src=3, dst=9, all=600)})
    history.add(0, {})
    found = picture(history, {}, asked(), Order(0, OUT), 10)
    assert [row.key[3] for row in found.rows[:3]] == [1, 3, 2]


def test_another_question_is_another_answer() -> None:
    history = History()
    history.add(SECOND, {4: record(src=1, dst=2, all=700)})
    held = {4: record(src=1, dst=2, all=700)}
    for view, rows in (("hosts", 2), ("pairs", 1), ("hosts", 2)):
        found = picture(history, held, asked(view), Order(), 10)
        assert [found.bytes(row, 0, BOTH) for row in found.rows] == [700] * rows


def test_a_daemon_that_began_anew_has_no_rates_at_first() -> None:
    watch = Watch(Labels(HostNames(patience=0.0), numeric=True), Scopes())
    held = {4: record(all=500)}
    for gained in ({}, held, None):
        watch.take(Reading(at(1), held, gained, SECOND))
    found = watch.picture(10)
    assert found is not None
    assert [window.span_ns for window in found.windows] == [0, 0, 0, 0]
    assert found.bytes(None, TOTAL, BOTH) == 500


def test_memory_is_bounded() -> None:
    history = History()
    for _ in range(1000):
        history.add(SECOND, {4: record(all=100)})
    assert len(history._fine) + len(history._coarse) <= 30


def test_hosts_have_both_ways() -> None:
    history = History()
    history.add(2 * SECOND, {4: record(src=1, dst=2, all=1000) + record(src=2, dst=1, all=200)})
    held = {4: record(src=1, dst=2, all=5000) + record(src=2, dst=1, all=700) + record(src=3, dst=3, all=9)}
    found = picture(history, held, asked(), Order(), 10)
    rows = {row.key[3]: row for row in found.rows}
    assert found.rate(rows[1], 0, IN) == 200 * 8 // 2
    assert found.rate(rows[1], 0, OUT) == 1000 * 8 // 2
    assert found.rate(rows[1], 0, BOTH) == 1200 * 8 // 2
    assert [found.bytes(rows[2], TOTAL, way) for way in (BOTH, IN, OUT)] == [5700, 5000, 700]
    assert found.bytes(rows[3], TOTAL, BOTH) == 9, "what a host sent to itself is there once"
    assert [row.key[3] for row in found.rows][-1] == 3, "who rests comes last"
    assert found.bytes(None, TOTAL, BOTH) == 5709


def test_nothing_is_known_before_two_looks() -> None:
    found = picture(History(), {4: record(all=40)}, asked(), Order(), 10)
    assert found.rate(found.rows[0], 0, BOTH) is None
    assert found.bytes(found.rows[0], TOTAL, BOTH) == 40


def test_a_pair_is_one_row_told_from_the_nearer_end() -> None:
    near, far = 0x0A000005, 0x01010101
    held = {4: record(src=near, dst=far, all=1000) + record(src=far, dst=near, all=30)}
    found = picture(History(), held, asked("pairs"), Order(TOTAL), 10)
    assert len(found.rows) == 1
    assert found.rows[0].key[:8] == near.to_bytes(4, "big") + far.to_bytes(4, "big")
    assert [found.bytes(found.rows[0], TOTAL, way) for way in (BOTH, IN, OUT)] == [1030, 30, 1000]


def test_services_of_both_ip_versions_are_one_row() -> None:
    rx, tx = 1, 2
    held: Dense = {
        4: record(sport=50000, dport=443, flags=tx, all=100) + record(sport=443, dport=50000, flags=rx, all=900),
        6: record(6, sport=50001, dport=443, flags=tx, all=7),
    }
    found = picture(History(), held, asked("services"), Order(TOTAL), 10)
    assert len(found.rows) == 1
    assert [found.bytes(found.rows[0], TOTAL, way) for way in (BOTH, IN, OUT)] == [1007, 900, 107]
    assert [found.bytes(None, TOTAL, way) for way in (BOTH, IN, OUT)] == [1007, 900, 107]


def test_scopes() -> None:
    here, near, far = 0x0A000001, 0x0A000005, 0x01010101
    held = {
        4: record(src=here, dst=far, all=100)
        + record(src=far, dst=here, all=50)
        + record(src=here, dst=near, all=7)
        + record(flags=REST, all=1)
    }
    question = asked("scopes")
    found = picture(History(), held, question, Order(TOTAL), 10)
    told = {
        question.scopes[int.from_bytes(row.key[-8:-6], "big")]: [found.bytes(row, TOTAL, way) for way in range(3)]
        for row in found.rows
    }
    assert told == {"Internet": [150, 50, 100], "LAN": [7, 0, 7], "other": [1, 0, 0]}


@given(st.sampled_from(sorted(VIEWS)), st.data())
def test_rows_add_up_and_come_in_order(view: str, data: st.DataObject) -> None:
    """Each view against plain sums: hosts have a packet twice, but for what a host sends to itself."""
    sums: Counter[Flow] = Counter()
    for flow, bytes_ in data.draw(gains):
        sums[flow] += bytes_
    order = Order(TOTAL, data.draw(st.sampled_from([BOTH, IN, OUT])))
    found = picture(History(), dense(sums), asked(view), order, 1000)
    shown = [found.bytes(row, *order) for row in found.rows]
    assert shown == sorted(shown, reverse=True)
    assert len(set(found.rows)) == len(found.rows)
    twice = sum(bytes_ for (_, src, dst, _), bytes_ in sums.items() if src != dst) if view == "hosts" else 0
    assert sum(found.bytes(row, TOTAL, BOTH) for row in found.rows) == sum(sums.values()) + twice
    assert found.bytes(None, TOTAL, BOTH) == sum(sums.values())
