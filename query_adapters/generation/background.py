"""Coroutines from code that is not async, also where an event loop is already running."""

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_background(work: Coroutine[Any, Any, T]) -> T:
    """Return the coroutine's result; it runs on an event loop in a thread of its own.

    That loop stays for the next call: the clients of most providers keep connections open, and
    these do not outlive the loop they were opened on.
    """
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()  # of no effect on one that is done; otherwise this is Ctrl-C
        raise


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="query-adapters", daemon=True).start()
    return loop
