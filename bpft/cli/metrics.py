"""bpft metrics: what the running daemons count, for Prometheus."""

import re
import sys
import threading
from pathlib import Path

import click

from bpft.cli.number import number
from bpft.errors import BpftError, UsageError
from bpft.messages import one_line
from bpft.paths import check_name, environment_root, paths

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:\[\]]+)):(\d{1,5})", re.ASCII)


class NoLibrary(BpftError):
    """metrics needs prometheus-client: pip install 'bpft[metrics]', or Debian's python3-prometheus-client"""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("words", metavar="[All | IFACE...]", nargs=-1)
@click.option("--listen", metavar="ADDRESS:PORT", help="Serve them over HTTP, as 127.0.0.1:9837 or [::1]:9837.")
@click.option("--textfile", metavar="FILE", help="Write FILE, whole or not at all, for node_exporter.")
@click.option(
    "--hosts",
    callback=number(),
    metavar="N",
    default="10",
    show_default=True,
    help="The busiest hosts of each interface, and all others in one; 0: none.",
)
@click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
def metrics(words: tuple[str, ...], listen: str | None, textfile: str | None, hosts: int, root: str) -> int:
    """What the running daemons count, as Prometheus reads it: rates, flows, drops, the age of the last save, hosts.

    Without a word, or All: every interface that a trafd ran on since boot.
    """
    if listen is not None and textfile is not None:
        raise UsageError("--listen serves and --textfile writes: give one of them")
    if "All" in words and len(words) > 1:
        raise UsageError("All stands for every interface: say it alone")
    place = None if listen is None else _place(listen)
    named = () if words == ("All",) else tuple(dict.fromkeys(check_name("interface", word) for word in words))
    try:
        from bpft import metrics as exposition
    except ImportError:
        raise NoLibrary from None
    daemons = exposition.Daemons(paths(str(Path(root or environment_root() or "/").absolute())), named, hosts)
    if place is not None:
        exposition.serve(daemons, *place)
        sys.stderr.write(f"bpft: metrics at http://{listen}/metrics\n")
        threading.Event().wait()  # until a signal
    elif textfile is not None:
        exposition.write(daemons, Path(textfile))
    else:
        sys.stdout.write(exposition.text(daemons).decode())
    for failure in daemons.failures:
        sys.stderr.write(one_line(f"bpft: {failure}") + "\n")
    return int(bool(daemons.failures))


def _place(text: str) -> tuple[str, int]:
    """ADDRESS:PORT.  Raises UsageError."""
    found = _ADDRESS.fullmatch(text)
    port = int(found[3]) if found else 0
    if not found or not 0 < port < 1 << 16:
        raise UsageError(f"--listen {text!r}: give an address of this machine and a port, as 127.0.0.1:9837")
    return found[1] or found[2], port
