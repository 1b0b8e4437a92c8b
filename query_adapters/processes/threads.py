"""Threads that do not outlive an interrupted call, nor delay the end of the process."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
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


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the function's result, from a thread that does not delay the end of the process."""
    pool = DaemonThreads(1)
    try:
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(pool, call)
    finally:
        pool.shutdown(wait=False)


def _settle(future: "Future[Any]", function: Callable[[], Any]) -> None:
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
