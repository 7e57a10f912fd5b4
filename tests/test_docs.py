"""The documents say what the programs do: options, signals, exit codes, variables are in their pages, examples run."""

import re
import runpy
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import programs
import pytest

from bpft import errors
from bpft.cli.main import COMMANDS, load
from bpft.cli.main import PROGRAMS as SUITE
from bpft.cli.trafd import trafd
from bpft.daemon.loop import SIGNALS

PROJECT = Path(__file__).resolve().parents[1]
PROGRAMS = sorted(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"])
SUBCOMMANDS = sorted(COMMANDS)
#: The C library, the interpreter and the terminal read these, not we.
FOREIGN_VARIABLES = {"PYTHONPATH", "LANG", "LC_ALL", "TZ", "COLUMNS", "LINES", "TERM"}
BASH = shutil.which("bash")


def page(name: str) -> str:
    """The source of a manual page."""
    found = list((PROJECT / "man").glob(f"{name}.[18]"))
    assert len(found) == 1, f"{name} has no manual page"
    return found[0].read_text()


def script(name: str) -> list[str]:
    if (installed := Path(sys.executable).with_name(name)).exists():
        return [str(installed)]
    return [sys.executable, *(["-m", "bpft"] if name == "bpft" else [str(PROJECT / "scripts" / name)])]


def options(*command: str) -> set[str]:
    """The options that --help lists, but for itself."""
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, cwd=PROJECT).stdout
    columns = re.findall(r"^\s+(-\S.*?)(?:\s{2,}|$)", text, re.M)
    return {option for column in columns for option in re.findall(r"(?<![\w-])--?[\w-]+", column)} - {"-h", "--help"}


def described(source: str) -> set[str]:
    """The options that have an item of their own in a page."""
    items = re.findall(r"^\.It (Fl .*)", source.replace("Fl Fl ", "Fl -"), re.M)
    return {f"-{word}" for item in items for word in re.findall(r"Fl (\S+)", item)} - {"-h", "--help"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_its_page(name: str) -> None:
    assert re.search(rf"^\.Nm {name}\b", page(name), re.M)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_option_of_a_program_is_described(name: str) -> None:
    assert options(*script(name)) == described(page(name))


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_option_of_a_subcommand_is_described(name: str) -> None:
    assert options(*script("bpft"), name) == described(page(f"bpft-{name}"))


def test_every_signal_is_described() -> None:
    for number in SIGNALS:
        assert re.search(rf"^\.It .*{number.name}", page("trafd"), re.M), number.name


@pytest.mark.parametrize("name", [*PROGRAMS, *(f"bpft-{name}" for name in SUBCOMMANDS)])
def test_every_exit_code_is_described(name: str) -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BpftError)]
    section = page(name).partition(".Sh EXIT STATUS")[2].partition(".Sh ")[0]
    for code in {0, *(kind.exit_code for kind in kinds)}:
        assert re.search(rf"^\.It {code}$", section, re.M), code


def variables(place: Path) -> set[str]:
    """Of the environment, that a file or the files below a directory read."""
    source = "".join(path.read_text() for path in (place.rglob("*.py") if place.is_dir() else [place]))
    read = (
        r"(?:\.get\(|getenv\(|environ\[)\s*[\"']([A-Z][A-Z_]+)[\"']|[\"']([A-Z][A-Z_]+)[\"'] (?:not )?in os\.environ\b"
    )
    return {one or other for one, other in re.findall(read, source)}


def environment(source: str) -> set[str]:
    """The variables that have an item in a page."""
    return {name for item in re.findall(r"^\.It Ev (.*)$", source, re.M) for name in item.split(" , ")}


def test_every_environment_variable_is_described() -> None:
    pages = "".join(path.read_text() for path in (PROJECT / "man").iterdir())
    read = variables(PROJECT / "bpft")
    assert read >= {"BPFT_ROOT", "NOTIFY_SOCKET", "JOURNAL_STREAM"}
    assert read - FOREIGN_VARIABLES <= environment(pages)


