"""Messages: one line each, to stderr or syslog, and never an exception."""

import os
import sys
from pathlib import Path

import pytest

from bpft import messages


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What would go to syslogd."""
    lines: list[tuple[int, str]] = []
    monkeypatch.setattr("syslog.syslog", lambda level, text: lines.append((level, text)))
    monkeypatch.setattr(messages, "_syslog", None)  # what to_syslog() sets goes back behind the test
    return lines


def test_to_stderr_until_detached(capsys: pytest.CaptureFixture[str]) -> None:
    messages.error("broken")
    messages.warning("odd")
    messages.notice("done")
    messages.info("seen")
    assert capsys.readouterr().err == "trafd: broken\ntrafd: warning: odd\ntrafd: done\ntrafd: seen\n"


def test_to_syslog_with_the_manuals_options(
    sent: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import syslog

    opened: list[tuple[object, ...]] = []
    monkeypatch.setattr("syslog.openlog", lambda *arguments: opened.append(arguments))
    messages.to_syslog()
    for say in (messages.error, messages.warning, messages.notice, messages.info):
        say("x")
    assert opened == [("trafd", syslog.LOG_PID | syslog.LOG_CONS, syslog.LOG_DAEMON)]
    assert sent == [(level, "x") for level in (syslog.LOG_ERR, syslog.LOG_WARNING, syslog.LOG_NOTICE, syslog.LOG_INFO)]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("redirected", [False, True])
def test_the_journal_is_told_the_level(redirected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """JOURNAL_STREAM stays in the environment of what a service starts with its stderr elsewhere."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as journal, os.fdopen(write_end, "w") as stream:
        status = os.fstat(0 if redirected else write_end)
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        monkeypatch.setattr(sys, "stderr", stream)
        for say in (messages.error, messages.warning, messages.notice, messages.info):
            say("x\ny")
        told = [journal.readline() for _ in range(4)]
    if redirected:
        assert told == [f"trafd: {word}x\\x0ay\n" for word in ("", "warning: ", "", "")]
    else:
        assert told == [f"<{level}>x\\x0ay\n" for level in (3, 4, 5, 6)]


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "a\x1b[2Jb", "a\udcffb"])
def test_a_name_cannot_forge_a_line(text: str, sent: list[tuple[int, str]], capsys: pytest.CaptureFixture[str]) -> None:
    messages.error(text)
    messages.to_syslog()
    messages.error(text)
    assert capsys.readouterr().err.count("\n") == 1
    assert sent[0][1].isprintable()


@pytest.mark.parametrize("stream", [None, "closed"])
def test_never_raises(stream: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = None
    if stream == "closed":
        gone = Path("/dev/null").open("w")  # noqa: SIM115 - closed at once
        gone.close()
    monkeypatch.setattr(sys, "stderr", gone)
    messages.error("nobody hears it")


def test_a_table_on_the_terminal_steps_aside(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(messages, "before", lambda: sys.stderr.write("<cleared>"))
    messages.info("x")
    assert capsys.readouterr().err == "<cleared>trafd: x\n"


def test_numbers_for_people() -> None:
    assert [messages.size(n) for n in (0, 999, 1000, 5_600_000, 99_960_000, 10**12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "5.6 MB",
        "100 MB",
        "1.0 TB",
    ]
    assert [messages.count(n, "record") for n in (0, 1, 1234)] == ["0 records", "1 record", "1,234 records"]
    assert [messages.duration(s) for s in (0.4, 59, 61, 3 * 3600 + 1260, 100_000)] == [
        "0 s",
        "59 s",
        "1 min",
        "3 h 21 min",
        "1 d 3 h",
    ]


def test_a_pipe_that_nobody_reads_does_not_stop_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_PATIENCE_MS", 10)
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as full, os.fdopen(read_end):
        monkeypatch.setattr(sys, "stderr", full)
        for _ in range(1000):
            messages.error("x" * 200)
        assert len(os.read(read_end, 1 << 20)) > 10_000
