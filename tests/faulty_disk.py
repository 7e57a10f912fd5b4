"""A disk that fails, and a machine that dies, between any two system calls of a writer."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

_REAL = {name: getattr(os, name) for name in ("open", "write", "fsync", "ftruncate", "rename", "unlink")}


class Crash(BaseException):
    """The process is gone: whatever it still calls does nothing any more."""


@dataclass(frozen=True)
class Fault:
    """What happens at the call of that number (from 1) that changes something below the root.

    kind: "kill" (the process dies), "power" (and what was not synced may be lost), or an errno.
    part: how much of a write still happens, and of what was not synced stays, in tenths.
    calls: how many calls one after the other fail.
    """

    kind: str = ""
    at: int = 0
    part: int = 0
    calls: int = 1


@dataclass
class Disk:
    """Stands before the system calls of bpft below root while running() lasts."""

    root: Path
    stash: Path  #: on the same file system, outside root
    on_write: Callable[[], None] = lambda: None
    _fault: Fault = Fault()
    _calls: int = 0
    _dead: bool = False
    _synced: dict[int, int] = field(default_factory=dict)  # inode -> length that is on the disk
    _undo: list[Callable[[], None]] = field(default_factory=list)  # of changes to directories, the oldest first
    _stashed: int = 0

    @contextmanager
    def running(self, fault: Fault) -> Iterator[None]:
        """Crash comes out of it where fault says so; then settle() tells what is left."""
        self._fault, self._calls, self._dead = fault, 0, False
        with mock.patch.multiple(os, **{name: getattr(self, f"_{name}") for name in _REAL}):
            yield

    def settle(self, power: bool, part: int) -> None:
        """After a crash: files as they are, or, the power being cut, without some of what was not synced."""
        if power:
            keep = len(self._undo) * part // 10
            for undo in reversed(self._undo[keep:]):
                undo()
            for path in self._files():
                found = path.stat()
                synced = self._synced.get(found.st_ino, found.st_size)
                if found.st_size > synced:
                    os.truncate(path, synced + (found.st_size - synced) * part // 10)
        self._undo.clear()
        self._synced = {found.st_ino: found.st_size for found in (path.stat() for path in self._files())}

    def directories_are_synced(self) -> None:
        """Whatever names there are stay."""
        self._undo.clear()

    def _files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]

    # ---- the calls ----

    def _changes(self, name: str, torn: Callable[[], object] = lambda: None) -> None:
        """One call that changes something; raises what the fault says.  torn: what still happens of it."""
        if self._dead:
            raise Crash
        self._calls += 1
        if not 0 < self._fault.at <= self._calls < self._fault.at + self._fault.calls:
            return
        if self._fault.kind in ("kill", "power"):
            torn()
            self._dead = True
            raise Crash
        number = getattr(errno, self._fault.kind)
        if name == "write":
            torn()
        if self._fault.kind != "ENOSPC" or name in ("write", "open", "fsync"):
            raise OSError(number, os.strerror(number))

    def _below(self, path: object) -> bool:
        return str(path).startswith(str(self.root))

    def _of(self, fd: int) -> bool:
        return self._below(Path(f"/proc/self/fd/{fd}").readlink())

    def _open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if not self._below(path) or not flags & os.O_CREAT:
            return _REAL["open"](path, flags, mode, **more)
        self._changes("open")
        new = not os.path.lexists(path)
        fd = _REAL["open"](path, flags, mode, **more)
        if new:
            self._synced[os.fstat(fd).st_ino] = 0
            self._undo.append(lambda: _REAL["unlink"](path))
        return fd

    def _write(self, fd: int, data: Any) -> int:
        if not self._of(fd):
            return _REAL["write"](fd, data)
        self.on_write()
        some = bytes(data)[: len(data) * self._fault.part // 10]
        self._changes("write", lambda: _REAL["write"](fd, some))
        return _REAL["write"](fd, data)

    def _fsync(self, fd: int) -> None:
        if not self._of(fd):
            return _REAL["fsync"](fd)
        self._changes("fsync")
        if Path(f"/proc/self/fd/{fd}").is_dir():
            self._undo.clear()
        else:
            found = os.fstat(fd)
            self._synced[found.st_ino] = found.st_size
        return None

    def _ftruncate(self, fd: int, length: int) -> None:
        if not self._of(fd):
            return _REAL["ftruncate"](fd, length)
        self._changes("ftruncate")
        _REAL["ftruncate"](fd, length)
        inode = os.fstat(fd).st_ino
        self._synced[inode] = min(self._synced.get(inode, length), length)
        return None

    def _rename(self, source: Any, target: Any) -> None:
        self._changes("rename")
        kept = self._keep(target)
        _REAL["rename"](source, target)

        def undo() -> None:
            _REAL["rename"](target, source)
            if kept:
                _REAL["rename"](kept, target)

        self._undo.append(undo)

    def _unlink(self, path: Any, **more: Any) -> None:
        self._changes("unlink")
        kept = self._keep(path)
        _REAL["unlink"](path, **more)
        if kept:
            self._undo.append(lambda: _REAL["rename"](kept, path))

    def _keep(self, path: Any) -> Path | None:
        """Another name for what bears this one; None: nothing does."""
        self._stashed += 1
        kept = self.stash / str(self._stashed)
        with suppress(FileNotFoundError):
            os.link(path, kept)
            return kept
        return None
