"""Where things are: every path of the suite comes from here, below one root prefix (SEMANTICS P7).

Imports next to nothing: trafdump and its sisters must start in under twice the time of a bare interpreter.
"""

import os
import sys

from bpft.errors import BadName, CannotRead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

DAMAGED = ".damaged"
_LONGEST_NAME = 64
_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:@+")
_OTHERS = _FIRST | frozenset(".-")


def check_name(what: str, name: str) -> str:
    """name, if it may stand in a file name (SEMANTICS P4); raises BadName."""
    if not (name and name[0] in _FIRST and _OTHERS.issuperset(name) and len(name) <= _LONGEST_NAME):
        raise BadName(what, name)
    return name


def environment_root() -> str:
    """BPFT_ROOT, unless the process runs with other privileges than its caller's (P7)."""
    if os.getuid() != os.geteuid() or os.getgid() != os.getegid():
        return ""
    return os.environ.get("BPFT_ROOT", "")


class Paths:
    """The directories of one installation: logs, dumps and run-time files."""

    def __init__(self, root: str, logs: str, dumps: str, run: str, config: str) -> None:
        """Each as it is where root is "/"."""
        self._root, self._logs, self._dumps = root, logs, dumps
        self._run, self._config = run, config

    def with_directories(self, logs: str, dumps: str) -> "Paths":
        """The same with other directories for logs and dumps, below the same root; "" leaves one as it is."""
        dumps = dumps or (f"{logs}/tmp" if logs else self._dumps)
        return Paths(self._root, logs or self._logs, dumps, self._run, self._config)

    @property
    def config(self) -> str:
        """The configuration, bpft.toml(5)."""
        return self._root + self._config

    @property
    def logs(self) -> "Path":
        return _path(self._root + self._logs)

    @property
    def dumps(self) -> "Path":
        return _path(self._root + self._dumps)

    @property
    def run(self) -> "Path":
        return _path(self._root + self._run)

    def log(self, ext: str) -> "Path":
        return self.logs / f"trafd.{ext}"

    def dump(self, ext: str) -> "Path":
        return self.dumps / f"trafd.{ext}"

    def damaged(self, ext: str, number: int) -> "Path":
        """What could not be read of a dump.  No EXT has a "~" in it, so this is the name of nothing else."""
        return self.dumps / f"trafd.{ext}~{number}{DAMAGED}"

    def lock(self, ext: str) -> "Path":
        return self.logs / f".trafd.{ext}.lock"

    def interface_lock(self, interface: str) -> "Path":
        return _path(self.interface_lock_name(interface))

    def interface_lock_name(self, interface: str) -> str:
        """interface_lock(), for those who start too fast for pathlib."""
        return f"{self._root}{self._run}/.trafd.{interface}.lock"

    def pid(self, interface: str) -> "Path":
        return self.run / f"trafd.{interface}.pid"

    def socket(self, interface: str) -> "Path":
        return _path(self.socket_name(interface))

    def socket_name(self, interface: str) -> str:
        """socket(), for those who start too fast for pathlib."""
        return f"{self._root}{self._run}/trafd.{interface}.sock"

    def interfaces(self) -> list[str]:
        """The interfaces that a trafd ever ran on here, sorted: their locks stay.  Raises CannotRead."""
        directory = self._root + self._run
        try:
            names = sorted(os.listdir(directory))  # noqa: PTH208 - without pathlib
        except PermissionError as why:
            from bpft import access

            raise CannotRead(directory, access.reading(directory, why)) from None
        except OSError:
            return []
        return [name[7:-5] for name in names if name.startswith(".trafd.") and name.endswith(".lock")]


def paths(root: str = "", platform: str = sys.platform) -> Paths:
    """The paths below root ("" is the system's): Linux's own layout, else the manual's BSD one."""
    base = root.rstrip("/")
    if platform.startswith("linux"):
        logs = "/var/lib/bpft"
        return Paths(base, logs, f"{logs}/tmp", "/run/bpft", "/etc/bpft/bpft.toml")
    logs = "/var/trafd"
    return Paths(base, logs, f"{logs}/tmp", "/var/run", "/usr/local/etc/bpft/bpft.toml")


def _path(name: str) -> "Path":
    from pathlib import Path

    return Path(name)
