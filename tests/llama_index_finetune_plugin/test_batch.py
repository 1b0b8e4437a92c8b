"""Searching for all questions at once finds what asking the retriever one by one finds."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import chromadb
import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.indices.vector_store.retrievers import VectorIndexRetriever
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.embedding import EmbeddingStartEvent
from llama_index.core.instrumentation.events.retrieval import RetrievalStartEvent
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.schema import IndexNode, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.vector_stores.chroma import ChromaVectorStore
from llama_index.vector_stores.faiss import FaissVectorStore
from pydantic import PrivateAttr

from llama_index_finetune_plugin import LinearAdapterEmbedding, RetrieverEvaluator
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import DimensionMismatchError
from query_adapters.typing import Run

Row = Sequence[float]
METRICS = ["mrr@1"]
N_QUESTIONS, N_NODES, DIM = 12, 30, 8


class Table(BaseEmbedding):
    """Gives each text the vector it was made with; counts questions, and those under way."""

    _vectors: dict[str, list[float]] = PrivateAttr()
    _asked: list[str] = PrivateAttr(default_factory=list)
    _running: int = PrivateAttr(default=0)
    _most_running: int = PrivateAttr(default=0)

    def __init__(self, vectors: Mapping[str, Row], **fields: Any) -> None:
        super().__init__(**fields)
        self._vectors = {text: list(vector) for text, vector in vectors.items()}

    def _get_query_embedding(self, query: str) -> list[float]:
        self._asked.append(query)
        return self._vectors[query]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        self._running += 1
        self._most_running = max(self._most_running, self._running)
        await asyncio.sleep(0)
        self._running -= 1
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vectors[text]


def dataset_of(n_questions: int, n_nodes: int) -> RetrievalDataset:
    queries = {f"q{i}": f"question {i}" for i in range(n_questions)}
    corpus = {f"d{i}": f"text {i}" for i in range(n_nodes)}
    return RetrievalDataset.from_relevant_docs(queries, corpus, {q: ["d0"] for q in queries})


def nodes_of(vectors: Sequence[Row]) -> list[TextNode]:
    return [
        TextNode(id_=f"d{i}", text=f"text {i}", embedding=list(row), metadata={"odd": i % 2})
        for i, row in enumerate(vectors)
    ]


def index_of(
    questions: Sequence[Row], vectors: Sequence[Row], store: Any = None, **fields: Any
) -> VectorStoreIndex:
    model = Table({f"question {i}": row for i, row in enumerate(questions)}, **fields)
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex(nodes_of(vectors), embed_model=model, storage_context=context)


def one_by_one(retriever: BaseRetriever, dataset: RetrievalDataset) -> Run:
    return {q: [n.node_id for n in retriever.retrieve(t)] for q, t in dataset.queries.items()}


def in_batch(retriever: BaseRetriever, dataset: RetrievalDataset, **options: Any) -> Run:
    return RetrieverEvaluator(retriever, METRICS, **options).evaluate_dataset(dataset).run


async def ain_batch(retriever: BaseRetriever, dataset: RetrievalDataset, **options: Any) -> Run:
    evaluator = RetrieverEvaluator(retriever, METRICS, **options)
    return (await evaluator.aevaluate_dataset(dataset)).run


def n_asked(events: Sequence[BaseEvent]) -> int:
    return sum(isinstance(event, RetrievalStartEvent) for event in events)


def rows(numbers: st.SearchStrategy[float], dim: int = 3) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(numbers, min_size=dim, max_size=dim), min_size=1, max_size=12)


FEW = st.sampled_from([-1.0, 0.0, 0.5, 1.0])  # many equal cosines, equal vectors, vectors of 0s
ANY = st.floats(-1e3, 1e3)
EXTREME = st.sampled_from([0.0, 1e-320, 1e-200, 3e-158, 7e-158, 1.0, 3.0, -1e200])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), numbers=st.sampled_from([FEW, ANY, EXTREME]), k=st.integers(1, 14))
def test_the_run_is_that_of_the_retriever_ties_and_zero_vectors_included(
    data: st.DataObject, numbers: st.SearchStrategy[float], k: int
) -> None:
    questions, vectors = data.draw(rows(numbers)), data.draw(rows(numbers))
    index = index_of(questions, vectors)
    wanted = data.draw(st.none() | st.sets(st.sampled_from(sorted(index.index_struct.nodes_dict))))
    node_ids = None if wanted is None else sorted(wanted)
    retriever = VectorIndexRetriever(index, similarity_top_k=k, node_ids=node_ids)
    dataset = dataset_of(len(questions), len(vectors))
    with np.errstate(all="ignore"):  # LlamaIndex divides by the length of zero vectors
        expected = one_by_one(retriever, dataset)
        assert in_batch(retriever, dataset) == expected
        assert asyncio.run(ain_batch(retriever, dataset)) == expected


@pytest.fixture
def questions() -> list[list[float]]:
    found: list[list[float]] = np.random.default_rng(0).normal(size=(N_QUESTIONS, DIM)).tolist()
    return found


@pytest.fixture
def vectors() -> list[list[float]]:
    found: list[list[float]] = np.random.default_rng(1).normal(size=(N_NODES, DIM)).tolist()
    return found


@pytest.fixture
def index(questions: list[list[float]], vectors: list[list[float]]) -> VectorStoreIndex:
    return index_of(questions, vectors)


@pytest.fixture
def dataset() -> RetrievalDataset:
    return dataset_of(N_QUESTIONS, N_NODES)


async def test_no_question_is_asked_where_vectors_alone_decide(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    retriever = index.as_retriever(similarity_top_k=5)
    expected = one_by_one(retriever, dataset)
    events.clear()
    assert in_batch(retriever, dataset) == expected
    assert await ain_batch(retriever, dataset) == expected
    assert n_asked(events) == 0
    assert sum(isinstance(e, EmbeddingStartEvent) for e in events) == 2 * N_QUESTIONS


async def test_the_batch_can_be_refused(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    retriever = index.as_retriever(similarity_top_k=5)
    run = in_batch(retriever, dataset, batch=False)
    assert n_asked(events) == N_QUESTIONS
    assert await ain_batch(retriever, dataset, batch=False) == run
    assert n_asked(events) == 2 * N_QUESTIONS


class Reversed(VectorIndexRetriever):
    def _retrieve(self, *args: Any, **kwargs: Any) -> Any:
        return super()._retrieve(*args, **kwargs)[::-1]


def faiss_store() -> FaissVectorStore:
    return FaissVectorStore(faiss.IndexFlatIP(DIM))


def chroma_store() -> ChromaVectorStore:
    client = chromadb.EphemeralClient()
    return ChromaVectorStore(client.get_or_create_collection("batch"))


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
def test_a_retriever_with_other_wishes_is_asked(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent], name: str
) -> None:
    retriever = VectorIndexRetriever(index, **{"similarity_top_k": 5} | OPTIONS[name])
    run = in_batch(retriever, dataset)
    assert n_asked(events) == N_QUESTIONS
    assert run == one_by_one(retriever, dataset)


@pytest.mark.parametrize("store", [faiss_store, chroma_store])
def test_another_store_is_asked(
    questions: Any, vectors: Any, dataset: RetrievalDataset, events: list[BaseEvent], store: Any
) -> None:
    retriever = index_of(questions, vectors, store()).as_retriever(similarity_top_k=5)
    run = in_batch(retriever, dataset)
    assert n_asked(events) == N_QUESTIONS
    assert run == one_by_one(retriever, dataset)


def test_a_subclass_is_asked(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    retriever = Reversed(index, similarity_top_k=5)
    run = in_batch(retriever, dataset)
    assert n_asked(events) == N_QUESTIONS
    plain = in_batch(index.as_retriever(similarity_top_k=5), dataset)
    assert run == {query: list(reversed(ids)) for query, ids in plain.items()}


def test_node_postprocessors_see_every_question(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    retriever = index.as_retriever(similarity_top_k=5)
    cut = SimilarityPostprocessor(similarity_cutoff=0.5)
    run = in_batch(retriever, dataset, node_postprocessors=[cut])
    assert n_asked(events) == N_QUESTIONS
    scored = {q: retriever.retrieve(text) for q, text in dataset.queries.items()}
    assert run == {
        q: [n.node_id for n in nodes if (n.score or 0) >= 0.5] for q, nodes in scored.items()
    }


def test_vectors_in_single_precision_are_ranked_by_the_store(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    stored: dict[str, Any] = index.vector_store.data.embedding_dict  # type: ignore[attr-defined]
    stored.update({key: np.array(row, dtype=np.float32) for key, row in stored.items()})
    retriever = index.as_retriever(similarity_top_k=5)
    run = in_batch(retriever, dataset)
    assert n_asked(events) == N_QUESTIONS
    assert run == one_by_one(retriever, dataset)


async def test_only_questions_that_find_an_index_node_are_asked(
    index: VectorStoreIndex, questions: Any, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    behind = TextNode(id_="behind", text="text behind")
    door = IndexNode(id_="door", index_id="x", obj=behind, text="text door", embedding=questions[0])
    index.insert_nodes([door])
    retriever = VectorIndexRetriever(index, similarity_top_k=3, object_map={"x": behind})
    expected = one_by_one(retriever, dataset)
    found_it = sum("behind" in ids for ids in expected.values())
    assert 0 < found_it < N_QUESTIONS
    events.clear()
    assert in_batch(retriever, dataset) == expected
    assert n_asked(events) == found_it
    assert await ain_batch(retriever, dataset) == expected


@pytest.mark.parametrize("from_docstore", [False, True])
def test_deleted_nodes_are_not_found_and_later_ones_only_by_later_retrievers(
    index: VectorStoreIndex, questions: Any, dataset: RetrievalDataset, from_docstore: bool
) -> None:
    before = index.as_retriever(similarity_top_k=5)
    gone = {ids[0] for ids in in_batch(before, dataset).values()}
    index.delete_nodes(sorted(gone), delete_from_docstore=from_docstore)
    index.insert_nodes([TextNode(id_="new", text="new", embedding=questions[0])])
    after = index.as_retriever(similarity_top_k=5)
    assert in_batch(before, dataset) == one_by_one(before, dataset)
    assert in_batch(after, dataset) == one_by_one(after, dataset)
    found = [set().union(*in_batch(r, dataset).values()) for r in (before, after)]
    assert not (found[0] | found[1]) & gone
    assert ["new" in ids for ids in found] == [False, True]


@pytest.mark.parametrize("from_docstore", [False, True])
async def test_a_node_that_got_lost_is_an_error_either_way(
    index: VectorStoreIndex, from_docstore: bool
) -> None:
    dataset = dataset_of(1, N_NODES)
    retriever = index.as_retriever(similarity_top_k=5)
    lost = in_batch(retriever, dataset)["q0"][0]
    if from_docstore:
        index.docstore.delete_document(lost)
    else:
        del index.index_struct.nodes_dict[lost]
    for batch in (False, True):
        with pytest.raises(KeyError, match=lost):
            in_batch(retriever, dataset, batch=batch)
        with pytest.raises(KeyError, match=lost):
            await ain_batch(retriever, dataset, batch=batch)


def test_the_model_is_the_retrievers_with_its_adapter(
    index: VectorStoreIndex, dataset: RetrievalDataset, events: list[BaseEvent]
) -> None:
    weight = np.random.default_rng(2).normal(size=(DIM, DIM))
    adapted = LinearAdapterEmbedding(index._embed_model, weight=weight)
    retriever = index.as_retriever(similarity_top_k=5, embed_model=adapted)
    run = in_batch(retriever, dataset)
    assert n_asked(events) == 0
    assert run == one_by_one(retriever, dataset)
    assert run != in_batch(index.as_retriever(similarity_top_k=5), dataset)


def test_the_models_cache_serves_as_it_would_the_retriever(
    questions: Any, vectors: Any, dataset: RetrievalDataset
) -> None:
    cache = SimpleKVStore()
    cache.put("question 0", {"of a document": vectors[0]}, collection="embeddings")
    index = index_of(questions, vectors, embeddings_cache=cache)
    retriever = index.as_retriever(similarity_top_k=5)
    run = in_batch(retriever, dataset)
    model: Any = index._embed_model
    assert len(model._asked) == N_QUESTIONS - 1
    assert run == one_by_one(retriever, dataset)
    assert run["q0"][0] == "d0"
    assert len(model._asked) == N_QUESTIONS - 1


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
    run = await ain_batch(retriever, twice, workers=3, show_progress=True)
    assert model._most_running == 3
    assert sorted(model._asked) == sorted(dataset.queries.values())
    assert in_batch(retriever, twice, show_progress=True) == run
    assert len(model._asked) == 2 * N_QUESTIONS
    assert run["again q3"] == run["q3"]


def test_an_empty_index_finds_nothing(questions: Any, dataset: RetrievalDataset) -> None:
    retriever = index_of(questions, []).as_retriever(similarity_top_k=5)
    assert set(map(tuple, in_batch(retriever, dataset).values())) == {()}


def test_the_index_of_another_model_is_refused(
    index: VectorStoreIndex, dataset: RetrievalDataset
) -> None:
    short = Table({text: [1.0, 2.0] for text in dataset.queries.values()})
    retriever = index.as_retriever(similarity_top_k=5, embed_model=short)
    with pytest.raises(DimensionMismatchError, match="document vectors: expected 2 dimensions"):
        in_batch(retriever, dataset)
