"""Run coroutines from synchronous code, also while an event loop is running."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from query_adapters.errors import GenerationError
from query_adapters.processes.threads import DaemonThreads

T = TypeVar("T")
LONGEST_CLEANUP = 1.0  # seconds to wait for a cancelled coroutine to close its files
THREADS = 32  # of models whose asynchronous methods call synchronous ones in threads


class BackgroundLoop:
    """An event loop in a thread of its own, started on first use and kept.

    The loop is kept because the clients of most providers keep connections that belong to one loop.
    A forked process gets a loop of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._of_parents: list[asyncio.AbstractEventLoop | None] = []
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self._forget)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the coroutine's result.

        Raises:
            GenerationError: If this is called on the loop itself, which would wait forever.
        """
        loop = self._started()
        if _running_loop() is loop:
            work.close()
            raise GenerationError(
                "run() was called on the event loop that it would wait for, such as in a model's "
                "complete(); expected a call from outside: await arun() there instead"
            )
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_noting_end(work, ended), loop)
        try:
            return future.result()
        except BaseException:
            if future.cancel():  # without effect if it is done; otherwise after Ctrl-C
                ended.wait(LONGEST_CLEANUP)
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(DaemonThreads(THREADS))
                run = self._loop.run_forever
                threading.Thread(target=run, name="query-adapters", daemon=True).start()
            return self._loop

    def _forget(self) -> None:
        """Leave the parent's loop alone: its thread is gone, and closing it would affect both."""
        self._lock = threading.Lock()
        self._of_parents.append(self._loop)
        self._loop = None


def run_in_background(work: Coroutine[Any, Any, T]) -> T:
    """Return the coroutine's result; it runs on an event loop in a separate thread.

    If this call is interrupted, such as by Ctrl-C, the coroutine is cancelled.

    Raises:
        GenerationError: If this is called on that event loop, which would wait forever.
    """
    return _background.run(work)


async def _noting_end(work: Coroutine[Any, Any, T], ended: threading.Event) -> T:
    try:
        return await work
    finally:
        ended.set()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_background = BackgroundLoop()
