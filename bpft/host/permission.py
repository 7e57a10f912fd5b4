"""What the system lets this process do."""

import os
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
_CAP_NET_RAW = 13  # linux/capability.h


def may_capture() -> bool:
    """Whether an interface can be captured: CAP_NET_RAW on Linux, the device of bpf(4) elsewhere."""
    if not sys.platform.startswith("linux"):
        return os.access("/dev/bpf", os.R_OK | os.W_OK, effective_ids=True)
    try:
        lines = STATUS.read_text("ascii", "replace").splitlines()
    except OSError:
        return os.geteuid() == 0
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_NET_RAW & 1)
