"""Captures that are reported on: metered into a table, with a header such as a saved block would have."""

from __future__ import annotations

from typing import Any

from bpft.core import Table
from bpft.errors import NotACapture
from bpft.meter.capture import FOREIGN, meter_file
from bpft.meter.result import FileResult
from bpft.record import Counters, Header
from bpft.report.part import Part
from bpft.report.stream import Stream

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def no_capture(name: str, descriptor: int | None = None) -> str:
    """Why a file is no capture; empty: it is one."""
    try:
        meter_file(name, Table(), count=1, descriptor=descriptor)
    except NotACapture as error:
        return str(error.args[1])
    return ""


def what_else(name: str, start: bytes, reason: str) -> str:
    """What a file is that is neither a log nor, for that reason, a capture, and what to do; name: empty for a pipe."""
    for magic, packer in _COMPRESSED.items():
        if start.startswith(magic):
            return f"is compressed; read it with: {packer} -dc {name or '...'} | bpft report -"
    if not start:
        return "is empty"
    if reason != FOREIGN:
        return reason
    text = ", but text" if all(byte > 31 or byte in b"\t\n\r\f\x1b" for byte in start) else ""
    return f"is neither a log of trafd nor a capture (pcap, pcapng){text}"


def metered(capture: str | Stream, troubles: list[str]) -> Part:
    """One more block, as it were.  troubles: is given why it ends before its time."""
    table = Table()
    if isinstance(capture, Stream):
        name = capture.shown
        with capture.all() as descriptor:
            result = meter_file(name, table, descriptor=descriptor)
        if capture.trouble:
            troubles.append(f"{name}: {capture.trouble}; counted up to there")
    else:
        name = capture
        result = meter_file(name, table)
    if result.error:
        troubles.append(f"{name}: {result.error}; counted up to there")
    return Part(name, _capture_header(name, table, result), table)


def _capture_header(name: str, table: Table, result: FileResult) -> Header:
    """What a block would say about itself had this capture been saved."""
    figures: dict[str, Any] = table.counters()
    return Header(
        begin_ns=figures["first_ns"],
        end_ns=figures["last_ns"],
        source="file",
        source_name=name,
        engine="file",
        snaplen=result.snaplen,
        counters=Counters(
            seen=figures["seen"],
            counted=figures["counted"],
            skipped=figures["skipped"],
            direction=figures["dir"],
            folded=figures["folded"],
        ),
    )
