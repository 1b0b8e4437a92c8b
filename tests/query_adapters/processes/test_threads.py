"""Test the thread pool that an exception ends at once."""

import asyncio
import threading
import time
from concurrent.futures import CancelledError

import pytest

from query_adapters.processes import threads
from query_adapters.processes.threads import DaemonThreads, SpareThreads, in_thread
from tests.forked import child_of_fork


def test_results_come_in_order_from_at_most_so_many_threads() -> None:
    running, most, guard = [0], [0], threading.Lock()

    def square(number: int) -> int:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.001)
        with guard:
            running[0] -= 1
        return number**2

    with DaemonThreads(3) as pool:
        assert list(pool.map(square, range(20))) == [number**2 for number in range(20)]
    assert most[0] <= 3
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(square, 1)


def test_an_exception_leaves_without_waiting_and_calls_that_wait_are_cancelled() -> None:
    release, begun = threading.Event(), threading.Event()

    def slow(_: int) -> None:
        begun.set()
        release.wait(20)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), DaemonThreads(1) as pool:  # noqa: PT012
        first, second = pool.submit(slow, 1), pool.submit(slow, 2)
        begun.wait(20)
        raise KeyboardInterrupt
    assert time.monotonic() - started < 5
    with pytest.raises(CancelledError):
        second.result(0)
    release.set()
    assert first.result(20) is None


def test_an_error_in_a_thread_is_raised_where_its_result_is_read() -> None:
    def fail() -> None:
        raise KeyError("k")

    with DaemonThreads(1) as pool:
        future = pool.submit(fail)
    with pytest.raises(KeyError, match="k"):
        future.result()


async def test_a_cancelled_task_does_not_wait_for_its_thread() -> None:
    release = threading.Event()
    task = asyncio.create_task(in_thread(release.wait, 20))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    assert await in_thread(pow, 2, 3) == 8


class TestSpareThreads:
    def test_a_thread_is_used_again_once_its_call_is_made(self) -> None:
        spare = SpareThreads()
        idents = {spare.start(threading.get_ident).result() for _ in range(20)}
        assert len(idents) == 1
        assert threading.get_ident() not in idents

    def test_no_call_waits_for_another_one(self) -> None:
        spare, release = SpareThreads(), threading.Event()
        slow = [spare.start(lambda: release.wait(20)) for _ in range(3)]
        assert spare.start(lambda: "quick").result(timeout=10) == "quick"
        with pytest.raises(TimeoutError):
            slow[0].result(timeout=0.01)
        release.set()
        assert [call.result() for call in slow] == [True, True, True]

    def test_an_error_is_raised_where_the_result_is_wanted(self) -> None:
        spare = SpareThreads()
        failed = spare.start(lambda: 1 // 0)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                failed.result()
        assert spare.start(lambda: 1).result() == 1

    def test_a_forked_process_has_threads_of_its_own(self) -> None:
        spare = SpareThreads()
        assert spare.start(lambda: 1).result() == 1
        assert child_of_fork(lambda: spare.start(lambda: 2).result(timeout=10)) == b"2"

    def test_threads_without_calls_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threads, "IDLE_S", 0.01)
        spare = SpareThreads()
        thread = spare.start(threading.current_thread).result()
        thread.join(timeout=10)
        assert not thread.is_alive()
        assert spare.start(lambda: 3).result(timeout=10) == 3
