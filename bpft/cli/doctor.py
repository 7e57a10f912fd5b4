"""bpft doctor: is everything well, and what to do where it is not."""

import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from bpft import host
from bpft.doctor import Finding, examine
from bpft.messages import count, one_line, valid
from bpft.paths import environment_root

_STATUS_WIDTH = len("unchecked") + 2
_NARROWEST, _WIDEST = 40, 100


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", is_flag=True, help="List the checks that passed, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
def doctor(verbose: bool, as_json: bool, root: str) -> int:
    """Is everything well here?  Where it is not, a line says what was seen and the next what to do.

    The exit status is 1 when something needs attention.  Nothing is changed, and the network is not asked.
    """
    findings = examine(str(Path(root or environment_root() or "/").absolute()))
    problems = sum(finding.status == "problem" for finding in findings)
    if as_json:
        document = {
            "ok": not problems,
            "host": host.hostname(),
            "time_ns": host.utc_ns(),
            "checks": [asdict(finding) for finding in findings],
        }
        print(json.dumps(valid(document)))
    else:
        columns = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
        print("\n".join(_lines(findings, verbose, columns)))
    return int(problems > 0)


def _lines(findings: Sequence[Finding], verbose: bool, width: int) -> Iterator[str]:
    for finding in _folded(findings):
        if finding.status != "ok" or verbose:
            yield from _wrapped(finding.status.ljust(_STATUS_WIDTH), finding.seen, width)
            if finding.remedy:
                yield from _wrapped("> ".rjust(_STATUS_WIDTH), finding.remedy, width)
    passed = count(sum(finding.status == "ok" for finding in findings), "check")
    problems = sum(finding.status == "problem" for finding in findings)
    if problems:
        yield f"{passed} passed; {count(problems, 'problem')} {'needs' if problems == 1 else 'need'} attention"
    else:
        yield f"{passed} passed; nothing needs attention"


def _folded(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings; checks that could not be made for one reason are one line, which names them."""
    told = set()
    for finding in findings:
        if finding.status != "unchecked":
            yield finding
        elif finding.seen not in told:
            told.add(finding.seen)
            names = [it.check for it in findings if it.status == "unchecked" and it.seen == finding.seen]
            yield replace(finding, seen=f"{', '.join(names)}: {finding.seen}")


def _wrapped(start: str, text: str, width: int) -> list[str]:
    """text behind start, in lines of that width; commands are not broken within a word."""
    return textwrap.wrap(
        one_line(text),
        width,
        initial_indent=start,
        subsequent_indent=" " * _STATUS_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )
