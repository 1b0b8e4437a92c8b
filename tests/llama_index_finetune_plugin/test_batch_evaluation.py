"""Tests of which LlamaIndex retrievers are called query by query, and of events and caches."""

import asyncio
from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.indices.vector_store.retrievers import VectorIndexRetriever
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.embedding import EmbeddingStartEvent
from llama_index.core.instrumentation.events.retrieval import RetrievalStartEvent
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.schema import IndexNode, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.vector_stores.faiss import FaissVectorStore
from pydantic import PrivateAttr

from query_adapters.data.dataset import RetrievalDataset
from tests.integrations.batch import (
    DIM,
    N_DOCUMENTS,
    N_QUERIES,
    Row,
    ain_batch,
    dataset_of,
    in_batch,
    one_by_one,
    rows,
)
from tests.integrations.llama_index import LLAMA_INDEX, RecordingEmbedding

EXTREME = st.sampled_from([0.0, 1e-320, 1e-200, 3e-158, 7e-158, 1.0, 3.0, -1e200])


class CountingEmbedding(RecordingEmbedding):
    """A model that counts its concurrent queries."""

    _running: int = PrivateAttr(default=0)
    _most_running: int = PrivateAttr(default=0)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        self._running += 1
        self._most_running = max(self._most_running, self._running)
        await asyncio.sleep(0)
        self._running -= 1
        return self._get_query_embedding(query)


def nodes_of(vectors: Sequence[Row]) -> list[TextNode]:
    return [
        TextNode(id_=f"d{i}", text=f"text {i}", embedding=list(row), metadata={"odd": i % 2})
        for i, row in enumerate(vectors)
    ]


def index_of(
    questions: Sequence[Row], vectors: Sequence[Row], store: Any = None, **fields: Any
) -> VectorStoreIndex:
    known = {f"question {i}": list(row) for i, row in enumerate(questions)}
    model = CountingEmbedding(**fields)
    model._functions["query"] = known.__getitem__
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex(nodes_of(vectors), embed_model=model, storage_context=context)


def n_asked(events: Sequence[BaseEvent]) -> int:
    return sum(isinstance(event, RetrievalStartEvent) for event in events)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:no document was retrieved")  # of no nodes at all
@settings(max_examples=100, deadline=None)
@given(data=st.data(), k=st.integers(1, 14))
def test_the_run_over_some_of_the_nodes_is_that_of_the_retriever(
    data: st.DataObject, k: int
) -> None:
    numbers = data.draw(
        st.sampled_from([st.sampled_from([-1.0, 0.0, 0.5, 1.0]), st.floats(-1e3, 1e3), EXTREME])
    )
    questions, vectors = data.draw(rows(numbers)), data.draw(rows(numbers))
    index = index_of(questions, vectors)
    node_ids = sorted(data.draw(st.sets(st.sampled_from(sorted(index.index_struct.nodes_dict)))))
    retriever = VectorIndexRetriever(index, similarity_top_k=k, node_ids=node_ids)
    dataset = dataset_of(len(questions), len(vectors))
    with np.errstate(all="ignore"):  # LlamaIndex divides by the norm of zero vectors
        expected = one_by_one(LLAMA_INDEX, retriever, dataset)
        assert in_batch(LLAMA_INDEX, retriever, dataset) == expected
        assert asyncio.run(ain_batch(LLAMA_INDEX, retriever, dataset)) == expected


@pytest.fixture
def questions() -> list[list[float]]:
    found: list[list[float]] = np.random.default_rng(0).normal(size=(N_QUERIES, DIM)).tolist()
    return found


@pytest.fixture
def vectors() -> list[list[float]]:
    found: list[list[float]] = np.random.default_rng(1).normal(size=(N_DOCUMENTS, DIM)).tolist()
    return found


@pytest.fixture
def index(questions: list[list[float]], vectors: list[list[float]]) -> VectorStoreIndex:
    return index_of(questions, vectors)


