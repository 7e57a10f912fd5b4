"""A file open for reading at any place, by however many readers."""

import os
import stat
from collections.abc import Iterator

from bpft.errors import CannotRead

_PIECE = 1 << 18  # stays in the cache for who goes through it
# Without O_NONBLOCK opening a pipe by mistake would wait for somebody to write to it.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class Source:
    """A regular file open for reading at any place; it is closed with the last block that leans on it."""

    def __init__(self, path: str | os.PathLike[str], fd: int | None = None, follow: bool = True) -> None:
        """fd: a descriptor of the file that is open already, and stays the caller's.  follow: a link to the file does.

        Raises CannotRead.
        """
        self.name = os.fspath(path)
        self._fd = -1
        try:
            self._fd = os.open(self.name, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW) if fd is None else os.dup(fd)
        except OSError as error:
            from bpft import access

            raise CannotRead(self.name, access.reading(self.name, error)) from None
        mode = os.fstat(self._fd).st_mode
        if stat.S_ISDIR(mode):
            raise CannotRead(self.name, "is a directory; name the files in it")
        if not stat.S_ISREG(mode):  # its size would be 0: it must not pass for an empty log
            raise CannotRead(self.name, "is no regular file; write what it gives to one first")

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def fileno(self) -> int:
        return self._fd

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Up to length bytes, fewer only at the end of the file.  Raises CannotRead."""
        pieces = []
        try:
            while length > 0 and (piece := os.pread(self._fd, length, offset)):
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        except OSError as error:
            raise CannotRead(self.name, error.strerror) from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def pieces(self, offset: int, end: int) -> Iterator[bytes]:
        """The bytes from offset to end, or to the end of the file, a piece at a time.  Raises CannotRead."""
        while offset < end and (piece := self.read(offset, min(_PIECE, end - offset))):
            yield piece
            offset += len(piece)
