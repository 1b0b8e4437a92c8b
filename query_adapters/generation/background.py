"""Run coroutines from synchronous code, also while an event loop is running."""

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_background(work: Coroutine[Any, Any, T]) -> T:
    """Return the coroutine's result; it runs on an event loop in a separate thread.

    The loop is kept for the next call, because the clients of most providers keep connections that
    belong to one loop.
    """
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()  # without effect if it is done; otherwise after Ctrl-C
        raise


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="query-adapters", daemon=True).start()
    return loop
