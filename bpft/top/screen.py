"""The page on a terminal with keys.  The one door to urwid."""

from __future__ import annotations

import os
import queue
import time
from typing import TYPE_CHECKING

import urwid

from bpft.errors import BpftError
from bpft.top.page import page
from bpft.top.sampler import Sampler
from bpft.top.stream import USUAL_SIZE
from bpft.top.viewer import QUIT, SWITCH

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from bpft.top.source import Reading, Source
    from bpft.top.viewer import Viewer

#: Style, foreground, background, and what stands for both without colours.
_PALETTE = (
    ("title", "white,bold", "dark blue", "standout"),
    ("alert", "light red,bold", "default", "bold"),
    ("dim", "dark gray", "default", "default"),
    ("tab", "black", "dark cyan", "standout"),
    ("head", "default,underline", "default", "underline"),
    ("sorted", "default,bold,underline", "default", "bold,underline"),
    ("all", "default,bold", "default", "bold"),
    ("bar", "white", "dark blue", "default"),
    ("selected", "default,standout", "default", "standout"),
    ("selected bar", "default,standout", "default", "standout"),
    ("key", "dark cyan,bold", "default", "bold"),
)
_COLOURS = 16


class _Page(urwid.Widget):
    """All of the screen."""

    _sizing = frozenset([urwid.BOX])
    _selectable = True

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer

    def refresh(self) -> None:
        self._invalidate()

    def keypress(self, size: tuple[int, int], key: str) -> str:  # type: ignore[override]  # it is a box
        return key  # The loop's own handler takes it.

    def render(self, size: tuple[int, int], focus: bool = False) -> urwid.Canvas:  # type: ignore[override]
        self._viewer.width, self._viewer.height = size
        lines = page(self._viewer)
        text = ["".join(text for _, text in line).encode("ascii", "replace") for line in lines]
        styles: list[list[tuple[Hashable, int]]] = [[(style, len(text)) for style, text in line] for line in lines]
        return urwid.TextCanvas(text, styles, maxcol=size[0])


class _Terminal(urwid.raw_display.Screen):  # type: ignore[misc]  # urwid does not say what it is
    """One such as a serial line may not know its size."""

    def get_cols_rows(self) -> tuple[int, int]:
        columns, lines = super().get_cols_rows()
        return columns or USUAL_SIZE[0], lines or USUAL_SIZE[1]


class Screen:
    """run() until somebody quits."""

    def __init__(self, viewer: Viewer, sources: Mapping[str, Source], interval_s: float, colours: bool) -> None:
        self._viewer, self._sources, self._interval_s = viewer, sources, interval_s
        self._found: queue.SimpleQueue[tuple[Source, Reading | Exception]] = queue.SimpleQueue()
        self._page = _Page(viewer)
        terminal = _Terminal()
        terminal.set_terminal_properties(colors=_COLOURS if colours and _has_colours() else 1)
        palette = [(style, fore, back, mono) for style, fore, back, mono in _PALETTE]
        self._loop = urwid.MainLoop(self._page, palette, terminal, handle_mouse=False, unhandled_input=self._press)
        self._sampler: Sampler | None = None

    def run(self) -> None:
        """Raises KeyboardInterrupt; the terminal is as it was then."""
        wake = self._loop.watch_pipe(self._take)

        def take(source: Source, found: Reading | Exception) -> None:
            self._found.put((source, found))
            os.write(wake, b".")

        self._sampler = Sampler(self._sources[self._viewer.interface], self._interval_s, take)
        try:
            self._loop.run()
        finally:
            self._sampler.close()

    def _take(self, _: bytes) -> bool:
        """What the sampler found.  Raises what it died of."""
        began = time.thread_time()  # A slow terminal costs nobody anything.
        while not self._found.empty():
            source, found = self._found.get()
            if source.interface != self._viewer.interface:
                continue  # It was switched away from meanwhile.
            try:
                if isinstance(found, Exception):
                    raise found
                self._viewer.watch.take(found)
            except BpftError as why:
                self._viewer.watch.fail(why)
        self._page.refresh()
        self._loop.draw_screen()
        if self._sampler:
            self._sampler.drawing_s = time.thread_time() - began
        return True

    def _press(self, key: str | tuple[str, int, int, int]) -> None:
        if not isinstance(key, str):
            return
        wanted = self._viewer.press(key)
        if wanted == QUIT:
            raise urwid.ExitMainLoop
        if wanted == SWITCH and self._sampler:
            self._viewer.watch.forget()
            self._sampler.look_at(self._sources[self._viewer.interface])
        self._page.refresh()


def _has_colours() -> bool:
    """Whether the terminal has any; one that nobody knows has."""
    try:
        import curses
    except ImportError:  # a Python may be built without
        return True
    try:
        curses.setupterm()
    except curses.error:
        return True
    return curses.tigetnum("colors") != -1
