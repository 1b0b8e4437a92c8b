"""The core sees a LlamaIndex model through `LlamaIndexEmbedder`."""

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
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import identity_of
from query_adapters.errors import InvalidVectorsError
from query_adapters.typing import Vectors
from tests.providers.expected import ROLES, Serve, each_provider, ignore_own_warnings
from tests.providers.llama_index import MODELS
from tests.tiny_model import save_tiny_model

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(25)]


def rows(*vectors: list[float]) -> Vectors:
    return np.array(vectors, dtype=np.float32)


class Busy(MockEmbedding):
    """Knows how many of its queries were under way at once."""

    most_at_once: int = 0
    under_way: int = 0

    async def _aget_query_embedding(self, query: str) -> list[float]:
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0.001)
        self.under_way -= 1
        return [float(query), 1.0]


class Faulty(MockEmbedding):
    """Gives the vectors that it is told to give."""

    vectors: Any = None

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self.vectors[int(query)]
        return vector

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self.vectors
        return vectors


def test_documents_go_in_the_models_batches(make_base: Make) -> None:
    base = make_base(embed_batch_size=10)
    vectors = LlamaIndexEmbedder(base).embed_documents(TEXTS)
    assert [(call, len(texts)) for call, texts in base.calls] == [
        ("batch", 10), ("batch", 10), ("batch", 5)
    ]  # fmt: skip
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, rows(*(base.vector("document", t) for t in TEXTS)))


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
    with ThreadPoolExecutor(1) as thread:  # whose event loop no other test has touched
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


def test_no_texts_are_no_vectors(base: Any) -> None:
    embedder = LlamaIndexEmbedder(base)
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
def test_bad_vectors_are_refused(vectors: Any, problem: str) -> None:
    embedder = LlamaIndexEmbedder(Faulty(embed_dim=2, vectors=vectors))
    with pytest.raises(InvalidVectorsError, match=problem):
        embedder.embed_queries(["0", "1"])
    with pytest.raises(InvalidVectorsError, match=problem):
        embedder.embed_documents(["0", "1"])


def test_a_missing_vector_is_refused() -> None:
    embedder = LlamaIndexEmbedder(Faulty(embed_dim=2, vectors=[[1.0, 2.0]]))
    with pytest.raises(InvalidVectorsError, match="expected 2 vectors of one length, got 1"):
        embedder.embed_documents(["0", "1"])


def test_it_tells_name_identity_and_batch_size(make_base: Make) -> None:
    base = make_base(embed_batch_size=7)
    embedder = LlamaIndexEmbedder(base)
    assert embedder.model_name == "fake/tiny-embedder"
    assert embedder.identity == identity_of(base)
    assert embedder.batch_size == 7


def test_the_cores_cache_embeds_nothing_twice(base: Any) -> None:
    embedder, cache = LlamaIndexEmbedder(base), EmbeddingCache()
    vectors = cache.embed_queries(embedder, ["a", "b", "a"])
    assert len(base.calls) == 2
    np.testing.assert_array_equal(vectors[0], vectors[2])


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


@each_provider
@ignore_own_warnings
def test_a_known_providers_model_takes_queries_in_batches(provider: str, serve: Serve) -> None:
    model = MODELS[provider](server := serve())
    model.embed_batch_size = 2
    texts = ["one\nline", "two", "three"]
    one_by_one = rows(*(model.get_query_embedding(text) for text in texts))
    server.requests.clear()
    np.testing.assert_array_equal(LlamaIndexEmbedder(model).embed_queries(texts), one_by_one)
    assert [len(request.texts) for request in server.requests] == [2, 1]
    assert {request.input_type for request in server.requests} == {ROLES[provider][0]}


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


def test_a_model_with_a_way_of_its_own_is_asked_query_by_query(tiny: str) -> None:
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
