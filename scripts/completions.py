#!/usr/bin/env python3
"""Makes share/completions of the commands as click knows them; with --check compares and says what is stale."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from bpft.cli import tools, trafd  # noqa: E402
from bpft.cli.group import bpft  # noqa: E402
from bpft.cli.main import COMMANDS, PROGRAMS, load  # noqa: E402

PLACE = PROJECT / "share/completions"
HEAD = "Made by scripts/completions.py of the commands' own options."
FILES, DIRECTORIES, INTERFACES, NOTHING = "files", "directories", "interfaces", ""
#: What a metavar stands for; the value of any other cannot be guessed.
KINDS = {"FILE": FILES, "OUT": FILES, "OLDFILE": FILES, "DIR": DIRECTORIES, "IFACE": INTERFACES}


@dataclass(frozen=True)
class Option:
    names: tuple[str, ...]
    help: str
    value: bool
    kind: str  #: of the value: one of the four above, or
    words: tuple[str, ...]  #: what it can be


@dataclass(frozen=True)
class Command:
    options: tuple[Option, ...]
    kind: str  #: of the words behind the options
    words: tuple[str, ...]


def read(command: click.Command) -> Command:
    context = click.Context(command, help_option_names=["-h", "--help"])
    options = [option(it) for it in command.get_params(context) if isinstance(it, click.Option)]
    kind, words = NOTHING, []
    for it in command.params:
        if isinstance(it, click.Argument):
            kind = kind or kind_of((it.metavar or it.name or "").upper())
            words += choices(it)
            words += ["All"] if "All" in (it.metavar or "") else []
    return Command(tuple(options), kind, tuple(words))


def option(it: click.Option) -> Option:
    text = " ".join((it.help or "").split()).split(". ")[0].rstrip(".")
    value = not it.is_flag and not it.count
    return Option((*it.opts, *it.secondary_opts), text, value, kind_of(it.metavar or ""), tuple(choices(it)))


def choices(it: click.Parameter) -> list[str]:
    return [str(word) for word in it.type.choices] if isinstance(it.type, click.Choice) else []


def kind_of(metavar: str) -> str:
    return next((kind for word, kind in KINDS.items() if word in metavar), NOTHING)


SUBCOMMANDS = {name: read(load(place)) for name, (place, _) in COMMANDS.items()}
SUITE = {name: read(trafd.trafd if name == "trafd" else tools.command(name)) for name in PROGRAMS}
ITSELF = read(bpft)
SAID = {name: text for name, (_, text) in (COMMANDS | PROGRAMS).items()}


# ---- bash ----

BASH = """\
# bash completion of bpft(1) and trafd(8).  {head}

_bpft_interfaces() {{ ls /sys/class/net 2>/dev/null || ifconfig -l 2>/dev/null; }}

# _bpft_reply COMPGEN-OPTIONS...: what fits the word under the cursor.
_bpft_reply() {{ mapfile -t COMPREPLY < <(compgen "$@" -- "${{COMP_WORDS[COMP_CWORD]}}"); }}
{functions}
_bpft()
{{
	if [ "$COMP_CWORD" -gt 1 ]; then
		declare -F "_bpft_command_${{COMP_WORDS[1]}}" >/dev/null && "_bpft_command_${{COMP_WORDS[1]}}"
		return 0
	fi
	_bpft_reply -W "{first}"
}}

complete -o filenames -F _bpft bpft
{programs}
"""


def bash() -> dict[str, str]:
    functions = "".join(bash_function(name, it) for name, it in (SUBCOMMANDS | SUITE).items())
    first = " ".join([*SAID, *flags(ITSELF)])
    programs = "\n".join(f"complete -o filenames -F _bpft_command_{name} {name}" for name in SUITE)
    whole = BASH.format(head=HEAD, functions=functions, first=first, programs=programs)
    beside = '# shellcheck disable=SC1091  # it lies beside this one\n. "${BASH_SOURCE[0]%/*}/bpft"\n'
    return {"bash/bpft": whole} | {
        f"bash/{name}": f"# bash completion of {name}(8).  {HEAD}\n{beside}" for name in SUITE
    }


def bash_function(name: str, command: Command) -> str:
    cases = [
        f"\t{'|'.join(it.names)}) {bash_reply(it.kind, it.words)}return ;;\n" for it in command.options if it.value
    ]
    before = f"\tcase ${{COMP_WORDS[COMP_CWORD - 1]}} in\n{''.join(cases)}\tesac\n" if cases else ""
    return (
        f"\n_bpft_command_{name}()\n{{\n{before}"
        f'\tcase ${{COMP_WORDS[COMP_CWORD]}} in\n\t-*) _bpft_reply -W "{" ".join(flags(command))}" ;;\n'
        f"\t*) {bash_reply(command.kind, command.words) or ': '};;\n\tesac\n}}\n"
    )


def bash_reply(kind: str, words: tuple[str, ...]) -> str:
    found = {FILES: ["-f"], DIRECTORIES: ["-d"], INTERFACES: [], NOTHING: []}[kind]
    listed = [*words, *(["$(_bpft_interfaces)"] if kind == INTERFACES else [])]
    found += ['-W "' + " ".join(listed) + '"'] if listed else []
    return f"_bpft_reply {' '.join(found)}; " if found else ""


def flags(command: Command) -> list[str]:
    return [name for it in command.options for name in it.names]


# ---- zsh ----

ZSH = """\
#compdef bpft {programs}
# zsh completion of bpft(1) and trafd(8).  {head}

