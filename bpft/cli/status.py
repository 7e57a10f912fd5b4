"""bpft status: what each running trafd does, and where every frame went."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bpft.control_client import ask, runs
from bpft.errors import BpftError
from bpft.messages import count, duration, one_line
from bpft.paths import Paths, check_name, environment_root, paths
from bpft.report import units
from bpft.report.period import SECOND

_MERGED = {
    "wire-exact": "packets as on the wire",
    "wire-estimated": "merged packets estimated",
    "as-captured": "packets as captured",
}
_NOT_SAID = ("ok", "message", "records", "bytes")  # of an answer; they say again what is there


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("words", metavar="[All | IFACE...]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
def status(words: tuple[str, ...], as_json: bool, root: str) -> int:
    """What each running trafd does: how it counts, how much it holds, and where every frame went.

    Without a word, or All: every one that runs.
    """
    where = paths(str(Path(root or environment_root() or "/").absolute()))
    found, failed = [], False
    for interface in _interfaces(where, words):
        try:
            answer = ask(where, interface, "status")
        except BpftError as error:
            failed = True
            sys.stderr.write(one_line(f"bpft: {error}") + "\n")
        else:
            found.append({name: value for name, value in answer.items() if name not in _NOT_SAID})
    if as_json:
        print(json.dumps({"interfaces": found}))
    elif found:
        print("\n\n".join("\n".join(map(one_line, _lines(one))) for one in found))
    if not (found or failed):
        sys.stderr.write("bpft: no trafd is running\n")
    return int(failed)


def _interfaces(where: Paths, words: tuple[str, ...]) -> list[str]:
    """Those named, each once, or all that run.  Raises BadName."""
    if words and words != ("All",):
        return list(dict.fromkeys(check_name("interface", word) for word in words))
    return [interface for interface in where.interfaces() if runs(where, interface)]


def _lines(it: dict[str, Any]) -> Iterator[str]:
    how = f"engine {it['engine']}, {_MERGED[it['counting']]}"
    yield f"{it['interface']}: {it['state']} for {duration(it['uptime_s'])} (pid {it['pid']}), {how}"
    most = f" of at most {it['max_flows']:,}" if it["max_flows"] else ""
    folded = f"; {count(it['folded'], 'small one')} summed up as other" if it["folded"] else ""
    rate = units.rate(it["rate_bps"], 8 * SECOND)
    skipped = it["seen"] - it["counted"]
    reasons = ", ".join(f"{reason} {frames:,}" for reason, frames in it["skipped"].items())
    saved = it["saved_ns"]
    rows = (
        ("key", it["key_mode"]),
        ("filter", it["filter"]),
        ("rate", f"{rate or '0 bit/s'} over the last {duration(it['rate_s'])}"),
        ("since", f"{units.moment(it['begin_ns'])}, {_since(it['begin_ns'])} ago"),
        ("flows", f"{it['flows']:,}{most}{folded}"),
        ("packets", f"{it['packets']:,}, {units.size(it['all'])}"),
        ("frames", f"{it['seen']:,} seen, {it['counted']:,} counted, {skipped:,} skipped" + _bracketed(reasons)),
        ("dropped", _dropped(it)),
        ("last save", units.moment(saved) if saved else "none since the start"),
        ("log", it["log"]),
        ("dump", it["dump"]),
    )
    yield from (f"  {name:<10} {text}" for name, text in rows if text)


def _bracketed(text: str) -> str:
    return f" ({text})" if text else ""


def _since(ns: int) -> str:
    return duration(max(time.time_ns() - ns, 0) / 1e9)


def _dropped(it: dict[str, Any]) -> str:
    received = count(it["received"], "packet")
    return f"{it['dropped']:,} by the kernel, {it['if_dropped']:,} by the interface, of {received} since the start"
