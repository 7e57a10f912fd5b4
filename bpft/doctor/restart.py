"""The commands that restart a trafd as it was started: a remedy changes what it is for, and nothing else."""

import json
import shlex

from bpft.doctor.facts import Daemon


def stop(daemon: Daemon) -> str:
    """Stops it; what it holds is in its dump then."""
    return f"systemctl stop {daemon.unit}" if daemon.unit else f"trafstop {daemon.interface}"


def start(daemon: Daemon, *more: str) -> str:
    """Starts it with the words it was started with, and more options; the last one of a name counts."""
    if daemon.unit:
        return f"systemctl start {daemon.unit}"
    words = list(daemon.command) or ["-i", daemon.interface, *([daemon.filter] if daemon.filter else [])]
    if not {"-r", "--resume", "--config"} & {*words}:
        words.insert(0, "-r")
    options = words.index("--") if "--" in words else len(words)
    return shlex.join(["trafd", *words[:options], *more, *words[options:]])


def again(daemon: Daemon) -> str:
    """Both, one after the other."""
    return f"systemctl restart {daemon.unit}" if daemon.unit else f"{stop(daemon)}; {start(daemon)}"


def changed(daemon: Daemon, option: str, value: str | int) -> str:
    """The same with another value of an option, which has its name in bpft.toml(5) too."""
    setting = f"{option} = {json.dumps(value)} in bpft.toml"
    if daemon.unit:
        return f"{setting}, then: {again(daemon)}"
    return f"{stop(daemon)}; {start(daemon, f'--{option}', str(value))}  (or {setting})"
