"""Lets programs that tests start find the bpft under test, be it installed or in the project's directory."""

from pathlib import Path

import bpft

#: Without the second a project that is not built would hide the installed one.
ENVIRONMENT = {"PYTHONPATH": str(Path(bpft.__file__).resolve().parents[1]), "PYTHONSAFEPATH": "1"}
