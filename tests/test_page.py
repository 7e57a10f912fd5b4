"""The page of bpft report --html: right figures, nothing from elsewhere, sorted by mouse and keyboard, for all eyes."""

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from blocks import record, table
from browser import Tab, tab
from day import BEGIN, HOUR, ZONE, write_day

from bpft.cli.main import run
from bpft.logfile import LogWriter
from bpft.record import Counters, Header
from bpft.report.answer import Question, answer
from bpft.report.page import MOST, view
from bpft.report.rates import interface_rate
from bpft.report.render import html
from bpft.report.render import json as render_json
from bpft.report.render.table import Style
from bpft.report.source import Sources
from bpft.series import joined

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", ZONE.key)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_day(tmp_path_factory.mktemp("day") / "trafd.eth1")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with tab(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


class Names:
    """What a resolver would say, were its answers those of an attacker."""

    def of(self, addresses: Any) -> dict[str, str]:
        return dict.fromkeys(addresses, HOSTILE)


def page(*logs: Path, by: str | None = None, top: int | None = None, names: Any = None, **question: Any) -> str:
    sources = Sources()
    for log in logs:
        sources.add(str(log))
    out = io.StringIO()
    style = Style(names is None, "si", names=names)
    html.write([view(Question(**question), sources, by, top)], out, style)
    return out.getvalue()


