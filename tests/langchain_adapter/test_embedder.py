"""The core sees a LangChain model through `LangChainEmbedder`."""

from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.stores import InMemoryByteStore

from langchain_adapter import AdapterEmbeddings
from langchain_adapter.embedder import LangChainEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import identity_of
from query_adapters.errors import InvalidVectorsError
from query_adapters.typing import Vectors
from tests.providers.expected import ROLES, Serve, each_provider, ignore_own_warnings
from tests.providers.langchain import MODELS
from tests.tiny_model import save_tiny_model

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(25)]


def rows(*vectors: list[float]) -> Vectors:
    return np.array(vectors, dtype=np.float32)


class Together(Embeddings):
    """Answers a query only when as many others are under way as it waits for."""

    def __init__(self, n_waiting: int) -> None:
        self.barrier, self.lock = Barrier(n_waiting, timeout=20), Lock()
        self.under_way = self.most_at_once = 0

    def embed_query(self, text: str) -> list[float]:
        with self.lock:
            self.under_way += 1
            self.most_at_once = max(self.most_at_once, self.under_way)
        self.barrier.wait()
        with self.lock:
            self.under_way -= 1
        return [float(text), 1.0]

    async def aembed_query(self, text: str) -> list[float]:
        raise NotImplementedError

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError


class Faulty(Embeddings):
    """Gives the vectors that it is told to give."""

    def __init__(self, vectors: list[list[float]]) -> None:
        self.vectors = vectors

    def embed_query(self, text: str) -> list[float]:
        return self.vectors[int(text)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.vectors


@pytest.mark.parametrize(("chunk_size", "sizes"), [(10, [10, 10, 5]), (None, [25]), (0, [25])])
def test_documents_go_in_the_models_batches(
    make_base: Make, chunk_size: int | None, sizes: list[int]
) -> None:
    base = make_base(chunk_size=chunk_size)
    vectors = LangChainEmbedder(base).embed_documents(TEXTS)
    assert [(call, len(texts)) for call, texts in base.calls] == [("documents", n) for n in sizes]
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, rows(*(base.vector("document", t) for t in TEXTS)))


@pytest.mark.parametrize("concurrency", [1, 3, None])
def test_queries_come_back_in_order_and_in_the_query_role(
    base: Any, concurrency: int | None
) -> None:
    vectors = LangChainEmbedder(base, max_concurrency=concurrency).embed_queries(TEXTS)
    assert sorted(base.calls) == sorted(("query", (text,)) for text in TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, rows(*(base.vector("query", t) for t in TEXTS)))


def test_queries_go_side_by_side_but_never_more_than_allowed() -> None:
    model = Together(3)
    vectors = LangChainEmbedder(model, max_concurrency=3).embed_queries([str(i) for i in range(9)])
    assert vectors[:, 0].tolist() == list(range(9))
    assert model.most_at_once == 3


async def test_queries_go_side_by_side_inside_a_running_loop_too() -> None:
    model = Together(8)
    vectors = LangChainEmbedder(model).embed_queries([str(i) for i in range(8)])
    assert vectors[:, 0].tolist() == list(range(8))


def test_only_a_client_of_a_server_is_asked_side_by_side_unless_told(base: Any) -> None:
    local = DeterministicFakeEmbedding(size=3)

    def cached(model: Embeddings) -> Embeddings:
        store = InMemoryByteStore()
        return CacheBackedEmbeddings.from_bytes_store(model, store, key_encoder="sha256")

    assert LangChainEmbedder(base).max_concurrency == 8
    assert LangChainEmbedder(cached(base)).max_concurrency == 8
    for model in (local, cached(local), AdapterEmbeddings(local, None)):
        assert LangChainEmbedder(model).max_concurrency == 1
        assert LangChainEmbedder(model, max_concurrency=4).max_concurrency == 4


@each_provider
@ignore_own_warnings
def test_a_known_providers_model_takes_queries_in_batches(provider: str, serve: Serve) -> None:
    model = MODELS[provider](server := serve())
    texts = ["one\nline", *(f"question {i}" for i in range(69))]
    one_by_one = rows(*(model.embed_query(text) for text in texts))
    server.requests.clear()
    np.testing.assert_array_equal(LangChainEmbedder(model).embed_queries(texts), one_by_one)
    sizes = {"openai": [16, 16, 16, 16, 6], "cohere": [64, 6]}
    assert [len(request.texts) for request in server.requests] == sizes[provider]
    assert {request.input_type for request in server.requests} == {ROLES[provider][0]}


@pytest.mark.parametrize("options", [{}, {"query_encode_kwargs": {"prompt": "filler0 "}}])
def test_a_model_that_runs_here_takes_queries_in_batches(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = pytest.importorskip("langchain_huggingface", reason="wants another huggingface-hub")
    model = package.HuggingFaceEmbeddings(
        model_name=save_tiny_model(tmp_path), encode_kwargs={"prompt": "filler1 "}, **options
    )
    texts = [f"asked{n % 12} " * (1 + n % 3) for n in range(70)]
    one_by_one = rows(*(model.embed_query(text) for text in texts))
    calls: list[int] = []
    encode = model._client.encode

    def counted(batch: list[str], **options: Any) -> Any:
        calls.append(len(batch))
        return encode(batch, **options)

    monkeypatch.setattr(model._client, "encode", counted)
    embedder = LangChainEmbedder(model)
    np.testing.assert_allclose(embedder.embed_queries(texts), one_by_one, atol=1e-6)
    assert calls == [64, 6]
    assert np.allclose(embedder.embed_documents(texts), one_by_one, atol=1e-6) == (not options)


def test_no_texts_are_no_vectors(base: Any) -> None:
    embedder = LangChainEmbedder(base)
    assert embedder.embed_queries([]).shape == (0, 0)
    assert embedder.embed_documents([]).shape == (0, 0)
    assert base.calls == []


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        ([[1.0, 2.0], [float("nan"), 2.0]], "NaN or infinity in row 1"),
        ([[1.0, 2.0], [1.0]], r"2 vectors of one length, got 2 of lengths \[1, 2\]"),
    ],
)
def test_bad_vectors_are_refused(vectors: list[list[float]], problem: str) -> None:
    embedder = LangChainEmbedder(Faulty(vectors))
    with pytest.raises(InvalidVectorsError, match=problem):
        embedder.embed_queries(["0", "1"])
    with pytest.raises(InvalidVectorsError, match=problem):
        embedder.embed_documents(["0", "1"])


def test_it_tells_name_identity_and_batch_size(make_base: Make) -> None:
    base = make_base(chunk_size=7)
    embedder = LangChainEmbedder(base)
    assert embedder.model_name == "fake/tiny-embedder"
    assert embedder.identity == identity_of(base)
    assert embedder.batch_size == 7


def test_the_cores_cache_embeds_nothing_twice(base: Any) -> None:
    embedder, cache = LangChainEmbedder(base), EmbeddingCache()
    vectors = cache.embed_queries(embedder, ["a", "b", "a"])
    assert len(base.calls) == 2
    np.testing.assert_array_equal(vectors[0], vectors[2])


@pytest.mark.parametrize("other", [None, object(), 3])
def test_anything_else_is_refused(other: Any) -> None:
    with pytest.raises(TypeError, match=f"Embeddings.*{type(other).__name__}"):
        LangChainEmbedder(other)


def test_a_concurrency_below_one_is_refused(base: Any) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        LangChainEmbedder(base, max_concurrency=0)
