"""bpft's own command line: the subcommands as one click group, a failure as one line."""

import sys

import click

from bpft import __version__
from bpft.cli import output
from bpft.cli.main import COMMANDS, PROGRAMS, load
from bpft.errors import BpftError
from bpft.messages import one_line

_OWN_OPTIONS = ("-h", "--help", "-V", "--version")  # others of a bare bpft are the overview's


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *PROGRAMS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(COMMANDS[cmd_name][0]) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in (COMMANDS | PROGRAMS).items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="bpft", message="%(prog)s %(version)s")
def bpft() -> None:
    """Who sent how many bytes to whom: counted per interface, kept in small logs, answered by one report.

    Start recording with trafstart.  Then bpft alone prints the overview, and bpft report answers the rest.
    """


def run(arguments: list[str]) -> int:
    """Run one command line; a failure is one line on stderr."""
    output.stand_in()
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except click.UsageError as error:
        return _fail(_illegal(error, arguments), 127)
    except BpftError as error:
        return _fail(f"bpft: {error}", error.exit_code)
    except OSError as error:  # of a file, commands make it a BpftError: what is left is what they print
        told = output.lost(error)
        return _fail(f"bpft: {told}", 1) if told else 0
    return code


def _invoke(arguments: list[str]) -> int:
    """As click's main() does it, which would take a broken pipe for a failure."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in _OWN_OPTIONS):
        arguments = ["overview", *arguments]
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
