"""JSON: one object with everything the table tells, or a row a line; numbers are exact integers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from bpft.messages import valid
from bpft.report.answer import Answer, Totals
from bpft.report.completeness import Account
from bpft.report.group import ADDRESSES
from bpft.report.period import SECOND
from bpft.report.render import batches
from bpft.report.rows import Row

SCHEMA = "bpft-report-1"  #: changes when a field changes its meaning or goes


def write(answer: Answer, out: TextIO) -> None:
    """One object; the rows come last and are streamed."""
    head = json.dumps(valid(_head(answer)), indent=1)
    out.write(head.removesuffix("\n}") + ',\n "rows": [')
    separator = "\n  "
    for rows in batches(answer.rows()):
        out.write(separator + ",\n  ".join(_rows(answer, rows)))
        separator = ",\n  "
    out.write("\n ]\n}\n")


def write_lines(answer: Answer, out: TextIO) -> None:
    """ndjson: one object a row."""
    for rows in batches(answer.rows()):
        out.write("".join(row + "\n" for row in _rows(answer, rows)))


def _rows(answer: Answer, rows: list[Row]) -> Iterator[str]:
    """Addresses are plain ASCII, so that a template does what an encoder would, at a third of its time."""
    grouping = answer.ranking.grouping
    names = (*grouping.columns, *grouping.sums, "other")
    fields = (f'"{name}": "%s"' if name in ADDRESSES else f'"{name}": %s' for name in names)
    form = "{" + ", ".join(fields) + "}"
    for key, sums, other in rows:
        if None in key:
            key = tuple("null" if cell is None else cell for cell in key)
        yield form % (*key, sums[0] or "null", *sums[1:], "true" if other else "false")


def _head(answer: Answer) -> dict[str, Any]:
    question, coverage, completeness = answer.question, answer.coverage, answer.completeness
    return {
        "schema": SCHEMA,
        "by": question.by,
        "sort": question.sort,
        "top": question.top,
        "where": question.where or None,
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
        "totals": _sums(answer.totals),
        "everything": _sums(answer.everything),
        "remainder": _sums(answer.remainder),
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
            "interfaces": [_account(account) for account in completeness.accounts.values()],
            "text": completeness.lines(),
        },
        "troubles": answer.troubles,
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "interface": account.interface,
        "blocks": account.blocks,
        "blocks_compared": account.compared,
        "bytes_accounted": account.accounted if account.compared else None,
        "bytes_moved": account.moved if account.compared else None,
        "packets_dropped": account.dropped,
        "packets_dropped_by_interface": account.if_dropped,
        "counter_resets": account.resets,
        "not_comparable": dict(account.reasons),
    }


def _sums(totals: Totals) -> dict[str, int | None]:
    """No packets of some bytes: they are not known."""
    packets, all_, data = totals
    return {"packets": packets if packets or not all_ else None, "all": all_, "data": data}


def _iso(ns: int) -> str | None:
    """UTC, to the microsecond."""
    if not ns:
        return None
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{ns % SECOND // 1000:06d}Z"
