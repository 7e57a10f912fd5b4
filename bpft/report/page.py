"""What a page shows of each interface: its hosts, services, scopes and times, each the answer to a question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bpft.report.answer import Answer, Question, answer
from bpft.report.period import SECOND
from bpft.report.source import Sources

HOSTS, SERVICES, MOST = 50, 25, 1000  #: rows of tables; at most, so that a page stays one that can be mailed
_HOUR, _DAY = 3600 * SECOND, 86400 * SECOND
#: Buckets for up to so much time, the finest first.
_BUCKETS = (("5min", 8 * _HOUR), ("hour", 4 * _DAY), ("day", 190 * _DAY), ("month", 0))
PASSES = 4  #: over what is read, or a few more
_LEAST = 2  # bars that make a chart


@dataclass(slots=True)
class View:
    """One interface, or all that was read."""

    asked: Answer | None  #: what --by names; None: nothing in particular
    hosts: Answer
    services: Answer
    scopes: Answer
    times: Answer | None  #: by time bucket and scope; None: the blocks are too long to tell


def view(question: Question, sources: Sources, by: str | None, top: int | None) -> View:
    """The answers of one page, all to one question but for what a row is.

    by: of a table besides; top: rows of each table; None: what suits them.  What cannot be read is among the troubles
    once.  Raises BpftError.
    """
    sources.hold()

    def ask(by: str, rows: int = 0) -> Answer:
        try:
            return answer(replace(question, by=by, sort="", reverse=False, top=rows), sources)
        finally:
            sources.troubles[:] = dict.fromkeys(sources.troubles)

    most = min(top or MOST, MOST)
    asked = None
    if by is not None:
        asked = answer(replace(question, by=by, top=most if top is not None else HOSTS), sources)
    hosts = ask("host", HOSTS if top is None else most)
    services = ask("service", SERVICES if top is None else most)
    return View(asked, hosts, services, ask("scope"), _times(ask, hosts))


def _times(ask: Callable[[str], Answer], hosts: Answer) -> Answer | None:
    """By the finest bucket that suits the length of the report and that the blocks allow."""
    from bpft.report.bucket import TooFine

    length = hosts.coverage.end_ns - hosts.coverage.begin_ns
    for bucket, longest in _BUCKETS:
        if longest and length > longest:
            continue
        try:
            found = ask(f"{bucket},scope")
        except TooFine:
            continue
        watched = [bucket for some in found.buckets.values() for bucket in some if bucket.covered_ns]
        return found if len(watched) >= _LEAST else None
    return None
