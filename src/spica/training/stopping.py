"""Stopping between two steps: Ctrl-C and a polite kill wait for the step under way."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread


@contextmanager
def stopping() -> Iterator[Event]:
    """Give a flag that Ctrl-C and SIGTERM set, so that a step is never left half done; the second time they end all.

    Outside the main thread, where Python handles no signals, nothing sets the flag.
    """
    stop = Event()
    if current_thread() is not main_thread():
        yield stop
        return

    def ask(number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt(number)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
