"""bpft import: logs and dumps of old BPFTs become a log of ours."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bpft import heritage
from bpft.cli.progress import bar
from bpft.config import places
from bpft.daemon.pidfile import HeldFile
from bpft.daemon.places import directory
from bpft.errors import Held, UsageError
from bpft.heritage import Endian, LayoutName
from bpft.importing import Imported, append
from bpft.logfile import LogWriter
from bpft.messages import count, one_line, size
from bpft.paths import check_name, environment_root


@click.command(
    "import", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, no_args_is_help=False
)
@click.argument("files", metavar="OLDFILE...", nargs=-1, required=True)
@click.option("-f", "--ext", metavar="EXT", default="", help="Append to the log trafd.EXT.")
@click.option("-o", "--output", metavar="FILE", default="", help="Append to the log FILE, or make it.")
@click.option("-i", "--interface", metavar="IFACE", default="", help="Of the traffic; else the file's name tells it.")
@click.option("--host", metavar="NAME", default="", help="The host that counted it.")
@click.option("--layout", type=click.Choice(["old", "v4"]), help="Of the records, where it cannot be told.")
@click.option("--endian", type=click.Choice(["little", "big"]), help="The byte order, where it cannot be told.")
@click.option("--salvage", is_flag=True, help="Keep what is whole of a file that is torn at its end.")
@click.option("--root", metavar="DIR", default="", help="The logs of -f lie below DIR.")
def import_old(
    files: tuple[str, ...],
    ext: str,
    output: str,
    interface: str,
    host: str,
    layout: LayoutName | None,
    endian: Endian | None,
    salvage: bool,
    root: str,
) -> int:
    """Logs and dumps of old BPFTs (to version 4) become a log.

    Their layout is found by content.  What is in the log already is not appended again.
    """
    if bool(ext) == bool(output):
        raise UsageError("bpft import: say where to: -f EXT or -o FILE. See: bpft import --help")
    with _log(ext, output, root) as log:
        for name in files:
            old = heritage.open_old(name, layout, endian, salvage)
            done = Imported(0, 0, 0, 0)
            with bar(Path(name).name, len(old.heads)) as advance:
                for step in append(old, log, interface, host):
                    done = step
                    advance(1)
            if old.trouble:
                sys.stderr.write(one_line(f"bpft: {old.trouble}; left out") + "\n")
            known = f" ({count(done.known, 'block')} known already)" if done.known else ""
            what = f"{count(done.blocks - done.known, 'block')}, {count(done.records, 'record')}, {size(done.bytes)}"
            click.echo(one_line(f"{name}: {what}{known}, layout {old.layout}, to {log.path}"))
    return 0


@contextmanager
def _log(ext: str, output: str, root: str) -> Iterator[LogWriter]:
    """The log to append to; that of an EXT is held meanwhile, so that no trafd has it (SEMANTICS E8)."""
    if output:
        yield LogWriter(output)
        return
    there = places(root or environment_root())
    path = there.log(check_name("EXT", ext))
    directory(there.logs, 0o750)
    lock = HeldFile(there.lock(ext), Held, f"EXT {ext}")
    try:
        lock.write_pid()
        yield LogWriter(path)
    finally:
        lock.release()
