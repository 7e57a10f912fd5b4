"""bpft info: what logs, dumps and captures hold."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from bpft.errors import BpftError
from bpft.info import CaptureInfo, LogInfo, look
from bpft.messages import count, one_line, size, valid
from bpft.report import units

#: What is not known where all is of old BPFTs.
_OF_FRAMES = ("filters", "counting", "key_modes", "seen", "skipped", "folded", "received", "dropped", "if_dropped")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def info(files: tuple[str, ...], as_json: bool) -> int:
    """What logs, dumps and captures hold: who wrote them, when, of which interface, and how much.

    Only headers are read; bpft verify checks every byte.
    """
    found, failed = [], False
    for name in files:
        try:
            found.append(look(name))
        except BpftError as error:
            failed = True
            sys.stderr.write(one_line(f"bpft: {error}") + "\n")
    if as_json:
        print(json.dumps(valid({"files": [_document(one) for one in found]})))
    elif found:
        print("\n\n".join("\n".join(map(one_line, _lines(one))) for one in found))
    return int(failed)


def _lines(found: LogInfo | CaptureInfo) -> Iterator[str]:
    if isinstance(found, CaptureInfo):
        yield _capture(found)
        return
    yield f"{found.name}: {found.kind}, format {found.format_version}, {size(found.size)}"
    rows = [("blocks", _blocks(found)), ("records", f"{found.records:,}")]
    if found.blocks:
        rows += [("time", _time(found)), ("watched", _watched(found))]
    rows += [
        ("host", ", ".join(found.hosts)),
        ("interface", ", ".join(found.interfaces)),
        ("source", ", ".join(found.sources)),
        ("filter", _known(found, ", ".join(f"'{text}'" if text else "none" for text in found.filters))),
        ("counting", _known(found, ", ".join(found.counting))),
        ("key", _known(found, ", ".join(found.key_modes))),
        ("frames", _known(found, _frames(found))),
        ("dropped", _dropped(found)),
        ("density", _density(found)),
        ("software", ", ".join(found.software)),
        ("head", found.head.hex()),
        ("damaged", f"{count(found.damaged, 'byte')}; look closer with: bpft verify" if found.damaged else ""),
    ]
    yield from (f"  {name:<10} {text}" for name, text in rows if text)


def _capture(found: CaptureInfo) -> str:
    links = ", ".join(map(str, found.link_types))
    text = f"{found.name}: {found.format} capture, {size(found.size)}, {count(found.frames, 'frame')}"
    text += f", link type {links}" if links else ""
    text += f", {units.interval(found.begin_ns, found.end_ns)}" if found.end_ns else ""
    return f"{text}; {found.error}" if found.error else text


def _blocks(found: LogInfo) -> str:
    return f"{found.blocks:,}; {found.void:,} of them count no more" if found.void else f"{found.blocks:,}"


def _time(found: LogInfo) -> str:
    """The interval, and what of the file has no date."""
    if not found.undated:
        return units.interval(found.begin_ns, found.end_ns)
    told = f"{count(found.undated, 'block')} recorded before the clock was set"
    return f"{units.interval(found.begin_ns, found.end_ns)}; {told}" if found.end_ns else told


def _known(found: LogInfo, text: str) -> str:
    return text if found.frames_known else "not known"


def _watched(found: LogInfo) -> str:
    if not found.gaps:
        return f"{units.span(found.watched_ns)}, without a gap inside a block"
    gaps = sum(end - begin for begin, end in found.gaps)
    return f"{units.span(found.watched_ns)}; {count(len(found.gaps), 'gap')} of {units.span(gaps)}"


def _frames(found: LogInfo) -> str:
    skipped = found.skipped.total()
    text = f"{found.seen:,} seen, {skipped:,} skipped"
    if skipped:
        text += f" ({', '.join(f'{reason} {n:,}' for reason, n in found.skipped.most_common() if n)})"
    return text + (f"; {count(found.folded, 'record')} folded" if found.folded else "")


def _dropped(found: LogInfo) -> str:
    if "live" not in found.sources and not found.received:
        return ""
    return f"{found.dropped:,} by the kernel, {found.if_dropped:,} by the interface, of {found.received:,} packets"


def _density(found: LogInfo) -> str:
    parts = []
    if found.bytes_per_record is not None:
        parts.append(f"{found.bytes_per_record:.1f} bytes per record")
    if found.bytes_per_day is not None:
        parts.append(f"{found.bytes_per_day / 1000:.1f} kB per day")
    return ", ".join(parts)


def _document(found: LogInfo | CaptureInfo) -> dict[str, object]:
    document = asdict(found)
    if isinstance(found, LogInfo):
        document |= {
            "head": found.head.hex(),
            "skipped": {reason: n for reason, n in found.skipped.items() if n},
            "bytes_per_record": found.bytes_per_record,
            "bytes_per_day": found.bytes_per_day,
        }
        if not found.frames_known:
            document |= dict.fromkeys(_OF_FRAMES)
    else:
        document["kind"] = "capture"
    return document
