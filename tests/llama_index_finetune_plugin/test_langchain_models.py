"""A LangChain model as the base of LlamaIndex's classes."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index_finetune_plugin import AdapterEmbedding, EmbeddingAdapterFinetuneEngine
from llama_index_finetune_plugin.embedder import LlamaIndexEmbedder, resolve_base
from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.embedders.identity import identity_of

ROUTES: dict[str, Callable[[Any], Any]] = {
    "query": lambda model: model.get_query_embedding("d"),
    "async query": lambda model: asyncio.run(model.aget_query_embedding("d")),
    "documents": lambda model: model.get_text_embedding("d"),
    "async documents": lambda model: asyncio.run(model.aget_text_embedding("d")),
}


class RoleEmbeddings(Embeddings):
    """A LangChain model: vectors from the role and the text's length; remembers its calls."""

    def __init__(self, *, model: str = "fake/tiny-embedder", chunk_size: Any = None) -> None:
        self.model, self.chunk_size, self.dimensions = model, chunk_size, 8
        self._calls: list[tuple[str, int]] = []

    @property
    def calls(self) -> list[tuple[str, int]]:
        return self._calls

    def vector(self, role: str, text: str) -> list[float]:
        return [float(len(text)) if role == "query" else -1.0, *([0.1] * 7)]

    def embed_query(self, text: str) -> list[float]:
        self._calls.append(("query", 1))
        return self.vector("query", text)

    async def aembed_query(self, text: str) -> list[float]:
        self._calls.append(("async query", 1))
        return self.vector("query", text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._calls.append(("documents", len(texts)))
        return [self.vector("document", text) for text in texts]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self._calls.append(("async documents", len(texts)))
        return [self.vector("document", text) for text in texts]


@pytest.mark.parametrize("route", list(ROUTES))
def test_each_method_reaches_its_namesake_in_its_role(adapter: LinearAdapter, route: str) -> None:
    model = RoleEmbeddings()
    found = ROUTES[route](AdapterEmbedding(model, adapter))
    vector = model.vector("query" if "query" in route else "document", "d")
    if "query" in route:
        vector = adapter(np.array(vector, dtype=np.float32)).tolist()
    assert found == vector
    assert model.calls == [(route, 1)]


@pytest.mark.parametrize(
    ("chunk_size", "sizes"), [(20, [20, 5]), (None, [10, 10, 5]), (9_999, [25])]
)
async def test_documents_go_in_whole_batches_either_way(
    adapter: LinearAdapter, chunk_size: int | None, sizes: list[int]
) -> None:
    model = RoleEmbeddings(chunk_size=chunk_size)
    adapted = AdapterEmbedding(model, adapter)
    texts = [f"text {i}" for i in range(25)]
    expected = [model.vector("document", text) for text in texts]
    assert adapted.get_text_embedding_batch(texts) == expected
    assert await adapted.aget_text_embedding_batch(texts) == expected
    calls = [(call, n) for call in ("documents", "async documents") for n in sizes]
    assert model.calls == calls


def test_it_keeps_name_identity_and_dimension() -> None:
    model = RoleEmbeddings()
    embedder = LlamaIndexEmbedder(model)
    assert embedder.model_name == "fake/tiny-embedder"
    assert embedder.identity == identity_of(model) != identity_of(RoleEmbeddings(model="other"))
    adapted = AdapterEmbedding(model, None)
    assert adapted.dim == 8
    assert adapted.model_name == "Adapter for fake/tiny-embedder"
    assert resolve_base(model).class_name() == "LangChainEmbedding"


def test_its_queries_are_cached_apart_from_documents(adapter: LinearAdapter) -> None:
    model = RoleEmbeddings()
    adapted = AdapterEmbedding(model, None, embeddings_cache=SimpleKVStore())
    for _ in range(2):
        assert adapted.get_query_embedding("d") == model.vector("query", "d")
        assert adapted.get_text_embedding("d") == model.vector("document", "d")
    assert model.calls == [("query", 1), ("documents", 1)]


def test_it_is_stored_and_restored_and_copied(adapter: LinearAdapter) -> None:
    model = AdapterEmbedding(RoleEmbeddings(), adapter)
    data = model.to_dict()
    assert data["base_identity"] == identity_of(RoleEmbeddings())
    again = AdapterEmbedding.from_dict(data, base_embed_model=RoleEmbeddings(), adapter=adapter)
    for twin in (again, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        assert twin.get_query_embedding("q") == model.get_query_embedding("q")


def test_the_engine_trains_on_it(tmp_path: Any) -> None:
    queries = {f"q{i}": f"question {i * '!'}" for i in range(8)}
    corpus = {f"d{i}": f"document {i}" for i in range(8)}
    qrels = {f"q{i}": {f"d{i}": 1.0} for i in range(8)}
    engine = EmbeddingAdapterFinetuneEngine(
        RetrievalDataset(queries, corpus, qrels), RoleEmbeddings(), model_output_path=tmp_path
    )
    engine.finetune()
    assert engine.result.saved.record.base_model == "fake/tiny-embedder"
    assert engine.get_finetuned_model().get_text_embedding("d")[0] == -1.0
