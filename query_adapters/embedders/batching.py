"""Embed many texts in few requests, within a provider's limit, with bounded concurrency."""

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np

from query_adapters.processes.threads import DaemonThreads
from query_adapters.typing import Vectors

Send = Callable[[Sequence[str]], Sequence[Sequence[float]]]


def embed_in_requests(send: Send, texts: Sequence[str], *, limit: int, concurrency: int) -> Vectors:
    """Return the vectors of the texts in their order, `(len(texts), dim)`.

    Args:
        send: Sends one request: texts to their vectors.
        texts: The texts, spread evenly over the requests.
        limit: The most texts in one request.
        concurrency: Concurrent requests.
    """
    size = max(1, min(limit, ceil(len(texts) / concurrency)))
    parts = [texts[start : start + size] for start in range(0, len(texts), size)]
    with DaemonThreads(concurrency) as pool:
        vectors = [vector for part in pool.map(send, parts) for vector in part]
    return np.asarray(vectors, dtype=np.float32)


def check_at_least_one(**settings: int | None) -> None:
    """Check that each setting that is given is at least 1.

    Raises:
        ValueError: If a setting is below 1.
    """
    for name, value in settings.items():
        if value is not None and value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
