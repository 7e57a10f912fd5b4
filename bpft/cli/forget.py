"""bpft forget: an address leaves the logs, the sums stay."""

import sys
from pathlib import Path

import click

from bpft.errors import BpftError
from bpft.messages import count, one_line
from bpft.retention import forget, network


@click.command("forget", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("address", metavar="ADDRESS|NET")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def forget_address(address: str, files: tuple[str, ...]) -> int:
    """Take the records of an address or network out of logs and dumps, in place.

    What they summed up to goes into the remainder, so totals stay exact.  A log may be that of a trafd that runs.
    """
    net = network(address)
    failed = False
    for name in files:
        try:
            done = forget(Path(name), net)
        except BpftError as error:
            sys.stderr.write(one_line(f"bpft: {error}") + "\n")
            failed = True
            continue
        told = f"{count(done.changed, 'block')} of {done.read:,} rewritten" if done.changed else "nothing known of it"
        click.echo(one_line(f"{name}: {net}: {told}"))
    return 1 if failed else 0
