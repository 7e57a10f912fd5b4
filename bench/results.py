"""The tables of RESULTS.md: each bench replaces its own sections and leaves the others."""

import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
HEAD = "# Results\n\nWritten by the commands of bench/, a section each.  Times move from run to run: read the ratios.\n"


def version(*command: str) -> str:
    text = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.]*", text.stdout + text.stderr)
    return found[0] if found else "?"


def origin(command: str, *peers: str) -> str:
    """When and on what a section was made."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    code = f"bpft {version(str(BIN / 'bpft'), '--version')} ({told.stdout.strip() or 'no commit'})"
    versions = [code, *(f"{peer} {version(peer, '-V')}" for peer in peers)]
    system = f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {os.cpu_count()} cores"
    return f"`{command}` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {', '.join(versions)}, {system}."


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def publish(sections: dict[str, list[str]], path: Path | None) -> None:
    """Print sections, title and lines; put them into the file, each in the place of its former self."""
    for title, lines in sections.items():
        text = "\n".join([f"## {title}", "", *lines]) + "\n"
        print(text)
        if path is not None:
            before = path.read_text() if path.exists() else HEAD
            pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.M | re.S)
            found = pattern.search(before)
            begin, end = found.span() if found else (len(before), len(before))
            path.write_text(f"{before[:begin].rstrip()}\n\n{text}\n{before[end:]}".rstrip() + "\n")
