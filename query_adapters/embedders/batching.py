"""Embed many texts in few requests, within a provider's limit, with bounded concurrency."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil

import numpy as np

from query_adapters.arrays import as_matrix
from query_adapters.errors import InvalidVectorsError
from query_adapters.typing import Vectors

Send = Callable[[Sequence[str]], Sequence[Sequence[float]] | Vectors]


def embed_in_requests(send: Send, texts: Sequence[str], *, limit: int, concurrency: int) -> Vectors:
    """Return the vectors of the texts in their order, `(len(texts), dim)`.

    Args:
        send: Sends one request: texts to their vectors.
        texts: The texts, spread evenly over the requests.
        limit: The most texts in one request.
        concurrency: Concurrent requests.

    Raises:
        InvalidVectorsError: If a request does not give one vector of finite numbers per text, or
            the vectors of two requests differ in length.
    """
    size = max(1, min(limit, ceil(len(texts) / concurrency)))
    parts = [texts[start : start + size] for start in range(0, len(texts), size)]

    def checked(part: Sequence[str]) -> Vectors:
        return as_matrix(send(part), len(part))

    with ThreadPoolExecutor(concurrency) as pool:
        return stacked(list(pool.map(checked, parts)))


def stacked(parts: Sequence[Vectors]) -> Vectors:
    """Return the vectors of several requests as one matrix; `(0, 0)` for none.

    Raises:
        InvalidVectorsError: If they differ in length.
    """
    dims = sorted({part.shape[1] for part in parts})
    if len(dims) > 1:
        raise InvalidVectorsError(
            f"expected vectors of one length from every request, got lengths {dims}; the model "
            "may have changed in between: run again"
        )
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


def check_at_least_one(**settings: int | None) -> None:
    """Check that each setting that is given is at least 1.

    Raises:
        ValueError: If a setting is below 1.
    """
    for name, value in settings.items():
        if value is not None and value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
