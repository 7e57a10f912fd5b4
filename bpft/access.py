"""Why a file cannot be opened, and what to do: who may read what trafd writes, and who may write there.

Imports next to nothing: readers import it only once something was refused.
"""

import errno
import os
import sys

GROUP = "bpft"  #: whose members may read logs and dumps and use the control sockets, where there is such a group

_OURS = ("trafd.", ".trafd.")  # how the name of each file of ours begins
_OUR_DIRECTORIES = ("bpft", "trafd")
_LINK = (errno.ELOOP, errno.EMLINK)  # what O_NOFOLLOW says of one: Linux and FreeBSD
A_LINK = "is a symbolic link, which is never followed here; put the file itself there, or choose another place"


def group_id() -> int | None:
    """The id of the group bpft; None: there is no such group here."""
    import grp

    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


def reading(path: str | os.PathLike[str], why: OSError) -> str:
    """What refuses path to a reader, or to who asks at a control socket, with the remedy."""
    text = why.strerror or str(why)
    if not isinstance(why, PermissionError) or os.geteuid() == 0:
        return text
    name = os.fspath(path)
    nearest, found = _nearest(name)
    if found.st_uid == os.geteuid():
        return f"{text}; it is yours: chmod u+r {name}"
    group = group_id()
    if found.st_gid == group:
        return f"{text}; it is for root and the group {GROUP}: {_join()}, then log in again"
    if found.st_gid == 0 and (what := _ours(name, nearest)):
        steps = ([] if group is not None else [_make()]) + [f"chgrp {what}", _join()]
        return f"{text}; run as root, or have root let you read it: {'; '.join(steps)}; then log in again"
    return f"{text}; run as {_allowed(found.st_uid)}"


def _ours(name: str, nearest: str) -> str:
    """What of ours has to get the group, as chgrp(1) is told: name, or the directory around it that is closed."""
    if nearest == os.path.abspath(name):  # noqa: PTH100 - without pathlib
        return f"{GROUP} {name}" if os.path.basename(name).startswith(_OURS) else ""  # noqa: PTH119
    return f"-R {GROUP} {nearest}" if os.path.basename(nearest) in _OUR_DIRECTORIES else ""  # noqa: PTH119


def writing(path: str | os.PathLike[str], why: OSError) -> str:
    """What refuses path to a writer, with the remedy."""
    if why.errno in _LINK:
        return A_LINK
    text = why.strerror or str(why)
    if not isinstance(why, PermissionError) or os.geteuid() == 0:
        return text
    return f"{text} for user {user_name(os.geteuid())}; run as {_allowed(_nearest(os.fspath(path))[1].st_uid)}"


def refused(path: str | os.PathLike[str], directory: str | os.PathLike[str]) -> str:
    """The remedy where who wants to write all of a directory may not write path, which is in it."""
    me, owner = user_name(os.geteuid()), _nearest(os.fspath(path))[1].st_uid
    gift = "" if owner else f", or give it away: chown -R {me} {os.fspath(directory)}"
    return f"user {me} may not write it; run as {_allowed(owner)}{gift}"


def _allowed(owner: int) -> str:
    return f"root or as {user_name(owner)}, its owner" if owner else "root"


def user_name(uid: int) -> str:
    """The name of a user; the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _nearest(name: str) -> tuple[str, os.stat_result]:
    """name, absolute, or the directory on the way to it that is closed; and what is known of that."""
    path = os.path.abspath(name)  # noqa: PTH100 - without pathlib
    while True:
        try:
            return path, os.stat(path)  # noqa: PTH116
        except OSError:
            path = os.path.dirname(path)  # noqa: PTH120


def _join() -> str:
    me = user_name(os.getuid())
    return f"usermod -aG {GROUP} {me}" if sys.platform.startswith("linux") else f"pw groupmod {GROUP} -m {me}"


def _make() -> str:
    return f"groupadd -r {GROUP}" if sys.platform.startswith("linux") else f"pw groupadd {GROUP}"