@pytest.fixture
def dataset() -> RetrievalDataset:
    return dataset_of(N_QUERIES, N_DOCUMENTS)


async def test_a_batch_sends_no_event_of_the_retriever(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    retriever = index.as_retriever(similarity_top_k=5)
    expected = one_by_one(LLAMA_INDEX, retriever, dataset)
    events.clear()
    assert in_batch(LLAMA_INDEX, retriever, dataset) == expected
    assert await ain_batch(LLAMA_INDEX, retriever, dataset) == expected
    assert n_asked(events) == 0
    assert sum(isinstance(e, EmbeddingStartEvent) for e in events) == 2 * N_QUERIES


class Reversed(VectorIndexRetriever):
    def _retrieve(self, *args: Any, **kwargs: Any) -> Any:
        return super()._retrieve(*args, **kwargs)[::-1]


def faiss_store() -> FaissVectorStore:
    return FaissVectorStore(faiss.IndexFlatIP(DIM))


ODD = MetadataFilters(filters=[MetadataFilter(key="odd", value=1)])
OPTIONS: dict[str, dict[str, Any]] = {
    "filter": {"filters": ODD},
    "mode": {"vector_store_query_mode": "mmr"},
    "documents": {"doc_ids": ["d1"]},
    "alpha": {"alpha": 0.5},
    "sparse": {"sparse_top_k": 2},
    "hybrid": {"hybrid_top_k": 2},
    "arguments": {"vector_store_kwargs": {"mmr_threshold": 0.1}},
    "no number": {"similarity_top_k": None},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_retriever_with_other_options_is_called_query_by_query(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent], name: str
) -> None:
    retriever = VectorIndexRetriever(index, **{"similarity_top_k": 5} | OPTIONS[name])
    run = in_batch(LLAMA_INDEX, retriever, dataset)
    assert n_asked(events) == N_QUERIES
    assert run == one_by_one(LLAMA_INDEX, retriever, dataset)


def test_another_store_in_memory_is_called_query_by_query(
    questions: Any, vectors: Any, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    retriever = index_of(questions, vectors, faiss_store()).as_retriever(similarity_top_k=5)
    run = in_batch(LLAMA_INDEX, retriever, dataset)
    assert n_asked(events) == N_QUERIES
    assert run == one_by_one(LLAMA_INDEX, retriever, dataset)


def test_a_subclass_is_called_query_by_query(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    retriever = Reversed(index, similarity_top_k=5)
    run = in_batch(LLAMA_INDEX, retriever, dataset)
    assert n_asked(events) == N_QUERIES
    plain = in_batch(LLAMA_INDEX, index.as_retriever(similarity_top_k=5), dataset)
    assert run == {query: list(reversed(ids)) for query, ids in plain.items()}


def test_node_postprocessors_see_every_question(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    retriever = index.as_retriever(similarity_top_k=5)
    cut = SimilarityPostprocessor(similarity_cutoff=0.5)
    run = in_batch(LLAMA_INDEX, retriever, dataset, node_postprocessors=[cut])
    assert n_asked(events) == N_QUERIES
    scored = {q: retriever.retrieve(text) for q, text in dataset.queries.items()}
    assert run == {
        q: [n.node_id for n in nodes if (n.score or 0) >= 0.5] for q, nodes in scored.items()
    }


async def test_only_questions_that_find_an_index_node_are_asked(
    index: VectorStoreIndex, questions: Any, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    behind = TextNode(id_="behind", text="text behind")
    pointer = IndexNode(
        id_="pointer", index_id="x", obj=behind, text="text pointer", embedding=questions[0]
    )
    index.insert_nodes([pointer])
    retriever = VectorIndexRetriever(index, similarity_top_k=3, object_map={"x": behind})
    expected = one_by_one(LLAMA_INDEX, retriever, dataset)
    found_it = sum("behind" in ids for ids in expected.values())
    assert 0 < found_it < N_QUERIES
    events.clear()
    assert in_batch(LLAMA_INDEX, retriever, dataset) == expected
    assert n_asked(events) == found_it
    assert await ain_batch(LLAMA_INDEX, retriever, dataset) == expected


@pytest.mark.parametrize("from_docstore", [False, True])
def test_deleted_nodes_are_not_found_and_later_ones_only_by_later_retrievers(
    index: VectorStoreIndex, questions: Any, dataset: RetrievalDataset, from_docstore: bool
) -> None:
    before = index.as_retriever(similarity_top_k=5)
    gone = {ids[0] for ids in in_batch(LLAMA_INDEX, before, dataset).values()}
    index.delete_nodes(sorted(gone), delete_from_docstore=from_docstore)
    index.insert_nodes([TextNode(id_="new", text="new", embedding=questions[0])])
    after = index.as_retriever(similarity_top_k=5)
    assert in_batch(LLAMA_INDEX, before, dataset) == one_by_one(LLAMA_INDEX, before, dataset)
    assert in_batch(LLAMA_INDEX, after, dataset) == one_by_one(LLAMA_INDEX, after, dataset)
    found = [set().union(*in_batch(LLAMA_INDEX, r, dataset).values()) for r in (before, after)]
    assert not (found[0] | found[1]) & gone
    assert ["new" in ids for ids in found] == [False, True]


@pytest.mark.parametrize("from_docstore", [False, True])
async def test_a_node_that_got_lost_is_an_error_either_way(
    index: VectorStoreIndex, from_docstore: bool
) -> None:
    dataset = dataset_of(1, N_DOCUMENTS)
    retriever = index.as_retriever(similarity_top_k=5)
    lost = in_batch(LLAMA_INDEX, retriever, dataset)["q0"][0]
    if from_docstore:
        index.docstore.delete_document(lost)
    else:
        del index.index_struct.nodes_dict[lost]
    for batch in (False, True):
        with pytest.raises(KeyError, match=lost):
            in_batch(LLAMA_INDEX, retriever, dataset, batch=batch)
        with pytest.raises(KeyError, match=lost):
            await ain_batch(LLAMA_INDEX, retriever, dataset, batch=batch)


def test_the_models_cache_serves_as_it_would_the_retriever(
    questions: Any, vectors: Any, dataset: RetrievalDataset
) -> None:
    cache = SimpleKVStore()
    cache.put("question 0", {"of a document": vectors[0]}, collection="embeddings")
    index = index_of(questions, vectors, embeddings_cache=cache)
    retriever = index.as_retriever(similarity_top_k=5)
    run = in_batch(LLAMA_INDEX, retriever, dataset)
    model: Any = index._embed_model
    assert len(model.queries) == N_QUERIES - 1
    assert run == one_by_one(LLAMA_INDEX, retriever, dataset)
    assert run["q0"][0] == "d0"
    assert len(model.queries) == N_QUERIES - 1


async def test_each_text_is_embedded_once_and_as_many_at_a_time_as_there_are_workers(
    index: VectorStoreIndex, dataset: RetrievalDataset
) -> None:
    again = {f"again {key}": text for key, text in dataset.queries.items()}
    queries = dict(dataset.queries) | again
    twice = RetrievalDataset.from_relevant_docs(
        queries, dict(dataset.corpus), {q: ["d0"] for q in queries}
    )
    model: Any = index._embed_model
    retriever = index.as_retriever(similarity_top_k=5)
    run = await ain_batch(LLAMA_INDEX, retriever, twice, workers=3, show_progress=True)
    assert model._most_running == 3
    assert sorted(model.queries) == sorted(dataset.queries.values())
    assert in_batch(LLAMA_INDEX, retriever, twice, show_progress=True) == run
    assert len(model.queries) == 2 * N_QUERIES
    assert run["again q3"] == run["q3"]
