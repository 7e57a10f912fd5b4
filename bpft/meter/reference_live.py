"""Live capture for the reference meter, in the foreground, through python-libpcap: the one door to that package.

python-libpcap tells neither link type nor wire length, and stays inside libpcap while the link is idle.  So the link
type is read from the header of an empty savefile that it writes, whole frames are captured, and a thread does the
waiting.
"""

import queue
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpft.core import Filter, FilterError
from bpft.errors import BadExpression, BpftError, CannotCapture
from bpft.meter.reference import ReferenceMeter, Sink
from bpft.meter.savefile import MAX_CAPTURED, CaptureFile, Frame
from bpft.meter.walk import LINKS, UnsupportedLink

_TIMEOUT_MS = 20
_WAIT_S = 0.1  # how often a wish to stop is asked for, and the sink brought up to date
_QUEUE = 65536  # frames; beyond it the kernel drops them


class NoPythonLibpcap(BpftError):
    """--engine reference captures through python-libpcap, which is not installed: install it, or use --engine pcap"""


class Source:
    """An open interface.  From start() on its frames come by a thread, which ends with the first one after leave():
    nothing wakes libpcap."""

    def __init__(self, interface: str, filter: str = "", promiscuous: bool = True) -> None:
        """Raises CannotCapture, BadExpression, UnsupportedLink, NoPythonLibpcap."""
        self.link_type = _link_type(interface)
        if self.link_type not in LINKS:
            raise UnsupportedLink(self.link_type)
        try:
            Filter(filter, self.link_type, MAX_CAPTURED)  # the library loses libpcap's words
        except FilterError as why:
            raise BadExpression(*why.args) from None
        self._interface, self._sniff = interface, _open(interface, promiscuous, filter)
        self._frames: queue.Queue[Frame | CannotCapture] = queue.Queue(_QUEUE)
        self._left = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._capture, name="reference capture", daemon=True).start()

    def next(self) -> Frame | None:
        """The next frame, or None where none came for a while."""
        try:
            frame = self._frames.get(timeout=_WAIT_S)
        except queue.Empty:
            return None
        if isinstance(frame, CannotCapture):
            raise frame
        return frame

    def leave(self) -> None:
        self._left.set()
        while not self._frames.empty():  # the thread may wait for room
            self._frames.get_nowait()

    def _capture(self) -> None:
        for length, seconds, data in self._sniff.capture():
            if self._left.is_set():
                return
            if length:
                self._frames.put(Frame(self.link_type, length, data, round(seconds * 1_000_000) * 1000))
            elif self._interface not in _library().base.get_iface_list():  # "nothing" is all that is said of an error
                self._frames.put(CannotCapture(self._interface, "the interface vanished"))
                return
            else:
                time.sleep(_WAIT_S)


def meter_live(
    source: Source,
    sink: Sink,
    *,
    stop: Callable[[], bool],
    count: int = 0,
    addresses_only: bool = False,
    mac: bytes | None = None,
) -> int:
    """Count frames of source into sink, as captured (C2), until stop() or count of them; returns how many.

    stop() is asked about ten times a second, whenever sink has just been brought up to date.  mac: see C5.
    Raises CannotCapture when the interface vanished.
    """
    meter, frames, due, going = ReferenceMeter(addresses_only, mac), 0, 0.0, True
    source.start()
    try:
        while going and (not count or frames < count):
            frame = source.next()
            if frame is not None:
                meter.add(frame)
                frames += 1
            if frame is None or time.monotonic() >= due:
                meter.move(sink)
                due, going = time.monotonic() + _WAIT_S, not stop()
    finally:
        source.leave()
        meter.move(sink)
    return frames


def _library() -> Any:
    try:
        import pylibpcap.base  # type: ignore[import-untyped]
        import pylibpcap.exception  # type: ignore[import-untyped]
    except ImportError:
        raise NoPythonLibpcap from None
    return pylibpcap


def _open(interface: str, promiscuous: bool, expression: str = "", savefile: str = "") -> Any:
    library = _library()
    try:
        return library.base.Sniff(
            interface,
            promisc=int(promiscuous),
            snaplen=MAX_CAPTURED,
            timeout=_TIMEOUT_MS,
            filters=expression,
            out_file=savefile,
        )
    except library.exception.LibpcapError as why:
        raise CannotCapture(interface, str(why) or "cannot be opened") from None


def _link_type(interface: str) -> int:
    with tempfile.TemporaryDirectory(prefix="bpft-") as directory:
        path = Path(directory) / "empty.pcap"
        _open(interface, False, savefile=str(path)).close()
        with path.open("rb") as stream:
            return CaptureFile(stream).link_types[0]
