"""Tests of which LangChain retrievers are called query by query, and which ids are compared."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import InvalidDatasetError
from query_adapters.typing import Run
from tests.integrations.batch import (
    N_DOCUMENTS,
    N_QUERIES,
    in_batch,
    one_by_one,
    random_dataset,
    random_model,
)
from tests.integrations.langchain import LANGCHAIN


def documents_of(n: int) -> list[Document]:
    return [Document(f"text {i}", id=f"d{i}", metadata={"key": f"k{i}"}) for i in range(n)]


def retriever_of(
    model: Embeddings, n: int, k: int = 5, kind: Any = VectorStoreRetriever, **options: Any
) -> Any:
    store = InMemoryVectorStore(model)
    store.add_documents(documents_of(n))
    return kind(vectorstore=store, search_kwargs={"k": k}, **options)


@pytest.fixture
def model() -> Any:
    return random_model(LANGCHAIN)


@pytest.fixture
def dataset() -> RetrievalDataset:
    return random_dataset()


def counted(model: Any, retriever: Any, dataset: RetrievalDataset) -> tuple[Run, int]:
    """Return the run and the number of embedded queries."""
    model.calls.clear()
    return in_batch(LANGCHAIN, retriever, dataset), len(model.queries)


class Reversed(VectorStoreRetriever):
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return super()._get_relevant_documents(query, run_manager=run_manager, **kwargs)[::-1]


class OtherStore(InMemoryVectorStore):
    pass


def other_store(model: Any) -> Any:
    store = OtherStore(model)
    store.add_documents(documents_of(N_DOCUMENTS))
    return store.as_retriever(search_kwargs={"k": 5})


def filtered(model: Any) -> Any:
    retriever = retriever_of(model, N_DOCUMENTS)
    retriever.search_kwargs["filter"] = lambda document: document.id in {"d1", "d2", "d3"}
    return retriever


def default_k(model: Any) -> Any:
    return retriever_of(model, N_DOCUMENTS).vectorstore.as_retriever()


RETRIEVERS: dict[str, Any] = {
    "a filter": filtered,
    "another search": lambda model: retriever_of(model, N_DOCUMENTS, search_type="mmr"),
    "no k": default_k,
    "a subclass": lambda model: retriever_of(model, N_DOCUMENTS, kind=Reversed),
    "a chain": lambda model: retriever_of(model, N_DOCUMENTS).with_config(tags=["seen"]),
    "another store": other_store,
    "an empty store": lambda model: retriever_of(model, 0),
}


@pytest.mark.filterwarnings("ignore:no document was retrieved")  # of an empty store
@pytest.mark.parametrize("name", RETRIEVERS)
def test_any_other_retriever_is_called_query_by_query(
    model: Any, dataset: RetrievalDataset, name: str
) -> None:
    retriever = RETRIEVERS[name](model)
    run, n_embedded = counted(model, retriever, dataset)
    assert n_embedded == N_QUERIES + 1
    assert run == one_by_one(LANGCHAIN, retriever, dataset)


def test_a_store_that_compares_in_single_precision_is_searched_query_by_query(
    model: Any, dataset: RetrievalDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "simsimd", SimpleNamespace(__spec__=object()))
    retriever = retriever_of(model, N_DOCUMENTS)
    assert counted(model, retriever, dataset)[1] == N_QUERIES + 1


def test_ids_are_those_of_the_named_key(model: Any, dataset: RetrievalDataset) -> None:
    retriever = retriever_of(model, N_DOCUMENTS)
    run = in_batch(LANGCHAIN, retriever, dataset)
    with pytest.warns(UserWarning, match="retrieved documents is in the dataset"):
        by_key = in_batch(LANGCHAIN, retriever, dataset, id_key="key")
    assert by_key == {q: [key.replace("d", "k") for key in ids] for q, ids in run.items()}
    with pytest.raises(InvalidDatasetError, match="expected a document with an id"):
        in_batch(LANGCHAIN, retriever, dataset, id_key="missing")
