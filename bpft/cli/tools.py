"""trafdump, trafsave, trafstop, trafstart: ask the daemons, say per interface what happened (P2).

Three of them start in under twice the time of a bare interpreter: nothing is imported that a socket and a message do
not need, neither typing nor pathlib; options other than --root go to click.
"""

import os
import sys

from bpft.cli import output
from bpft.control_client import NoAnswer, ask, runs, tell
from bpft.errors import BadName, BpftError, NotRunning, UsageError
from bpft.paths import check_name, environment_root, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    import click

_DOCS = {
    "trafdump": "Have each trafd write its table to its dump, and go on.",
    "trafsave": "Have each trafd append its table to its log, and begin anew.",
    "trafstop": "Have each trafd dump its table and stop; trafstart goes on with it.",
    "trafstart": "Start trafd -r on each interface that has none yet.",
}
_UNCONFIGURED = ["--dump-every", "5min", "--save-every", "1h"]
_WILD = dict.fromkeys(map(ord, "*?[]!"), "x")  # a glob is a name with some of these in it
_START_WITHIN_S = 5.0  # a trafd that another trafstart has just started answers by then


def trafdump() -> int:
    """The console command trafdump; the exit code: 0 all done, 1 any failed, 127 usage."""
    return _command("trafdump", lambda root, interface: _ask(root, interface, "dump"))


def trafsave() -> int:
    """The console command trafsave."""
    return _command("trafsave", lambda root, interface: _ask(root, interface, "save"))


def trafstop() -> int:
    """The console command trafstop."""
    return _command("trafstop", lambda root, interface: "stopped; " + _ask(root, interface, "stop"))


def trafstart() -> int:
    """The console command trafstart."""
    return _command("trafstart", _start)


def _command(program: str, act: "Callable[[str, str], str]") -> int:
    output.stand_in()
    try:
        parsed = _plain_words(sys.argv[1:]) or _parse(program, sys.argv[1:])
        if isinstance(parsed, int):
            return parsed
        words, root = parsed
        root = os.path.abspath(root or environment_root() or "/")  # noqa: PTH100 - without pathlib
        interfaces = _interfaces(program, root, words)
        failed = [interface for interface in interfaces if not _done(act, root, interface)]
        sys.stdout.flush()
    except BpftError as why:
        output.tell(f"{program}: {why}")
        return why.exit_code
    except OSError as why:
        return 0 if _discarded(program, why) else 1
    if not interfaces:
        output.tell(f"{program}: no trafd is running")
    return 1 if failed else 0


def _done(act: "Callable[[str, str], str]", root: str, interface: str) -> bool:
    """Do it, and say what happened; where nobody can be told, the next one is done all the same."""
    try:
        text = act(root, interface)
    except BpftError as why:
        output.tell(f"{interface}: {_plain(str(why), interface)}")
        return False
    try:
        print(f"{interface}: {text}", flush=True)
    except OSError as why:
        return _discarded(interface, why)
    return True


def _discarded(who: str, why: OSError) -> bool:
    """Standard output failed; True where its reader only went away."""
    told = output.lost(why)
    if told:
        output.tell(f"{who}: {told}")
    return not told


def _plain(text: str, interface: str) -> str:
    """A message without the names that begin it."""
    return text.removeprefix("trafd: ").removeprefix(f"{interface}: ")


class Refused(BpftError):
    """{0}"""


def _ask(root: str, interface: str, command: str) -> str:
    ok, message = tell(paths(root), interface, command)
    if not ok:
        raise Refused(message)
    return message


class NoneRuns(BpftError):
    """{0}: no trafd runs on such an interface; running: {1}"""


def _interfaces(program: str, root: str, words: list[str]) -> list[str]:
    """The interfaces meant: those named, each once, those that globs fit, or All of them.

    Raises BadName, NoneRuns, and what _to_start() raises.
    """
    if "All" in words and len(words) > 1:
        raise UsageError("All stands for every interface: say it alone")
    for word in words:
        _check(word)
    names = [word for word in words if word != "All"]
    if names and not _globs(names):
        return list(dict.fromkeys(names))
    if program == "trafstart":
        return _to_start(root, words)
    where = paths(root)
    running = [interface for interface in where.interfaces() if runs(where, interface)]
    return _fitting(names, running) if names else running


def _check(word: str) -> None:
    """A name, or a glob of names.  Raises BadName."""
    try:
        check_name("interface", word.translate(_WILD) if _globs([word]) else word)
    except BadName:
        raise BadName("interface", word) from None


def _globs(words: list[str]) -> bool:
    return any(char in word for word in words for char in "*?[")


