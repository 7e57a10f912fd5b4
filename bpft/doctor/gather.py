"""Looks at the host, the daemons and their files once, for the checks to judge; what cannot be seen says why.

No question is asked of the network, and none waits: daemons have seconds to answer, files are opened without blocking.
"""

import importlib.util
import os
import pwd
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from bpft import host
from bpft.config import BadConfig, load, places
from bpft.config.model import Interfaces
from bpft.control_client import ask, runs
from bpft.doctor import written
from bpft.doctor.facts import Caller, Daemon, Directory, Facts, Unknown
from bpft.errors import BpftError, NoInterface, Unreachable
from bpft.holder import holder
from bpft.host import offload, permission
from bpft.host.devices import devices
from bpft.host.nat import nat
from bpft.host.routes import routes
from bpft.host.space import space
from bpft.paths import Paths, paths
from bpft.selection import View, configured, default

_ANSWER_WITHIN_S = 5.0
_ALL_WITHIN_S = 20.0  #: however many daemons hang
_SETTLE_S = 0.3  #: one that starts or stops has its lock, socket and files at different moments
_PACKAGES = (
    "zstandard",
)  #: what bpft is better with; python-libpcap, which Debian has not, serves its reference alone
#: Of a cgroup's path: the unit that a trafd of the services runs in, and not that of who started one by hand.
_UNIT = re.compile(r"/(trafd@[^/\n]+\.service)$", re.M)

_T = TypeVar("_T")


def gather(root: str) -> Facts:
    """Everything the checks need of the installation below root; raises nothing for what may not be seen."""
    where, wanted, mistake = _configuration(root)
    view = _known(_view)
    daemons = tuple(_daemons(where))
    directories = tuple(_directories(where))
    readable = {it.path for it in directories if not it.denied}
    now_ns = host.utc_ns()
    logs = tuple(written.logs(where, now_ns)) if where.logs in readable else ()
    dumps, set_aside = written.dumps(where, logs) if where.dumps in readable else ((), ())
    seen = View({}) if isinstance(view, Unknown) else view
    return Facts(
        now_ns=now_ns,
        caller=_caller(),
        directories=directories,
        daemons=daemons,
        logs=logs,
        dumps=dumps,
        set_aside=set_aside,
        configured=_configured(seen, wanted),
        configuration=mistake,
        enabled=_enabled(root),
        devices=view if isinstance(view, Unknown) else view.devices,
        uplink=next(iter(seen.routes.default), ""),
        nat=seen.nat,
        inside=_inside(seen),
        flow_offload=_known(offload.hardware_flowtables),
        tc_offload=_known(offload.hardware_filters),
        xdp=_known(offload.xdp_programs),
        synchronised=host.clock_synchronised(),
        linux=sys.platform.startswith("linux"),
        missing=tuple(name for name in _PACKAGES if importlib.util.find_spec(name) is None),
    )


def _configuration(root: str) -> tuple[Paths, Interfaces, str]:
    """Where things are, what is to be counted, and what is wrong with the configuration."""
    try:
        where = places(root)
        return where, load(where).interfaces, ""
    except BadConfig as mistake:
        return paths(root), Interfaces(), str(mistake)


def _enabled(root: str) -> tuple[str, ...]:
    """The interfaces of the services that systemctl enable made links for."""
    links = Path(root or "/", "etc/systemd/system").glob("*.wants/trafd@?*.service")
    return tuple(sorted({link.stem.removeprefix("trafd@") for link in links}))


def _view() -> View:
    return View(devices(), routes(), nat())


def _configured(view: View, wanted: Interfaces) -> tuple[str, ...]:
    """The interfaces that the configuration names; without such words nobody is to be counted."""
    if not wanted.names and not wanted.settings:
        return ()
    return configured(view, wanted).names


def _inside(view: View) -> tuple[str, ...]:
    """Where hosts are that NAT hides; (): it hides none."""
    if not (view.nat.forwards and view.nat.masquerades):
        return ()
    try:
        names = default(view).names
    except NoInterface:
        return ()
    return tuple(name for name in names if name not in view.routes.default)


def _known(ask_for: Callable[[], _T]) -> _T | Unknown:
    try:
        return ask_for()
    except PermissionError:
        return Unknown("only root may see")
    except OSError as why:
        return Unknown(f"cannot be listed: {why.strerror or why}")


def _caller() -> Caller:
    number = os.geteuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        user = f"user {number}"
    return Caller(user, number == 0, permission.may_capture())


def _directories(where: Paths) -> Iterable[Directory]:
    """Those that are there; below one that is closed nothing is looked for."""
    for path in (where.run, where.logs, where.dumps):
        try:
            room = space(path)
        except OSError:
            continue
        yield Directory(path, written.refusal(path, os.R_OK | os.X_OK), room)


# ---- daemons ----


def _daemons(where: Paths) -> Iterable[Daemon]:
    deadline = time.monotonic() + _ALL_WITHIN_S
    for interface in where.interfaces():
        found = _daemon(where, interface, deadline)
        if found.trouble == "gone" or found.left:
            time.sleep(_SETTLE_S)
            found = _daemon(where, interface, deadline)
        if found.pid or found.left or found.trouble:
            command, unit = _started(found.pid)
            yield replace(found, command=command, unit=unit)


def _started(pid: str) -> tuple[tuple[str, ...], str]:
    """The words behind the program's name, and the unit of systemd; nothing where the system does not tell (Linux)."""
    try:
        words = Path("/proc", pid, "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
        groups = Path("/proc", pid, "cgroup").read_text()
    except OSError:
        return (), ""
    program = next((at for at, word in enumerate(words) if Path(word).name in ("trafd", "bpft.cli.trafd")), len(words))
    unit = _UNIT.search(groups)
    return tuple(words[program + 1 :]), unit[1] if unit else ""


def _daemon(where: Paths, interface: str, deadline: float) -> Daemon:
    pid = holder(where.interface_lock_name(interface))
    if not pid and not runs(where, interface):
        left = tuple(path for path in (where.pid(interface), where.socket(interface)) if os.path.lexists(path))
        return Daemon(interface, "", left=left)
    socket = where.socket(interface)
    if os.path.lexists(socket) and (denied := written.refusal(socket, os.W_OK)):
        return Daemon(interface, pid, trouble="denied", denied=denied)
    patience = min(_ANSWER_WITHIN_S, max(deadline - time.monotonic(), 0.5))
    try:
        answer = ask(where, interface, "status", patience)
    except Unreachable:
        return Daemon(interface, pid, trouble="gone")
    except BpftError:
        return Daemon(interface, pid, trouble="silent")
    return Daemon(interface, pid or str(answer.get("pid", "")), answer)
