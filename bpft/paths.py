"""Where things are: every path of the suite comes from here, below one root prefix (SEMANTICS P7)."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from bpft.errors import BadName

_NAME = re.compile(r"[A-Za-z0-9_:@+][A-Za-z0-9._:@+-]{0,63}\Z")


def check_name(what: str, name: str) -> str:
    """name, if it may stand in a file name (SEMANTICS P4); raises BadName."""
    if not _NAME.match(name):
        raise BadName(what, name)
    return name


def environment_root() -> str:
    """BPFT_ROOT, unless the process runs with other privileges than its caller's (P7)."""
    if os.getuid() != os.geteuid() or os.getgid() != os.getegid():
        return ""
    return os.environ.get("BPFT_ROOT", "")


@dataclass(frozen=True, slots=True)
class Paths:
    """The directories of one installation: logs, dumps and run-time files."""

    logs: Path
    dumps: Path
    run: Path

    def log(self, ext: str) -> Path:
        return self.logs / f"trafd.{ext}"

    def dump(self, ext: str) -> Path:
        return self.dumps / f"trafd.{ext}"

    def lock(self, ext: str) -> Path:
        return self.logs / f".trafd.{ext}.lock"

    def pid(self, interface: str) -> Path:
        return self.run / f"trafd.{interface}.pid"

    def socket(self, interface: str) -> Path:
        return self.run / f"trafd.{interface}.sock"


def paths(root: str = "", platform: str = sys.platform) -> Paths:
    """The paths below root ("" is the system's): Linux's own layout, else the manual's BSD one."""
    base = Path(root or "/")
    if platform.startswith("linux"):
        logs = base / "var/lib/bpft"
        return Paths(logs, logs / "tmp", base / "run/bpft")
    logs = base / "var/trafd"
    return Paths(logs, logs / "tmp", base / "var/run")
