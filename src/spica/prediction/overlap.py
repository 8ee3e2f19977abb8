"""Work that overlaps: several items at once, results in order, and never more under way than asked for."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def in_order(function: Callable[[In], Out], items: Iterable[In], threads: int) -> Generator[Out, None, None]:
    """Yield `function(item)` for each item, in their order, worked out ahead by `threads` threads.

    At most one result more than there are threads waits to be taken, so memory stays the same however many items there
    are. An exception in `function` is raised when its turn comes; what is under way then is finished, nothing else.

    >>> list(in_order(abs, [-3, 1, -2], threads=2))
    [3, 1, 2]
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
