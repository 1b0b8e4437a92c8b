"""Tests of `LangChainEmbedder`, which makes a LangChain model available to the core."""

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
from langchain_adapter._queries import batch_method
from langchain_adapter.embedder import LangChainEmbedder
from langchain_adapter.sentence_transformers import SentenceTransformersEmbeddings
from query_adapters.typing import Vectors
from tests.tiny_model import save_tiny_model

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(25)]


def rows(*vectors: list[float]) -> Vectors:
    return np.array(vectors, dtype=np.float32)


class Together(Embeddings):
    """A model that answers only when `n_waiting` queries run concurrently."""

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


@pytest.mark.parametrize(("chunk_size", "sizes"), [(None, [25]), (0, [25])])
def test_documents_go_in_one_batch_without_a_chunk_size(
    make_base: Make, chunk_size: int | None, sizes: list[int]
) -> None:
    base = make_base(batch_size=chunk_size)
    vectors = LangChainEmbedder(base).embed_documents(TEXTS)
    assert [(call, len(texts)) for call, texts in base.calls] == [("documents", n) for n in sizes]
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, rows(*(base.vector("document", t) for t in TEXTS)))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_queries_keep_their_order_at_any_concurrency(base: Any, concurrency: int | None) -> None:
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


def test_only_a_client_of_a_server_is_asked_side_by_side_by_default(base: Any) -> None:
    local = DeterministicFakeEmbedding(size=3)

    def cached(model: Embeddings) -> Embeddings:
        store = InMemoryByteStore()
        return CacheBackedEmbeddings.from_bytes_store(model, store, key_encoder="sha256")

    assert LangChainEmbedder(base).max_concurrency == 8
    assert LangChainEmbedder(cached(base)).max_concurrency == 8
    for model in (local, cached(local), AdapterEmbeddings(local, None)):
        assert LangChainEmbedder(model).max_concurrency == 1
        assert LangChainEmbedder(model, max_concurrency=4).max_concurrency == 4


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


def test_a_sentence_transformers_model_takes_queries_in_batches_with_its_prompt(
    tmp_path: Path,
) -> None:
    path = save_tiny_model(tmp_path, prompts={"query": "filler0 ", "document": ""})
    model = SentenceTransformersEmbeddings(path, device="cpu")
    texts = [f"asked{n}" for n in range(5)]
    assert batch_method(model) is not None
    found = LangChainEmbedder(model).embed_queries(texts)
    one_by_one = rows(*(model.embed_query(text) for text in texts))
    np.testing.assert_allclose(found, one_by_one, atol=1e-6)
    assert not np.allclose(found, LangChainEmbedder(model).embed_documents(texts))


def test_a_concurrency_below_one_is_refused(base: Any) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        LangChainEmbedder(base, max_concurrency=0)