def _fitting(words: list[str], running: list[str]) -> list[str]:
    """The interfaces that names and globs mean.  Raises NoneRuns."""
    from fnmatch import fnmatchcase

    found: list[str] = []
    for word in words:
        fitting = [name for name in running if fnmatchcase(name, word)] if _globs([word]) else [word]
        if not fitting:
            raise NoneRuns(word, ", ".join(running) or "none")
        found += fitting
    return list(dict.fromkeys(found))


def _to_start(root: str, words: list[str]) -> list[str]:
    """What trafstart is to start by what is there and configured; where that is surprising, stderr says why.

    Raises BadConfig, Unseen, NoSuchName, NoInterface, NothingToCount.
    """
    from bpft import config, selection

    view = selection.look()
    if words and words != ["All"]:
        return selection.matching(view, words)
    interfaces = config.load(paths(root)).interfaces
    choice = selection.every(view, interfaces) if words else selection.configured(view, interfaces)
    if choice.note:
        output.tell(f"trafstart: {choice.note}")
    if not choice.names:
        raise NothingToCount("; ".join(f"{name}: {why}" for name, why in choice.why.items()))
    return list(choice.names)


class NothingToCount(BpftError):
    """no interface is to be counted ({0}); name one"""


def _start(root: str, interface: str) -> str:
    """Run trafd -r; one that counts already, or that somebody else has just started, is as good."""
    import subprocess
    import time

    if running := _running(root, interface):
        return running
    # What is not configured is counted as the manual has it, and as safely as the rest.
    how = ["--config"] if os.path.exists(paths(root).config) else _UNCONFIGURED  # noqa: PTH110 - as everywhere here
    command = [*_trafd(), "--root", root, "-r", *how, "-i", interface]
    try:
        started = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    except OSError as why:
        raise Refused(f"cannot run {command[0]}: {why.strerror}") from None
    said = [_plain(line, interface) for line in started.stderr.splitlines()]
    complaint = "; ".join(said)
    if started.returncode == 0:
        for line in said:
            output.tell(f"{interface}: {line}")
        return _running(root, interface, "started") or "started"
    deadline = time.monotonic() + _START_WITHIN_S
    while "already counted" in complaint and time.monotonic() < deadline:
        if running := _running(root, interface):
            return running
        time.sleep(0.05)
    raise Refused(complaint or f"trafd ended with exit code {started.returncode}")


def _running(root: str, interface: str, verb: str = "already running") -> str:
    """What to say of the trafd that counts interface; "" where there is none."""
    try:
        answer = ask(paths(root), interface, "status")
    except (NotRunning, NoAnswer):
        return ""
    return f"{verb} (pid {answer.get('pid')}), saves to {answer.get('log')}"


def _trafd() -> list[str]:
    """How to run trafd: the program beside this one, else that of this Python; one executable is the whole suite."""
    from pathlib import Path

    if getattr(sys, "frozen", False):
        return [sys.executable, "trafd"]
    beside = Path(sys.argv[0]).absolute().with_name("trafd")
    return [sys.executable, *([str(beside)] if beside.exists() else ["-m", "bpft.cli.trafd"])]


def _plain_words(words: list[str]) -> tuple[list[str], str] | None:
    """Words and root of a command line that has no option but --root; None: click is to look at it."""
    names, root, left = [], "", words[:]
    while left:
        word = left.pop(0)
        if word == "--root" and left:
            root = left.pop(0)
        elif word.startswith("--root="):
            root = word[7:]
        elif word.startswith("-"):
            return None
        else:
            names.append(word)
    return names, root


def _parse(program: str, words: list[str]) -> "tuple[list[str], str] | int":
    """Words and root of a command line with options, by click; or the exit code where that is all."""
    import click

    try:
        parsed = command(program).main(words, prog_name=program, standalone_mode=False)
    except click.UsageError as why:
        raise UsageError(f"{' '.join(why.format_message().split())}  See: {program} --help") from None
    return parsed if isinstance(parsed, tuple) else 0


def command(program: str) -> "click.Command":
    """One of the four, as click has it."""
    import click

    from bpft import __version__

    @click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=_DOCS[program])
    @click.argument("words", metavar="[All | IFACE...]", nargs=-1)
    @click.option("--root", metavar="DIR", default="", help="Look below DIR.  Default: BPFT_ROOT of the environment.")
    @click.version_option(__version__, "-V", "--version", message=f"{program} (bpft) %(version)s")
    def parse(words: tuple[str, ...], root: str) -> tuple[list[str], str]:
        return list(words), root

    return parse
