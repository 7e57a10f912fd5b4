"""Linux's capabilities(7) and prctl(2), through libc; elsewhere there are none, and nothing is done."""

import ctypes
import os
import sys

# linux/prctl.h, linux/capability.h
_SET_KEEPCAPS, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 8, 24, 38, 47, 4
_VERSION_3 = 0x20080522
_NET_RAW = 1 << 13
_MOST = 64
_LINUX = sys.platform.startswith("linux")


class _Header(ctypes.Structure):
    """struct __user_cap_header_struct"""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    """struct __user_cap_data_struct; two make 64 capabilities."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def survive_change_of_user() -> None:
    """Of root: none of its capabilities for programs, but all for itself until keep() says which.  Raises OSError."""
    if _LINUX:
        for one in range(_MOST):
            _prctl(_CAPBSET_DROP, one, must=False)  # Fails for those that the kernel does not know.
        _prctl(_SET_KEEPCAPS, 1)


def keep(raw: bool) -> None:
    """Of those that are there at most CAP_NET_RAW, and that only if raw; for this thread and its children.

    Raises OSError.
    """
    if not _LINUX:
        return
    header, sets = _Header(_VERSION_3, 0), (_Set * 2)()
    _call("capget", ctypes.byref(header), ctypes.byref(sets))
    kept = sets[0].permitted & _NET_RAW if raw else 0
    sets[0], sets[1] = _Set(kept, kept, 0), _Set(0, 0, 0)
    _call("capset", ctypes.byref(header), ctypes.byref(sets))
    _prctl(_SET_KEEPCAPS, 0)
    _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, must=False)  # Linux before 4.3 has no such set.


def never_more() -> None:
    """No program that is started can have more than we have (PR_SET_NO_NEW_PRIVS).  Raises OSError."""
    if _LINUX:
        _prctl(_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, argument: int, must: bool = True) -> None:
    unsigned = ctypes.c_ulong
    _call("prctl", ctypes.c_int(option), unsigned(argument), unsigned(0), unsigned(0), unsigned(0), must=must)


def _call(name: str, *arguments: object, must: bool = True) -> None:
    """A function of libc.  Raises OSError where it fails and must not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) and must:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
