"""What the running daemons hold now, asked over their control sockets: a report counts it before any dump does."""

from collections.abc import Callable, Collection

from bpft import control_client
from bpft.block import Block
from bpft.errors import BpftError, CannotRead, NotRunning
from bpft.paths import Paths

PATIENCE_S = 2.0  #: for each sign of life of a daemon


def tables(where: Paths, interfaces: Collection[str], tell: Callable[[str], None]) -> list[Block]:
    """The table of each daemon that runs, as its dump would hold it; interfaces: only of these, all where empty.

    tell: is told of each that does not answer, a line; then what it last wrote stands for it.
    """
    try:
        names = [name for name in where.interfaces() if not interfaces or name in interfaces]
    except CannotRead as error:
        tell(f"{error}; what runs is not asked, and what was last written is counted")
        return []
    found: list[Block | BpftError | None] = [None] * len(names)

    def ask(place: int) -> None:
        try:
            found[place] = control_client.fetch(where, names[place], PATIENCE_S)
        except NotRunning:
            pass  # Its dump, or its log, holds everything.
        except BpftError as error:
            found[place] = error

    _together(ask, len(names))
    for answer in found:
        if isinstance(answer, BpftError):
            tell(f"{answer}; what it last wrote is counted")
    return [answer for answer in found if isinstance(answer, Block)]


def _together(ask: Callable[[int], None], count: int) -> None:
    """All at once, so that several that hang cost the patience of one."""
    if count < 2:
        for place in range(count):
            ask(place)
        return
    import threading  # only here: most machines count one interface

    askers = [threading.Thread(target=ask, args=(place,), name="ask") for place in range(count)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
