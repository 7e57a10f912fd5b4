"""bpft, the whole suite as one command; called by the name of another program of the suite, it acts as that one."""

import gc
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from bpft import __version__
from bpft.errors import BpftError
from bpft.messages import one_line

#: Subcommand: where it is, and what it does.  Help reads only these tables, so that it starts fast.
COMMANDS = {
    "report": ("bpft.cli.report:report", "who used the bandwidth, and does it add up"),
    "export": ("bpft.cli.export:export", "the records, for other tools: csv, ndjson, parquet, sqlite"),
    "import": ("bpft.cli.import_:import_old", "logs and dumps of old BPFTs become a log"),
    "status": ("bpft.cli.status:status", "what the running daemons do, and where every frame went"),
    "info": ("bpft.cli.info:info", "what logs, dumps and captures hold: who wrote them, when, of what"),
    "verify": ("bpft.cli.verify:verify_files", "is a log what was written, and a repaired copy where it is not"),
    "merge": ("bpft.cli.merge:merge_files", "several logs become one, nothing in it twice"),
    "compact": ("bpft.cli.compact:compact_file", "old blocks become fewer and smaller"),
    "forget": ("bpft.cli.forget:forget_address", "take an address out of logs"),
}
#: Objects until unreachable ones are looked for: importing makes thousands, all of which stay.
_GARBAGE = 50_000
PROGRAMS = {
    "trafd": ("bpft.cli.trafd:main", "count the traffic of an interface (the daemon)"),
    "trafdump": ("bpft.cli.tools:trafdump", "have daemons write what they hold to their dumps"),
    "trafsave": ("bpft.cli.tools:trafsave", "have daemons append what they hold to their logs"),
    "trafstart": ("bpft.cli.tools:trafstart", "start daemons"),
    "trafstop": ("bpft.cli.tools:trafstop", "stop daemons, keeping what they hold"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *PROGRAMS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _load(COMMANDS[cmd_name][0]) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in (COMMANDS | PROGRAMS).items()])


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="bpft", message="%(prog)s %(version)s")
@click.pass_context
def bpft(context: click.Context) -> None:
    """Who sent how many bytes to whom: counted per interface, kept in small logs, answered by one report.

    Start recording with trafstart, then ask with bpft report.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """The console command: exit codes as the manual has them, 127 for an illegal command line."""
    called, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if called not in PROGRAMS and arguments and arguments[0] in PROGRAMS:
        called, sys.argv = arguments[0], arguments
    if called in PROGRAMS:
        sys.exit(_load(PROGRAMS[called][0])())
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends quietly, also while C code reads a pipe
    gc.set_threshold(_GARBAGE)
    code = run(arguments)
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)  # nothing is left to do, and the system frees memory faster than the interpreter does


def run(arguments: list[str]) -> int:
    """Run one command line; a failure is one line on stderr."""
    try:
        code = _invoke(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.UsageError as error:
        return _fail(_illegal(error, arguments), 127)
    except BpftError as error:
        return _fail(f"bpft: {error}", error.exit_code)
    except OSError as error:  # of a file, commands make it a BpftError: what is left is what they print
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what the interpreter still flushes
        if isinstance(error, BrokenPipeError):  # whoever read it has seen enough
            return 0
        return _fail(f"bpft: {error.filename or 'standard output'}: {error.strerror}", 1)
    return code


def _invoke(arguments: list[str]) -> int:
    """As click's main() does it, which would take a broken pipe for a failure."""
    try:
        with bpft.make_context("bpft", arguments) as context:
            code = bpft.invoke(context)
    except click.exceptions.Exit as done:  # --help and --version
        return done.exit_code
    return code if isinstance(code, int) else 0


def _illegal(error: click.UsageError, arguments: list[str]) -> str:
    """What click says of a command line; where it does not say of which command, the first word tells."""
    named = f"bpft {arguments[0]}" if arguments and arguments[0] in COMMANDS else "bpft"
    command = error.ctx.command_path if error.ctx else named
    return f"{command}: {' '.join(error.format_message().split())} See: {command} --help"


def _fail(text: str, code: int) -> int:
    sys.stderr.write(one_line(text) + "\n")
    return code


def _load(place: str) -> Any:
    """The object at module:name."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
