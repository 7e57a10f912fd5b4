"""Reads bpft.toml(5): every mistake with its line and its remedy, or the values."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bpft.config import values
from bpft.config.model import Config, Directories, Interface, Interfaces, Log, Names, Retention, Times, User
from bpft.config.values import Convert, Wrong

MOST_BYTES = 1_000_000  #: of a configuration; more is some other file
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")
Keys = tuple[str, ...]  #: of a value, from the outermost table inwards
Further = Callable[[Config], Iterable[tuple[Keys, str]]]

_INTERFACE: dict[str, Convert] = {
    "filter": values.text,
    "ext": values.ext,
    "addresses-only": values.flag,
    "ports": values.one_of("all", "service", "none"),
    "vlan": values.flag,
    "prefix-len": values.prefix_len,
    "promiscuous": values.flag,
    "min-size": values.size,
    "max-flows": values.whole,
    "max-memory": values.memory,
    "buffer": values.buffer,
    "engine": values.one_of("auto", "ring", "pcap"),
}
_CHOICE: dict[str, Convert] = {"names": values.globs, "exclude": values.globs}
_SECTIONS: dict[str, tuple[type, dict[str, Convert]]] = {
    "times": (Times, {"dump": values.interval, "save": values.interval}),
    "log": (Log, {"budget": values.budget, "rotate": values.rotate, "zone": values.time_zone}),
    "retention": (Retention, {"full": values.age, "daily": values.age}),
    "directories": (Directories, {"logs": values.path, "dumps": values.path}),
    "user": (User, {"name": values.account}),
    "names": (Names, {"hosts": values.files, "leases": values.files}),
}


class Mistake(NamedTuple):
    """One thing that is wrong in a configuration."""

    file: str
    line: int  #: from 1 on; 0: of the file as a whole
    text: str  #: what is wrong, and the remedy

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


def keys() -> dict[str, tuple[str, ...]]:
    """The keys of each section: what bpft.toml(5) has to describe."""
    return {
        "interfaces": (*_CHOICE, *_INTERFACE),
        **{section: tuple(known) for section, (_, known) in _SECTIONS.items()},
        "scopes": (),
    }


def read(file: str, further: Further | None = None) -> tuple[Config, list[Mistake]]:
    """The configuration in file and its mistakes, by line; where it has any, the values are not to be used.

    Without such a file: the defaults.  further: looks for mistakes that only others can see.
    """
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Config(), []
    except OSError as why:
        return Config(), [Mistake(file, 0, f"cannot be read: {why.strerror}")]
    if len(content) > MOST_BYTES:
        return Config(), [Mistake(file, 0, "is too long for a configuration; name another file")]
    return parse(content, file, further)


def parse(content: bytes, file: str = "bpft.toml", further: Further | None = None) -> tuple[Config, list[Mistake]]:
    """As read(), of what is in the file."""
    try:
        source = content.decode("utf-8-sig").replace("\r\n", "\n")
        tables = tomllib.loads(source)
    except UnicodeDecodeError as why:
        line = content.count(b"\n", 0, why.start) + 1
        return Config(), [Mistake(file, line, "is not text in UTF-8; save the file in that encoding")]
    except tomllib.TOMLDecodeError as why:
        found = _PLACE.search(str(why))
        line = int(found[1]) if found and found[1] else source.rstrip().count("\n") + 1
        said = _PLACE.sub("", str(why))
        return Config(), [Mistake(file, line, f"is no TOML: {said[:1].lower()}{said[1:]}; see bpft.toml(5)")]
    except RecursionError:
        return Config(), [Mistake(file, 0, "is no configuration: it is nested too deeply")]
    reading = _Reading()
    config = reading.config(tables)._replace(file=file)
    wrong = [*reading.mistakes, *(further(config) if further else ())]
    lines = lines_of(source) if wrong else {}
    mistakes = [Mistake(file, lines.get(path, 0), text) for path, text in wrong]
    return config, sorted(mistakes, key=lambda mistake: mistake.line)


class _Reading:
    """One reading of the tables; mistakes gather with the path of their key."""

    def __init__(self) -> None:
        self.mistakes: list[tuple[Keys, str]] = []

    def config(self, tables: dict[str, Any]) -> Config:
        self._known((), tables, keys())
        sections: dict[str, Any] = {}
        for name, (kind, converts) in _SECTIONS.items():
            sections[name] = kind(**self._values((name,), self._table((name,), tables), converts))
        self._ages(sections["retention"], tables.get("retention", {}))
        interfaces = self._interfaces(self._table(("interfaces",), tables))
        return Config(interfaces=interfaces, scopes=self._scopes(self._table(("scopes",), tables)), **sections)

    def _ages(self, retention: Retention, said: Any) -> None:
        """daily ends behind full."""
        stated = isinstance(said, dict) and "daily" in said
        if retention.daily is None or (retention.full is None and not stated):
            return
        if retention.full is None:
            self.mistakes.append((("retention", "daily"), "daily never begins, as full has no end; leave it away"))
        elif retention.daily < retention.full:
            key = "daily" if stated else "full"
            remedy = f'write a later end, as daily = "{retention.full // 24 + 365}d"'
            self.mistakes.append((("retention", key), f"daily, an age too, ends before full does; {remedy}"))

    def _table(self, path: Keys, tables: dict[str, Any]) -> dict[str, Any]:
        found = tables.get(path[-1], {})
        if isinstance(found, dict):
            return found
        self.mistakes.append((path, f"{path[-1]} is a section; write it as [{'.'.join(path)}]"))
        return {}

    def _known(self, path: Keys, table: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        for key in table:
            if key not in known:
                self.mistakes.append(((*path, key), _unknown(path, key, known)))

    def _values(self, path: Keys, table: dict[str, Any], converts: dict[str, Convert]) -> dict[str, Any]:
        """What the known keys of a table mean, by the names of their fields; unknown keys are mistakes."""
        self._known(path, table, converts)
        found = {}
        for key, convert in converts.items():
            if key in table:
                try:
                    found[key.replace("-", "_")] = convert(table[key])
                except Wrong as why:
                    self.mistakes.append(((*path, key), f"{key} {why}"))
        return found

    def _interfaces(self, table: dict[str, Any]) -> Interfaces:
        """A value in [interfaces] is for all of them, a table is one interface, or a glob of them."""
        path = ("interfaces",)
        own = {name: how for name, how in table.items() if isinstance(how, dict)}
        common = self._values(path, {k: v for k, v in table.items() if k not in own}, _CHOICE | _INTERFACE)
        choice = {key: common.pop(key) for key in _CHOICE if key in common}
        if common.pop("ext", None) is not None:
            self.mistakes.append(((*path, "ext"), "ext is of one interface; write it into its table [interfaces.NAME]"))
        others = self._interface(path, common)
        settings = []
        names: dict[str, str] = {}
        for name, how in own.items():
            found = self._values((*path, name), how, _INTERFACE)
            try:
                values.glob(name)
            except Wrong as why:
                self.mistakes.append(((*path, name), f"[interfaces] {why}"))
            if "ext" in found and values.is_glob(name):
                self.mistakes.append(((*path, name, "ext"), "ext is of one interface; leave it away for a pattern"))
            if (taken := found.get("ext", name)) in names:
                clash = f"{taken} is the ext of {names[taken]} already; each interface needs a log of its own"
                self.mistakes.append(((*path, name, "ext") if "ext" in found else (*path, name), clash))
            names.setdefault(taken, name)
            settings.append((name, self._interface((*path, name), found, others)))
        for name in choice.get("names", ()):
            if names.get(name, name) != name:
                clash = f"{name} is the ext of {names[name]}; each interface needs a log of its own"
                self.mistakes.append(((*path, "names"), clash))
        return Interfaces(settings=tuple(settings), others=others, **choice)

    def _interface(self, path: Keys, found: dict[str, Any], base: Interface | None = None) -> Interface:
        """base with what was found.  Without addresses there are no ports, and the other way round."""
        base = base or Interface()
        if found.get("addresses_only"):
            if found.get("ports", "all") != "all":
                self.mistakes.append(((*path, "ports"), "addresses-only keeps no ports; leave ports away"))
            found = found | {"ports": "all"}
        elif "ports" in found and base.addresses_only and "addresses_only" not in found:
            found = found | {"addresses_only": False}
        elif base.addresses_only and found.get("addresses_only") is False and "ports" not in found:
            found = found | {"ports": Interface().ports}
        return base._replace(**found)

    def _scopes(self, table: dict[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        owner: dict[str, str] = {}
        found = []
        for name, value in table.items():
            path = ("scopes", name)
            try:
                values.label(name)
                networks = values.prefixes(value)
            except Wrong as why:
                self.mistakes.append((path, f"{name} {why}"))
                continue
            for network in networks:
                if network in owner:
                    self.mistakes.append((path, f"{network} is in {owner[network]} as well; leave it in one of them"))
                owner[network] = name
            found.append((name, networks))
        return tuple(found)


def _unknown(path: Keys, key: str, known: Mapping[str, Any]) -> str:
    """What to say of a key that means nothing."""
    from difflib import get_close_matches

    near = get_close_matches(key.lower().replace("_", "-"), known, 1, 0.6)
    where = f" in [{'.'.join(path)}]" if path else ""
    remedy = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"
    return f"{key}: no such {'key' if path else 'section'}{where}; {remedy}"


def lines_of(source: str) -> dict[Keys, int]:
    """The line of each key and table of a valid TOML document.

    No TOML parser of ours: each beginning of the document that is itself one ends a statement, and what it has that the
    beginning before it had not is what that statement says.
    """
    rows = source.split("\n")
    found: dict[Keys, int] = {}
    first = 1
    for count in range(1, len(rows) + 1):
        if not rows[count - 1].strip() and first == count:
            first = count + 1
            continue
        try:
            tables = tomllib.loads("\n".join(rows[:count]))
        except tomllib.TOMLDecodeError:
            continue
        for path in _paths(tables):
            found.setdefault(path, first)
        first = count + 1
    return found


def _paths(table: dict[str, Any], above: Keys = ()) -> Iterator[Keys]:
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))
