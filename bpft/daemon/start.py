"""The start of a daemon, in a straight line (P1): everything that can fail is done before detaching."""

import gc
import os
import signal
from contextlib import ExitStack

from bpft import logfile, messages
from bpft.compression import Compressor
from bpft.core import Signals
from bpft.daemon import privilege
from bpft.daemon.control import Control
from bpft.daemon.detach import Starter, close_inherited, detach, secure_standard_streams
from bpft.daemon.epoch import Epoch, cut
from bpft.daemon.keeper import Keeper
from bpft.daemon.loop import SIGNALS, Loop, Screen
from bpft.daemon.notify import Notifier
from bpft.daemon.pidfile import HeldFile, PidFile
from bpft.daemon.places import directory, usable
from bpft.daemon.recovery import recover
from bpft.daemon.settings import Settings
from bpft.daemon.tap import Tap
from bpft.errors import AlreadyCounted, Held
from bpft.host.watch import watch_links

_GARBAGE = 1000  #: objects until unreachable ones are looked for


def run(settings: Settings, screen: Screen | None = None) -> int:
    """Be trafd until told to stop; the exit code.  Raises what fails before detaching.

    Unless in the foreground, the first process leaves from here when the daemon counts (or does not).
    """
    secure_standard_streams()
    if not settings.foreground:
        close_inherited()
    interface, ext, paths = settings.interface, settings.ext, settings.paths
    user = privilege.find_user(settings.user) if settings.user else privilege.owner_of(paths.logs)
    with ExitStack() as cleanup:
        tap = Tap(settings)
        cleanup.callback(tap.stop)
        opened = cut(interface, tap.kernel())
        privilege.join_group()
        directory(paths.logs, 0o750, user)
        directory(paths.dumps, 0o750, user)
        directory(paths.run, 0o755, user)
        # These may lie in a directory that stays root's.
        usable(paths.interface_lock(interface), paths.pid(interface))
        held = HeldFile(paths.interface_lock(interface), AlreadyCounted, interface)
        cleanup.callback(held.release)
        pid_file = PidFile(paths.pid(interface))
        cleanup.callback(pid_file.remove)
        control = Control(paths.socket(interface))
        cleanup.callback(control.close)
        if user is not None:
            _import_the_rest()
        privilege.confine(user, tap.may_vanish, (held.fileno(), pid_file.fileno()))
        usable(paths.logs, paths.dumps, paths.lock(ext), paths.log(ext), paths.dump(ext))
        lock = HeldFile(paths.lock(ext), Held, f"EXT {ext}")
        cleanup.callback(lock.release)
        log = logfile.LogWriter(paths.log(ext), settings.rotation)
        resumed = recover(settings, log)
        preserved = [*tap.descriptors, held.fileno(), pid_file.fileno(), control.fileno(), lock.fileno()]
        starter = Starter() if settings.foreground else detach(preserved)
        try:
            signals = Signals(SIGNALS)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # Whoever started us may have blocked them.
            pid_file.write()
            for taken in (held, lock):
                taken.write_pid()  # Who finds it from now on can be told how to reach us.
            epoch = Epoch.begin(opened)
            if resumed is not None:
                tap.swap(resumed[0])
                epoch = Epoch.resume(resumed[1], opened)
            keeper = Keeper(settings, tap, log, logfile.write_dump, epoch, resumed[0] if resumed else None)
            del resumed  # Its table is the tap's alone, so that its memory ends with it.
            # Detached, we are nobody's service; a NOTIFY_SOCKET is then that of whoever started us.
            notifier = Notifier(os.environ if settings.foreground else None)
            watch = watch_links()
            loop = Loop(settings, keeper, tap, control, signals, notifier, watch)
            messages.notice(f"{interface}: counting; save: {keeper.log_path}, dump: {keeper.dump_path}")
        except BaseException as why:
            starter.failed(str(why) or repr(why))
            raise
        starter.ready()
        notifier.ready()
        gc.freeze()  # what starting made stays; what counting makes is looked through as usual
        gc.set_threshold(_GARBAGE)
        loop.run(screen)
    # Whoever asked for the end is answered last, when the interface and EXT are free again.
    loop.answer_stop()
    control.hang_up()
    return 0 if loop.outcome.ok else 1


def _import_the_rest() -> None:
    """What is else imported when it is needed: an installation below root's home is closed to other users."""
    import syslog  # noqa: F401
    import tempfile  # noqa: F401

    import daemon  # type: ignore[import-untyped]  # noqa: F401

    Compressor()
