"""JSON: one object with everything the table tells, or a row a line; numbers are exact integers."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from bpft.messages import valid
from bpft.report.answer import Answer
from bpft.report.completeness import Account
from bpft.report.coverage import Span, union
from bpft.report.dimension import ADDRESSES, OUTER
from bpft.report.period import SECOND
from bpft.report.render import batches, whole_sums
from bpft.report.rows import Cell, Row

if TYPE_CHECKING:
    from bpft.report.rates import GroupRate, InterfaceRate, Rate

_PLAIN = (*ADDRESSES, "net")  # columns of ASCII that are never absent
_WORDS = (*OUTER, "direction")

SCHEMA = "bpft-report-1"  #: changes when a field changes its meaning or goes
SECTIONS = "bpft-report-sections-1"  #: the same of several in one


def write(answer: Answer, out: TextIO) -> None:
    """One object; the rows come last and are streamed, and behind them what those sum to that are not shown."""
    start = json.dumps(valid(head(answer)), indent=1)
    out.write(start.removesuffix("\n}") + ',\n "rows": [')
    shown, sums = 0, [0] * len(answer.ranking.grouping.sums)
    for rows in batches(answer.rows()):
        out.write(",\n  " if shown else "\n  ")
        out.write(",\n  ".join(_rows(answer, rows)))
        shown += len(rows)
        sums = [sum(column) for column in zip(sums, *(row.sums for row in rows), strict=True)]
    rest = {"rows": len(answer.ranking) - shown, **_sums(answer, answer.rest(sums))}
    out.write(f'\n ],\n "other_rows": {json.dumps(rest)}\n}}\n')


def write_sections(answers: Sequence[Answer], out: TextIO) -> None:
    """One object, of one object for each answer."""
    out.write(f'{{\n "schema": "{SECTIONS}",\n "sections": [\n')
    for place, answer in enumerate(answers):
        out.write(",\n" if place else "")
        write(answer, out)
    out.write(" ]\n}\n")


def write_lines(answer: Answer, out: TextIO) -> None:
    """ndjson: one object a row, each with what it is part of."""
    context = json.dumps(valid(_context(answer))).removesuffix("}") + ", "
    for rows in batches(answer.rows()):
        out.write("".join(context + row.removeprefix("{") + "\n" for row in _rows(answer, rows)))


def _rows(answer: Answer, rows: list[Row]) -> Iterator[str]:
    """Addresses are plain ASCII, so that a template does what an encoder would, at a third of its time."""
    grouping = answer.ranking.grouping
    names = (*grouping.columns, *grouping.sums, "other", *(("begin_ns", "end_ns") if grouping.bucket else ()))
    fields = (f'"{name}": "%s"' if name in _PLAIN else f'"{name}": %s' for name in names)
    form = "{" + ", ".join(fields) + "}"
    words = [place for place, column in enumerate(grouping.columns) if column in _WORDS]
    for key, sums, other, bucket in rows:
        if words:
            key = tuple(_text(cell) if place in words else cell for place, cell in enumerate(key))
        if None in key:
            key = tuple("null" if cell is None else cell for cell in key)
        times = () if not grouping.bucket else (bucket.begin_ns, bucket.end_ns) if bucket else ("null", "null")
        yield form % (*key, *whole_sums(sums, "null"), "true" if other else "false", *times)


@functools.lru_cache(maxsize=1024)
def _text(cell: Cell) -> str:
    return json.dumps(valid(cell))


def _context(answer: Answer) -> dict[str, Any]:
    """What each line of ndjson says of the whole: one of them may be all that somebody sees of it."""
    coverage, completeness = answer.coverage, answer.completeness
    accounts = [account for account in completeness.accounts.values() if account.compared]
    return {
        "schema": SCHEMA,
        "report_begin_ns": coverage.begin_ns or None,
        "report_end_ns": coverage.end_ns or None,
        "interfaces": coverage.interfaces + coverage.captures,
        "adds_up": completeness.adds_up,
        "bytes_accounted": sum(account.accounted for account in accounts) if accounts else None,
        "bytes_moved": sum(account.moved for account in accounts) if accounts else None,
        "packets_dropped": sum(account.dropped for account in completeness.accounts.values()),
    }


def head(answer: Answer) -> dict[str, Any]:
    """Everything but the rows."""
    question, coverage, completeness = answer.question, answer.coverage, answer.completeness
    missing = completeness.missing()
    return {
        "schema": SCHEMA,
        "by": question.by,
        "sort": question.sort or "all",
        "reverse": question.reverse,
        "top": question.top,
        "where": question.where or None,
        "period": question.period.said or None,
        "period_begin_ns": question.period.begin,
        "period_end_ns": question.period.end,
        "interfaces": coverage.interfaces,
        "captures": coverage.captures,
        "hosts": coverage.hosts,
        "blocks": coverage.blocks,
        "blocks_imported": completeness.imported,
        "begin": _iso(coverage.begin_ns),
        "end": _iso(coverage.end_ns),
        "begin_ns": coverage.begin_ns or None,
        "end_ns": coverage.end_ns or None,
        "covered_ns": coverage.covered_ns,
        "live_ns": coverage.live_ns or None,
        "totals": _sums(answer, answer.totals),
        "everything": _sums(answer, answer.everything),
        "remainder": _sums(answer, answer.remainder),
        "rows_in_all": len(answer.ranking),
        "completeness": {
            "adds_up": completeness.adds_up,
            "frames_seen": completeness.seen,
            "frames_counted": completeness.counted,
            "frames_skipped": dict(completeness.skipped),
            "counting": completeness.counting,
            "records_folded": completeness.folded,
            "blocks_repaired": completeness.repaired,
            "blocks_undated": completeness.undated.blocks,
            "blocks_undated_left_out": completeness.unplaced.blocks,
            "interfaces": [_account(account, missing) for account in completeness.accounts.values()],
            "text": completeness.lines(),
        },
        "rates": {name: _interface(rate) for name, rate in answer.rates().items()},
        "groups": [_group(answer, group) for group in answer.groups(question.top)],
        "notes": answer.notes,
        "troubles": answer.troubles,
    }


def _interface(rate: InterfaceRate) -> dict[str, Any]:
    """bit/s of an interface by its own counters, from five minutes each."""
    return {"points": len(rate.points), "rx": _rate(rate.rx), "tx": _rate(rate.tx)}


def _group(answer: Answer, group: GroupRate) -> dict[str, Any]:
    grouping = answer.ranking.grouping
    columns = [column for column in grouping.columns if column != grouping.bucket]
    cells = dict(zip(columns, group.key, strict=True))
    return {**cells, **_sums(answer, group.sums), "other": group.other, "buckets": group.buckets, **_rate(group.rate)}


def _rate(rate: Rate) -> dict[str, Any]:
    return {"p95_bps": rate.p95_bps, "peak_bps": rate.peak_bps, "peak_begin_ns": rate.peak_ns or None}


def _account(account: Account, missing: dict[str, list[Span]]) -> dict[str, Any]:
    return {
        "interface": account.interface,
        **account.figures(),
        "counter_resets": account.resets,
        "not_watched_ns": union(missing.get(account.interface, [])),
        "not_watched": missing.get(account.interface, []),
    }


def _sums(answer: Answer, sums: tuple[int, ...]) -> dict[str, int | None]:
    return dict(zip(answer.ranking.grouping.sums, whole_sums(sums, None), strict=False))


def _iso(ns: int) -> str | None:
    """UTC, to the microsecond."""
    if not ns:
        return None
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{ns % SECOND // 1000:06d}Z"
