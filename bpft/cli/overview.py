"""bpft without a command: what passed each interface today, yesterday and this month, and who used most."""

import os
import sys
import time
from typing import Any

import click

from bpft import config
from bpft.messages import one_line
from bpft.paths import environment_root
from bpft.report.overview import Overview, overviews
from bpft.report.period import read_words
from bpft.report.units import Units

_PERIODS = ("today", "yesterday", "this month")
#: Seconds that names of hosts may take: few are asked for, and an overview is looked at often.
_PATIENCE_S = 0.5


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-i", "--interface", "interfaces", metavar="IFACE", multiple=True, help="Only what was seen on IFACE.")
@click.option("-n", "--numeric", is_flag=True, help="Addresses instead of names; the DNS is not asked.")
@click.option("--billing-day", type=click.IntRange(1, 31), metavar="DAY", default=1, help="Where a month begins.")
@click.option("--units", type=click.Choice(["si", "iec", "bytes"]), default="si", help="GB, GiB or exact.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
def overview(
    interfaces: tuple[str, ...], numeric: bool, billing_day: int, units: Units, as_json: bool, root: str
) -> int:
    """What passed each interface today, yesterday and this month, who used most, and whether it adds up."""
    where = config.places(root or environment_root())
    periods = {name: read_words(name.split(), billing_day=billing_day) for name in _PERIODS}
    troubles: list[str] = []
    try:
        found = overviews(where, periods, interfaces, troubles)
    finally:
        for trouble in troubles:
            sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    from bpft.report.render import overview as render

    now_ns = time.time_ns()
    if as_json and found:
        render.write_json(found, now_ns, sys.stdout)
    elif found:
        names = {} if numeric else _names(found, root)
        render.write(found, now_ns, sys.stdout, render.Style(units=units, names=names, **_terminal()))
    return 1 if troubles else 0


def _names(found: list[Overview], root: str) -> dict[str, str]:
    from bpft.cli.asked import configured  # numbers need neither files nor network
    from bpft.report.resolve import HostNames

    names = HostNames(configured(root).names, _PATIENCE_S)
    for trouble in names.troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    return names.of(host.address for one in found for host in one.hosts)


def _terminal() -> dict[str, Any]:
    """What the terminal can show."""
    from bpft.report.render.letters import is_fine

    assert sys.stdout is not None
    drawn = is_fine(sys.stdout)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may not know every letter
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    return {"drawn": drawn, "bold": bold}
