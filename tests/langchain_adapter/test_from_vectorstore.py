"""Training onto every store as it is: read, not embedded, not written to, refused if it must be."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_postgres import PGVector

from langchain_adapter import (
    AdapterEmbeddings,
    EmbeddingAdapterFinetuneEngine,
    RetrieverEvaluator,
    stored_vectors,
)
from langchain_adapter.stores import stored_similarity
from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    LeakageError,
    UnreadableStoreError,
)
from query_adapters.evaluation import evaluate_vectors
from query_adapters.stores import gather
from tests.stores.langchain import SHOPS, Shop
from tests.stores.place import DIM, Place
from tests.stores.planted import (
    HELD_OUT,
    N_DOCUMENTS,
    N_LABELLED,
    QUICK,
    TRAINING,
    document_vector,
    key_of,
    query_vector,
    text_of,
)

GIVE_NO_DOCUMENTS = ("lancedb",)


class PlantedEmbeddings(Embeddings):
    """Vectors with something to learn; remembers the documents that it embedded."""

    model = "planted"

    def __init__(self, *, twist: int = 0, width: int = DIM) -> None:
        self.twist, self.width = twist, width
        self.texts: list[str] = []

    def embed_query(self, text: str) -> list[float]:
        return self._twisted(query_vector(text))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += texts
        return [self._twisted(document_vector(text)) for text in texts]

    def _twisted(self, vector: list[float]) -> list[float]:
        return (vector[self.twist :] + vector[: self.twist])[: self.width]


@pytest.fixture
def base() -> PlantedEmbeddings:
    return PlantedEmbeddings()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def make_store(place: Place, base: PlantedEmbeddings) -> Iterator[Callable[[str], VectorStore]]:
    """One of the stores, filled; closed again with whatever was opened in its place."""
    made: list[tuple[Shop, VectorStore]] = []

    def make(name: str) -> VectorStore:
        store = SHOPS[name].open(place, base)
        keys = [key_of(number) for number in range(N_DOCUMENTS)]
        kinds = [{"kind": "even", "key": key} for key in keys]
        store.add_texts([text_of(number) for number in range(N_DOCUMENTS)], kinds, ids=keys)
        base.texts.clear()
        made.append((SHOPS[name], store))
        return store

    yield make
    for shop, store in made:
        if isinstance(store, PGVector):  # ids are unique across the collections of a database
            store.delete_collection()
        shop.close(store)


def engine_on(store: Any, output: Path, **options: Any) -> EmbeddingAdapterFinetuneEngine:
    settings: dict[str, Any] = {"dataset": TRAINING, "model_output_path": output, **QUICK}
    settings |= {"vectorstore": store} | options
    return EmbeddingAdapterFinetuneEngine.from_vectorstore(**settings)


def content(store: Any) -> dict[str, bytes]:
    return {
        key: vector.tobytes()
        for keys, vectors in stored_vectors(store)
        for key, vector in zip(keys, vectors, strict=True)
    }


def exact(store: Any, model: Embeddings) -> dict[str, float]:
    """Metrics of exact search over the vectors read back."""
    stored = gather(stored_vectors(store))
    queries = np.array([model.embed_query(text) for text in HELD_OUT.queries.values()])
    rows = [[stored.row_of[key] for key in HELD_OUT.qrels[query]] for query in HELD_OUT.queries]
    dataset = EmbeddedDataset(queries.astype("f4"), stored.vectors, tuple(map(np.array, rows)))
    return evaluate_vectors(dataset, similarity=stored_similarity(store) or "cosine").means


def through(store: VectorStore) -> dict[str, float]:
    retriever = store.as_retriever(search_kwargs={"k": 10})
    return RetrieverEvaluator(retriever, id_key="key").evaluate_dataset(HELD_OUT).means


@pytest.mark.parametrize("name", SHOPS)
def test_a_store_is_trained_onto_as_it_is(
    name: str,
    make_store: Callable[..., VectorStore],
    place: Place,
    base: PlantedEmbeddings,
    output: Path,
) -> None:
    shop, store = SHOPS[name], make_store(name)
    before = through(store)
    assert before == pytest.approx(exact(store, base))
    there = content(store)  # after a search: Qdrant's own client rescales at the first
    engine = engine_on(store, output, val_dataset=HELD_OUT, check_model=False)
    engine.finetune()
    assert content(store) == there
    adapted = engine.get_finetuned_model()
    served = shop.reopen(store, place, adapted)
    after = through(served)
    assert base.texts == []
    if not shop.unit:  # a Qdrant without a server keeps its files as they were added
        assert content(served) == there
    assert engine.result.training.n_documents == N_DOCUMENTS
    assert engine.result.saved.record.training["similarity"] == shop.similarity
    assert after["ndcg@10"] > before["ndcg@10"] + 0.1
    assert after == pytest.approx(exact(served, adapted))
    measured = engine.result.validation
    assert measured is not None
    assert measured["ndcg@10"].base.mean == pytest.approx(before["ndcg@10"])
    assert measured["ndcg@10"].adapted.mean == pytest.approx(after["ndcg@10"])
    shop.close(served)


@pytest.mark.parametrize("name", SHOPS)
def test_the_model_is_checked_on_three_documents_where_the_store_gives_them_back(
    name: str,
    make_store: Callable[..., VectorStore],
    base: PlantedEmbeddings,
    output: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = make_store(name)
    with caplog.at_level(logging.INFO):
        engine_on(store, output)
    n_checked = 0 if name in GIVE_NO_DOCUMENTS else 3
    assert base.texts == [text_of(number) for number in range(n_checked)]
    assert ("not checked against the model" in caplog.text) == (n_checked == 0)
    if n_checked:
        with pytest.raises(AdapterMismatchError, match=r"not made by .* check_model=False"):
            engine_on(store, output, embeddings=PlantedEmbeddings(twist=1))
    assert not output.exists()


def test_a_model_of_another_length_is_refused(
    make_store: Callable[..., VectorStore], output: Path
) -> None:
    with pytest.raises(DimensionMismatchError, match="expected 5 dimensions, got 8; give the"):
        engine_on(make_store("chroma"), output, embeddings=PlantedEmbeddings(width=5))
    assert not output.exists()


def test_the_model_is_the_stores_own_without_its_adapter(
    make_store: Callable[..., VectorStore], place: Place, base: PlantedEmbeddings, output: Path
) -> None:
    adapted = AdapterEmbeddings(base, LinearAdapter(np.eye(DIM)[::-1]))
    store = SHOPS["in-memory"].reopen(make_store("in-memory"), place, adapted)
    engine = engine_on(store, output)
    engine.finetune()
    assert engine.get_finetuned_model().base is base


@pytest.mark.parametrize("name", SHOPS)
def test_a_document_that_is_gone_is_named_before_anything_is_embedded(
    name: str, make_store: Callable[..., VectorStore], base: PlantedEmbeddings, output: Path
) -> None:
    store, gone = make_store(name), [key_of(3), key_of(7)]
    store.delete(gone)
    expected = rf"without 2 of {N_LABELLED}, such as '{gone[0]}', '{gone[1]}'; .*were added"
    with pytest.raises(InvalidDatasetError, match=expected):
        engine_on(store, output)
    assert base.texts == []
    assert not output.exists()


@pytest.mark.parametrize("name", SHOPS)
def test_an_empty_store_is_refused(
    name: str, place: Place, base: PlantedEmbeddings, output: Path
) -> None:
    store = SHOPS[name].open(place, base)
    with pytest.raises(InvalidVectorsError, match="at least one stored vector, got an empty"):
        engine_on(store, output)
    SHOPS[name].close(store)
    assert not output.exists()


@pytest.mark.parametrize("memory_map", [False, True])
def test_a_store_that_is_emptied_while_it_is_read_is_refused(
    memory_map: bool,
    make_store: Callable[..., VectorStore],
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store: Any = make_store("chroma")
    collection = store._collection
    get = type(collection).get

    def get_and_empty(self: Any, **wanted: Any) -> Any:
        found = get(self, **wanted)
        if wanted == {"include": []}:  # all ids are known now, and no vector is
            self.delete(ids=found["ids"][-5:])
        return found

    monkeypatch.setattr(type(collection), "get", get_and_empty)
    with pytest.raises(InvalidVectorsError, match=r"expected the 60 vectors .* got 55; rows went"):
        engine_on(store, output, memory_map=memory_map)
    assert not output.exists()


@pytest.mark.parametrize("number", [0, N_DOCUMENTS])
def test_vectors_of_two_lengths_are_refused(
    number: int, make_store: Callable[..., VectorStore], output: Path
) -> None:
    store = make_store("in-memory")
    assert isinstance(store, InMemoryVectorStore)
    row = {"id": key_of(number), "text": "short", "metadata": {}, "vector": [1.0, 2.0]}
    store.store[key_of(number)] = row
    with pytest.raises(DimensionMismatchError, match="keep the vectors of one embedding model"):
        engine_on(store, output, memory_map=True)
    assert not output.exists()


def test_leaked_questions_are_refused_before_anything_is_embedded(
    make_store: Callable[..., VectorStore], base: PlantedEmbeddings, output: Path
) -> None:
    with pytest.raises(LeakageError):
        engine_on(make_store("in-memory"), output, val_dataset=TRAINING[:3])
    assert base.texts == []


def test_of_a_large_store_a_sample_is_read_into_a_file(
    make_store: Callable[..., VectorStore], output: Path
) -> None:
    engine = engine_on(make_store("faiss"), output, max_documents=5, memory_map=True)
    engine.finetune()
    assert engine.result.training.n_documents == N_LABELLED + 5
    assert np.load(output / "index.npy").shape == (N_LABELLED + 5, DIM)


def test_vectors_that_were_read_before_serve_as_the_store(
    make_store: Callable[..., VectorStore], base: PlantedEmbeddings, output: Path
) -> None:
    store = make_store("chroma")
    stored = replace(gather(stored_vectors(store)), similarity=stored_similarity(store))
    dataset = HELD_OUT
    stores: list[Any] = [store, stored]
    prints = set()
    for at, given in enumerate(stores):
        engine = EmbeddingAdapterFinetuneEngine(
            dataset, base, vectorstore=given, model_output_path=output / str(at), **QUICK
        )
        engine.finetune()
        prints.add(engine.result.saved.adapter.fingerprint)
    assert len(prints) == 1
    with pytest.raises(TypeError, match="pass the model that the documents are embedded with"):
        EmbeddingAdapterFinetuneEngine(dataset, vectorstore=stored)


@pytest.mark.parametrize("given", [True, False])
def test_a_retriever_in_place_of_the_store_is_refused(
    given: bool, base: PlantedEmbeddings, output: Path
) -> None:
    retriever: Any = InMemoryVectorStore(base).as_retriever()
    told = r"expected a vector store, not a retriever, got VectorStoreRetriever; .*\.vectorstore"
    with pytest.raises(UnreadableStoreError, match=told):
        EmbeddingAdapterFinetuneEngine.from_vectorstore(
            TRAINING, retriever, base if given else None, model_output_path=output
        )
