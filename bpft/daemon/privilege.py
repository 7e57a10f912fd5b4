"""What a trafd may do: given up once the capture is open, and never regained."""

import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bpft import access
from bpft.errors import BpftError


class NoSuchUser(BpftError):
    """--user {0}: there is no such user; make one with: useradd -r -U -s /usr/sbin/nologin {0}"""


class NotRoot(BpftError):
    """--user {0}: only root becomes another user; leave it away: CAP_NET_RAW is enough to capture"""


class CannotDrop(BpftError):
    """privileges cannot be given up: {0}"""


class User(NamedTuple):
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


def owner_of(directory: Path) -> User | None:
    """Who owns the logs, where root starts a daemon for somebody else's; None: root itself, or there are none yet.

    So a trafd that root starts by hand and the service of user bpft can follow each other: neither leaves files behind
    that are closed to the other.
    """
    try:
        uid = directory.stat().st_uid
        return find_user(pwd.getpwuid(uid).pw_name) if os.geteuid() == 0 else None
    except (OSError, KeyError):
        return None


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
    from bpft.host import capability  # for which ctypes is needed: not by who only asks for help

    try:
        if user is not None:
            for fd in files:
                os.fchown(fd, user.uid, user.gid)
            capability.survive_change_of_user()
            os.setgroups([])
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
        if os.geteuid() != 0:
            capability.keep(raw=keep_raw)
        capability.never_more()
    except OSError as why:
        raise CannotDrop(why.strerror or str(why)) from None
    if user is not None and _root_again():
        raise CannotDrop(f"user {user.name} can become root again")


def _root_again() -> bool:
    try:
        os.setresuid(0, 0, 0)
    except OSError:
        return False
    return True
