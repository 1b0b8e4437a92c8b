"""Threads that do not outlive an interrupted call, nor delay the end of the process."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

from query_adapters.processes.forks import PerProcess

T = TypeVar("T")
P = ParamSpec("P")
IDLE_S = 60.0  # seconds after which a spare thread that has nothing to do ends
_Call = tuple["Future[Any]", Callable[[], Any]]


class DaemonThreads(ThreadPoolExecutor):
    """A thread pool that an exception ends at once.

    Leaving the `with` block waits for every call, as in `ThreadPoolExecutor`. If an exception
    leaves it, Ctrl-C included, calls that wait are cancelled and nothing is waited for; and at
    exit the interpreter does not wait for the threads, in which a provider may take minutes.

    Args:
        max_workers: The most threads.
    """

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers)
        self._size = max_workers
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._started: list[threading.Thread] = []
        self._guard = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Return the future of a call in one of the threads.

        Raises:
            RuntimeError: If the pool is shut down.
        """
        future: Future[T] = Future()
        with self._guard:
            if self._closed:
                raise RuntimeError("expected a pool that takes calls, got one that is shut down")
            self._calls.put((future, partial(fn, *args, **kwargs)))
            if len(self._started) < self._size:
                self._started.append(threading.Thread(target=self._work, daemon=True))
                self._started[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads after their calls, as in `ThreadPoolExecutor`."""
        with self._guard:
            self._closed = True
            if cancel_futures:
                self._cancel_waiting()
            for _ in self._started:
                self._calls.put(None)
        if wait:
            for thread in self._started:
                thread.join()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        failed = exc_type is not None
        self.shutdown(wait=not failed, cancel_futures=failed)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            if future.set_running_or_notify_cancel():
                _settle(future, function)
            del call, future, function  # nothing is kept alive while the thread waits

    def _cancel_waiting(self) -> None:
        while not self._calls.empty():
            call = self._calls.get()
            if call is not None:
                call[0].cancel()


class Started(Generic[T]):
    """A call that runs in another thread.

    Args:
        function: What is called.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function: Callable[[], T] | None = function
        self._error: BaseException | None = None
        self._made = threading.Lock()
        self._made.acquire()

    def result(self, timeout: float | None = None) -> T:
        """Return what the call returns, or raise its error.

        Args:
            timeout: The most seconds to wait; None for as long as it takes.

        Raises:
            TimeoutError: If it takes longer.
        """
        if not self._made.acquire(timeout=-1 if timeout is None else timeout):
            raise TimeoutError
        self._made.release()
        if self._error is not None:
            raise self._error
        return self._value

    def make(self) -> None:
        """Make the call, and keep what it returns or raises."""
        function, self._function = self._function, None
        try:
            if function is not None:
                self._value = function()
        except BaseException as error:
            self._error = error

    def hand_over(self) -> None:
        """Let `result` return."""
        self._made.release()


class SpareThreads:
    """Threads for one call each, which are used again: starting one takes longer than a hand-over.

    No call waits for another one: where all threads are busy, one more is started. A thread ends
    after a minute without a call, and delays the end of the process no more than `DaemonThreads`.
    """

    def __init__(self) -> None:
        self._idle: PerProcess[deque[SimpleQueue[Started[Any]]]] = PerProcess(deque)

    def start(self, function: Callable[[], T]) -> Started[T]:
        """Return the call, which another thread makes.

        Raises:
            RuntimeError: If no further thread can be started.
        """
        call, idle = Started(function), self._idle.get()
        try:
            calls = idle.pop()
        except IndexError:
            calls = SimpleQueue()
            threading.Thread(target=_serve, args=(calls, idle), daemon=True).start()
        calls.put(call)
        return call


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the function's result, from a thread that does not delay the end of the process."""
    pool = DaemonThreads(1)
    try:
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(pool, call)
    finally:
        pool.shutdown(wait=False)


def _serve(calls: SimpleQueue[Started[Any]], idle: deque[SimpleQueue[Started[Any]]]) -> None:
    """Make the calls of one spare thread."""
    while True:
        try:
            call = calls.get(timeout=IDLE_S)
        except Empty:
            try:
                idle.remove(calls)
            except ValueError:  # another thread has just taken it, and a call comes
                continue
            return
        call.make()
        idle.append(calls)  # first, so that the next call of the one who waits finds it
        call.hand_over()
        del call  # nothing is kept alive while the thread waits


def _settle(future: "Future[Any]", function: Callable[[], Any]) -> None:
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
