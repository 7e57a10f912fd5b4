"""bpft compact: old blocks of a log become fewer and smaller."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpft.errors import CannotRead, UsageError
from bpft.messages import count, one_line, size
from bpft.retention import Compaction, Reduction, age, compact
from bpft.rotation import zone

if TYPE_CHECKING:
    from bpft.retention import Unit


@click.command("compact", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", metavar="OUT", help="Leave FILE as it is, and make OUT.")
@click.option("--to", "unit", type=click.Choice(["hour", "day", "month"]), help="Sum blocks, one for each.")
@click.option("--older-than", metavar="AGE", help="Only what is older: 31d, 12h, 4w, 2y.  Default: what is over.")
@click.option("--zone", "zone_name", metavar="ZONE", default="", help="Days of this time zone, as Europe/Rome.")
@click.option("--drop-ports", is_flag=True, help="Keep addresses and protocols, no ports.")
@click.option("--prefix-len", metavar="V4,V6", help="Cut addresses to so many bits, as 24,48.")
@click.option("--keep", "stages", metavar="KEEP", help="By age, as 31d,400d:day+no-ports; what is older is deleted.")
@click.option("--budget", metavar="SIZE", help="Then roll up the oldest until all fits, as 200MB; delete nothing.")
def compact_file(
    file: str,
    output: str | None,
    unit: "Unit | None",
    older_than: str | None,
    zone_name: str,
    drop_ports: bool,
    prefix_len: str | None,
    stages: str | None,
    budget: str | None,
) -> int:
    """Old blocks of a log become fewer (--to) and smaller (--drop-ports, --prefix-len); sums stay exact.

    FILE may be the log of a trafd that runs.  --keep and --budget do what such a trafd does by itself, on FILE and on
    what rotation made of it.
    """
    if stages is not None or budget is not None:
        if output or unit or older_than or drop_ports or prefix_len:
            raise UsageError("bpft compact: --keep and --budget go with --zone alone. See: bpft compact --help")
        return _keep(Path(file), stages, budget, zone_name)
    if not (unit or drop_ports or prefix_len):
        raise UsageError("bpft compact: say how: --to, --drop-ports or --prefix-len. See: bpft compact --help")
    cutoff = time.time() - (age(older_than).total_seconds() if older_than else 0)
    reduction = Reduction(drop_ports, _bits(prefix_len)) if drop_ports or prefix_len else None
    done = compact(Path(file), Compaction(cutoff, unit, zone(zone_name), reduction), Path(output) if output else None)
    for trouble in done.troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    if done.changed or done.written < done.read:
        told = f"{count(done.read, 'block')} became {done.written:,}"
        told += f"; {size(done.length_before)} before, {size(done.length)} now"
    else:
        told = f"nothing to compact in {count(done.read, 'block')}"
    click.echo(one_line(f"{output or file}: {told}"))
    return 1 if done.troubles else 0


def _keep(log: Path, stages: str | None, budget: str | None, zone_name: str) -> int:
    """What is due by age, then by size."""
    from bpft import keeping

    tz, now = zone(zone_name), time.time()
    wanted = keeping.keep(stages) if stages is not None else None
    most = keeping.budget("--budget", budget) if budget is not None else 0
    if not keeping.files(log):
        raise CannotRead(log, "no such log, nor one that rotation made of it")
    done, troubles = False, list[str]()
    for steps in (
        keeping.apply(log, wanted, now, tz, troubles) if wanted else (),
        keeping.fit(log, most, wanted, now, tz, troubles) if most else (),
    ):
        for line in steps:
            done = True
            click.echo(one_line(line))
    for trouble in troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    if not (done or troubles):
        click.echo(one_line(f"{log}: nothing to compact"))
    return 1 if troubles else 0


def _bits(text: str | None) -> tuple[int, int] | None:
    """V4,V6 as two numbers.  Raises UsageError."""
    if text is None:
        return None
    first, comma, second = text.partition(",")
    if comma and first.isdecimal() and second.isdecimal() and int(first) <= 32 and int(second) <= 128:
        return int(first), int(second)
    raise UsageError(f"--prefix-len {text!r}: use two lengths, for IPv4 up to 32 and for IPv6 up to 128, as 24,48")
