"""Tests of `LlamaIndexEmbedder` and `LangChainEmbedder`, which the core embeds with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import identity_of
from query_adapters.errors import InvalidVectorsError
from query_adapters.testing import TextEmbedderSuite
from query_adapters.typing import Vectors
from tests.integrations.framework import Framework
from tests.integrations.recording import NAME
from tests.providers.expected import ROLES, Serve, each_provider, ignore_own_warnings

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(25)]


def rows(*vectors: list[float]) -> Vectors:
    return np.array(vectors, dtype=np.float32)


def test_documents_are_embedded_in_batches_of_the_model(
    framework: Framework, make_base: Make
) -> None:
    base = make_base(batch_size=10)
    vectors = framework.embedder(base).embed_documents(TEXTS)
    name = framework.calls.names[2]
    assert [(call, len(texts)) for call, texts in base.calls] == [(name, 10), (name, 10), (name, 5)]
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, rows(*(base.vector("document", t) for t in TEXTS)))


def test_queries_keep_their_order_and_their_role(framework: Framework, base: Any) -> None:
    vectors = framework.embedder(base).embed_queries(TEXTS)
    assert sorted(base.calls) == sorted(("query", (text,)) for text in TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, rows(*(base.vector("query", t) for t in TEXTS)))


@pytest.mark.slow
@each_provider
@ignore_own_warnings
def test_the_model_of_a_known_provider_embeds_queries_in_batches(
    framework: Framework, provider: str, serve: Serve
) -> None:
    model = framework.providers[provider](server := serve())
    texts = ["one\nline", *(f"question {i}" for i in range(69))]
    one_by_one = rows(*(framework.calls.query(model, text) for text in texts))
    server.requests.clear()
    np.testing.assert_array_equal(framework.embedder(model).embed_queries(texts), one_by_one)
    sizes = {"openai": [16, 16, 16, 16, 6], "cohere": [64, 6]}
    assert [len(request.texts) for request in server.requests] == sizes[provider]
    assert {request.input_type for request in server.requests} == {ROLES[provider][0]}


def test_no_texts_give_no_vectors(framework: Framework, base: Any) -> None:
    embedder = framework.embedder(base)
    assert embedder.embed_queries([]).shape == (0, 0)
    assert embedder.embed_documents([]).shape == (0, 0)
    assert base.calls == []


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        ([[1.0, 2.0], [float("nan"), 2.0]], "finite numbers, got NaN or infinity in row 1"),
        ([[float("inf"), 2.0], [1.0, 2.0]], "finite numbers, got NaN or infinity in row 0"),
        ([[1.0, 2.0], [1.0]], r"2 vectors of one length, got 2 of lengths \[1, 2\]"),
        ([[], []], r"2 vectors of one length, got 2 of lengths \[0\]"),
    ],
    ids=["nan", "infinite", "ragged", "empty"],
)
def test_bad_vectors_are_refused(
    framework: Framework, make_base: Make, vectors: list[list[float]], problem: str
) -> None:
    def vector(text: str) -> list[float]:
        return vectors[int(text)]

    embedder = framework.embedder(make_base(query=vector, document=vector))
    with pytest.raises(InvalidVectorsError, match=problem):
        embedder.embed_queries(["0", "1"])
    with pytest.raises(InvalidVectorsError, match=problem):
        embedder.embed_documents(["0", "1"])


def test_a_missing_vector_is_refused(
    framework: Framework, base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(base), "_embed", lambda *_: [[1.0, 2.0]])
    with pytest.raises(InvalidVectorsError, match="expected 2 vectors of one length, got 1"):
        framework.embedder(base).embed_documents(["0", "1"])


def test_name_identity_and_batch_size_are_those_of_the_model(
    framework: Framework, make_base: Make
) -> None:
    base = make_base(batch_size=7)
    embedder = framework.embedder(base)
    assert embedder.model_name == NAME
    assert embedder.identity == identity_of(base)
    assert embedder.batch_size == 7


def test_the_cache_of_the_core_embeds_nothing_twice(framework: Framework, base: Any) -> None:
    embedder, cache = framework.embedder(base), EmbeddingCache()
    vectors = cache.embed_queries(embedder, ["a", "b", "a"])
    assert len(base.calls) == 2
    np.testing.assert_array_equal(vectors[0], vectors[2])


@pytest.mark.parametrize("other", [None, object(), 3])
def test_an_object_that_is_no_model_is_refused(framework: Framework, other: Any) -> None:
    told = rf"{framework.label} embedding model .*Embedding.* got {type(other).__name__}"
    with pytest.raises(TypeError, match=told):
        framework.embedder(other)


class TestContract(TextEmbedderSuite):
    """The contract of a core's embedder, over a recording model of each framework."""

    @pytest.fixture
    def embedder(self, framework: Framework, make_base: Make) -> Any:
        return framework.embedder(make_base(batch_size=10))
