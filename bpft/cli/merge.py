"""bpft merge: several logs become one."""

import sys
from pathlib import Path

import click

from bpft.merge import merge
from bpft.messages import count, one_line, size


@click.command("merge", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="OUT", required=True, help="The new log; it must not be there yet.")
@click.option("--sum", "sum_equal", is_flag=True, help="Blocks of one interface and interval become one.")
@click.option("--force", is_flag=True, help="OUT may be there, if it is no log.")
def merge_files(files: tuple[str, ...], output: str, sum_equal: bool, force: bool) -> int:
    """Logs and dumps, of any hosts, interfaces and times, become one log.

    No block and no epoch is in it twice, however often the files hold it.
    """
    done = merge(files, Path(output), sum_equal, force)
    for trouble in done.troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    made = f", summed into {done.written:,}" if done.written < done.read - done.left_out else ""
    twice = f"; {done.left_out:,} left out, others hold what they hold" if done.left_out else ""
    click.echo(one_line(f"{output}: {count(done.read - done.left_out, 'block')}{made}, {size(done.length)}{twice}"))
    return 1 if done.troubles else 0
