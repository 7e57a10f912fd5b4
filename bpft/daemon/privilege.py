"""What a trafd may do: given up once the capture is open, and never regained.

Linux: capabilities(7), PR_SET_NO_NEW_PRIVS of prctl(2).  Elsewhere a user of its own is all.
"""

import ctypes
import os
import pwd
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from bpft import access
from bpft.errors import BpftError

# linux/prctl.h, linux/capability.h
_SET_KEEPCAPS, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 8, 24, 38, 47, 4
_VERSION_3 = 0x20080522
_NET_RAW = 1 << 13
_MOST_CAPABILITIES = 64


class NoSuchUser(BpftError):
    """--user {0}: there is no such user; make one with: useradd -r -U -s /usr/sbin/nologin {0}"""


class NotRoot(BpftError):
    """--user {0}: only root becomes another user; leave it away: CAP_NET_RAW is enough to capture"""


class CannotDrop(BpftError):
    """privileges cannot be given up: {0}"""


@dataclass(frozen=True, slots=True)
class User:
    """Who the daemon becomes."""

    name: str
    uid: int
    gid: int  #: of the group bpft where there is one, else the user's own


def find_user(name: str) -> User | None:
    """The user of that name; None where nothing is to be done: for "", or who we are.  Raises NoSuchUser, NotRoot."""
    if not name:
        return None
    try:
        found = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise NoSuchUser(name) from None
    if found.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise NotRoot(name)
    group = access.group_id()
    return User(name, found.pw_uid, found.pw_gid if group is None else group)


def join_group() -> None:
    """What root makes from now on belongs to the group bpft, where there is one."""
    group = access.group_id()
    if group is not None and os.geteuid() == 0:
        try:
            os.setresgid(group, group, group)
        except OSError as why:
            raise CannotDrop(f"group {access.GROUP}: {why.strerror}") from None


def confine(user: User | None, keep_raw: bool, files: Iterable[int] = ()) -> None:
    """Become user, who gets the open files; keep of all capabilities at most CAP_NET_RAW, and that only if keep_raw.

    Root that is to stay root keeps its own.  Call it before there are threads.  Raises CannotDrop.
    """
    try:
        if user is not None:
            for fd in files:
                os.fchown(fd, user.uid, user.gid)
            _become(user)
        if sys.platform.startswith("linux"):
            if os.geteuid() != 0:
                _keep(_NET_RAW if keep_raw else 0)
            _prctl(_SET_NO_NEW_PRIVS, 1)
    except OSError as why:
        raise CannotDrop(why.strerror or str(why)) from None
    if user is not None and _root_again():
        raise CannotDrop(f"user {user.name} can become root again")


def _become(user: User) -> None:
    if sys.platform.startswith("linux"):
        for capability in range(_MOST_CAPABILITIES):
            _prctl(_CAPBSET_DROP, capability, must=False)  # Fails for those the kernel does not know.
        _prctl(_SET_KEEPCAPS, 1)  # Until the next lines have said which.
    os.setgroups([])
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


def _root_again() -> bool:
    try:
        os.setresuid(0, 0, 0)
    except OSError:
        return False
    return True


class _Header(ctypes.Structure):
    """struct __user_cap_header_struct"""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    """struct __user_cap_data_struct; two make 64 capabilities."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _keep(wanted: int) -> None:
    """Of the capabilities that are there (below 32) only these, and nothing for programs that are started."""
    header, sets = _Header(_VERSION_3, 0), (_Set * 2)()
    _call("capget", ctypes.byref(header), ctypes.byref(sets))
    kept = sets[0].permitted & wanted
    sets[0], sets[1] = _Set(kept, kept, 0), _Set(0, 0, 0)
    _call("capset", ctypes.byref(header), ctypes.byref(sets))
    _prctl(_SET_KEEPCAPS, 0)
    _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, must=False)  # Linux before 4.3 has none.


def _prctl(option: int, argument: int, must: bool = True) -> None:
    unsigned = ctypes.c_ulong
    _call("prctl", ctypes.c_int(option), unsigned(argument), unsigned(0), unsigned(0), unsigned(0), must=must)


def _call(name: str, *arguments: object, must: bool = True) -> None:
    """A function of libc.  Raises OSError where it fails and must not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) and must:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
