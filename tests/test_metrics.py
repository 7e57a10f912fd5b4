"""bpft metrics: what daemons answer as Prometheus text, where it goes, and who knows the names."""

import json
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest
from daemon_parts import add
from prometheus_client.parser import text_string_to_metric_families
from test_daemon_loop import Rig

import bpft
from bpft import metrics
from bpft.cli.main import run
from bpft.errors import BpftError
from bpft.paths import paths

PROJECT = Path(__file__).resolve().parents[1]
DASHBOARD = PROJECT / "share/grafana/bpft.json"
PROMTOOL = shutil.which("promtool")
Values = dict[tuple[str, ...], float]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """The trafd of nope0, running, with three hosts in its table."""
    it = Rig(tmp_path)
    where = paths(str(tmp_path))
    where.run.mkdir(parents=True)
    where.dumps.mkdir(parents=True)
    where.socket("nope0").symlink_to(it.socket)
    where.interface_lock("nope0").touch()
    record = struct.Struct("=4s4s2s2sBBHQQQ")
    for src, dst, size in ((1, 2, 5000), (2, 1, 1000), (3, 3, 70)):
        ends = bytes((10, 0, 0, src)), bytes((10, 0, 0, dst))
        it.tap.table.add_records(4, record.pack(*ends, b"\0\1", b"\0\2", 6, 0, 0, 10, size, 0))
    thread = threading.Thread(target=it.run)
    thread.start()
    yield it
    it.signals.send(SIGTERM)
    thread.join(10)
    it.close()


def read(text: str) -> dict[str, Values]:
    """Metric -> values of its labels but the interface, in their names' order -> value."""
    found: dict[str, Values] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels["interface"] == "nope0"
            labels = tuple(sample.labels[name] for name in sorted(sample.labels) if name != "interface")
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def printed(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bpft", "metrics", "--root", root, *words], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_what_a_daemon_says(rig: Rig, tmp_path: Path) -> None:
    found = read(printed(tmp_path))
    assert set(found) == names() - {"bpft_last_save_timestamp_seconds"}
    assert found["bpft_up"] == found["bpft_capturing"] == {(): 1}
    assert found["bpft_packets_total"] == {(): 30}
    assert found["bpft_ip_bytes_total"] == {(): 6070}
    assert found["bpft_flows"] == {(): 3}
    assert found["bpft_skipped_frames_total"][("non-ip",)] == 0
    assert found["bpft_dropped_packets_total"] == {("kernel",): 0, ("interface",): 0}
    assert 0 <= found["bpft_save_age_seconds"][()] < 60


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool here")
def test_prometheus_has_nothing_to_say_against_it(rig: Rig, tmp_path: Path) -> None:
    subprocess.run([str(PROMTOOL), "check", "metrics"], input=printed(tmp_path), text=True, check=True)


def test_counters_outlive_a_save(rig: Rig, tmp_path: Path) -> None:
    assert rig.keeper.save().ok
    add(rig.tap.table, 7, 1, 100)
    found = read(printed(tmp_path))
    assert found["bpft_ip_bytes_total"] == {(): 6170}
    assert found["bpft_flows"] == {(): 1}
    assert found["bpft_last_save_timestamp_seconds"][()] > 1.7e9


def test_the_busiest_hosts_and_the_rest_are_the_whole_table(rig: Rig, tmp_path: Path) -> None:
    assert read(printed(tmp_path, "--hosts", "1"))["bpft_host_bytes"] == {
        ("sent", "10.0.0.1"): 5000,
        ("received", "10.0.0.1"): 1000,
        ("sent", "other"): 1070,
        ("received", "other"): 5070,
    }
    whole = read(printed(tmp_path))["bpft_host_bytes"]
    assert whole[("sent", "10.0.0.3")] == whole[("received", "10.0.0.3")] == 70
    assert whole[("sent", "other")] == whole[("received", "other")] == 0
    assert "bpft_host_bytes" not in read(printed(tmp_path, "--hosts", "0"))


def test_a_daemon_that_is_gone_is_down(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths(str(tmp_path)).socket("nope0").unlink()
    assert read(printed(tmp_path)) == {"bpft_up": {(): 0}}
    assert run(["metrics", "--root", str(tmp_path), "nope0"]) == 1
    shown = capsys.readouterr()
    assert 'bpft_up{interface="nope0"} 0.0' in shown.out
    assert shown.err == "bpft: nope0: no trafd runs here; start one with: trafstart nope0\n"


def test_a_textfile_is_whole_readable_and_no_log(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bpft.prom"
    for _ in range(2):
        assert run(["metrics", "--root", str(tmp_path), "--textfile", str(out)]) == 0
    assert read(out.read_text())["bpft_up"] == {(): 1}
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir() if "prom" in path.name] == ["bpft.prom"]
    log = PROJECT / "tests/golden/chain.bpft"
    out.write_bytes(log.read_bytes())
    assert run(["metrics", "--root", str(tmp_path), "--textfile", str(out)]) == 1
    assert "is a log, which is never overwritten" in capsys.readouterr().err
    assert out.read_bytes() == log.read_bytes()


def test_scrapes_are_answered_anew(rig: Rig, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    metrics.serve(metrics.Daemons(paths(str(tmp_path)), (), 0), "127.0.0.1", port)
    for packets in (30, 31):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert read(answer.read().decode())["bpft_packets_total"] == {(): packets}
        add(rig.tap.table, 7, 1, 100)
    with pytest.raises(BpftError, match=rf"127.0.0.1:{port}: cannot listen there: Address already in use"):
        metrics.serve(metrics.Daemons(paths(str(tmp_path)), (), 0), "127.0.0.1", port)


@pytest.mark.parametrize("place", ["9837", ":9837", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:9837", "a:b:1"])
def test_an_address_that_is_none(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics", "--listen", place]) == 127
    assert "as 127.0.0.1:9837" in capsys.readouterr().err


def test_all_is_no_name_of_an_interface(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics", "All", "eth0"]) == 127
    assert capsys.readouterr() == ("", "bpft: All stands for every interface: say it alone\n")


def test_without_the_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "bpft.metrics")
    monkeypatch.delattr(bpft, "metrics")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert run(["metrics"]) == 1
    assert capsys.readouterr().err.startswith("bpft: metrics needs prometheus-client: pip install 'bpft[metrics]'")


# ---- what others know of the names ----


def names() -> set[str]:
    """Every sample there is."""
    kept = {f"{it.name}_total" if it.kind.__name__.startswith("Counter") else it.name for it in metrics.FAMILIES}
    return kept | {"bpft_up", "bpft_host_bytes"}


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    used = set(re.findall(r"\bbpft_\w+", " ".join(asked)))
    assert len(asked) > len(dashboard["panels"])
    assert used <= names()
    labels = {"interface", "host", "direction", *(label for it in metrics.FAMILIES for label in it.labels)}
    for expression in asked:
        assert set(re.findall(r"(\w+)\s*=~?\s*\"", expression)) <= labels
        assert set(re.findall(r"\{\{(\w+)\}\}", expression)) <= labels
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_the_page_describes_every_metric() -> None:
    items = re.findall(r"^\.It Li (.*)", (PROJECT / "man/bpft-metrics.1").read_text(), re.M)
    assert {name for item in items for name in item.split(" , ")} == names()