@pytest.mark.parametrize("name", [*PROGRAMS, *(f"bpft-{name}" for name in SUBCOMMANDS)])
def test_the_page_of_whoever_reads_a_variable_describes_it(name: str) -> None:
    """Its help names it, or its own module reads it; of a daemon, any module of daemons."""
    command = [*script("bpft"), name.removeprefix("bpft-")] if name.startswith("bpft-") else script(name)
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, cwd=PROJECT).stdout
    read = variables(PROJECT / "bpft") & set(re.findall(r"[A-Z][A-Z_]+", told))
    if name == "trafd":
        read |= variables(PROJECT / "bpft/daemon") | variables(PROJECT / "bpft/messages.py")
    elif name.startswith("bpft-"):
        module = sys.modules[load(COMMANDS[name.removeprefix("bpft-")][0]).callback.__module__]
        read |= variables(Path(str(module.__file__))) - FOREIGN_VARIABLES
    assert read <= environment(page(name)) | FOREIGN_VARIABLES


def test_every_command_is_in_the_page_of_the_suite() -> None:
    assert set(re.findall(r"^\.It Cm (\w+)$", page("bpft"), re.M)) == {*COMMANDS, *SUITE}


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_says_what_it_does(name: str) -> None:
    """In the list of commands, in its help and in its page."""
    command = load(COMMANDS[name][0])
    assert COMMANDS[name][1]
    assert command.help
    assert re.search(rf"^\.Nm bpft-{name}$", page(f"bpft-{name}"), re.M)
    assert f".Nm bpft {name}\n" in page(f"bpft-{name}").partition(".Sh SYNOPSIS")[2]


@pytest.mark.parametrize("name", ["trafd", *SUBCOMMANDS])
def test_every_word_that_an_option_takes_is_described(name: str) -> None:
    command, source = (trafd, page(name)) if name == "trafd" else (load(COMMANDS[name][0]), page(f"bpft-{name}"))
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice):
            for word in parameter.type.choices:
                assert re.search(rf"^\..*(?<![\w-]){re.escape(str(word))}(?![\w-])", source, re.M), (
                    parameter.name,
                    word,
                )


def test_every_setting_of_rc_conf_is_described() -> None:
    script = (PROJECT / "rc.d/trafd").read_text()
    settings = set(re.findall(r'^: "\$\{(trafd_\w+):=', script, re.M))
    assert settings == {"trafd_enable", "trafd_ifaces", "trafd_flags", "trafd_log"}
    for name in settings:
        assert f"#   {name}=" in script
        assert name in page("trafd"), name


def examples(document: str) -> list[tuple[str, str]]:
    """The commands of the console blocks of a document, each with the output shown."""
    blocks = re.findall(r"^```console\n(.*?)^```", (PROJECT / document).read_text(), re.M | re.S)
    return [
        (command, output)
        for block in blocks
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)
    ]


@pytest.mark.skipif(BASH is None, reason="the README's examples are run by bash")
def test_the_examples_of_the_readme_are_real(tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(PROJECT / "tests")
    shown = examples("README.md")
    assert shown
    functions = "".join(f'{name}() {{ {" ".join(script(name))} "$@"; }}\n' for name in PROGRAMS)
    for command, output in shown:
        result = subprocess.run(
            [str(BASH), "-c", f"{functions}{command}"],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", **programs.ENVIRONMENT, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        told = result.stdout.replace(f" on {socket.gethostname()}\n", " on myhost\n")
        assert (command, told.replace(str(tmp_path), "/home/me/bpft")) == (command, output)


def test_the_sample_is_what_its_maker_makes() -> None:
    made = runpy.run_path(str(PROJECT / "tests/captures/make_sample.py"))
    assert made["sample"]() == made["SAMPLE"].read_bytes()


@pytest.mark.parametrize("path", ["try.sh", "check.sh", ".ci/run", "scripts/prepare.sh", "rc.d/trafd"])
def test_shell_scripts_are_executable_and_parse(path: str) -> None:
    assert (PROJECT / path).stat().st_mode & 0o111
    subprocess.run(["sh", "-n", PROJECT / path], check=True)
