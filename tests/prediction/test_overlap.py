"""Work that overlaps: in order, bounded, and ended when it shall end."""

import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spica.prediction.overlap import in_order


class Worker:
    """Work that notes which items it was given, and how many were under way at once."""

    def __init__(self, bad: int = -1, error: type[BaseException] = ValueError) -> None:
        self.bad, self.error = bad, error
        self.begun: list[int] = []
        self.running = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, item: int) -> int:
        with self.lock:
            self.begun.append(item)
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(0.001 * (item % 3))  # later items are ready sooner than earlier ones
        with self.lock:
            self.running -= 1
        if item == self.bad:
            raise self.error(str(item))
        return -item


@settings(max_examples=40, deadline=None)
@given(items=st.lists(st.integers(0, 99), max_size=20), threads=st.integers(1, 5))
def test_results_come_in_the_order_of_their_items(items: list[int], threads: int) -> None:
    assert list(in_order(Worker(), items, threads)) == [-item for item in items]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_no_more_is_begun_than_one_beyond_the_threads(threads: int) -> None:
    worker, asked = Worker(), 0

    def items() -> Iterator[int]:
        nonlocal asked
        for item in range(30):
            asked += 1
            yield item

    for taken, _ in enumerate(in_order(worker, items(), threads), start=1):
        time.sleep(0.003)  # a consumer who is slower than the work
        assert asked - taken <= threads + 1
        assert len(worker.begun) - taken <= threads + 1
    assert asked == 30
    assert worker.most <= threads


def test_items_are_worked_on_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=10)  # breaks unless three are there
    assert list(in_order(lambda _: meeting.wait() >= 0, range(3), threads=3)) == [True] * 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_is_raised_at_its_turn_and_nothing_is_begun_after_it(
    threads: int, error: type[BaseException]
) -> None:
    worker = Worker(bad=4, error=error)
    results = in_order(worker, count(), threads)
    assert [next(results) for _ in range(4)] == [0, -1, -2, -3]
    with pytest.raises(error, match="4"):
        next(results)
    begun = len(worker.begun)
    assert begun <= 4 + 1 + threads
    assert worker.running == 0
    time.sleep(0.02)
    assert len(worker.begun) == begun


def test_work_stops_when_its_consumer_stops() -> None:
    worker, before = Worker(), threading.active_count()
    results = in_order(worker, count(), threads=2)
    assert next(results) == 0
    results.close()  # it is a generator
    begun = len(worker.begun)
    assert begun <= 4
    assert (worker.running, threading.active_count()) == (0, before)
    time.sleep(0.02)
    assert len(worker.begun) == begun


def test_stages_in_a_row_stop_together() -> None:
    first, second, before = Worker(), Worker(), threading.active_count()
    results = in_order(lambda item: second(-item), in_order(first, count(), 1), 2)
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    del results
    assert threading.active_count() == before
    assert len(first.begun) <= 3 + 3 + 2


def test_no_items_are_no_results_and_no_threads() -> None:
    before = threading.active_count()
    assert list(in_order(abs, [], threads=3)) == []
    assert threading.active_count() == before
