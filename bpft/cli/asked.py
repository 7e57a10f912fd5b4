"""What a report is about, as the command line has it: files and a period among bare words (SEMANTICS R1)."""

import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from bpft.config import load, places
from bpft.errors import UsageError
from bpft.paths import environment_root, paths
from bpft.record import Header
from bpft.report.period import Period, read_period, read_words, says_period, use_zone
from bpft.report.source import Sources

if TYPE_CHECKING:
    from bpft.config.model import Config

Takes: TypeAlias = Callable[[Header], bool]  #: whether a block is asked for


class AlsoAFile(UsageError):
    """{0!r} is a period, and a file here: write ./{0} for the file, or go to another directory"""


class TwoPeriods(UsageError):
    """a period is given twice: {0!r}, and with -b or -e"""


class When(NamedTuple):
    """The options that say when."""

    begin: str | None
    end: str | None
    billing_day: int
    zone: str


class Asked(NamedTuple):
    """What is to be read of which time."""

    files: list[str]  #: empty: all that is recorded here, and what runs
    period: Period


def period_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of When."""
    for option in reversed(
        (
            click.option("-b", "--begin", metavar="TIME", help="Only blocks that begin around or after TIME."),
            click.option("-e", "--end", metavar="TIME", help="Only blocks before TIME; a date means its end."),
            click.option(
                "--billing-day",
                type=click.IntRange(1, 31),
                default=1,
                metavar="DAY",
                help="The day that months begin on.",
            ),
            click.option("--zone", metavar="ZONE", default="", help="Days of this time zone, as Europe/Rome."),
        )
    ):
        command = option(command)
    return command


def read(words: Sequence[str], named: Sequence[str], when: When, default: str = "today") -> Asked:
    """words: bare ones; named: those of -r.  default: the period where neither a file nor a period is named.

    Raises UsageError, and BadTime and BadPeriod which are such.
    """
    if when.zone:
        use_zone(when.zone)
    files = [word for word in words if _is_file(word)]
    said = [word for word in words if word not in files]
    for file in files:
        if "/" not in file and file != "-" and (says_period(file) or (said and says_period(" ".join(words)))):
            raise AlsoAFile(file)
    by_options = when.begin is not None or when.end is not None
    if said and by_options:
        raise TwoPeriods(" ".join(said))
    files += named
    if not said and not by_options and not files:
        said = [default]
    if said:
        return Asked(files, read_words(said, billing_day=when.billing_day))
    return Asked(files, read_period(when.begin, when.end, billing_day=when.billing_day))


def add_to(sources: Sources, asked: Asked, root: str, interfaces: Collection[str] = ()) -> None:
    """What the files hold; without any, what runs (of these interfaces), all dumps and all logs.

    Raises BpftError, NotRecorded where one of the interfaces is in none of it: the others would be taken for all.
    """
    for name in asked.files:
        sources.add(name)
    if not asked.files:
        where = places(root or environment_root())
        sources.add_running(where, interfaces)
        sources.add_recorded(where)
    known = {header.interface for header in sources.headers()} if interfaces else set()
    if known and (missing := set(interfaces) - known):
        from bpft.report.answer import NotRecorded

        raise NotRecorded(", ".join(sorted(missing)), ", ".join(sorted(filter(None, known))) or "captures")


def configured(root: str) -> "Config":
    """What the configuration says of names and scopes.  Raises BadConfig."""
    where = paths(root or environment_root())
    if not os.path.lexists(where.config):
        from bpft.config.model import Config  # what reads the file takes 10 ms to import

        return Config()
    return load(where)


def _is_file(word: str) -> bool:
    """By its looks, or because it is there; an empty word is for read_words() to refuse."""
    return "/" in word or word == "-" or (word != "" and os.path.lexists(word))
