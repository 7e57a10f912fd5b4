"""A headless Chromium, driven over the pipe of its DevTools protocol with the standard library alone."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_PATIENCE_S = 60
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = ("--headless", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe", "--no-sandbox")


class Tab:
    """One page: what it said on its console and what it asked for are kept."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._buffer, self._number, self._session = b"", 0, ""
        self.said: list[str] = []  #: errors, warnings and exceptions
        self.requested: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Its result; what happens meanwhile is noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == self._number:
                assert "error" not in heard, heard
                return dict(heard["result"])

    def open(self, place: Path) -> None:
        """Load a file and wait until it is there."""
        self.said.clear()
        self.requested.clear()
        self.call("Page.navigate", url=place.as_uri())
        while self.evaluate("document.readyState + location.protocol") != "completefile:":
            time.sleep(0.02)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """A key that goes where the focus is."""
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def shape(self, width: int, scheme: str) -> None:
        """The width of the screen, and whether its user likes it light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], _PATIENCE_S)
            assert ready, "the browser says nothing any more"
            data = os.read(self._read, 1 << 16)
            assert data, "the browser has gone"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        heard: dict[str, Any] = json.loads(line)
        params = heard.get("params", {})
        if heard.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"]))
        elif heard.get("method") == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif heard.get("method") == "Runtime.consoleAPICalled":
            self.said.append(str(params["args"]))
        elif heard.get("method") == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        return heard


@contextmanager
def tab(profile: Path) -> Iterator[Tab]:
    """A browser with one tab; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here to look at the page with")
    from_us, to_us = os.pipe(), os.pipe()

    def plumb() -> None:
        """It reads descriptor 3 and writes descriptor 4, whatever those are here."""
        read, write = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (from_us[0], to_us[1]))
        os.dup2(read, 3)
        os.dup2(write, 4)

    browser = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={profile}"],
        preexec_fn=plumb,
        pass_fds=(3, 4),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(from_us[0])
    os.close(to_us[1])
    try:
        yield Tab(to_us[0], from_us[1])
    finally:
        browser.terminate()
        browser.wait(_PATIENCE_S)
        os.close(from_us[1])
        os.close(to_us[0])
