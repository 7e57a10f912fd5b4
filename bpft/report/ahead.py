"""Work ahead: what comes next is made by a second thread while this one uses what is there."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_DEPTH = 1  # items that wait to be taken: each holds the memory of a row group


@contextmanager
def ahead(items: Iterator[Any], aside: Callable[[Any], bool] | None = None) -> Iterator[Iterator[Any]]:
    """The same items in the same order, and what making them raises; worth it where making them releases the GIL.

    They are being made from the start of the with block to its end.  A machine of one core gains nothing: there they
    are made as they are taken.  aside: where an item would have to wait to be taken, it is called with it by the
    thread that made it; true: it has dealt with it, which comes no more.
    """
    if (os.cpu_count() or 1) < 2:
        yield items
        return
    import threading  # only here: a small report does without

    made: deque[tuple[Any, BaseException | None]] = deque()
    ready, room = threading.Semaphore(0), threading.Semaphore(_DEPTH)
    over = StopIteration()
    left = False

    def make() -> None:
        end: BaseException = over
        try:
            for item in items:
                if not room.acquire(blocking=False):
                    if aside and aside(item):
                        continue
                    room.acquire()
                if left:
                    return
                made.append((item, None))
                ready.release()
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            end = error
        made.append((None, end))
        ready.release()

    def take() -> Iterator[Any]:
        while True:
            ready.acquire()
            item, end = made.popleft()
            if end is over:
                return
            if end is not None:
                raise end
            room.release()
            yield item

    maker = threading.Thread(target=make, name="ahead")
    maker.start()
    try:
        yield take()
    finally:
        left = True
        room.release()
        maker.join()