local -a commands
commands=(
{commands}
)

_bpft_arguments() {{
  case $1 in
{cases}  esac
}}

if [[ $service != bpft ]]; then
  _bpft_arguments $service
elif (( CURRENT == 2 )); then
  _describe command commands -- "({flags})"
else
  local name=$words[2]
  shift words
  (( CURRENT-- ))
  _bpft_arguments $name
fi
"""
ZSH_KINDS = {FILES: "_files", DIRECTORIES: "_files -/", INTERFACES: "_net_interfaces", NOTHING: ""}


def zsh() -> dict[str, str]:
    commands = "\n".join(f"  {quoted(f'{name}:{text}')}" for name, text in SAID.items())
    cases = "".join(f"    {name}) _arguments -s {zsh_arguments(it)} ;;\n" for name, it in (SUBCOMMANDS | SUITE).items())
    text = ZSH.format(
        programs=" ".join(SUITE), head=HEAD, commands=commands, cases=cases, flags=" ".join(flags(ITSELF))
    )
    return {"zsh/_bpft": text}


def zsh_arguments(command: Command) -> str:
    found = []
    for it in command.options:
        said = it.help.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
        value = f": :{zsh_action(it.kind, it.words)}" if it.value else ""
        others = f"({' '.join(it.names)})" if len(it.names) > 1 else ""
        found += [quoted(f"{others}{name}[{said}]{value}") for name in it.names]
    return " \\\n      ".join([*found, quoted(f"*: :{zsh_action(command.kind, command.words)}")])


def zsh_action(kind: str, words: tuple[str, ...]) -> str:
    if kind and words:  # behind a blank, so that it gets none of _arguments' options, which it does not know
        return f' _alternative "words: :({" ".join(words)})" "{kind}: :{ZSH_KINDS[kind]}"'
    return f"({' '.join(words)})" if words else ZSH_KINDS[kind]


# ---- fish ----

FISH_KINDS = {FILES: "-F", DIRECTORIES: "-xa '(__fish_complete_directories)'"}
FISH_KINDS |= {INTERFACES: "-xa '(__fish_print_interfaces)'", NOTHING: "-x"}


def fish() -> dict[str, str]:
    lines = [f"# fish completion of bpft(1) and trafd(8).  {HEAD}", "complete -c bpft -f"]
    lines += [f"complete -c bpft -n __fish_use_subcommand -a {name} -d {quoted(text)}" for name, text in SAID.items()]
    lines += fish_lines("bpft -n __fish_use_subcommand", Command(ITSELF.options, NOTHING, ()))
    for name, it in (SUBCOMMANDS | SUITE).items():
        lines += fish_lines(f"bpft -n '__fish_seen_subcommand_from {name}'", it)
    for name, it in SUITE.items():
        lines += [f"complete -c {name} -f", *fish_lines(name, it)]
    beside = f"{HEAD}\nsource (status dirname)/bpft.fish\n"
    return {"fish/bpft.fish": "\n".join(lines) + "\n"} | {
        f"fish/{name}.fish": f"# fish completion of {name}(8).  {beside}" for name in SUITE
    }


def fish_lines(target: str, command: Command) -> Iterator[str]:
    for it in command.options:
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in it.names)
        value = (
            "" if not it.value else f"-xa {quoted(' '.join(it.words))} " if it.words else f"{FISH_KINDS[it.kind]} -r "
        )
        yield f"complete -c {target} {names} {value}-d {quoted(it.help)}"
    if command.words:
        yield f"complete -c {target} -a {quoted(' '.join(command.words))}"
    if command.kind:
        yield f"complete -c {target} {FISH_KINDS[command.kind].replace('-x', '-', 1)}"


def quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


def main() -> int:
    made = bash() | zsh() | fish()
    if sys.argv[1:] == ["--check"]:
        there = {str(path.relative_to(PLACE)): path.read_text() for path in PLACE.rglob("*") if path.is_file()}
        stale = [name for name in sorted(made | there) if made.get(name) != there.get(name)]
        for name in stale:
            print(f"share/completions/{name} is not current; make completions", file=sys.stderr)
        return int(bool(stale))
    for name, text in made.items():
        (PLACE / name).parent.mkdir(parents=True, exist_ok=True)
        (PLACE / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
