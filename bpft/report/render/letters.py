"""The letters that bars and lines are made of, and whether a terminal has them."""

import os
import sys
from typing import TextIO

HEIGHTS, EIGHTHS = " ▁▂▃▄▅▆▇█", " ▏▎▍▌▋▊▉█"
_ALL = HEIGHTS + EIGHTHS + "⣿░▒·─"


def is_fine(out: TextIO) -> bool:
    """Whether blocks and dots can be written, and are there; else plain ASCII is.

    Where the locale is C, Python writes UTF-8 all the same: that is right where nobody said C, as in a container.
    """
    if sys.flags.utf8_mode and (os.environ.get("LC_ALL") or os.environ.get("LANG")) in ("C", "POSIX"):
        return False
    if os.environ.get("TERM") == "linux" and out.isatty():
        return False  # The fonts of the kernel's console have few of them.
    try:
        _ALL.encode(out.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
