"""bpft, the whole suite as one command; called by the name of another program of the suite, it acts as that one.

The other programs start from here as fast as by themselves: nothing of bpft's own command line is imported for them.
"""

import gc
import importlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Subcommand: where it is, and what it does.  Help reads only these tables, so that it starts fast.
COMMANDS = {
    "overview": ("bpft.cli.overview:overview", "today, yesterday, this month, who used most: what bpft alone prints"),
    "report": ("bpft.cli.report:report", "who used the bandwidth, and does it add up"),
    "who": ("bpft.cli.who:who", "one host: its peers, services and hours"),
    "top": ("bpft.cli.top:top", "who uses the bandwidth now, refreshed each second"),
    "export": ("bpft.cli.export:export", "the records, for other tools: csv, ndjson, parquet, sqlite"),
    "traflog": ("bpft.cli.traflog:traflog", "blocks of a log as traflog(1) of the old BPFT showed them"),
    "import": ("bpft.cli.import_:import_old", "logs and dumps of old BPFTs become a log"),
    "status": ("bpft.cli.status:status", "what the running daemons do, and where every frame went"),
    "doctor": ("bpft.cli.doctor:doctor", "is everything well, and what to do where it is not"),
    "metrics": ("bpft.cli.metrics:metrics", "what the running daemons count, for Prometheus"),
    "config": ("bpft.cli.config:config", "is the configuration right, and which interfaces are counted"),
    "info": ("bpft.cli.info:info", "what logs, dumps and captures hold: who wrote them, when, of what"),
    "verify": ("bpft.cli.verify:verify_files", "is a log what was written, and a repaired copy where it is not"),
    "merge": ("bpft.cli.merge:merge_files", "several logs become one, nothing in it twice"),
    "compact": ("bpft.cli.compact:compact_file", "old blocks become fewer and smaller"),
    "forget": ("bpft.cli.forget:forget_address", "take an address out of logs"),
}
#: Objects until unreachable ones are looked for: importing makes thousands, all of which stay.
_GARBAGE = 50_000
PROGRAMS = {
    "trafd": ("bpft.cli.trafd:main", "count the traffic of an interface (the daemon)"),
    "trafdump": ("bpft.cli.tools:trafdump", "have daemons write what they hold to their dumps"),
    "trafsave": ("bpft.cli.tools:trafsave", "have daemons append what they hold to their logs"),
    "trafstart": ("bpft.cli.tools:trafstart", "start daemons"),
    "trafstop": ("bpft.cli.tools:trafstop", "stop daemons, keeping what they hold"),
}


def main() -> None:
    """The console command: exit codes as the manual has them, 127 for an illegal command line."""
    place, called = os.path.split(sys.argv[0])
    arguments = sys.argv[1:]
    if called not in PROGRAMS and arguments and arguments[0] in PROGRAMS:
        called = arguments[0]
        sys.argv = [os.path.join(place, called), *arguments[1:]]  # noqa: PTH118 - without pathlib
    gc.set_threshold(_GARBAGE)
    if called in PROGRAMS:
        _leave(load(PROGRAMS[called][0])())
    import signal  # trafd counts files without it

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends quietly, also while C code reads a pipe
    _leave(run([called, *arguments] if called == "traflog" else arguments))  # for scripts that call the old tool


def trafd() -> None:
    """The console command trafd, by whatever name it is called."""
    gc.set_threshold(_GARBAGE)
    _leave(load(PROGRAMS["trafd"][0])())


def _leave(code: int) -> None:
    """Nothing is left to do, and the system frees memory faster than the interpreter does."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        pass  # what nobody can be told is no failure of what was done
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line of bpft itself; the exit code."""
    from bpft.cli import group

    return group.run(arguments)


def load(place: str) -> "Any":
    """The object at module:name."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
