"""bpft: who sent how many bytes to whom, kept in a small log that adds up.

The names below are the Python interface, described in bpft(3); they are imported when they are first used, so that
the programs start without them.
"""

from importlib import import_module

TYPE_CHECKING = False  # typing itself would take longer to import than trafdump takes to run
if TYPE_CHECKING:
    from bpft.api import Block, DamageWarning, Log, open
    from bpft.chunk import Chunk
    from bpft.errors import BpftError
    from bpft.record import Header, Record

__version__ = "0.1.0"
__all__ = ["Block", "BpftError", "Chunk", "DamageWarning", "Header", "Log", "Record", "open"]

_HOME = {
    "Block": "api",
    "BpftError": "errors",
    "Chunk": "chunk",
    "DamageWarning": "api",
    "Header": "record",
    "Log": "api",
    "Record": "record",
    "open": "api",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'bpft' has no attribute {name!r}")
    return getattr(import_module(f"bpft.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
