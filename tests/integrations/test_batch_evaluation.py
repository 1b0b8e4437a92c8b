"""Test that a batch search finds the same documents as one retriever call per query."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import DimensionMismatchError, EvaluationWarning
from query_adapters.typing import Run
from tests.integrations.batch import (
    DIM,
    N_DOCUMENTS,
    N_QUERIES,
    ain_batch,
    dataset_of,
    in_batch,
    model_of,
    one_by_one,
    random_dataset,
    random_model,
    retriever_of,
    rows,
)
from tests.integrations.both import FRAMEWORKS
from tests.integrations.framework import Framework

FEW = st.sampled_from([-1.0, 0.5, 1.0])  # causes many equal cosines and equal vectors
MANY = st.floats(0.1, 1e3)
ZEROS = st.sampled_from([-1.0, 0.0, 0.5, 1.0])
SIGNED = st.floats(-1e3, 1e3)
EXTREME = st.sampled_from([0.0, 1e-320, 1e-200, 3e-158, 7e-158, 1.0, 3.0, -1e200])
NUMBERS = {
    "llama_index": [FEW, MANY, ZEROS, SIGNED, EXTREME],
    "langchain": [FEW, MANY],  # its store rejects queries of length 0
}


@pytest.fixture(scope="module", autouse=True)
def doubles() -> Iterator[None]:
    """Let LangChain's store compute in double precision; with simsimd, no batch replaces it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("langchain_core.vectorstores.utils._HAS_SIMSIMD", False, raising=False)
        patch.setattr("langchain_adapter._batch.find_spec", lambda name: None)
        yield


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
@settings(max_examples=150, deadline=None)
@given(data=st.data(), k=st.integers(1, 14))
def test_the_run_is_that_of_the_retriever_with_ties_and_zero_vectors(
    framework: Framework, data: st.DataObject, k: int
) -> None:
    numbers = data.draw(st.sampled_from(NUMBERS[framework.name]))
    queries, documents = data.draw(rows(numbers)), data.draw(rows(numbers))
    if data.draw(st.booleans()):
        documents = [*documents, [0.0, 0.0, 0.0]]
    model = model_of(framework, queries, documents)
    retriever = retriever_of(framework, model, len(documents), k)
    dataset = dataset_of(len(queries), len(documents))
    with np.errstate(all="ignore"):  # LlamaIndex divides by the norm of zero vectors
        expected = one_by_one(framework, retriever, dataset)
        assert in_batch(framework, retriever, dataset) == expected
        assert asyncio.run(ain_batch(framework, retriever, dataset)) == expected


@pytest.fixture
def model(framework: Framework) -> Any:
    return random_model(framework)


@pytest.fixture
def retriever(framework: Framework, model: Any) -> Any:
    return retriever_of(framework, model, N_DOCUMENTS)


@pytest.fixture
def dataset() -> RetrievalDataset:
    return random_dataset()


@pytest.fixture
def count(model: Any) -> Callable[[Callable[[], Run]], tuple[Run, int]]:
    """Return a function that returns a run and the number of queries embedded for it."""

    def counted(run: Callable[[], Run]) -> tuple[Run, int]:
        model.calls.clear()
        return run(), len(model.queries)

    return counted


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(("batch", "n_embedded"), [(True, N_QUERIES), (False, N_QUERIES + 1)])
def test_a_batch_embeds_each_text_once_and_can_be_turned_off(
    framework: Framework, retriever: Any, dataset: RetrievalDataset, count: Any,
    asynchronous: bool, batch: bool, n_embedded: int,
) -> None:  # fmt: skip
    def run() -> Run:
        if asynchronous:
            return asyncio.run(
                ain_batch(framework, retriever, dataset, batch=batch, show_progress=True)
            )
        return in_batch(framework, retriever, dataset, batch=batch, show_progress=True)

    expected = one_by_one(framework, retriever, dataset)
    assert count(run) == (expected, n_embedded)
    assert expected["again"] == expected["q3"]


def test_a_store_in_a_database_is_searched_query_by_query(
    framework: Framework, model: Any, dataset: RetrievalDataset, count: Any, tmp_path: Path
) -> None:
    store = framework.stores.chroma(tmp_path, dict(dataset.corpus), model)
    retriever = framework.stores.retriever(store, 5)
    run, n_embedded = count(lambda: in_batch(framework, retriever, dataset))
    assert n_embedded == N_QUERIES + 1
    assert run == one_by_one(framework, retriever, dataset)


def test_vectors_in_single_precision_are_ranked_by_the_store(
    framework: Framework, model: Any, dataset: RetrievalDataset, count: Any
) -> None:
    store = framework.stores.in_memory(dict(dataset.corpus), model)
    stored = framework.stores.embeddings(store)
    for key, vector in list(stored.items()):
        stored[key] = np.array(vector, dtype=np.float32)
    retriever = framework.stores.retriever(store, 5)
    run, n_embedded = count(lambda: in_batch(framework, retriever, dataset))
    assert n_embedded == N_QUERIES + 1
    assert run == one_by_one(framework, retriever, dataset)


def test_the_adapter_of_the_retrievers_model_is_applied(
    framework: Framework, model: Any, retriever: Any, dataset: RetrievalDataset, count: Any
) -> None:
    weight = np.random.default_rng(2).normal(size=(DIM, DIM))
    store = framework.stores.in_memory(dict(dataset.corpus), model)
    served = framework.stores.served(store, framework.adapted(model, LinearAdapter(weight)))
    adapted = framework.stores.retriever(served, 5)
    run, n_embedded = count(lambda: in_batch(framework, adapted, dataset))
    assert n_embedded == N_QUERIES
    assert run == one_by_one(framework, adapted, dataset)
    assert run != in_batch(framework, retriever, dataset)


def test_an_empty_store_finds_nothing_and_a_warning_states_it(
    framework: Framework, model: Any, dataset: RetrievalDataset
) -> None:
    with pytest.warns(EvaluationWarning, match="no document was retrieved for any of"):
        run = in_batch(framework, retriever_of(framework, model, 0), dataset)
    assert set(map(tuple, run.values())) == {()}


def test_the_store_of_another_model_is_refused(
    framework: Framework, model: Any, dataset: RetrievalDataset
) -> None:
    store = framework.stores.in_memory(dict(dataset.corpus), model)
    short = framework.make_base(query=lambda _: [1.0, 2.0])
    retriever = framework.stores.retriever(framework.stores.served(store, short), 5)
    with pytest.raises(DimensionMismatchError, match="document vectors: expected 2 dimensions"):
        in_batch(framework, retriever, dataset)
