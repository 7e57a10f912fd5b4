"""What the running daemons count, as Prometheus has it.  The one door to prometheus-client."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bpft.control_client import NoAnswer, ask, fetch
from bpft.errors import BpftError, NotRunning
from bpft.export.output import new_file
from bpft.paths import Paths
from bpft.report.dimension import grouping
from bpft.report.group import Tally
from bpft.report.rows import Ranking

ANSWER_WITHIN_S = 10.0  #: what Prometheus waits for a scrape
_READABLE = 0o644  # node_exporter is another user

Status = dict[str, Any]  # what trafd answers to "status"
Samples = Iterable[tuple[tuple[str, ...], float]]  # label values behind the interface's, and the value


class CannotListen(BpftError):
    """{0}: cannot listen there: {1}"""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of each daemon, but for bpft_up and those by host."""

    name: str  #: without the "_total" of a counter
    kind: type[CounterMetricFamily | GaugeMetricFamily]
    help: str
    read: Callable[[Status], Samples]
    labels: tuple[str, ...] = ()


def _run(name: str) -> Callable[[Status], Samples]:
    """A sum of the whole run: saves do not set it back."""
    return lambda it: [((), it["since_start"][name])]


def _now(name: str) -> Callable[[Status], Samples]:
    return lambda it: [((), it[name])]


def _saved(it: Status) -> Samples:
    return [((), it["saved_ns"] / 1e9)] if it["saved_ns"] else []


FAMILIES = (
    Family("bpft_capturing", GaugeMetricFamily, "Whether frames are read; 0: the interface is gone and waited for.",
           lambda it: [((), it["state"] == "capturing")]),
    Family("bpft_uptime_seconds", GaugeMetricFamily, "Seconds since trafd started.", _now("uptime_s")),
    Family("bpft_rate_bytes_per_second", GaugeMetricFamily, "Bytes a second on the wire over the last minutes.",
           lambda it: [((), it["rate_bps"] / 8)]),
    Family("bpft_frames", CounterMetricFamily, "Frames seen: counted and skipped ones.", _run("seen")),
    Family("bpft_skipped_frames", CounterMetricFamily, "Frames that are no IP packet to count, by reason.",
           lambda it: [((reason,), frames) for reason, frames in it["since_start"]["skipped"].items()], ("reason",)),
    Family("bpft_wire_bytes", CounterMetricFamily, "Bytes of all frames as on the wire.", _run("wire_bytes")),
    Family("bpft_packets", CounterMetricFamily, "IP packets counted.", _run("packets")),
    Family("bpft_ip_bytes", CounterMetricFamily, "Bytes of IP packets counted.", _run("all")),
    Family("bpft_payload_bytes", CounterMetricFamily, "Payload bytes of IP packets counted.", _run("data")),
    Family("bpft_received_packets", CounterMetricFamily, "Packets the kernel received for trafd.", _now("received")),
    Family("bpft_dropped_packets", CounterMetricFamily, "Packets lost before trafd saw them, by who dropped them.",
           lambda it: [(("kernel",), it["dropped"]), (("interface",), it["if_dropped"])], ("by",)),
    Family("bpft_flows", GaugeMetricFamily, "Rows in the table.", _now("flows")),
    Family("bpft_flows_limit", GaugeMetricFamily, "The most rows there may be; 0: no limit.", _now("max_flows")),
    Family("bpft_folded_flows", GaugeMetricFamily, "Small rows summed up as other since the last save.",
           _now("folded")),
    Family("bpft_save_age_seconds", GaugeMetricFamily, "Seconds since the table began: what no save holds yet.",
           lambda it: [((), max(time.time() - it["begin_ns"] / 1e9, 0))]),
    Family("bpft_last_save_timestamp_seconds", GaugeMetricFamily, "When the last save of this run was acknowledged.",
           _saved),
)  # fmt: skip


class Daemons(Collector):
    """Asks every daemon anew for each collection."""

    def __init__(self, where: Paths, interfaces: Sequence[str], hosts: int) -> None:
        """interfaces: (): every one that a trafd ran on since boot.  hosts: the busiest of each; 0: none."""
        self._where, self._named, self._hosts = where, interfaces, hosts
        self.failures: list[str] = []  #: of the last collection: who did not answer, and why

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The families, each with all daemons; a daemon that does not answer has bpft_up 0 and nothing else."""
        self.failures = failures = []
        up = GaugeMetricFamily("bpft_up", "Whether the trafd of the interface answers.", labels=("interface",))
        found: dict[str, Status] = {}
        hosts = GaugeMetricFamily(
            "bpft_host_bytes",
            "IP bytes since the last save, of the busiest hosts; other: all the rest.",
            labels=("interface", "host", "direction"),
        )
        for interface in self._named or self._where.interfaces():
            try:
                answer = ask(self._where, interface, "status", ANSWER_WITHIN_S)
                if answer.get("ok") is not True:
                    raise NoAnswer(interface, str(answer.get("message")))
                for host, sent, received in self._busiest(interface):
                    hosts.add_metric((interface, host, "sent"), sent)
                    hosts.add_metric((interface, host, "received"), received)
                found[interface] = answer
            except BpftError as why:
                if self._named or not isinstance(why, NotRunning):
                    failures.append(str(why))
            up.add_metric((interface,), interface in found)
        yield up
        for family in FAMILIES:
            metric = family.kind(family.name, family.help, labels=("interface", *family.labels))
            for interface, status in found.items():
                for labels, value in family.read(status):
                    metric.add_metric((interface, *labels), value)
            yield metric
        if self._hosts:
            yield hosts

    def _busiest(self, interface: str) -> list[tuple[str, int, int]]:
        """(host, bytes sent, bytes received) of the busiest, then of "other": in sum those of the table."""
        if not self._hosts:
            return []
        tally = Tally(grouping("host"))
        for group in fetch(self._where, interface, ANSWER_WITHIN_S).groups():
            tally.add(group.version, group.records())
        # "other" is up to one row for each version of IP.
        rows = [row for row in Ranking(tally).rows("all", self._hosts + 2) if not row.other][: self._hosts]
        busiest = [(str(row.key[0]), row.sums[4], row.sums[3]) for row in rows]
        all_bytes = tally.totals()[1]
        rest = (all_bytes - sum(sent for _, sent, _ in busiest), all_bytes - sum(into for *_, into in busiest))
        return [*busiest, ("other", *rest)]


def text(daemons: Daemons) -> bytes:
    """One collection in the text format."""
    return generate_latest(_registry(daemons))


def write(daemons: Daemons, path: Path) -> None:
    """One collection as a file for node_exporter, which sees the old one or the new one.  Raises CannotWrite."""
    with new_file(path, ()) as place:
        place.write_bytes(text(daemons))
        if place != path:
            place.chmod(_READABLE)


def serve(daemons: Daemons, address: str, port: int) -> None:
    """Answer scrapes from now on, in threads of their own.  Raises CannotListen."""
    try:
        start_http_server(port, address, _registry(daemons))
    except (OSError, OverflowError) as why:
        raise CannotListen(f"{address}:{port}", getattr(why, "strerror", None) or str(why)) from None


def _registry(daemons: Daemons) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(daemons)
    return registry
