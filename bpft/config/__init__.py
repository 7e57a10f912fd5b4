"""The configuration, bpft.toml(5): read, checked, and handed out as small frozen values.

Nothing needs it, and without the file nothing of it is imported by those who only look for the logs.
"""

import os

from bpft.errors import BpftError
from bpft.paths import Paths, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bpft.config.model import Config

__all__ = ["BadConfig", "load", "places"]


class BadConfig(BpftError):
    """{0}{1}"""


def load(where: Paths) -> "Config":
    """What the configuration of this installation says; without one, the defaults.  Raises BadConfig."""
    from bpft.config.reader import read

    config, mistakes = read(where.config)
    if mistakes:
        more = len(mistakes) - 1
        raise BadConfig(mistakes[0], f" ({more} more: bpft config check)" if more else "")
    return config


def places(root: str) -> Paths:
    """The paths below root, logs and dumps in the directories that the configuration names.  Raises BadConfig."""
    where = paths(root)
    if not os.path.exists(where.config):  # noqa: PTH110 - without pathlib
        return where
    directories = load(where).directories
    return where.with_directories(directories.logs, directories.dumps)