class Reader(HTMLParser):
    """Tables by what their rows are, as [cells]; a cell is its exact figure, or else its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[Any]]] = {}
        self.cards: list[list[Any]] = []
        self.heads: list[dict[str, str | None]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._rows: list[list[Any]] = []
        self._text: list[str] | None = None
        self._figure: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.append((tag, found))
        if tag == "table":
            self._rows = self.tables.setdefault(found.get("data-by") or "times", [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._text, self._figure = [], found.get("data-v")
        elif "data-v" in found and self.cards:
            self.cards[-1].append(int(found["data-v"] or ""))
        if tag == "h4":
            self.cards.append([])

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._text is not None:
            self._rows[-1].append(int(self._figure) if self._figure else "".join(self._text).strip())
            self._text = None


def told(log: Path, by: str, top: int = 0) -> dict[str, Any]:
    """The same as JSON."""
    sources = Sources()
    sources.add(str(log))
    out = io.StringIO()
    render_json.write(answer(Question(by, top=top), sources), out)
    return dict(json.loads(out.getvalue()))


def test_figures_are_those_of_json(log: Path) -> None:
    read = Reader(page(log))
    for by, top in ("host", 50), ("service", 25):
        wanted = told(log, by, top)
        heads, *rows = read.tables[by]
        names = [head.lower() for head in heads]
        body, foot = rows[: len(wanted["rows"])], rows[len(wanted["rows"]) :]
        for row, want in zip(body, wanted["rows"], strict=True):
            cells = dict(zip(names, row, strict=True))
            assert {name: cells[name] for name in names if name in ("in", "out", "all", "packets")} == {
                name: want[name] for name in names if name in ("in", "out", "all", "packets")
            }
        if by == "host":
            assert [row[0] for row in body] == [want["host"] for want in wanted["rows"]]
            assert foot[0][0] == f"{wanted['other_rows']['rows']} other rows"
            assert foot[0][1:5] == [wanted["other_rows"][name] for name in ("in", "out", "all", "packets")]
            assert foot[-1][3:5] == [wanted["totals"]["all"], wanted["totals"]["packets"]]
    scopes = told(log, "scope")["rows"]
    assert read.cards == [[row["all"], row["in"], row["out"]] for row in scopes]


def test_rates_are_those_of_json(log: Path) -> None:
    wanted: dict[int, list[int]] = {}
    for row in told(log, "hour,scope")["rows"]:
        sums = wanted.setdefault(row["begin_ns"], [0, 0])
        sums[0] += row["in"]
        sums[1] += row["out"]
    rows = Reader(page(log)).tables["times"][1:]
    assert len(rows) == 24
    assert [row[1:3] for row in rows] == [[part * 8 // 3600 for part in wanted[at]] for at in sorted(wanted)]
    assert [row[3] for row in rows] == [row["all"] for row in told(log, "hour")["rows"]]


def test_where_blocks_are_long_the_interface_itself_tells(tmp_path: Path, log: Path) -> None:
    sources = Sources()
    sources.add(str(log))
    headers = sources.headers()
    long = tmp_path / "trafd.eth1"
    counters = Counters(seen=1, counted=1)
    series = joined(*(header.series for header in headers))
    header = Header(begin_ns=BEGIN, end_ns=BEGIN + 24 * HOUR, interface="eth1", counters=counters, series=series)
    LogWriter(long).append(header, table((4, record(all=4000))))
    text = page(long)
    assert "<h3>eth1 by its own counters</h3>" in text
    rate = interface_rate([series])
    assert rate
    rows = Reader(text).tables["times"][1:]
    assert len(rows) == 96  # Three points of five minutes each.
    for row, some in zip(rows, (rate.points[at : at + 3] for at in range(0, 288, 3)), strict=True):
        assert row[1] == sum(point.rx_bytes for point in some) * 8 // 900
        assert row[2] == sum(point.tx_bytes for point in some) * 8 // 900
    assert "by its own counters" not in page(long, where="host 10.0.0.1")  # They tell of all of it.


def test_rows_asked_for_come_first(log: Path) -> None:
    read = Reader(page(log, by="day,proto", top=3))
    assert list(read.tables)[:2] == ["times", "day,proto"] or next(iter(read.tables)) == "day,proto"
    assert {by: len(rows) for by, rows in read.tables.items()}["host"] == 1 + 3 + 2


def test_it_needs_nothing_else_and_runs_nothing_else(log: Path) -> None:
    text = page(log, names=Names())
    read = Reader(text)
    for tag, attributes in read.tags:
        assert not {"src", "srcset", "style", "background", "action", "poster"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert tag not in ("img", "iframe", "object", "embed", "form", "base", "a")
        assert attributes.get("href", "data:,") == "data:,"
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert not re.search(r"url\(|@import|https?:", text)
    policy = next(found["content"] for tag, found in read.tags if found.get("http-equiv"))
    assert policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", ["<", "&", '"<b>', "\u202eevil", "\u05e9\u05dc\u05d5\u05dd"])
def test_no_name_is_markup(tmp_path: Path, name: str) -> None:
    """A log may come from anywhere."""
    log = tmp_path / "trafd.eth0"
    header = Header(begin_ns=BEGIN, end_ns=BEGIN + HOUR, interface=name, host=f"on {name}")
    LogWriter(log).append(header, table((4, record(all=4000))))
    text = page(log, by="interface")
    shown = Reader(text).tables["interface"][1][0]
    assert shown == ("\\x202eevil" if "\u202e" in name else name)
    assert "<b>" not in text
    assert "<<" not in text
    assert not re.search(
        "&(?!(amp|lt|gt|quot|ensp|#x27);)",
        text.partition("<style>")[0] + text.partition("</style>")[2].partition("<script>")[0],
    )
    assert "\u202e" not in text


def test_how_it_was_sorted_is_marked(log: Path) -> None:
    for reverse, order in (False, "descending"), (True, "ascending"):
        text = page(log, by="proto", sort="packets", reverse=reverse)
        heads = [found for tag, found in Reader(text).tags if tag == "th" and "aria-sort" in found]
        assert [(head.get("class"), head["aria-sort"]) for head in heads if "packets" in (head.get("class") or "")] == [
            ("figure packets", order)
        ]


def test_it_can_be_read_aloud(log: Path) -> None:
    read = Reader(page(log))
    assert all(found.get("scope") in ("col", "row") for tag, found in read.tags if tag == "th")
    pictures = [found for tag, found in read.tags if tag == "svg"]
    assert all(found.get("role") == "img" or found.get("aria-hidden") == "true" for found in pictures)
    assert ("html", {"lang": "en"}) in read.tags
    assert [tag for tag, _ in read.tags].count("h1") == 1


def test_it_stays_small(tmp_path: Path) -> None:
    rows = b"".join(record(src=0x0A000000 + n, dst=0x08080808, all=4000 + n, packets=2) for n in range(5000))
    log = tmp_path / "trafd.eth0"
    LogWriter(log).append(Header(begin_ns=BEGIN, end_ns=BEGIN + HOUR, interface="eth0"), table((4, rows)))
    text = page(log, top=0)
    assert len(text) < 1_000_000
    hosts = Reader(text).tables["host"]
    assert len(hosts) == 1 + MOST + 2
    assert hosts[-2][0] == "4,001 other rows"
    assert len(page(log)) < 100_000


def test_what_is_missing_is_said_loudly(tmp_path: Path, log: Path) -> None:
    good = page(log)
    assert 'class="verdict good"' in good
    assert 'class="verdict bad"' not in good
    damaged = tmp_path / "trafd.eth1"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(data)
    text = page(damaged)
    assert 'class="verdict bad"' in text
    assert "These figures are not complete." in text
    short = tmp_path / "trafd.eth2"
    header = Header(begin_ns=BEGIN, end_ns=BEGIN + HOUR, interface="eth2", counters=Counters(seen=5, counted=3))
    LogWriter(short).append(header, table((4, record())))
    assert "These figures do not add up." in page(short)


def test_nothing_that_matches_is_said(log: Path) -> None:
    text = page(log, where="host 203.0.113.77")
    assert '<p class="none">No records match.</p>' in text
    assert Reader(text).tables == {}
    assert "accounted 99.99 %" in text


def test_a_capture_from_a_pipe_is_read_once() -> None:
    capture = Path(__file__).parent / "captures" / "sample.pcap"
    report = [sys.executable, "-m", "bpft", "report", "-n", "--html", "-"]
    from_file = subprocess.run([*report, capture], check=True, capture_output=True, text=True).stdout
    cat = subprocess.Popen(["cat", capture], stdout=subprocess.PIPE)
    assert cat.stdout
    with cat.stdout:
        piped = subprocess.run([*report, "-"], check=True, stdin=cat.stdout, capture_output=True, text=True).stdout
    assert cat.wait() == 0
    assert Reader(piped).tables["host"] == Reader(from_file).tables["host"]
    assert len(Reader(piped).tables["host"]) > 3


def test_the_file_appears_whole_and_never_over_a_log(
    tmp_path: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "day.html"
    out.write_text("before")
    assert run(["report", str(log), "-n", "--html", str(out)]) == 0
    assert out.read_text().endswith("</html>\n")
    assert capsys.readouterr().out == ""
    before = log.read_bytes()
    other = write_day(tmp_path / "trafd.eth2", hours=1)
    for name in (log, other):
        assert run(["report", str(log), "-n", "--html", str(name)]) == 1
    assert capsys.readouterr().err.count("\n") == 2
    assert log.read_bytes() == before
    assert run(["report", str(log), "-n", "--html", str(tmp_path / "none" / "day.html")]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day.html", "trafd.eth2"]


def test_every_interface_has_its_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = tmp_path / "var/lib/bpft"
    logs.mkdir(parents=True)
    for place, name in enumerate(("eth0", "wg0")):
        header = Header(begin_ns=BEGIN, end_ns=BEGIN + HOUR, interface=name, epoch=bytes([place] * 16), host="box")
        header = header._replace(counters=Counters(seen=1, counted=1))
        LogWriter(logs / f"trafd.{name}").append(header, table((4, record(src=place + 1, all=4000 + place))))
    assert run(["report", "all", "--root", str(tmp_path), "-n", "--html", "-"]) == 0
    text = capsys.readouterr().out
    assert re.findall("<h2>(.*?)</h2>", text) == ["eth0 on box", "wg0 on box"]
    assert "<h1>eth0, wg0 on box</h1>" in text


# ---- in a browser ----


@pytest.fixture
def shown(browser: Tab, log: Path, tmp_path: Path) -> Tab:
    place = tmp_path / "day.html"
    place.write_text(page(log, names=Names()))
    browser.shape(1200, "light")
    browser.open(place)
    return browser


ORDER = "[...document.querySelectorAll('table[data-by=host] tbody tr')].map(row => row.cells[{0}].dataset.v)"
HEAD = "document.querySelectorAll('table[data-by=host] thead th')[{0}]"


def order(browser: Tab, column: int) -> list[int]:
    return [int(value) for value in browser.evaluate(ORDER.format(column))]


def test_a_browser_has_nothing_to_complain_about(shown: Tab) -> None:
    assert shown.said == []
    assert [place.partition(":")[0] for place in shown.requested] in (["file"], ["file", "data"])
    assert shown.evaluate("document.scripts.length + document.images.length") == 1
    assert shown.evaluate("document.querySelector('[data-by=host] tbody th').textContent").startswith(HOSTILE)


def test_a_click_sorts_and_another_turns_it_round(shown: Tab) -> None:
    before = order(shown, 3)
    assert before == sorted(before, reverse=True)
    foot = "document.querySelector('table[data-by=host] tfoot').textContent"
    kept = shown.evaluate(foot)
    for expected in (True, False, True):
        shown.evaluate(f"{HEAD.format(1)}.querySelector('button').click()")
        received = order(shown, 1)
        assert received == sorted(received, reverse=expected)
        assert shown.evaluate(f"{HEAD.format(1)}.ariaSort") == ("descending" if expected else "ascending")
        assert shown.evaluate("document.querySelectorAll('[data-by=host] [aria-sort]').length") == 1
    assert shown.evaluate(foot) == kept
    assert shown.said == []


def test_every_table_sorts_by_every_column(shown: Tab) -> None:
    """By the figures behind what is shown, and by time."""
    tables = shown.evaluate("document.querySelectorAll('table').length")
    assert tables == 3
    for number in range(tables):
        table = f"document.querySelectorAll('table')[{number}]"
        for column in range(shown.evaluate(f"{table}.querySelectorAll('thead th').length")):
            shown.evaluate(f"{table}.querySelectorAll('thead button')[{column}].click()")
            exact = "cell => cell.dataset.v ?? cell.textContent"
            cells = shown.evaluate(f"[...{table}.tBodies[0].rows].map(row => row.cells[{column}]).map({exact})")
            down = shown.evaluate(f"{table}.querySelectorAll('thead th')[{column}].ariaSort") == "descending"
            if all(cell.isdecimal() for cell in cells):
                assert [int(cell) for cell in cells] == sorted(map(int, cells), reverse=down), (number, column)
            elif cells[0].startswith("2026"):
                assert cells == sorted(cells, reverse=down)
    assert shown.said == []


def test_names_of_any_length_leave_the_figures_in_sight(browser: Tab, log: Path, tmp_path: Path) -> None:
    class Long(Names):
        def of(self, addresses: Any) -> dict[str, str]:
            return {address: f"{'x' * 60}.{address}.example" for address in addresses}

    place = tmp_path / "long.html"
    place.write_text(page(log, names=Long()))
    for width in (390, 768, 1200):
        browser.shape(width, "light")
        browser.open(place)
        hidden = "[...document.querySelectorAll('.scroll')].map(one => one.scrollWidth - one.clientWidth)"
        assert max(browser.evaluate(hidden)) <= 1, width  # which is how it is rounded


def test_the_keyboard_sorts(shown: Tab) -> None:
    shown.evaluate(f"{HEAD.format(4)}.querySelector('button').focus()")
    for key, code in ("Enter", 13), ("Enter", 13):
        shown.press(key, code)
    packets = order(shown, 4)
    assert packets == sorted(packets)
    shown.evaluate(f"{HEAD.format(0)}.querySelector('button').click()")
    addresses = shown.evaluate(
        "[...document.querySelectorAll('table[data-by=host] tbody .address')].map(one => one.textContent)"
    )
    four = [tuple(map(int, address.split("."))) for address in addresses if ":" not in address]
    assert four == sorted(four)  # By number, not by letter.


@pytest.mark.parametrize("width", [390, 1200])
def test_it_follows_the_theme_and_fits_the_screen(shown: Tab, width: int) -> None:
    seen = set()
    for scheme in ("light", "dark"):
        shown.shape(width, scheme)
        seen.add(shown.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.evaluate("[...document.querySelectorAll('figure svg')].filter(one => one.clientWidth).length") == 1
    assert len(seen) == 2
    assert shown.said == []
