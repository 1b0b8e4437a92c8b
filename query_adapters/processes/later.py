"""Calls that a request does not wait for: made in order, in a thread of their own."""

import atexit
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

from query_adapters.processes.forks import PerProcess

MOST_WAITING = 10_000
LAST_CHANCE = 2.0  # seconds that the end of the process waits for calls
Call = Callable[[], object]


class LaterCalls:
    """Makes calls one after another in a thread in the background, which each process starts anew.

    The end of the process waits for what is left, at most 2 seconds; a process that is killed
    loses it. What a call raises is ignored, so calls handle their errors themselves.

    Args:
        most: The most calls that may wait; further ones are refused.
    """

    def __init__(self, *, most: int = MOST_WAITING) -> None:
        self._most = most
        self._workers = PerProcess(_Worker)  # a forked process has no threads of its parent
        atexit.register(_flush, weakref.ref(self))

    def __call__(self, call: Call) -> bool:
        """Return whether the call will be made; not if too many wait."""
        worker = self._workers.get()
        if worker.calls.qsize() >= self._most:
            return False
        worker.calls.put(call)
        worker.start()
        return True

    def flush(self, timeout: float | None = None) -> bool:
        """Return whether all calls so far are made, after at most so many seconds."""
        made = threading.Event()
        worker = self._workers.get()
        worker.calls.put(made.set)
        worker.start()
        return made.wait(timeout)


class _Worker:
    """A queue of calls, and the thread that makes them."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Call] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, the first time."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_work, args=(self.calls,), name="query-adapters later", daemon=True
                )
                self._thread.start()


def _work(calls: SimpleQueue[Call]) -> None:
    while True:
        call = calls.get()
        with suppress(Exception):
            call()
        del call  # nothing is kept alive while the thread waits


def _flush(later: "weakref.ref[LaterCalls]") -> None:
    found = later()
    if found is not None:
        found.flush(LAST_CHANCE)
