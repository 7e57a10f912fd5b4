"""Periods in words, on the days of any time zone (SEMANTICS R4)."""

import os
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpft.errors import UsageError
from bpft.report.period import SECOND, BadPeriod, BadTime, EmptyPeriod, Period, read_period, read_words, use_zone

NOW = datetime(2026, 11, 22, 12, 30, 15).astimezone()  # a Sunday
DAY = timedelta(days=1)
#: Days of 23, 24.5 and 25 hours; days that begin at 01:00, or twice; one that there never was (Apia, 2011-12-30).
ZONES = (
    *("UTC", "Europe/Rome", "America/New_York", "America/Havana", "America/Sao_Paulo", "Africa/Cairo"),
    *("Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"),
)


@pytest.fixture(autouse=True)
def zone_of_the_machine() -> Iterator[None]:
    before = os.environ.get("TZ")
    yield
    if before is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = before
    time.tzset()


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone().timestamp()) * SECOND


@pytest.mark.parametrize(
    ("words", "begin", "end"),
    [
        ("today", "2026-11-22", "2026-11-23"),
        ("Yesterday", "2026-11-21", "2026-11-22"),
        ("this  day", "2026-11-22", "2026-11-23"),
        ("last 7 days", "2026-11-16", "2026-11-23"),
        ("last 1 day", "2026-11-22", "2026-11-23"),
        ("last 2 weeks", "2026-11-09", "2026-11-23"),
        ("this week", "2026-11-16", "2026-11-23"),
        ("last week", "2026-11-09", "2026-11-16"),
        ("this month", "2026-11-01", "2026-12-01"),
        ("last month", "2026-10-01", "2026-11-01"),
        ("last 3 months", "2026-09-01", "2026-12-01"),
        ("this year", "2026-01-01", "2027-01-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("last 2 years", "2025-01-01", "2027-01-01"),
        ("sunday", "2026-11-22", "2026-11-23"),
        ("last sunday", "2026-11-15", "2026-11-16"),
        ("monday", "2026-11-16", "2026-11-17"),
        ("november", "2026-11-01", "2026-12-01"),
        ("dec", "2025-12-01", "2026-01-01"),
        ("february 2024", "2024-02-01", "2024-03-01"),
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-11", "2026-11-01", "2026-12-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-11-05", "2026-11-05", "2026-11-06"),
        ("2026-W47", "2026-11-16", "2026-11-23"),
        ("2026-11-01..2026-11-15", "2026-11-01", "2026-11-16"),
        ("2026-10 .. 2026-11", "2026-10-01", "2026-12-01"),
        ("monday..wednesday", "2026-11-16", "2026-11-19"),
        ("10:00..12:00", "2026-11-22T10:00", "2026-11-22T12:00"),
        ("9:05..now", "2026-11-22T09:05", "2026-11-22T12:30:15"),
        ("2026-11-05T10:00..2026-11-05T11:00", "2026-11-05T10:00", "2026-11-05T11:00"),
        ("last 24 hours", "2026-11-21T12:30:15", None),
        ("last 2h", "2026-11-22T10:30:15", None),
        ("last hour", "2026-11-22T11:30:15", None),
        ("last 90 minutes", "2026-11-22T11:00:15", None),
        ("since monday", "2026-11-16", None),
        ("since 2h ago", "2026-11-22T10:30:15", None),
        ("2026-11-20..", "2026-11-20", None),
        ("..2026-11-20", None, "2026-11-21"),
        ("all", None, None),
    ],
)
def test_words_are_a_period(words: str, begin: str | None, end: str | None) -> None:
    found = read_words(words.split(), NOW)
    assert found == Period(begin and ns(begin), end and ns(end))
    assert found.said == " ".join(words.split())


@pytest.mark.parametrize("today", range(22, 29))
@pytest.mark.parametrize(("first", "last"), [("monday", "wednesday"), ("wednesday", "monday"), ("sat", "sun")])
def test_days_by_their_names_are_a_period_on_every_day(today: int, first: str, last: str) -> None:
    """The last day named second, and the last named first before it."""
    names = {"sat": "saturday", "sun": "sunday"}
    first, last = names.get(first, first), names.get(last, last)
    now = NOW.replace(day=today)
    end = read_words([last], now).end
    assert end is not None
    begin = read_words([first], now.replace(day=datetime.fromtimestamp(end / SECOND - 1).day)).begin
    for found in (read_words([f"{first}..{last}"], now), read_period(first, last, now)):
        assert (found.begin, found.end) == (begin, end)
        assert found.begin is not None and SECOND * 3600 * 24 * 2 <= end - found.begin <= SECOND * 3600 * 24 * 7


def test_the_last_days_of_their_names_are_a_period_too() -> None:
    assert read_words(["last wednesday..last monday"], NOW) == Period(ns("2026-11-11"), ns("2026-11-17"))
    tuesday = NOW.replace(day=24)
    assert read_words(["last monday..last wednesday"], tuesday) == Period(ns("2026-11-16"), ns("2026-11-19"))


def test_months_by_their_names_are_a_period_in_every_month() -> None:
    assert read_words(["november..february"], NOW) == Period(ns("2025-11-01"), ns("2026-03-01"))
    assert read_words(["march..october"], NOW) == Period(ns("2026-03-01"), ns("2026-11-01"))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("yesturday", "did you mean yesterday?"),
        ("lats 7 dyas", "did you mean last 7 days?"),
        ("7 days", "did you mean last 7 days?"),
        ("2h", "did you mean last 2h?"),
        ("last day", "did you mean yesterday or last 24 hours?"),
        ("2026-11-5", "did you mean 2026-11-05?"),
        ("capture.pcap", "neither a file nor a period"),
        ("2026-13", "periods are today"),
        ("2026-02-30", "periods are today"),
        ("last 0 days", "periods are today"),
        ("last 99999999999 days", "periods are today"),
        ("last 99999999999 hours", "periods are today"),
        ("9999", "periods are today"),
        ("..", "periods are today"),
        ("", "periods are today"),
        ("10:00", "an instant, no period; since 10:00"),
        ("2h ago", "since 2h ago"),
    ],
)
def test_what_is_no_period_says_what_is(words: str, meant: str) -> None:
    with pytest.raises(BadPeriod, match=meant.replace("?", "[?]")) as error:
        read_words(words.split(), NOW)
    assert error.value.exit_code == 127


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(EmptyPeriod, match=r"ends \(2026-11-01\) before it begins \(2026-11-15\)"):
        read_words(["2026-11-15..2026-11-01"], NOW)


