"""The corpus of real captures beside the project: where it is, and its truth tables."""

import csv
from pathlib import Path

import pytest
from meters import Key, Sums

ROOT = Path(__file__).parents[2] / "shared" / "corpus"
CAPTURES = sorted(path for path in ROOT.glob("dev/*") if path.suffix not in (".csv", ".tsv"))

needed = pytest.mark.skipif(not CAPTURES, reason="no captures in ../shared/corpus/dev")
each_capture = pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)


def truth_table(path: Path) -> dict[Key, Sums]:
    """The rows of NAME.csv, the disputed ones too: there it holds what the stated rule gives."""
    with Path(f"{path}.csv").open(newline="") as file:
        return {
            (row["src"], int(row["sport"]), row["dst"], int(row["dport"]), int(row["proto"])): (
                int(row["packets"]),
                int(row["ip_bytes"]),
                int(row["payload_bytes"]),
            )
            for row in csv.DictReader(file)
        }
