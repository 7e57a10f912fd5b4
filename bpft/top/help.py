"""What ? shows: the keys and what the figures are, in lines that fit the screen."""

from __future__ import annotations

from textwrap import wrap

_SUBJECT = "Hosts, pairs of hosts, services and scopes by what they move now."
_KEYS = (
    ("1 2 3 4  Tab", "hosts, pairs, services, scopes; the next of them"),
    ("s S  right left", "sort by the next column, the one before"),
    ("up down  j k", "select a row; PgUp PgDn Home: further"),
    ("Enter", "zoom in: only what that row is made of"),
    ("Esc", "one zoom back, then the filter away"),
    ("/ or f", "filter: host 10.0.0.7 and not port 22, or a part of a name"),
    ("p or blank", "pause: counting goes on"),
    ("i I", "the next interface, the one before"),
    ("n", "names or numbers"),
    ("u", "units: GB, GiB, bytes"),
    ("q", "quit"),
)
_FIGURES = (
    "In and out are seen from the host, of a pair from the first one, of services and scopes from this side.  Rates "
    "are bit/s of IP packets over the last 2, 10 and 60 seconds, totals bytes since the last save."
)
_INDENT, _KEY_WIDTH = 2, 18
_BESIDE = 76  # columns from which keys stand beside what they do


def help_lines(width: int) -> list[str]:
    """In lines no longer than width, or than the longest word."""
    width = max(width, 1)
    keys = []
    for key, does in _KEYS:
        if width >= _BESIDE:
            keys.append(f"{'':{_INDENT}}{key:{_KEY_WIDTH}}{does}")
        else:
            keys += [key, *wrap(does, width, initial_indent="  ", subsequent_indent="  ")]
    return [*wrap(_SUBJECT, width), "", *keys, "", *wrap(_FIGURES, width, fix_sentence_endings=True)]
