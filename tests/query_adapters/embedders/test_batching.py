"""Tests of the distribution of texts over requests."""

import threading
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.embedders.batching import embed_in_requests

WAIT = 20.0  # seconds; a passing test never waits this long


@given(n=st.integers(0, 50), limit=st.integers(1, 20), concurrency=st.integers(1, 6))
def test_every_text_is_sent_once_within_the_limit_and_comes_back_in_its_place(
    n: int, limit: int, concurrency: int
) -> None:
    sizes: list[int] = []

    def send(texts: Sequence[str]) -> list[list[float]]:
        sizes.append(len(texts))
        return [[float(text)] for text in texts]

    texts = [str(i) for i in range(n)]
    vectors = embed_in_requests(send, texts, limit=limit, concurrency=concurrency)
    np.testing.assert_array_equal(vectors.ravel(), np.arange(n))
    assert sum(sizes) == n
    assert max(sizes, default=1) <= limit


def test_as_many_requests_as_allowed_are_under_way_at_once_and_no_more() -> None:
    both_under_way = threading.Barrier(2)
    lock, in_flight, most = threading.Lock(), 0, 0

    def send(texts: Sequence[str]) -> list[list[float]]:
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        both_under_way.wait(WAIT)
        with lock:
            in_flight -= 1
        return [[0.0] for _ in texts]

    embed_in_requests(send, list("abcdef"), limit=1, concurrency=2)
    assert most == 2
