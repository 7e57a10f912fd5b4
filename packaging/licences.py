"""The licences of what a frozen bpft holds: licences.py FROZEN TARGET, run by the Python that froze it.

Libraries of the system bring theirs where dpkg says whose they are; elsewhere whoever builds adds them.
"""

import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

#: What is in it, by the names of the package index; PyInstaller's start-up program as well.
PACKAGES = [
    "click",
    "construct",
    "lockfile",
    "prometheus-client",
    "pyinstaller",
    "python-daemon",
    "python-libpcap",
    "zstandard",
]
_NAMES = ("license", "licence", "copying", "notice")


def main(frozen: Path, target: Path) -> None:
    for name in PACKAGES:
        of_package(name, target)
    shutil.copy(Path(sysconfig.get_path("stdlib"), "LICENSE.txt"), target / "python.txt")
    if shutil.which("dpkg"):
        for library in sorted(frozen.rglob("lib*.so.*")):
            of_library(library.name, target)


def of_package(name: str, target: Path) -> None:
    """The licence files of a package, or the word of its metadata where it has none."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        sys.exit(f"licences.py: {name} is not installed here: is it still part of bpft?")
    files = [file for file in package.files or [] if file.name.lower().startswith(_NAMES) and file.suffix != ".py"]
    for number, file in enumerate(files):
        shutil.copy(str(file.locate()), target / f"{name}{f'.{number}' if number else ''}.txt")
    if not files:
        text = package.metadata["License-Expression"] or package.metadata["License"] or ""
        classified = [c for c in package.metadata.get_all("Classifier", []) if c.startswith("License")]
        (target / f"{name}.txt").write_text("\n".join([f"{name} {package.version}", text, *classified]) + "\n")


def of_library(soname: str, target: Path) -> None:
    """The copyright file of the Debian package that a library is of."""
    found = subprocess.run(["dpkg", "-S", f"*/{soname}"], capture_output=True, text=True, check=False).stdout
    if found:
        owner = found.split(":")[0]
        shutil.copy(f"/usr/share/doc/{owner}/copyright", target / f"{owner}.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
