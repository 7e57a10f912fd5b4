"""trafd: the daemon's command line, every option of its manual."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpft import __version__, messages
from bpft.cli import output
from bpft.cli.number import number
from bpft.daemon.settings import Settings, default_max_flows, flows_in
from bpft.errors import BadExpression, BpftError, CannotRead, Interrupted, NoMemory, UsageError
from bpft.meter.keymode import WHOLE, KeyMode
from bpft.paths import check_name, environment_root, paths
from bpft.rotation import rotation, size_of, zone

if TYPE_CHECKING:
    from bpft.daemon.loop import Screen

_ENGINES = click.Choice(["auto", "pcap", "ring", "reference"])
_PORTS = click.Choice(["all", "service", "none"])
_LEAST_MEMORY, _MOST_BUFFER = 1_000_000, 1 << 30
_HELP = {
    "count": "Stop after N frames.",
    "interface": "Listen on IFACE.  Default: IFF_LISTEN of the environment, else as trafstart chooses.",
    "ext": "The name of log and dump.  Default: IFACE.",
    "configured": "Be the trafd that the configuration, bpft.toml(5), describes: options win over it.",
    "print_filter": "Print the compiled filter as tcpdump -d does, and exit.",
    "filter_file": "Read the filter expression from FILE.",
    "min_size": "When saving, sum records of less than N bytes into one; 0: keep all.",
    "no_optimize": "Do not optimize the filter.",
    "no_promiscuous": "Do not put the interface into promiscuous mode.",
    "resume": "Go on with the table of the dump, if there is one.",
    "addresses_only": "Keep addresses alone, neither ports nor protocols.",
    "read": "Count the capture file FILE (-: standard input) into the log of EXT, and exit.",
    "max_flows": "The most records held, 0: no limit; smaller ones are summed up.  Default: by memory.",
    "max_memory": "The same in bytes, as 64M or 1G.",
    "buffer": "The kernel's buffer for packets not read yet, as 64M.  Default: 1 % of memory, 4M to 64M.",
    "ports": "service: of two ports keep the one that names the service; none: keep neither.",
    "vlan": "Keep VLANs apart.",
    "prefix_len": "Keep so many bits of IPv4 and IPv6 addresses, as 24,48.",
    "foreground": "Do not detach; on a terminal, show the busiest hosts.",
    "engine": "What reads the frames: Linux's ring where it works (auto), libpcap, or a slow twin in Python.",
    "rotate": "Begin a new log each day (daily), month (monthly), or before it exceeds a size as 10MB.",
    "dump_every": "Dump each 5min, 1h, 1d ..., at round local times.  Default: off.",
    "save_every": "Save each 5min, 1h, 1d ..., at round local times.  Default: off.",
    "keep": "How long what is kept, as 31d,400d:day+no-ports; what is older is deleted.  Default: all, for ever.",
    "budget": "Roll up the oldest of the log when it exceeds a size as 200MB.",
    "zone": "Days and times are those of this time zone, as Europe/Rome.  Default: local.",
    "user": "Become NAME once the capture is open; only root can.  Default: whose the directory of logs is.",
    "root": "Keep every file below DIR.  Default: BPFT_ROOT of the environment.",
}


@click.command(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "allow_interspersed_args": False,
        "max_content_width": 100,
    },
    epilog="Signals: HUP dumps, INT saves and begins anew, USR1 reports, TERM and QUIT dump and stop.",
)
@click.argument("words", metavar="[EXPR]...", nargs=-1)
@click.option("-c", "--count", callback=number(1), metavar="N", help=_HELP["count"])
@click.option("-i", "--interface", metavar="IFACE", help=_HELP["interface"])
@click.option("-f", "--ext", metavar="EXT", help=_HELP["ext"])
@click.option("--config", "configured", is_flag=True, help=_HELP["configured"])
@click.option("-d", "--print-filter", is_flag=True, help=_HELP["print_filter"])
@click.option("-F", "--filter-file", metavar="FILE", help=_HELP["filter_file"])
@click.option(
    "-m", "--min-size", callback=number(), metavar="N", default="1024", show_default=True, help=_HELP["min_size"]
)
@click.option("-O", "--no-optimize", is_flag=True, help=_HELP["no_optimize"])
@click.option("-p", "--no-promiscuous", is_flag=True, help=_HELP["no_promiscuous"])
@click.option("-r", "--resume", is_flag=True, help=_HELP["resume"])
@click.option("-X", "--addresses-only", is_flag=True, help=_HELP["addresses_only"])
@click.option("--read", metavar="FILE", help=_HELP["read"])
@click.option("--max-flows", callback=number(), metavar="N", help=_HELP["max_flows"])
@click.option("--max-memory", metavar="SIZE", help=_HELP["max_memory"])
@click.option("--buffer", metavar="SIZE", help=_HELP["buffer"])
@click.option("--ports", type=_PORTS, default="all", show_default=True, help=_HELP["ports"])
@click.option("--vlan", is_flag=True, help=_HELP["vlan"])
@click.option("--prefix-len", metavar="V4,V6", help=_HELP["prefix_len"])
@click.option("--foreground", is_flag=True, help=_HELP["foreground"])
@click.option("--engine", type=_ENGINES, default="auto", show_default=True, help=_HELP["engine"])
@click.option("--rotate", metavar="WHEN", help=_HELP["rotate"])
@click.option("--dump-every", metavar="TIME", default="off", help=_HELP["dump_every"])
@click.option("--save-every", metavar="TIME", default="off", help=_HELP["save_every"])
@click.option("--keep", metavar="KEEP", help=_HELP["keep"])
@click.option("--budget", metavar="SIZE", help=_HELP["budget"])
@click.option("--zone", metavar="ZONE", help=_HELP["zone"])
@click.option("--user", metavar="NAME", help=_HELP["user"])
@click.option("--root", metavar="DIR", help=_HELP["root"])
@click.version_option(__version__, "-V", "--version", message="trafd (bpft) %(version)s")
@click.pass_context
def trafd(
    context: click.Context,
    /,
    words: tuple[str, ...],
    read: str | None,
    print_filter: bool,
    configured: bool,
    **options: Any,
) -> int:
    """Count who sends how many bytes to whom on an interface.

    Words after the options are a filter expression, as for tcpdump.
    """
    options["paths"] = paths(str(Path(options["root"] or environment_root() or "/").absolute()))
    if configured:
        if read is not None:
            raise UsageError("--config is for what counts an interface: leave it or --read away")
        from bpft.cli.configured import settle

        options |= settle(context, options)
    settings = _settings(words, read is not None, print_filter, **options)
    if print_filter:
        from bpft.meter.capture import program_text

        text = program_text(settings.interface, read, settings.filter, settings.optimize, settings.engine)
        click.echo(text, nl=False)
        return 0
    if read is not None:
        if read == "-":
            import signal

            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends who writes to us; what came is kept.
        from bpft.daemon import offline  # counting a file needs little of what counting an interface does

        try:
            offline.read(settings, read)
        except KeyboardInterrupt:
            raise Interrupted from None
        except MemoryError:
            raise NoMemory from None
        return 0
    from bpft.daemon import start

    return start.run(settings, _screen() if settings.foreground and sys.stdout.isatty() else None)


def _settings(
    words: tuple[str, ...], offline: bool, print_filter: bool, interface: str | None, ext: str | None, **options: Any
) -> Settings:
    """What the options mean together.  Raises UsageError, CannotRead, NoInterface."""
    if options["filter_file"] is not None and words:
        raise UsageError("give the filter expression as words or with -F, not both")
    if offline and ext is None and not print_filter:
        raise UsageError("--read needs -f EXT, the name of the log to append to")
    if offline and options["resume"]:
        raise UsageError("--read never touches dumps: leave -r away")
    if offline and options["user"]:
        raise UsageError("--read runs as who you are: leave --user away")
    if options["engine"] == "reference" and not (offline or options["foreground"]):
        raise UsageError("--engine reference does not detach: add --foreground")
    key = _key_mode(options)
    if options["engine"] == "reference" and not key.is_plain:
        raise UsageError("--engine reference keeps whole keys: leave --ports, --vlan and --prefix-len away")
    if interface is None and not offline:
        from bpft.cli.configured import chosen

        interface = chosen()
    if options["filter_file"] is None:
        expression = " ".join(words) or options.get("filter", "")
    else:
        expression = _expression(options["filter_file"])
    try:
        expression.encode()
    except ValueError:  # A command line may hold any bytes.
        raise BadExpression("it is not text in UTF-8") from None
    if interface is not None:
        check_name("interface", interface)
    if ext is not None:
        check_name("EXT", ext)
    return Settings(
        interface=interface or "",
        ext=ext or interface or "",
        paths=options["paths"],
        filter=expression,
        optimize=not options["no_optimize"],
        promiscuous=not options["no_promiscuous"],
        min_all=options["min_size"],
        stop_after=options["count"] or 0,
        resume=options["resume"],
        key=key,
        max_flows=_max_flows(options["max_flows"], options["max_memory"], offline),
        buffer=_buffer(options["buffer"]),
        foreground=options["foreground"],
        user=options["user"] or "",
        engine=options["engine"],
        rotation=None if options["rotate"] is None else rotation(options["rotate"], options["zone"] or ""),
        **_by_itself(options, offline),
    )


def _by_itself(options: dict[str, Any], offline: bool) -> dict[str, Any]:
    """What the daemon does without being asked: --dump-every, --save-every, --keep, --budget.  Raises UsageError."""
    wanted = {
        "dump_every_s": _interval("--dump-every", options["dump_every"]),
        "save_every_s": _interval("--save-every", options["save_every"]),
    }
    keep, budget, zone_name = options["keep"], options["budget"], options["zone"] or ""
    any_ = any(wanted.values()) or keep is not None or budget is not None
    if any_ and offline:
        raise UsageError("--read saves once: leave --dump-every, --save-every, --keep and --budget away")
    if zone_name and not (any_ or options["rotate"]):
        raise UsageError("--zone is for --rotate, --dump-every, --save-every, --keep and --budget")
    zone(zone_name)
    if keep is not None or budget is not None:
        from bpft import keeping  # a trafd that keeps everything starts without it

        if keep is not None:
            keeping.keep(keep)
        size = keeping.budget("--budget", budget) if budget is not None else 0
        return {**wanted, "zone": zone_name, "retention": keep or "", "budget": size}
    return {**wanted, "zone": zone_name}


def _key_mode(options: dict[str, Any]) -> KeyMode:
    """-X, --ports, --vlan and --prefix-len.  Raises UsageError."""
    if options["addresses_only"] and options["ports"] != "all":
        raise UsageError("-X keeps no ports: leave --ports away")
    bits = None
    if options["prefix_len"] is not None:
        found = re.fullmatch(r"(\d{1,2}),(\d{1,3})", options["prefix_len"], re.ASCII)
        bits = (int(found[1]), int(found[2])) if found else (99, 999)
        if bits[0] > WHOLE[0] or bits[1] > WHOLE[1]:
            raise UsageError(
                f"--prefix-len {options['prefix_len']!r}: use two numbers, up to 32 and up to 128, as 24,48"
            )
    return KeyMode(options["addresses_only"], options["ports"], options["vlan"], None if bits == WHOLE else bits)


def _max_flows(flows: int | None, memory: str | None, offline: bool) -> int:
    """The cap: the smaller of what is asked for in flows and in bytes; 0: none.  Raises UsageError."""
    if memory is None:
        return flows if flows is not None else 0 if offline else default_max_flows()
    size = size_of(memory)
    if size < _LEAST_MEMORY:
        raise UsageError(f"--max-memory {memory!r}: use a size of at least 1M, as 64M or 1G")
    return min(flows or flows_in(size), flows_in(size))


def _buffer(size: str | None) -> int:
    """Bytes of --buffer; 0: by memory.  Raises UsageError."""
    if size is None:
        return 0
    if not _LEAST_MEMORY <= size_of(size) <= _MOST_BUFFER:
        raise UsageError(f"--buffer {size!r}: use a size from 1M to 1G, as 64M")
    return size_of(size)


def _expression(file: str) -> str:
    """The expression in file; "#" begins a comment, as for tcpdump -F."""
    try:
        text = Path(file).read_text("utf-8-sig")
    except OSError as why:
        raise CannotRead(file, why.strerror) from None
    except ValueError:
        text = "\0"
    if "\0" in text:
        raise CannotRead(file, "is not text")
    return " ".join(line.partition("#")[0].strip() for line in text.splitlines()).strip()


def _interval(option: str, text: str) -> int:
    """Seconds; 0: off.  Raises UsageError."""
    if text == "off":
        return 0
    from bpft.daemon.schedule import interval

    return interval(option, text)


def _screen() -> "Screen":
    from bpft.cli.screen import TerminalScreen

    return TerminalScreen(sys.stdout)


def main(arguments: list[str] | None = None) -> int:
    """The console command; the exit code: 0, 1, or 127 for an illegal command line (the manual's EXIT CODES)."""
    output.stand_in()
    try:
        code = trafd.main(arguments, prog_name="trafd", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as why:
        messages.error(f"{' '.join(why.format_message().split())}  See: trafd --help")
        return UsageError.exit_code
    except BpftError as why:
        messages.error(str(why))
        return why.exit_code
    except OSError as why:
        if told := output.lost(why):
            messages.error(told)
        return 1 if told else 0
    except click.Abort:  # what click makes of Ctrl-C anywhere else
        messages.error(str(Interrupted()))
        return Interrupted.exit_code
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
