"""bpft who: one host, its peers, services and hours."""

import sys
from ipaddress import ip_address
from typing import Literal

import click

from bpft.cli import asked
from bpft.cli.asked import When, period_options
from bpft.cli.progress import passing
from bpft.cli.report import telling
from bpft.cli.shown import FORMATS, columns, refuse_terminal
from bpft.errors import UsageError
from bpft.messages import one_line
from bpft.report.render import who as render
from bpft.report.render.table import Style
from bpft.report.resolve import HostNames
from bpft.report.source import Sources
from bpft.report.units import Units
from bpft.report.who import profiles

_TABLE_ROWS = 10


class NoSuchHost(UsageError):
    """{0!r} is no address, and no name that the files of [names], the DHCP leases or the DNS know; {1}"""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A PERIOD and a TIME are as for bpft report.",
)
@click.argument("host")
@click.argument("words", metavar="[PERIOD] [FILE]...", nargs=-1)
@click.option("-r", "--read", "files", metavar="FILE", multiple=True, help="Read FILE, whatever its name looks like.")
@click.option("-i", "--interface", "interfaces", metavar="IFACE", multiple=True, help="Only what was seen on IFACE.")
@click.option(
    "--top", type=click.IntRange(min=0), metavar="N", help="Peers and services; 0: all.  Default: 10, of rows all."
)
@click.option("-n", "--numeric", is_flag=True, help="Numbers instead of names; of addresses the DNS is not asked.")
@period_options
@click.option("--format", "form", type=FORMATS, default="table", show_default=True, help="How to print it.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json: one object, of every interface.")
@click.option("--units", type=click.Choice(["si", "iec", "bytes"]), default="si", help="In tables: GB, GiB or exact.")
@click.option("--root", metavar="DIR", default="", help="Look for what is recorded below DIR.")
def who(
    host: str,
    words: tuple[str, ...],
    files: tuple[str, ...],
    interfaces: tuple[str, ...],
    top: int | None,
    numeric: bool,
    begin: str | None,
    end: str | None,
    billing_day: int,
    zone: str,
    form: Literal["table", "json", "csv", "ndjson", "parquet"],
    as_json: bool,
    units: Units,
    root: str,
) -> int:
    """What one host sent and received, with whom, through which services, and when.

    HOST is an address or a name.  Without a FILE: today, of what is recorded here and what the running daemons hold.
    """
    form = "json" if as_json else form
    refuse_terminal(form)
    found = asked.read(words, files, When(begin, end, billing_day, zone))
    config = asked.configured(root)
    names = HostNames(config.names)
    for trouble in names.troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    addresses = _addresses(host, names)
    sources = Sources()
    with telling(sources):
        asked.add_to(sources, found, root, interfaces)
        with passing("reading", sources.rows_of(found.period.takes)) as sources.advance:
            sources.hold()  # to tell who is known, where the host is not
            seen = profiles(addresses, found.period, interfaces, sources)
    if top is None:
        top = _TABLE_ROWS if form in ("table", "json") else 0
    page = render.Host(addresses, found.period, config.scopes, "" if host in addresses else host, top)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may not know every letter
    if form == "json":
        render.write_json(page, seen, sys.stdout)
    elif form != "table":
        render.write_rows(page, seen, form, sys.stdout, sys.stdout.buffer)
    else:
        render.write(page, seen, sys.stdout, Style(numeric, units, columns(), names))
    return 1 if sources.troubles else 0


def _addresses(host: str, names: HostNames) -> list[str]:
    """As a report prints them.  Raises NoSuchHost."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    network = host.partition("/")[0]
    try:
        ip_address(network)
    except ValueError:
        if found := names.addresses(host):
            return found
        raise NoSuchHost(host, "bpft report --by host lists who was seen") from None
    raise NoSuchHost(host, f"of a network: bpft report --by host --where 'net {host}'")
