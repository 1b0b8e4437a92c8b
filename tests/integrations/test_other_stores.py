"""Tests of stores whose packages are optional: trained onto, and searched with adapted queries."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation.search import exact_search
from query_adapters.stores import StoredVectors, gather
from tests.integrations import fusion_contract
from tests.integrations.both import FRAMEWORKS
from tests.integrations.framework import Framework
from tests.integrations.fusion_contract import Serving
from tests.langchain_adapter import test_fusion as langchain_fusion
from tests.llama_index_finetune_plugin import test_fusion as llama_index_fusion
from tests.stores import other_langchain, other_llama_index
from tests.stores.kind import Chunk, OpenStore, StoreKind
from tests.stores.place import Place
from tests.stores.planted import (
    HELD_OUT,
    N_DOCUMENTS,
    QUICK,
    document_vector,
    key_of,
    pairs,
    query_vector,
    text_of,
)

pytestmark = pytest.mark.slow

KINDS: dict[str, dict[str, StoreKind]] = {
    "llama_index": dict(other_llama_index.KINDS),
    "langchain": dict(other_langchain.KINDS),
}
CHUNKS = [
    Chunk(key_of(n), text_of(n), {"kind": ["even", "odd"][n % 2], "group": f"group {n // 3}"})
    for n in range(N_DOCUMENTS)
]
QUESTION = "how to use subject 3"

each_store = pytest.mark.parametrize(
    ("framework", "name"),
    [
        pytest.param(framework, name, id=f"{framework}-{name}")
        for framework in FRAMEWORKS
        for name in KINDS[framework]
    ],
    indirect=["framework"],
)


@pytest.fixture
def base(framework: Framework) -> Any:
    return framework.make_base(model_name="planted", query=query_vector, document=document_vector)


@pytest.fixture
def fill(framework: Framework, place: Place, base: Any) -> Iterator[Callable[[str], OpenStore]]:
    """Yield a function that fills a store of the given kind with every document."""
    made: list[OpenStore] = []

    def make(name: str) -> OpenStore:
        kind = KINDS[framework.name][name]
        made.append(OpenStore(kind, place, kind.fill(place, CHUNKS, base), tuple(CHUNKS)))
        base.calls.clear()
        return made[-1]

    yield make
    for opened in made:
        opened.kind.remove(opened.store)


def ids_in(framework: Framework, opened: OpenStore) -> dict[str, str]:
    """Return the ids of the store by those of the chunks: sqlite-vec numbers its rows."""
    ids = [chunk.key for chunk in opened.chunks]
    stored = gather(framework.stores.stored_vectors(opened.store)).ids
    return dict(zip(ids, ids if set(ids) == set(stored) else sorted(stored, key=int), strict=True))


def nearest(query: Any, stored: StoredVectors, similarity: Any) -> list[str]:
    rows = np.array([query], dtype=np.float32)
    (found,) = exact_search(rows, stored.vectors, k=5, similarity=similarity)
    return [stored.ids[row] for row in found]


def questions(names: dict[str, str], *kinds: str) -> list[tuple[str, str]]:
    return [(text, names[key]) for kind in kinds for text, key in pairs(kind)]


@each_store
def test_a_store_is_trained_onto_and_searched_as_it_is(
    framework: Framework, name: str, fill: Callable[[str], OpenStore], base: Any, output: Path
) -> None:
    opened = fill(name)
    names, kind = ids_in(framework, opened), opened.kind
    before = gather(framework.stores.stored_vectors(opened.store))
    expected = [chunk.key for chunk in opened.chunks]
    rows = {key: before.vectors[before.row_of[names[key]]] for key in expected}
    texts = {chunk.key: kind.embedded_text(chunk) for chunk in opened.chunks}
    for key, row in rows.items():
        np.testing.assert_allclose(row, document_vector(texts[key]), rtol=1e-5, atol=1e-5)
    assert framework.stores.stored_similarity(opened.store) == kind.similarity
    engine = framework.engines.onto_store(
        store=opened.store,
        dataset=questions(names, "how to use", "what is"),
        model_output_path=output,
        check_model=False,
        **QUICK,
    )
    engine.finetune()
    assert engine.result.training.n_documents == N_DOCUMENTS
    assert engine.result.saved.record.training["similarity"] == kind.similarity
    adapted = engine.get_finetuned_model()
    opened.reopen(adapted)
    chunk_of = {names[key]: key for key in expected}
    hits = {True: 0, False: 0}
    for text, key in list(HELD_OUT.queries.items())[:10]:
        query = framework.calls.query(adapted, text)
        best = [chunk_of[found] for found in nearest(query, before, kind.similarity)]
        assert opened.search(text) == best
        without = nearest(query_vector(text), before, kind.similarity)
        relevant = next(iter(HELD_OUT.qrels[key]))
        hits[True] += relevant in best
        hits[False] += relevant in [chunk_of[found] for found in without]
    assert hits[True] > hits[False]
    assert base.documents == []
    after = gather(framework.stores.stored_vectors(opened.store))
    np.testing.assert_array_equal(after.vectors, before.vectors)


@pytest.mark.parametrize(
    ("framework", "name"),
    [
        pytest.param(framework, name, id=f"{framework}-{name}")
        for framework in FRAMEWORKS
        for name, kind in KINDS[framework].items()
        if kind.filters
    ],
    indirect=["framework"],
)
def test_a_filter_works_with_adapted_queries(
    framework: Framework, name: str, fill: Callable[[str], OpenStore], base: Any, adapter: Any
) -> None:
    opened, adapted = fill(name), framework.adapted(base, adapter)
    store = opened.reopen(adapted)
    even = [chunk.key for chunk in opened.chunks if chunk.metadata["kind"] == "even"]
    stored = gather(framework.stores.stored_vectors(store, ids=even))
    query = framework.calls.query(adapted, QUESTION)
    expected = nearest(query, stored, opened.kind.similarity)
    assert opened.search(QUESTION, only_even=True) == expected


@each_store
def test_the_model_is_checked_and_units_are_read_of_the_stored_documents(
    framework: Framework, name: str, fill: Callable[[str], OpenStore], base: Any, output: Path
) -> None:
    opened = fill(name)
    dataset = [(text, f"group {n // 3}") for n, (text, _) in enumerate(pairs("what is"))]
    settings: dict[str, Any] = {"model_output_path": output, **QUICK}
    engine = framework.engines.onto_store(
        store=opened.store, dataset=dataset, units="group", **settings
    )
    assert len(base.documents) == 3
    engine.finetune()
    assert engine.result.saved.record.training["similarity"] == opened.kind.similarity
    with pytest.raises(InvalidDatasetError, match="units"):
        framework.engines.onto_store(
            store=opened.store, dataset=[("which?", "nobody")], units="group", **settings
        )


SERVING: dict[str, Serving] = {
    "llama_index": llama_index_fusion.TestContract.serving,
    "langchain": langchain_fusion.SERVING,
}
LANGCHAIN_HYBRIDS = "milvus", "mongodb", "opensearch", "pinecone", "weaviate"
HYBRIDS = [
    *((framework, name) for framework in ("llama_index",) for name in KINDS[framework]),
    *(("langchain", name) for name in LANGCHAIN_HYBRIDS),
]


@pytest.mark.parametrize(
    ("framework", "name"),
    [pytest.param(*pair, id="-".join(pair)) for pair in HYBRIDS],
    indirect=["framework"],
)
def test_a_hybrid_with_exact_words_and_votes_ranks_as_all_documents_do(
    framework: Framework, name: str, place: Place, adapter: Any
) -> None:
    kind, base = KINDS[framework.name][name], framework.make_base()
    store = kind.fill(place, fusion_contract.CHUNKS, base)
    opened = OpenStore(kind, place, store, tuple(fusion_contract.CHUNKS))
    serving, question = SERVING[framework.name], fusion_contract.QUESTIONS[0]
    model = fusion_contract.model_of(opened, base, adapter)
    retriever = serving.retriever(opened.store, model, check_model=False)
    wanted = fusion_contract.expected(model, question, opened, base)
    fusion_contract.check_same(serving.results(retriever, question), wanted)
    kind.remove(opened.store)
