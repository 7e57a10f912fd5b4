"""`trafd --read CAPTURE`: a capture file metered in the foreground and appended to a log (E8)."""

import os
from pathlib import Path

from bpft import host, logfile, messages
from bpft.core import Table
from bpft.daemon.describe import common, counters, folds
from bpft.daemon.pidfile import HeldFile
from bpft.daemon.places import directory
from bpft.daemon.privilege import join_group
from bpft.daemon.settings import Settings
from bpft.errors import Held, NotACapture
from bpft.meter.capture import meter_file
from bpft.meter.result import FileResult
from bpft.record import Header


def read(settings: Settings, capture: str) -> None:
    """Append the table of capture ("-": standard input) to the log of EXT; dumps are not touched.

    Raises Held, and NotACapture also when the file breaks in the middle: then what came before is appended.
    """
    join_group()
    directory(settings.paths.logs, 0o750)
    lock = HeldFile(settings.paths.lock(settings.ext), Held, f"EXT {settings.ext}")
    try:
        lock.write_pid()
        table = Table(settings.max_flows)
        result = meter_file(
            capture,
            table,
            filter=settings.filter,
            optimize=settings.optimize,
            count=settings.stop_after,
            key=settings.key,
            engine=settings.engine,
        )
        path = settings.paths.log(settings.ext)
        appended = logfile.LogWriter(path, settings.rotation).append(
            _header(settings, capture, result, table), table, settings.min_all
        )
    finally:
        lock.release()
    if folded := counters(table).folded:
        messages.warning(f"{capture}: {folds(folded, settings.max_flows)}")
    if result.error:
        counted = messages.count(result.frames, "frame")
        raise NotACapture(capture, f"{result.error}; counted up to there, {counted}, into {path}")
    _packets, all_bytes, _data = table.totals()
    what = f"{messages.count(appended.rows, 'record')}, {messages.size(all_bytes)} accounted"
    messages.notice(f"{capture}: saved {what}, to {path}")


def _header(settings: Settings, capture: str, result: FileResult, table: Table) -> Header:
    counted = counters(table)
    begin_ns, end_ns = counted.first_ns, counted.last_ns
    if not end_ns:
        begin_ns = end_ns = host.utc_ns()  # No frame tells a time: when it was read must do.
    return common(settings)._replace(
        epoch=os.urandom(16),
        begin_ns=begin_ns,
        end_ns=end_ns,
        link_types=result.link_types,
        source="file",
        source_name="standard input" if capture == "-" else Path(capture).name,
        engine="reference" if settings.engine == "reference" else "file",
        counting="as-captured",
        snaplen=result.snaplen,
        min_all=settings.min_all,
        counters=counted,
    )
