"""Calls that a request does not wait for: made in order, in a thread of their own."""

import atexit
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue

from query_adapters.processes.forks import PerProcess

MOST_WAITING = 10_000
LAST_CHANCE = 2.0  # seconds that the end of the process waits for calls
Call = Callable[[], object]


class LaterCalls:
    """Makes calls one after another in a thread in the background, which each process starts anew.

    The end of the process waits for what is left, at most 2 seconds; a process that is killed
    loses it. What a call raises is ignored, so calls handle their errors themselves. Once
    nothing holds the object, the thread ends after the last call.

    Args:
        most: The most calls that may wait; further ones are refused.
    """

    def __init__(self, *, most: int = MOST_WAITING) -> None:
        self._most = most
        self._workers = PerProcess(_Worker)  # a forked process has no threads of its parent
        at_exit = partial(_flush, weakref.ref(self))
        atexit.register(at_exit)
        weakref.finalize(self, atexit.unregister, at_exit).atexit = False

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
        worker = self._workers.get()
        if not worker.has_started:  # Python 3.12 and later starts no thread at the end of a process
            return True
        made = threading.Event()
        worker.calls.put(made.set)
        return made.wait(timeout)


class _Worker:
    """A queue of calls, and the thread that makes them."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Call | None] = SimpleQueue()  # None ends the thread
        self.has_started = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread, the first time."""
        if self.has_started:
            return
        with self._lock:
            if not self.has_started:
                threading.Thread(
                    target=_work, args=(self.calls,), name="query-adapters later", daemon=True
                ).start()
                weakref.finalize(self, self.calls.put, None).atexit = False
                self.has_started = True


def _work(calls: SimpleQueue[Call | None]) -> None:
    while (call := calls.get()) is not None:
        with suppress(Exception):
            call()
        del call  # nothing is kept alive while the thread waits


def _flush(later: "weakref.ref[LaterCalls]") -> None:
    found = later()
    if found is not None:
        found.flush(LAST_CHANCE)
