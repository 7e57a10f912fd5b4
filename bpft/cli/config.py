"""bpft config: is the configuration right, what is in force, and which interfaces are counted."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from bpft import selection
from bpft.config.model import Config
from bpft.config.reader import Keys, Mistake, read
from bpft.config.text import text
from bpft.errors import BpftError
from bpft.messages import one_line
from bpft.paths import environment_root, paths
from bpft.selection import Choice

_DEFAULTS = "these are the defaults, of the services and trafd --config; trafstart asks for less then, see trafstart(8)"
#: Link types of pcap(3) that an expression may be meant for, Ethernet first: its words are those that are told.
_LINK_TYPES = (1, 12, 113, 127, 9, 0)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("what", type=click.Choice(["check", "show"]), default="show")
@click.argument("file", required=False)
@click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
def config(what: str, file: str | None, root: str) -> int:
    """The configuration, of this installation or in FILE.

    check tells each mistake with file, line and remedy; show prints what is in force, what the file leaves open
    included, and which interfaces trafstart would start and why.
    """
    place = file or paths(str(Path(root or environment_root() or "/").absolute())).config
    found, mistakes = read(place, _beyond_the_file)
    if not found.file and not mistakes and file is not None:
        mistakes = [Mistake(file, 0, "No such file or directory")]
    if what == "check" and found.file:
        mistakes = [*_open_to_all(found.file), *mistakes]
    for mistake in mistakes:
        sys.stderr.write(f"bpft: {one_line(str(mistake))}\n")
    if mistakes:
        return 1
    if what == "check":
        print(f"{place}: no mistakes" if found.file else f"{place}: there is none, so the defaults are in force")
        return 0
    print(f"# {place}" if found.file else f"# There is no {place}: {_DEFAULTS}.")
    print(text(found), end="")
    return _show_interfaces(found)


def _beyond_the_file(found: Config) -> Iterator[tuple[Keys, str]]:
    """What libpcap and the list of users say of it."""
    from bpft.daemon.privilege import NoSuchUser, find_user

    try:
        find_user(found.user.name if os.geteuid() == 0 else "")  # Others stay who they are, whatever it says.
    except NoSuchUser as why:
        yield ("user", "name"), str(why).removeprefix("--user ")
    yield from _bad_expressions(found)


def _bad_expressions(found: Config) -> Iterator[tuple[Keys, str]]:
    """Filter expressions that libpcap cannot compile for any link type."""
    from bpft.core import Filter, FilterError

    interfaces = found.interfaces
    places: list[tuple[Keys, str]] = [(("interfaces",), interfaces.others.filter)]
    places += [(("interfaces", name), how.filter) for name, how in interfaces.settings]
    seen = {""}
    for place, expression in places:
        if expression in seen:
            continue
        seen.add(expression)
        complaints = []
        for link_type in _LINK_TYPES:
            try:
                Filter(expression, link_type)
            except FilterError as why:
                complaints.append(str(why))
        if len(complaints) == len(_LINK_TYPES):
            yield (*place, "filter"), f"filter: {complaints[0]}; see pcap-filter(7)"


def _open_to_all(file: str) -> Iterator[Mistake]:
    """Whoever may write it says what root's daemons do."""
    if Path(file).stat().st_mode & stat.S_IWOTH:
        yield Mistake(file, 0, f"everybody may write it; close it with: chmod o-w {file}")


def _show_interfaces(found: Config) -> int:
    """Which interfaces would be counted, and why the others not."""
    try:
        view = selection.look()
        choices = {"trafstart": selection.configured(view, found.interfaces)}
        choices["trafstart All"] = selection.every(view, found.interfaces)
    except BpftError as why:
        sys.stderr.write(f"bpft: {one_line(str(why))}\n")
        return why.exit_code
    if choices["trafstart"] == choices["trafstart All"]:
        del choices["trafstart All"]
    print("\n".join(one_line(line) for command, choice in choices.items() for line in _reasons(command, choice)))
    return 0


def _reasons(command: str, choice: Choice) -> Iterator[str]:
    yield f"# {command} counts {', '.join(choice.names) or 'nothing'}:"
    width = max(map(len, choice.why), default=0)
    for name, why in choice.why.items():
        yield f"#   {name:<{width}} {'yes' if name in choice.names else 'no '} {why}"
    if choice.note:
        yield f"# {choice.note}"
