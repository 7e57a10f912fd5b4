"""The habits of traflog(1) of the old BPFT: blocks by number or time, its table, its templates (bpft-traflog(1))."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from bpft.errors import BpftError, UsageError
from bpft.report.dimension import grouping
from bpft.report.group import Tally
from bpft.report.names import protocol_name, service_name
from bpft.report.part import Part
from bpft.report.period import SECOND, Period, read_begin, read_end
from bpft.report.rows import Ranking, Row
from bpft.report.where import Where

Names = Callable[[Iterable[str]], dict[str, str]]

#: What -S may say; the first letter is enough.
SORTS = {"from": "src", "to": "dst", "bytes": "all", "srcport": "sport", "dstport": "dport"}

_DIGITS = re.compile(r"((?:\d\d){1,5})(?:\.(\d\d))?\Z")
_BATCH = 500  # rows whose names are looked for together
_LINE = "{:<{w}} {:<6} {:<{w}} {:<6} {:<5} {:>9} {:>10}"
_LIST = "{:>3}  {:<19}  {:<19} {:>11} {:>11} {:>6}"
_HOST, _HOST6 = 18, 39  # columns of an address


class BadTemplate(BpftError):
    """{0}: {1}"""


# ---- which blocks ----


@dataclass(frozen=True, slots=True)
class Range:
    """What -b and -e say: numbers of blocks, counted from 1, and a period."""

    first: int = 1
    last: int | None = None
    period: Period = field(default_factory=Period)

    def of(self, parts: Iterable[Part]) -> Iterator[tuple[int, Part]]:
        """The blocks in it with their numbers."""
        for number, part in enumerate(parts, 1):
            inside = self.first <= number and (self.last is None or number <= self.last)
            if inside and self.period.takes(part.header):
                yield number, part


def read_range(begin: str | None, end: str | None, now: datetime) -> Range:
    """Each "#12", a time as date(1) takes it, [[[[yy]mm]dd]HH]MM[.ss], or one of bpft-report(1).  Raises BadTime."""
    last, end_ns = _limit("--end", end, now, lambda text: read_end("--end", text, now))
    first, begin_ns = _limit("--begin", begin, now, lambda text: read_begin("--begin", text, now, end_ns))
    return Range(first or 1, last, Period(begin_ns, end_ns))


def _limit(
    option: str, text: str | None, now: datetime, read: Callable[[str], int | None]
) -> tuple[int | None, int | None]:
    """(number of a block, UTC nanoseconds), one of them at most; read: a time of bpft-report(1)."""
    if text is None:
        return None, None
    if text.startswith("#") and text[1:].isdecimal() and text.isascii():
        return int(text[1:]), None
    if digits := _DIGITS.match(text):
        try:
            return None, int(_moment(digits[1], digits[2], now).timestamp()) * SECOND
        except ValueError:
            raise UsageError(f"{option} {text}: no such time; write [[[[yy]mm]dd]HH]MM[.ss]") from None
    return None, read(text)


def _moment(digits: str, seconds: str | None, now: datetime) -> datetime:
    """Parts that are not there are those of now."""
    pairs = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    known = [now.year, now.month, now.day, now.hour, now.minute]
    year, month, day, hour, minute = known[: 5 - len(pairs)] + pairs
    if len(pairs) == 5:
        year += 1900 if year > 69 else 2000
    return datetime(year, month, day, hour, minute, int(seconds or 0))


# ---- what is printed of them ----


@dataclass(slots=True)
class Table:
    """The records of a block, or of several that were summed."""

    begin_ns: int
    end_ns: int
    interface: str
    host: str
    tally: Tally

    @property
    def ranking(self) -> Ranking:
        return Ranking(self.tally)


def tables(parts: Iterable[Part], expression: str, summed: bool) -> Iterator[Table]:
    """One of each block, or one of all.  Raises BlockDamaged, BadExpression."""
    where = Where(expression) if expression else None
    made: Table | None = None
    for part in parts:
        part.verify()
        header = part.header
        if made is None or not summed:
            if made:
                yield made
            name = header.interface or header.source_name
            made = Table(header.begin_ns, header.end_ns, name, header.host, Tally(grouping("key")))
        made.begin_ns, made.end_ns = min(made.begin_ns, header.begin_ns), max(made.end_ns, header.end_ns)
        for piece in part.pieces():
            records = piece.records
            if where:
                if not piece.other:
                    where.refuse_unknown(part.origin, header.key_mode, piece.has_ports, piece.has_proto)
                records = where.select(piece.version, records)
            made.tally.add(piece.version, records)
    if made:
        yield made


def listed(blocks: Iterable[tuple[int, Part]]) -> Iterator[str]:
    """The list of blocks: a heading, then a line each.  Raises BlockDamaged."""
    yield _LIST.format("#", "Started", "Dumped", "Data", "All", "Recs")
    for number, part in blocks:
        for table in tables([part], "", False):
            _, all_, data = table.tally.totals()
            begin, end = _clock(table.begin_ns), _clock(table.end_ns)
            yield _LIST.format(f"{number:03}", begin, end, data, all_, len(table.ranking))


def printed(table: Table, sort: str, names: Names | None) -> Iterator[str]:
    """Heading, sums and rows, as traflog has them.  names: None for numbers."""
    ranking = table.ranking
    _, all_, data = table.tally.totals()
    yield f" ({table.interface}) {table.host} at {_clock(table.begin_ns)} - {_clock(table.end_ns)}"
    yield f" Summary: {data} data bytes, {all_} all bytes, {len(ranking)} records"
    rows = ranking.rows(sort)
    first = list(islice(rows, _BATCH))
    wide = _HOST6 if any(":" in str(row.key[place]) for row in first for place in (0, 2)) else _HOST
    yield _LINE.format("From", "Port", "To", "Port", "Proto", "Data", "All", w=wide)
    for batch in _batches(first, rows):
        for row, cells in _cells(batch, names):
            yield _LINE.format(*(text[:wide] for text in cells), row.sums[2], row.sums[1], w=wide)


def _batches(first: list[Row], rest: Iterator[Row]) -> Iterator[list[Row]]:
    while first:
        yield first
        first = list(islice(rest, _BATCH))


def _cells(rows: list[Row], names: Names | None) -> Iterator[tuple[Row, tuple[str, str, str, str, str]]]:
    """From, its port, to, its port, protocol, as text; what is absent is empty."""
    known = names(str(row.key[place]) for row in rows if not row.other for place in (0, 2)) if names else {}
    for row in rows:
        src, sport, dst, dport, proto = row.key
        if row.other:
            yield row, ("other", "", "other", "", "")
            continue
        ports = ["" if port is None else str(port) for port in (sport, dport)]
        if names and isinstance(proto, int):
            ports = [service_name(port, proto) if isinstance(port, int) else "" for port in (sport, dport)]
        called = "" if proto is None else protocol_name(proto) if names and isinstance(proto, int) else str(proto)
        yield row, (known.get(str(src), str(src)), ports[0], known.get(str(dst), str(dst)), ports[1], called)


def _clock(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // SECOND):%Y-%m-%d %H:%M:%S}"


# ---- templates ----

_TEXTS = ("from", "sport", "to", "dport", "proto")
_NUMBERS = {"bytes": 2, "psize": 1}  # places among the sums of a row: data, all
_TIMES = ("ftime", "ltime")
_KEYS = (*_TEXTS, *_NUMBERS, *_TIMES)
_ESCAPES = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))
_CONVERSION = re.compile(r"%(?:%|([-+ 0#]*\d{0,4}(?:\.\d{0,4})?)(?:hh|h|ll|l|q|j|z)?([A-Za-z]))")
_TOKEN = re.compile(r'\s+|#[^\n]*|(?P<word>[^\s{};"#]+)|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<mark>[{};])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Template:
    """(key, format) pairs; a row is their texts, one behind the other."""

    parts: tuple[tuple[str, str], ...]

    def rows(self, table: Table, sort: str, names: Names | None) -> Iterator[str]:
        """Rows by the template; nothing is added to them, no line end either."""
        begin, end = (datetime.fromtimestamp(ns // SECOND).astimezone() for ns in (table.begin_ns, table.end_ns))
        times = {"ftime": begin, "ltime": end}
        parts = [("", times[key].strftime(form)) if key in times else (key, form) for key, form in self.parts]
        rows = table.ranking.rows(sort)
        for batch in _batches(list(islice(rows, _BATCH)), rows):
            for row, cells in _cells(batch, names):
                values = dict(zip(_TEXTS, cells, strict=True)) | {key: row.sums[at] for key, at in _NUMBERS.items()}
                yield "".join(form % values[key] if key else form for key, form in parts)


def read_template(file: str, text: str, name: str) -> Template:
    """The template of that name in a file: name { key "format" ... };  Raises BadTemplate."""
    tokens = _tokens(file, text)
    known = []
    for kind, word in tokens:
        if kind != "word" or next(tokens, None) != ("mark", "{"):
            raise BadTemplate(file, f'{word!r} stands where a template should begin: name {{ key "format" ... }};')
        template = _template(file, word, tokens)
        if word == name:
            return template
        known.append(word)
    raise BadTemplate(file, f"no template is called {name}; there is {', '.join(known) or 'none'}")


def _template(file: str, name: str, tokens: Iterator[tuple[str, str]]) -> Template:
    parts: list[tuple[str, str]] = []
    for kind, word in tokens:
        if (kind, word) == ("mark", "}"):
            if next(tokens, None) != ("mark", ";"):
                raise BadTemplate(file, f"template {name}: a ; is missing behind its }}")
            return Template(tuple(parts))
        if kind != "word" or word not in _KEYS:
            raise BadTemplate(file, f"template {name}: {word!r} is no key; there are {', '.join(_KEYS)}")
        kind, form = next(tokens, ("", ""))
        if kind != "text":
            raise BadTemplate(file, f"template {name}: a format in double quotes is missing behind {word}")
        parts.append((word, form if word in _TIMES else _format(file, name, word, form)))
        if "%" not in form:
            raise BadTemplate(file, f'template {name}: the format of {word}, "{form}", has no % in it')
    raise BadTemplate(file, f"template {name}: its }} is missing")


def _format(file: str, name: str, key: str, form: str) -> str:
    """A printf format of one value, as Python has it."""
    fits = "s" if key in _TEXTS else "du"
    found = [one[2] for one in _CONVERSION.finditer(form) if one[2]]
    if len(found) != 1 or found[0] not in fits or "%" in _CONVERSION.sub("", form):
        raise BadTemplate(file, f"template {name}: the format of {key} needs one %{' or %'.join(fits)}, and no other")
    return _CONVERSION.sub(lambda one: f"%{one[1]}{one[2]}" if one[2] else "%%", form)


def _tokens(file: str, text: str) -> Iterator[tuple[str, str]]:
    """(kind, text) of words, formats and marks; # begins a comment."""
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise BadTemplate(file, f"line {text.count(chr(10), 0, at) + 1}: a format has no end")
        at = token.end()
        if kind := token.lastgroup:
            word = token[kind]
            if kind == "text":
                word = re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[0]), word, flags=re.DOTALL)
            yield kind, word
