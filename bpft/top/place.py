"""Which interfaces are looked at, and how each: through its daemon, or by capturing here."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bpft import config, selection
from bpft.control_client import runs
from bpft.errors import NoInterface
from bpft.paths import check_name
from bpft.top.source import Attached, Captured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bpft.paths import Paths
    from bpft.top.source import Source

_WILD = dict.fromkeys(map(ord, "*?[]!"), "x")  # a pattern is a name with some of these in it


def sources(where: Paths, words: Sequence[str]) -> dict[str, Source]:
    """By interface, the first to be shown first.  words: names and globs; none: all whose daemons run, else the one
    that trafstart would start.

    Raises BadName, BadConfig, Unseen, NoSuchName, NoInterface, CannotRead.
    """
    running = [name for name in where.interfaces() if runs(where, name)]
    for word in words:
        check_name("interface", word.translate(_WILD))
    names = _named(running, words) if words else _default(where, running)
    found = config.load(where).interfaces
    return {name: Attached(where, name) if name in running else Captured(name, found.of(name).filter) for name in names}


def _named(running: list[str], words: Sequence[str]) -> list[str]:
    """A glob means daemons first: only where it fits none of theirs, interfaces."""
    names: list[str] = []
    for word in words:
        fitting = [name for name in running if fnmatchcase(name, word)]
        if not fitting:
            fitting = selection.matching(selection.look(), [word]) if selection.is_glob(word) else [word]
        names += fitting
    return list(dict.fromkeys(names))


def _default(where: Paths, running: list[str]) -> list[str]:
    """Those that run, the one with the default route first."""
    if len(running) == 1:
        return running
    try:
        chosen = selection.configured(selection.look(), config.load(where).interfaces).names
    except (selection.Unseen, NoInterface):
        if not running:
            raise
        return running
    return sorted(running or chosen, key=lambda name: name not in chosen)
