"""Which interfaces are counted, and why: by the configuration, else by how this host lies in its networks."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import NamedTuple

from bpft.config.model import ALL, Interfaces
from bpft.errors import BpftError, NoInterface
from bpft.host.devices import Device
from bpft.host.nat import Nat
from bpft.host.routes import Routes

#: Bridges that engines of containers and guests make on this host, and hide behind its address: networks inside the
#: machine.  They alone do not make it a router.
_OWN_GUESTS = (
    "docker*",
    "br-" + "[0-9a-f]" * 12,
    "podman*",
    "cni*",
    "flannel*",
    "virbr*",
    "lxcbr*",
    "lxdbr*",
    "incusbr*",
)


NOTHING: Mapping[str, str] = MappingProxyType({})


class Unseen(BpftError):
    """the interfaces of this host cannot be listed: {0}; name one"""


class NoSuchName(BpftError):
    """{0}: no interface has such a name; there are: {1}"""


class View(NamedTuple):
    """What is looked at of a host."""

    devices: dict[str, Device]
    routes: Routes = Routes()
    nat: Nat = Nat()


class Choice(NamedTuple):
    """The interfaces that are counted, in order, why each interface is counted or not, and what to tell of it."""

    names: tuple[str, ...]
    why: dict[str, str]
    note: str = ""  #: why it is not what one would expect; "": it is


def look() -> View:
    """This host, now.  Raises Unseen."""
    from bpft.host.devices import devices
    from bpft.host.nat import nat
    from bpft.host.routes import routes

    try:
        return View(devices(), routes(), nat())
    except OSError as why:
        raise Unseen(why.strerror or why) from None


def configured(view: View, interfaces: Interfaces) -> Choice:
    """Those that trafstart without a word starts: what [interfaces] names, else the default (SEMANTICS P2).

    Raises NoInterface.
    """
    return _named(view, interfaces) or default(view, _excluded(view, interfaces))


def every(view: View, interfaces: Interfaces) -> Choice:
    """All of them: what [interfaces] names, else every interface that shows what no other of them shows (P2)."""
    return _named(view, interfaces) or distinct(view, _excluded(view, interfaces))


def matching(view: View, patterns: Iterable[str]) -> list[str]:
    """The interfaces that names and globs of a command line mean, each once; a name need not be there.

    Raises NoSuchName of a glob that fits none.
    """
    found: list[str] = []
    for pattern in patterns:
        fitting = [name for name in view.devices if fnmatchcase(name, pattern)] if is_glob(pattern) else [pattern]
        if not fitting:
            raise NoSuchName(pattern, ", ".join(view.devices) or "none")
        found += fitting
    return list(dict.fromkeys(found))


def is_glob(word: str) -> bool:
    return any(char in "*?[" for char in word)


def _named(view: View, interfaces: Interfaces) -> Choice | None:
    """What the configuration names; None where it names none.  A name need not be there yet."""
    patterns = interfaces.names or tuple(name for name, _ in interfaces.settings)
    if not patterns:
        return None
    refused = _excluded(view, interfaces)
    choice = distinct(view, refused) if ALL in patterns else Choice((), {})
    why = dict.fromkeys(view.devices, "not named in the configuration") | choice.why | refused
    names = list(choice.names)
    for pattern in patterns:
        if pattern == ALL:
            continue
        fitting = [name for name in view.devices if fnmatchcase(name, pattern)] if is_glob(pattern) else [pattern]
        for name in fitting:
            if name not in names and name not in refused:
                names.append(name)
                why[name] = "named in the configuration" if name == pattern else f"fits {pattern} of the configuration"
    return Choice(tuple(names), why)


def _excluded(view: View, interfaces: Interfaces) -> dict[str, str]:
    """The interfaces that the configuration excludes, and by which of its words."""
    fitting = {name: _fitting(name, interfaces.exclude) for name in (*view.devices, *interfaces.names)}
    return {name: f"excluded by {glob} of the configuration" for name, glob in fitting.items() if glob}


def default(view: View, refused: Mapping[str, str] = NOTHING) -> Choice:
    """The default route's interface, unless the host forwards and masquerades: then the inside ones.

    refused: interfaces that are not to be counted, with the reason.  Raises NoInterface.
    """
    outside = [name for name in view.routes.default if name not in refused]
    why = {name: _place(view, name) for name in view.devices} | dict(refused)
    inside = [name for name in view.devices if name not in refused and _inside(view, name)]
    guests = [name for name in inside if _fitting(name, _OWN_GUESTS)]
    inside = [name for name in inside if name not in guests]
    nat, note = view.nat, ""
    if nat.forwards and nat.masquerades and inside:
        beyond = ", ".join(view.routes.default) or "the outside"
        note = (
            f"this host forwards and masquerades ({nat.rule}), so {', '.join(inside)} inside is counted: "
            f"on {beyond} every address would be the host's own"
        )
        why |= {name: f"inside: {_prefixes(view, name)}" for name in inside}
        return Choice(tuple(inside), why, note)
    why |= dict.fromkeys(guests, "a network of containers or guests on this host")
    if nat.forwards and nat.masquerades is None:
        note = "this host forwards; whether it masquerades only root may see, and it is taken for one that does not"
    best = outside[0] if outside else _any(view, refused)
    return Choice((best,), why if outside else why | {best: "up, and no default route is there"}, note)


def _inside(view: View, name: str) -> bool:
    device = view.devices[name]
    return device.up and not device.loopback and name not in view.routes.default and bool(_prefixes(view, name))


def _prefixes(view: View, name: str) -> str:
    """The connected networks of a device; a single address is none, but at the end of a dialled line."""
    dialled = view.devices[name].kind == "ppp" or name.startswith("ppp")
    single = ("/32", "/128")
    return ", ".join(
        it for device, it in view.routes.connected if device == name and (dialled or not it.endswith(single))
    )


def _place(view: View, name: str) -> str:
    """What an interface is to the default choice."""
    device = view.devices[name]
    if name in view.routes.default:
        return "the default route" if name == view.routes.default[0] else "another default route"
    return "loopback" if device.loopback else "down" if not device.up else "not the default route"


def _any(view: View, refused: Mapping[str, str]) -> str:
    """The first that is up, loopback last.  Raises NoInterface."""
    up = [device for device in view.devices.values() if device.up and device.name not in refused]
    if not up:
        raise NoInterface
    return min(up, key=lambda device: device.loopback).name


def distinct(view: View, refused: Mapping[str, str] = NOTHING) -> Choice:
    """Every interface that is up and shows what no other of them shows; refused as for default()."""
    why = {name: refused.get(name) or _alone(device) for name, device in view.devices.items()}
    ports: dict[str, list[str]] = {}
    for device in view.devices.values():
        if device.port:
            ports.setdefault(device.master, []).append(device.name)
    below = {name: _wrapped(view.devices, ports, name) for name, reason in why.items() if not reason}
    tops: dict[str, list[str]] = {}
    for top, lowers in below.items():
        for name in lowers & below.keys():
            if top not in below[name]:  # Else each is below the other, as no sane host has it, and both are counted.
                tops.setdefault(name, []).append(top)
    for name, above in tops.items():
        why[name] = f"below {next(top for top in above if top not in tops)}, which shows its frames"
    return Choice(tuple(name for name, reason in why.items() if not reason), {k: v or "up" for k, v in why.items()})


def _alone(device: Device) -> str:
    """Why an interface is not counted whatever the others are; "" where nothing speaks against it."""
    if device.loopback:
        return "loopback"
    if not device.up:
        return "down"
    if device.port:
        return f"a port of {device.master_kind} {device.master}"
    return "one end of a veth pair" if device.kind == "veth" else ""


def _wrapped(devices: dict[str, Device], ports: dict[str, list[str]], top: str) -> set[str]:
    """The devices that show frames of top once more, in a VLAN, in PPPoE or a tunnel: below it, or below its ports."""
    found: set[str] = set()
    met: set[tuple[str, bool]] = set()
    waiting = [(top, False)]
    while waiting:
        step = waiting.pop()
        name, wrapped = step
        if step in met or name not in devices:
            continue
        met.add(step)
        if wrapped:
            found.add(name)
        wrapped = wrapped or devices[name].wraps
        waiting += [(lower, wrapped) for lower in devices[name].lowers]
        waiting += [(port, wrapped) for port in ports.get(name, ())]
    return found - {top}


def _fitting(name: str, patterns: Iterable[str]) -> str:
    """The first of the patterns that name fits; "" where it fits none."""
    return next((pattern for pattern in patterns if fnmatchcase(name, pattern)), "")
