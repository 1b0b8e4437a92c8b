"""Embed many texts in few requests, within a provider's limit, with bounded concurrency."""

from collections.abc import Callable, Iterator, Sequence
from math import ceil

import numpy as np

from query_adapters.arrays import as_matrix
from query_adapters.errors import InvalidVectorsError
from query_adapters.processes.threads import DaemonThreads
from query_adapters.typing import Vectors

BYTES_PER_TOKEN = 2  # English has about four, Chinese two to three; a limit is not to be exceeded
Send = Callable[[Sequence[str]], Sequence[Sequence[float]] | Vectors]


def embed_in_requests(
    send: Send,
    texts: Sequence[str],
    *,
    limit: int,
    concurrency: int,
    max_tokens: int | None = None,
) -> Vectors:
    """Return the vectors of the texts in their order, `(len(texts), dim)`.

    A text that occurs several times is sent once.

    Args:
        send: Sends one request: texts to their vectors.
        texts: The texts, spread evenly over the requests.
        limit: The most texts in one request.
        concurrency: Concurrent requests.
        max_tokens: The most tokens in one request, taken as one for two bytes, which is more than
            most texts have; None for no limit. A longer text is sent alone.

    Raises:
        InvalidVectorsError: If a request does not give one vector of finite numbers per text, or
            the vectors of two requests differ in length.
    """
    known = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    size = max(1, min(limit, ceil(len(known) / concurrency)))
    parts = list(_parts(list(known), size, max_tokens))

    def checked(part: Sequence[str]) -> Vectors:
        return as_matrix(send(part), len(part))

    with DaemonThreads(concurrency) as pool:
        vectors = stacked(list(pool.map(checked, parts)))
    return vectors if len(known) == len(texts) else vectors[[known[text] for text in texts]]


def _parts(texts: Sequence[str], size: int, max_tokens: int | None) -> Iterator[list[str]]:
    """Yield the texts of each request: at most `size`, and `max_tokens` together."""
    part: list[str] = []
    n_tokens = 0
    for text in texts:
        more = ceil(len(text.encode(errors="replace")) / BYTES_PER_TOKEN)
        too_many = max_tokens is not None and n_tokens + more > max_tokens
        if part and (len(part) == size or too_many):
            yield part
            part, n_tokens = [], 0
        part.append(text)
        n_tokens += more
    if part:
        yield part


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
