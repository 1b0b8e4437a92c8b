"""Searching for all questions at once finds what asking the retriever one by one finds."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_chroma import Chroma
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever

from langchain_adapter import AdapterEmbeddings, RetrieverEvaluator
from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import InvalidDatasetError
from query_adapters.typing import Run

Row = Sequence[float]
N_QUESTIONS, N_DOCUMENTS, DIM = 12, 30, 8


class Table(Embeddings):
    """Gives each text the vector it was made with; remembers the questions."""

    def __init__(self, vectors: Mapping[str, Row]) -> None:
        self.vectors = vectors
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [list(self.vectors[text]) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        return list(self.vectors[text])

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


def dataset_of(n_questions: int, n_documents: int) -> RetrievalDataset:
    queries = {f"q{i}": f"question {i}" for i in range(n_questions)}
    corpus = {f"d{i}": f"text {i}" for i in range(n_documents)}
    return RetrievalDataset.from_relevant_docs(queries, corpus, {q: ["d0"] for q in queries})


def model_of(questions: Sequence[Row], vectors: Sequence[Row]) -> Table:
    known = {f"question {i}": row for i, row in enumerate(questions)}
    return Table(known | {f"text {i}": row for i, row in enumerate(vectors)})


def documents_of(n: int) -> list[Document]:
    return [Document(f"text {i}", id=f"d{i}", metadata={"key": f"k{i}"}) for i in range(n)]


def retriever_of(
    model: Embeddings, n: int, k: int = 5, kind: Any = VectorStoreRetriever, **options: Any
) -> Any:
    store = InMemoryVectorStore(model)
    store.add_documents(documents_of(n))
    return kind(vectorstore=store, search_kwargs={"k": k}, **options)


def one_by_one(retriever: Any, dataset: RetrievalDataset) -> Run:
    return {q: [str(d.id) for d in retriever.invoke(t)] for q, t in dataset.queries.items()}


def in_batch(retriever: Any, dataset: RetrievalDataset, **options: Any) -> Run:
    return RetrieverEvaluator(retriever, ["mrr@1"], **options).evaluate_dataset(dataset).run


async def ain_batch(retriever: Any, dataset: RetrievalDataset) -> Run:
    return (await RetrieverEvaluator(retriever, ["mrr@1"]).aevaluate_dataset(dataset)).run


def rows(numbers: st.SearchStrategy[float], dim: int = 3) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(numbers, min_size=dim, max_size=dim), min_size=1, max_size=12)


FEW = st.sampled_from([-1.0, 0.5, 1.0])  # many equal cosines, equal vectors
ANY = st.floats(0.1, 1e3)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), numbers=st.sampled_from([FEW, ANY]), k=st.integers(1, 14))
def test_the_run_is_that_of_the_retriever_ties_and_zero_vectors_included(
    data: st.DataObject, numbers: st.SearchStrategy[float], k: int
) -> None:
    questions, vectors = data.draw(rows(numbers)), data.draw(rows(numbers))
    if data.draw(st.booleans()):
        vectors = [*vectors, [0.0, 0.0, 0.0]]
    retriever = retriever_of(model_of(questions, vectors), len(vectors), k)
    dataset = dataset_of(len(questions), len(vectors))
    expected = one_by_one(retriever, dataset)
    assert in_batch(retriever, dataset) == expected
    assert asyncio.run(ain_batch(retriever, dataset)) == expected


@pytest.fixture
def model() -> Table:
    rng = np.random.default_rng(0)
    return model_of(
        rng.normal(size=(N_QUESTIONS, DIM)).tolist(), rng.normal(size=(N_DOCUMENTS, DIM)).tolist()
    )


@pytest.fixture
def dataset() -> RetrievalDataset:
    again = {"again": "question 3"}
    once = dataset_of(N_QUESTIONS, N_DOCUMENTS)
    queries = dict(once.queries) | again
    return RetrievalDataset.from_relevant_docs(
        queries, dict(once.corpus), {query: ["d0"] for query in queries}
    )


def ways(
    model: Table, retriever: Any, dataset: RetrievalDataset, **options: Any
) -> tuple[Run, int]:
    """Return the run and how many questions were embedded: in a batch, each text once."""
    model.asked.clear()
    return in_batch(retriever, dataset, **options), len(model.asked)


async def test_each_text_is_embedded_once_where_vectors_alone_decide(
    model: Table, dataset: RetrievalDataset
) -> None:
    retriever = retriever_of(model, N_DOCUMENTS)
    expected = one_by_one(retriever, dataset)
    assert ways(model, retriever, dataset) == (expected, N_QUESTIONS)
    assert ways(model, retriever, dataset, batch=False) == (expected, N_QUESTIONS + 1)
    model.asked.clear()
    assert await ain_batch(retriever, dataset) == expected
    assert len(model.asked) == N_QUESTIONS


class Reversed(VectorStoreRetriever):
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return super()._get_relevant_documents(query, run_manager=run_manager, **kwargs)[::-1]


class OtherStore(InMemoryVectorStore):
    pass


def other_store(model: Table) -> Any:
    store = OtherStore(model)
    store.add_documents(documents_of(N_DOCUMENTS))
    return store.as_retriever(search_kwargs={"k": 5})


def filtered(model: Table) -> Any:
    retriever = retriever_of(model, N_DOCUMENTS)
    retriever.search_kwargs["filter"] = lambda document: document.id in {"d1", "d2", "d3"}
    return retriever


def default_k(model: Table) -> Any:
    return retriever_of(model, N_DOCUMENTS).vectorstore.as_retriever()


def in_single_precision(model: Table) -> Any:
    retriever = retriever_of(model, N_DOCUMENTS)
    for entry in retriever.vectorstore.store.values():
        entry["vector"] = np.array(entry["vector"], dtype=np.float32)
    return retriever


ASKED: dict[str, Any] = {
    "a filter": filtered,
    "another search": lambda model: retriever_of(model, N_DOCUMENTS, search_type="mmr"),
    "no k": default_k,
    "a subclass": lambda model: retriever_of(model, N_DOCUMENTS, kind=Reversed),
    "a chain": lambda model: retriever_of(model, N_DOCUMENTS).with_config(tags=["seen"]),
    "another store": other_store,
    "Chroma": lambda model: Chroma.from_documents(
        documents_of(N_DOCUMENTS), model, collection_name="batch"
    ).as_retriever(search_kwargs={"k": 5}),
    "single precision": in_single_precision,
    "an empty store": lambda model: retriever_of(model, 0),
}


@pytest.mark.parametrize("name", ASKED)
def test_any_other_retriever_is_asked(model: Table, dataset: RetrievalDataset, name: str) -> None:
    retriever = ASKED[name](model)
    run, n_embedded = ways(model, retriever, dataset)
    assert n_embedded == N_QUESTIONS + 1
    assert run == one_by_one(retriever, dataset)


def test_where_the_store_compares_in_single_precision_it_is_asked(
    model: Table, dataset: RetrievalDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "simsimd", SimpleNamespace(__spec__=object()))
    retriever = retriever_of(model, N_DOCUMENTS)
    assert ways(model, retriever, dataset)[1] == N_QUESTIONS + 1


def test_the_model_is_the_stores_with_its_adapter(model: Table, dataset: RetrievalDataset) -> None:
    weight = np.random.default_rng(2).normal(size=(DIM, DIM))
    adapted = AdapterEmbeddings(model, LinearAdapter(weight), check_model=False)
    retriever = retriever_of(adapted, N_DOCUMENTS)
    run, n_embedded = ways(model, retriever, dataset)
    assert n_embedded == N_QUESTIONS
    assert run == one_by_one(retriever, dataset)
    assert run != in_batch(retriever_of(model, N_DOCUMENTS), dataset)


def test_ids_are_those_of_the_named_key(model: Table, dataset: RetrievalDataset) -> None:
    retriever = retriever_of(model, N_DOCUMENTS)
    run = in_batch(retriever, dataset)
    with pytest.warns(UserWarning, match="retrieved documents is in the dataset"):
        by_key = in_batch(retriever, dataset, id_key="key")
    assert by_key == {q: [key.replace("d", "k") for key in ids] for q, ids in run.items()}
    with pytest.raises(InvalidDatasetError, match="expected a document with an id"):
        in_batch(retriever, dataset, id_key="missing")
