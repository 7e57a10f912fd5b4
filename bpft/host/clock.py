"""The clocks of this machine."""

import sys
import time


def utc_ns() -> int:
    """The wall clock, UTC nanoseconds."""
    return time.time_ns()


def boottime_ns() -> int:
    """Nanoseconds since boot, on Linux sleep included; never stepped."""
    if sys.platform.startswith("linux"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


def clock_synchronised() -> bool | None:
    """Whether the kernel's clock is disciplined (adjtimex(2): STA_UNSYNC is clear); None: it does not tell."""
    if not sys.platform.startswith("linux"):
        return None  # not asked of the kernel there
    try:
        import ctypes

        class Timex(ctypes.Structure):
            """struct timex: what is read lies in front, the padding covers the rest."""

            _fields_ = (
                ("modes", ctypes.c_uint),
                ("offset", ctypes.c_long),
                ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long),
                ("esterror", ctypes.c_long),
                ("status", ctypes.c_int),
                ("rest", ctypes.c_long * 32),
            )

        state = Timex()
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state)) < 0:
            return None
    except (ImportError, OSError, AttributeError, MemoryError):
        return None
    return not state.status & 0x40  # STA_UNSYNC
