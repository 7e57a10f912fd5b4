"""Standard input, pipes and devices: their first bytes tell what they hold, and looking loses none of them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bpft.errors import CannotRead
from bpft.source import Source

START = 4096  #: bytes that tell what a file is; a pipe takes as many without a reader
_PIECE = 1 << 16


class Stream:
    """Bytes that can be read once."""

    def __init__(self, name: str) -> None:
        """Waits for the first bytes; "-" is standard input.  Raises CannotRead."""
        self.name = name
        self.shown = "standard input" if name == "-" else name
        self.trouble = ""  #: why reading ended before the end
        try:
            if name == "-":
                if sys.stdin is None:
                    raise CannotRead(self.shown, "is closed; name a file")
                self._fd = os.dup(sys.stdin.fileno())
            else:
                self._fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            self.start = b""
            while len(self.start) < START and (piece := os.read(self._fd, START - len(self.start))):
                self.start += piece
        except OSError as error:
            raise CannotRead(self.shown, error.strerror) from None

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            os.close(self._fd)

    def spooled(self) -> Source:
        """All of it in an unnamed temporary file, which goes with the Source.  Raises CannotRead."""
        from tempfile import TemporaryFile

        try:
            with TemporaryFile() as file:
                file.write(self.start)
                while piece := os.read(self._fd, _PIECE):
                    file.write(piece)
                file.flush()
                return Source(self.shown, file.fileno())
        except OSError as error:
            raise CannotRead(self.shown, f"cannot be kept for reading: {error.strerror}") from None

    @contextmanager
    def first(self) -> Iterator[int]:
        """A descriptor of its first bytes alone."""
        reader, writer = os.pipe()
        try:
            os.write(writer, self.start)
            os.close(writer)
            yield reader
        finally:
            os.close(reader)

    @contextmanager
    def all(self) -> Iterator[int]:
        """A descriptor of all its bytes, once; they are held in no more memory than a pipe has."""
        import threading  # only here: most reports read files

        reader, writer = os.pipe()
        pump = threading.Thread(target=self._pump, args=(writer,), daemon=True)
        pump.start()
        try:
            yield reader
        finally:
            os.close(reader)

    def _pump(self, writer: int) -> None:
        piece = self.start
        try:
            while piece:
                while piece:
                    piece = piece[os.write(writer, piece) :]
                try:
                    piece = os.read(self._fd, _PIECE)
                except OSError as error:
                    self.trouble = str(error.strerror)
        except BrokenPipeError:
            pass  # Whoever read it has seen enough.
        finally:
            os.close(writer)
