"""trafd --config: the options that the configuration stands for; what the command line says wins."""

import os
from typing import Any

import click
from click.core import ParameterSource

from bpft import config, messages, selection
from bpft.config.model import Config, Interfaces
from bpft.errors import NoInterface

#: Options that make one of the configuration's mean something else: it is left away then.
_INSTEAD = {"addresses_only": "ports", "ports": "addresses_only", "filter_file": "filter"}


def settle(context: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """What the configuration says for options that the command line left open, with the interface and the directories.

    Raises BadConfig, Unseen, NoInterface.
    """
    where = options["paths"]
    found = config.load(where)
    interface = options["interface"] or chosen(found.interfaces)
    values = meant(found, interface)
    said = [name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    for name in said:
        values.pop(name, None)
        values.pop(_INSTEAD.get(name, ""), None)
    where = where.with_directories(found.directories.logs, found.directories.dumps)
    return {**values, "interface": interface, "paths": where}


def chosen(interfaces: Interfaces | None = None) -> str:
    """The interface of a trafd that none is named to: IFF_LISTEN's, else the first that trafstart would start.

    Raises Unseen, NoInterface.
    """
    if named := os.environ.get("IFF_LISTEN"):
        return named
    choice = selection.configured(selection.look(), interfaces or Interfaces())
    if not choice.names:
        raise NoInterface
    if choice.note:
        messages.warning(choice.note)
    if len(choice.names) > 1:
        messages.warning(
            f"this counts {choice.names[0]} alone; trafstart starts one for each of {', '.join(choice.names)}"
        )
    return choice.names[0]


def meant(found: Config, interface: str) -> dict[str, Any]:
    """The values of trafd's options by their parameters' names; "filter", which is no option, is the expression."""
    how, log = found.interfaces.of(interface), found.log
    return {
        "filter": " ".join(how.filter.split()),
        "ext": how.ext or None,
        "min_size": how.min_size,
        "no_promiscuous": not how.promiscuous,
        "resume": True,
        "addresses_only": how.addresses_only,
        "ports": how.ports,
        "vlan": how.vlan,
        "prefix_len": how.prefix_len and "{},{}".format(*how.prefix_len),
        "max_flows": how.max_flows,
        "max_memory": _size(how.max_memory),
        "buffer": _size(how.buffer),
        "engine": how.engine,
        "rotate": log.rotate or None,
        "dump_every": _every(found.times.dump),
        "save_every": _every(found.times.save),
        "keep": found.retention.keep or None,
        "budget": _size(log.budget),
        "zone": log.zone or None,
        "user": (found.user.name or None) if os.geteuid() == 0 else None,  # Only root can become somebody else.
    }


def _size(size: int | None) -> str | None:
    """A size as an option has it."""
    return str(size) if size else None


def _every(seconds: int) -> str:
    return f"{seconds}s" if seconds else "off"
