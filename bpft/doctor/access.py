"""May whoever asks capture, read what was counted, and talk to the daemons?"""

from collections.abc import Iterator

from bpft.doctor.facts import Dump, Facts, Log
from bpft.doctor.finding import Said, note, problem
from bpft.doctor.restart import again, start
from bpft.messages import count


def capture(facts: Facts) -> Iterator[Said]:
    """CAP_NET_RAW, or the device of BSD; who only looks on needs none while a daemon counts."""
    if facts.caller.may_capture or facts.counted:
        return
    user = facts.caller.user
    # Where logs only lie, and nobody wants to count, as where they are read, it is no trouble.
    say = note if facts.logs and not facts.configured else problem
    if facts.caller.superuser:
        yield say(
            user,
            f"{user} lacks CAP_NET_RAW here, as in a container: nothing can be captured",
            "start the container with --cap-add NET_RAW, or give the unit CapabilityBoundingSet=CAP_NET_RAW",
        )
    else:
        yield say(user, f"user {user} may not capture, and no trafd runs that could", "sudo trafstart")


def configuration(facts: Facts) -> Iterator[Said]:
    """It can be read, or is not there."""
    if facts.configuration:
        yield problem("", facts.configuration, "bpft config check")


def reading(facts: Facts) -> Iterator[Said]:
    """Directories, logs and dumps that are closed to the caller: never the same as no data."""
    user = facts.caller.user
    for directory in facts.directories:
        if directory.denied:
            yield problem(str(directory.path), f"user {user} may not look into {directory.path}", directory.denied)
    files: tuple[Log | Dump, ...] = (*facts.logs, *facts.dumps)
    closed = [(it.path, it.denied) for it in files if it.denied]
    if closed:
        path, remedy = closed[0]
        many = "" if len(closed) == 1 else f" and {count(len(closed) - 1, 'file')} more"
        yield problem(str(path), f"user {user} may not read {path}{many}", remedy)


def control(facts: Facts) -> Iterator[Said]:
    """Every daemon that runs answers over its socket."""
    user = facts.caller.user
    for daemon in facts.daemons:
        name = daemon.interface
        if daemon.trouble == "denied":
            yield problem(name, f"user {user} may not talk to the trafd of {name}", daemon.denied)
        elif daemon.trouble == "gone":
            seen = f"the trafd of {name} (pid {daemon.pid}) runs, but its control socket was removed"
            yield problem(name, seen, again(daemon) if daemon.unit else f"kill {daemon.pid}; sleep 2; {start(daemon)}")
        elif daemon.trouble == "silent":
            seen = f"the trafd of {name} (pid {daemon.pid or 'not told'}) does not answer"
            yield problem(name, seen, f"ps -o stat,wchan -p {daemon.pid or 'PID'}  (D: it waits for a disk)")


def packages(facts: Facts) -> Iterator[Said]:
    """Python packages that make something better."""
    if "zstandard" in facts.missing:
        seen = "zstandard is not installed: blocks are written with zlib, and those with zstd cannot be read"
        yield note("zstandard", seen, "pip install zstandard  (or Debian's python3-zstandard)")
