"""Tests of `LlamaIndexEmbedder`, which makes a LlamaIndex model available to the core."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from llama_index_finetune_plugin._delegation import QUERIES
from llama_index_finetune_plugin.embedder import LlamaIndexEmbedder, resolve_base
from query_adapters.typing import Vectors
from tests.providers.expected import Serve
from tests.providers.llama_index import MODELS
from tests.tiny_model import save_tiny_model

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(25)]


def rows(*vectors: list[float]) -> Vectors:
    return np.array(vectors, dtype=np.float32)


class Busy(MockEmbedding):
    """A model that records its maximum number of concurrent queries."""

    most_at_once: int = 0
    under_way: int = 0

    async def _aget_query_embedding(self, query: str) -> list[float]:
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0.001)
        self.under_way -= 1
        return [float(query), 1.0]


def test_queries_go_one_by_one_in_the_query_role(base: Any) -> None:
    vectors = LlamaIndexEmbedder(base).embed_queries(TEXTS)
    assert base.calls == [("query", (text,)) for text in TEXTS]
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, rows(*(base.vector("query", t) for t in TEXTS)))


async def test_queries_run_side_by_side_inside_a_running_loop() -> None:
    model = Busy(embed_dim=2, num_workers=3)
    vectors = LlamaIndexEmbedder(model).embed_queries([str(i) for i in range(9)])
    assert vectors[:, 0].tolist() == list(range(9))
    assert model.most_at_once == 3


def test_queries_run_side_by_side_without_a_running_loop() -> None:
    model = Busy(embed_dim=2, num_workers=3)
    with ThreadPoolExecutor(1) as thread:  # a new thread has no event loop from another test
        queries = [str(i) for i in range(9)]
        vectors = thread.submit(LlamaIndexEmbedder(model).embed_queries, queries).result()
    assert vectors[:, 0].tolist() == list(range(9))
    assert model.most_at_once == 3


@pytest.mark.parametrize("n_workers", [1, 2])
def test_the_models_own_cache_keeps_queries_and_documents_apart(
    make_base: Make, n_workers: int
) -> None:
    base = make_base(embeddings_cache=SimpleKVStore(), num_workers=n_workers)
    embedder = LlamaIndexEmbedder(base)
    with ThreadPoolExecutor(1) as thread:
        queries = thread.submit(embedder.embed_queries, ["same text"]).result()
        documents = embedder.embed_documents(["same text"])
        again = thread.submit(embedder.embed_queries, ["same text"]).result()
    np.testing.assert_array_equal(queries, rows(base.vector("query", "same text")))
    np.testing.assert_array_equal(documents, rows(base.vector("document", "same text")))
    np.testing.assert_array_equal(again, queries)
    assert len(base.calls) == 2


def test_a_string_is_resolved_by_llama_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IS_TESTING", "1")
    resolved = resolve_base("default")
    assert isinstance(resolved, MockEmbedding)


def test_a_model_is_taken_as_it_is(base: Any) -> None:
    assert resolve_base(base) is base


@pytest.mark.parametrize("other", [None, object(), 3])
def test_anything_else_is_refused(other: Any) -> None:
    with pytest.raises(TypeError, match=f"BaseEmbedding.*string.*{type(other).__name__}"):
        resolve_base(other)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def test_a_model_that_runs_here_takes_queries_in_batches(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = HuggingFaceEmbedding(tiny, embed_batch_size=2, query_instruction="filler0 ")
    texts = [f"asked{n % 12} " * (1 + n % 3) for n in range(70)]
    one_by_one = rows(*(model.get_query_embedding(text) for text in texts))
    sizes: list[int] = []
    encode = model._model.encode

    def counted(batch: list[str], **options: Any) -> Any:
        sizes.append(len(batch))
        return encode(batch, **options)

    monkeypatch.setattr(model._model, "encode", counted)
    vectors = LlamaIndexEmbedder(model).embed_queries(texts)
    np.testing.assert_allclose(vectors, one_by_one, atol=1e-6)
    assert sizes == [64, 6]
    assert not np.allclose(vectors, LlamaIndexEmbedder(model).embed_documents(texts))


def test_an_engine_of_its_own_for_queries_is_asked_one_by_one(serve: Serve) -> None:
    model: Any = MODELS["openai"](server := serve())
    model._query_engine = "for questions"
    LlamaIndexEmbedder(model).embed_queries(["one", "two"])
    assert [(request.texts, request.model) for request in server.requests] == [
        (("one",), "for questions"),
        (("two",), "for questions"),
    ]


def test_a_batch_of_queries_is_one_event(tiny: str, events: list[BaseEvent]) -> None:
    LlamaIndexEmbedder(HuggingFaceEmbedding(tiny)).embed_queries(["harbour", "far"])
    (ended,) = [event for event in events if isinstance(event, EmbeddingEndEvent)]
    assert ended.chunks == ["harbour", "far"]
    assert len(ended.embeddings) == 2


class Shouting(HuggingFaceEmbedding):
    def _get_query_embedding(self, query: str) -> list[float]:
        return super()._get_query_embedding("mile")


def test_a_subclass_that_changes_queries_is_asked_query_by_query(tiny: str) -> None:
    vectors = LlamaIndexEmbedder(Shouting(model_name=tiny)).embed_queries(["harbour", "far"])
    np.testing.assert_array_equal(vectors[0], vectors[1])


@pytest.mark.parametrize(("kind", "n_acquired"), [(HuggingFaceEmbedding, 1), (Shouting, 2)])
def test_a_models_rate_limiter_is_asked_for_each_call(
    tiny: str, kind: type[HuggingFaceEmbedding], n_acquired: int, make_limiter: Callable[[], Any]
) -> None:
    model, limiter = kind(model_name=tiny), make_limiter()
    model.rate_limiter = limiter
    LlamaIndexEmbedder(model).embed_queries(["harbour", "far"])
    assert limiter.n_acquired == n_acquired


def test_a_models_cache_holds_each_query(tiny: str) -> None:
    model, cache = HuggingFaceEmbedding(tiny), SimpleKVStore()
    model.embeddings_cache = cache
    LlamaIndexEmbedder(model).embed_queries(["harbour", "far"])
    assert len(cache.get_all(QUERIES)) == 2