def test_begin_and_end_take_the_same_words() -> None:
    assert read_period("last month", "last month", NOW) == read_words(["last", "month"], NOW)
    assert read_period("monday", "2026-11", NOW) == Period(ns("2026-11-16"), ns("2026-12-01"))
    with pytest.raises(BadTime, match=r"did you mean yesterday\?"):
        read_period("yesturday", None, NOW)


@pytest.mark.parametrize(
    ("day", "words", "begin", "end"),
    [
        (17, "this month", "2026-11-17", "2026-12-17"),
        (23, "this month", "2026-10-23", "2026-11-23"),
        (17, "last month", "2026-10-17", "2026-11-17"),
        (17, "2026-02", "2026-02-17", "2026-03-17"),
        (31, "2026-02", "2026-02-28", "2026-03-31"),
        (30, "2024-02", "2024-02-29", "2024-03-30"),
        (23, "november", "2025-11-23", "2025-12-23"),
        (23, "october", "2026-10-23", "2026-11-23"),
    ],
)
def test_a_month_begins_on_the_billing_day(day: int, words: str, begin: str, end: str) -> None:
    assert read_words(words.split(), NOW, day) == Period(ns(begin), ns(end))


DATES = st.dates(date(2005, 1, 3), date(2030, 12, 28))


def first_instant(day: date, zone: ZoneInfo) -> int:
    """Looked for, a quarter of an hour at a time: when the calendar on the wall first shows day, or a later one."""
    at = int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("UTC")).timestamp()) - 86400
    while datetime.fromtimestamp(at, zone).date() < day:
        at += 900
    return at * SECOND


@given(day=DATES, name=st.sampled_from(ZONES))
def test_a_day_is_from_midnight_to_midnight_in_any_zone(day: date, name: str) -> None:
    use_zone(name)
    begin, end = first_instant(day, ZoneInfo(name)), first_instant(day + DAY, ZoneInfo(name))
    if begin == end:
        with pytest.raises(UsageError):
            read_words([day.isoformat()])
    else:
        assert read_words([day.isoformat()]) == Period(begin, end)
        now = datetime(day.year, day.month, day.day, 12).astimezone()
        assert read_words(["today"], now) == Period(begin, end)
        assert read_words(["yesterday"], now + DAY) == Period(begin, end)


def test_the_days_on_which_clocks_are_set() -> None:
    """The given days must meet them, or the property above would prove little."""
    hours = {}
    for name, day in (
        ("Europe/Rome", "2026-03-29"),
        ("Europe/Rome", "2026-10-25"),
        ("Africa/Cairo", "2026-04-24"),
        ("Australia/Lord_Howe", "2026-04-05"),
        ("America/Havana", "2026-11-01"),
    ):
        use_zone(name)
        found = read_words([day])
        assert found == Period(*(first_instant(date.fromisoformat(day) + n * DAY, ZoneInfo(name)) for n in (0, 1)))
        assert found.begin is not None and found.end is not None
        hours[name, day] = (found.end - found.begin) / SECOND / 3600
    assert list(hours.values()) == [23, 25, 23, 24.5, 25]
    use_zone("Pacific/Apia")
    with pytest.raises(UsageError):
        read_words(["2011-12-30"])


@given(
    day=DATES,
    name=st.sampled_from(ZONES),
    billing=st.integers(1, 31),
    words=st.sampled_from(["week", "month", "year", "day"]),
)
def test_the_period_before_ends_where_the_next_begins(day: date, name: str, billing: int, words: str) -> None:
    use_zone(name)
    now = datetime(day.year, day.month, day.day, 12).astimezone()
    this = read_words(["today"] if words == "day" else ["this", words], now, billing)
    last = read_words(["yesterday"] if words == "day" else ["last", words], now, billing)
    assert last.end == this.begin
    assert last.begin is not None and last.end is not None and last.begin < last.end
    assert this.begin is not None and this.end is not None
    assert this.begin <= now.timestamp() * SECOND < this.end


@given(year=st.integers(2006, 2030), month=st.integers(1, 12), billing=st.integers(1, 31), name=st.sampled_from(ZONES))
def test_months_share_no_day_and_miss_none(year: int, month: int, billing: int, name: str) -> None:
    use_zone(name)
    after = (year, month + 1) if month < 12 else (year + 1, 1)
    first, second = (read_words(["{:04}-{:02}".format(*when)], None, billing) for when in ((year, month), after))
    assert first.end == second.begin
    assert first.begin is not None
    begin = datetime.fromtimestamp(first.begin // SECOND)
    assert (begin.year, begin.month) == (year, month)
    assert begin.day == billing or (begin + DAY).month != month


def test_a_zone_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match="Europe/Atlantis"):
        use_zone("Europe/Atlantis")


def test_no_month_is_named_as_another_word() -> None:
    """What the project's files are called must not be taken for periods."""
    for path in Path(__file__).parent.iterdir():
        with pytest.raises(UsageError):
            read_words([path.name])
