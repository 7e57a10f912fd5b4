"""The catalogue of failures: the docstring is the message, exit_code what the process returns.

Every message says what is wrong and, where there is something to do, what to do.
"""


class BpftError(Exception):
    """{0}"""

    exit_code = 1

    def __str__(self) -> str:
        return (type(self).__doc__ or "{0}").format(*self.args)


class UsageError(BpftError):
    """{0}"""

    exit_code = 127


class BadName(UsageError):
    """{0} {1!r}: use 1 to 64 of letters, digits and ._:@+- and begin with none of - and ."""


class Interrupted(BpftError):
    """interrupted; nothing was saved"""


class NoMemory(BpftError):
    """there is no memory for that; nothing was saved.  --max-flows holds less at once"""


class BadExpression(BpftError):
    """filter expression: {0}"""


class NoSuchInterface(BpftError):
    """{0}: no such interface; there are: {1}"""


class CannotCapture(BpftError):
    """{0}: {1}"""


class NoPermission(BpftError):
    """{0}: no permission to capture; run as root, or give CAP_NET_RAW (on BSD: access to /dev/bpf*)"""


class CannotRead(BpftError):
    """{0}: {1}"""


class CannotWrite(BpftError):
    """{0}: {1}"""


class NotACapture(BpftError):
    """{0}: {1}"""


class NotALog(BpftError):
    """{0}: {1}"""


class BlockDamaged(BpftError):
    """{0}: the block at byte {1} cannot be read: {2}"""


class Held(BpftError):
    """{0} is held by another trafd (pid {1}); stop it first, or choose another -f EXT"""


class NotRunning(BpftError):
    """{0}: no trafd runs here; start one with: trafstart {0}"""


class Unreachable(BpftError):
    """{0}: trafd runs (pid {1}), but its control socket is gone; have it dump and stop with: kill {1}"""


class AlreadyCounted(BpftError):
    """{0} is already counted by another trafd (pid {1}); stop it first: trafstop {0}"""


class NoInterface(BpftError):
    """no interface to listen on: none has a route or is up; name one with -i"""
