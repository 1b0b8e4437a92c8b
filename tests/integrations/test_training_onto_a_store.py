"""Tests of training on an existing store, which is read but neither embedded nor changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    LeakageError,
    QueryAdaptersWarning,
)
from query_adapters.evaluation import evaluate_vectors
from query_adapters.stores import gather
from tests.integrations.both import each_store
from tests.integrations.framework import Framework
from tests.stores.kind import Chunk, OpenStore
from tests.stores.place import DIM
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

pytestmark = pytest.mark.slow

CHUNKS = [Chunk(key_of(n), text_of(n), {"kind": "even"}) for n in range(N_DOCUMENTS)]


def planted(framework: Framework, *, shift: int = 0, width: int = DIM) -> Any:
    """Return a model that a linear map improves; optionally roll and truncate its vectors."""

    def changed(vector: list[float]) -> list[float]:
        return (vector[shift:] + vector[:shift])[:width]

    return framework.make_base(
        model_name="planted",
        query=lambda text: changed(query_vector(text)),
        document=lambda text: changed(document_vector(text)),
    )


@pytest.fixture
def base(framework: Framework) -> Any:
    return planted(framework)


@pytest.fixture
def fill(make_store: Callable[..., OpenStore], base: Any) -> Callable[[str], OpenStore]:
    """Return a function that fills a store of the given kind with every document."""

    def make(name: str) -> OpenStore:
        opened = make_store(name, CHUNKS, base)
        base.calls.clear()
        return opened

    return make


def engine_on(framework: Framework, store: Any, output: Path, **options: Any) -> Any:
    settings: dict[str, Any] = {"dataset": TRAINING, "model_output_path": output, **QUICK}
    return framework.engines.onto_store(store=store, **(settings | options))


def content(framework: Framework, store: Any) -> dict[str, bytes]:
    return {
        key: vector.tobytes()
        for keys, vectors in framework.stores.stored_vectors(store)
        for key, vector in zip(keys, vectors, strict=True)
    }


def exact(framework: Framework, store: Any, model: Any) -> dict[str, float]:
    """Return the metrics of an exact search over the vectors read from the store."""
    stored = gather(framework.stores.stored_vectors(store))
    texts = HELD_OUT.queries.values()
    queries = np.array([framework.calls.query(model, text) for text in texts], dtype=np.float32)
    rows = [[stored.row_of[key] for key in HELD_OUT.qrels[query]] for query in HELD_OUT.queries]
    dataset = EmbeddedDataset(queries, stored.vectors, tuple(map(np.array, rows)))
    similarity: Any = framework.stores.stored_similarity(store) or "cosine"
    return evaluate_vectors(dataset, similarity=similarity).means


def through(framework: Framework, opened: OpenStore) -> dict[str, float]:
    """Return the metrics of the store's own search."""
    evaluator = framework.evaluator(opened.retriever(10), **opened.kind.evaluator_options)
    means: dict[str, float] = evaluator.evaluate_dataset(HELD_OUT).means
    return means


@each_store()
def test_a_store_is_trained_onto_as_it_is(
    framework: Framework, name: str, fill: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    opened = fill(name)
    before = through(framework, opened)
    assert before == pytest.approx(exact(framework, opened.store, base))
    there = content(framework, opened.store)  # Qdrant's local client normalizes at the first search
    engine = engine_on(framework, opened.store, output, val_dataset=HELD_OUT, check_model=False)
    engine.finetune()
    assert content(framework, opened.store) == there
    adapted = engine.get_finetuned_model()
    served = opened.reopen(adapted)
    after = through(framework, opened)
    assert base.documents == []
    if not opened.kind.unit:  # Qdrant without a server stores unnormalized vectors
        assert content(framework, served) == there
    assert engine.result.training.n_documents == N_DOCUMENTS
    assert engine.result.saved.record.training["similarity"] == opened.kind.similarity
    assert after["ndcg@10"] > before["ndcg@10"] + 0.1
    assert after == pytest.approx(exact(framework, served, adapted))
    measured = engine.result.validation
    assert measured["ndcg@10"].base.mean == pytest.approx(before["ndcg@10"])
    assert measured["ndcg@10"].adapted.mean == pytest.approx(after["ndcg@10"])


@each_store(lambda kind: kind.returns_texts)
def test_the_model_is_checked_on_three_documents_if_the_store_returns_them(
    framework: Framework, name: str, fill: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    opened = fill(name)
    engine_on(framework, opened.store, output)
    expected = [opened.kind.embedded_text(chunk) for chunk in CHUNKS[:3]]
    assert sorted(base.documents) == expected  # the order of LlamaIndex's Qdrant store is undefined
    with pytest.raises(AdapterMismatchError, match=r"not made by planted.* check_model=False"):
        engine_on(framework, opened.store, output, model=planted(framework, shift=1))
    assert not output.exists()


@each_store(lambda kind: not kind.returns_texts)
def test_a_store_without_texts_is_not_checked_and_a_warning_states_it(
    framework: Framework, name: str, fill: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    opened = fill(name)
    told = r"not checked against planted, .* no texts; make sure .* check_model=False"
    with pytest.warns(QueryAdaptersWarning, match=told) as caught:
        engine_on(framework, opened.store, output)
    assert Path(caught[0].filename).parent == Path(__file__).parent  # where the store was passed
    engine_on(framework, opened.store, output, check_model=False)
    assert base.documents == []


def test_a_model_of_another_length_is_refused(
    framework: Framework, fill: Callable[..., OpenStore], output: Path
) -> None:
    model = planted(framework, width=5)
    with pytest.raises(DimensionMismatchError, match="expected 5 dimensions, got 8; give the"):
        engine_on(framework, fill("chroma").store, output, model=model)
    assert not output.exists()


@pytest.mark.parametrize("is_adapted", [False, True])
def test_the_default_model_is_the_stores_without_its_adapter(
    framework: Framework, fill: Callable[..., OpenStore], base: Any, output: Path, is_adapted: bool
) -> None:
    opened = fill("in-memory")
    if is_adapted:
        opened.reopen(framework.adapted(base, LinearAdapter(np.eye(DIM)[::-1])))
    engine = engine_on(framework, opened.store, output)
    engine.finetune()
    assert getattr(engine.get_finetuned_model(), framework.base_field) is base


@each_store()
def test_an_absent_document_is_named_before_anything_is_embedded(
    framework: Framework, name: str, fill: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    opened, pairs, gone = fill(name), TRAINING, [key_of(3), key_of(7)]
    if opened.kind.deletes:
        opened.kind.delete(opened.store, gone)
    else:
        gone = [key_of(1_000), key_of(1_001)]
        pairs = [*TRAINING, ("who?", gone[0]), ("where?", gone[1])]
    n_labelled = N_LABELLED if opened.kind.deletes else N_LABELLED + 2
    told = rf"without 2 of {n_labelled}, such as '{gone[0]}', '{gone[1]}'; .*(node_id|were added)"
    with pytest.raises(InvalidDatasetError, match=told):
        engine_on(framework, opened.store, output, dataset=pairs)
    assert base.documents == []
    assert not output.exists()


@each_store()
def test_an_empty_store_is_refused(
    framework: Framework, name: str, make_store: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    opened = make_store(name, [], base)
    with pytest.raises(InvalidVectorsError, match="at least one stored vector, got an empty"):
        engine_on(framework, opened.store, output)
    assert not output.exists()


@pytest.mark.parametrize("memory_map", [False, True])
def test_a_store_that_loses_rows_while_it_is_read_is_refused(
    framework: Framework, fill: Callable[..., OpenStore], output: Path, memory_map: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    opened = fill("chroma")
    get: Any = chromadb.Collection.get

    def get_and_delete(self: Any, **wanted: Any) -> Any:
        found = get(self, **wanted)
        if wanted == {"include": []}:  # all ids have been read, but no vectors
            self.delete(ids=found["ids"][-5:])
        return found

    monkeypatch.setattr(chromadb.Collection, "get", get_and_delete)
    with pytest.raises(InvalidVectorsError, match=r"expected the 60 vectors .* got 55; rows went"):
        engine_on(framework, opened.store, output, memory_map=memory_map)
    assert not output.exists()


@pytest.mark.parametrize("number", [0, N_DOCUMENTS])
def test_vectors_of_two_lengths_are_refused(
    framework: Framework, fill: Callable[..., OpenStore], output: Path, number: int
) -> None:
    store = fill("in-memory").store
    framework.stores.embeddings(store)[key_of(number)] = [1.0, 2.0]
    with pytest.raises(DimensionMismatchError, match="keep the vectors of one embedding model"):
        engine_on(framework, store, output, memory_map=True)
    assert not output.exists()


def test_leaked_questions_are_refused_before_anything_is_embedded(
    framework: Framework, fill: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    store = fill("in-memory").store
    with pytest.raises(LeakageError):
        engine_on(framework, store, output, val_dataset=TRAINING[:3])
    assert base.documents == []


@pytest.mark.parametrize("most", [0, 5, None])
def test_a_sample_of_a_large_store_is_read_and_the_share_of_seen_documents_is_the_stores(
    framework: Framework, fill: Callable[..., OpenStore], output: Path, most: int | None
) -> None:
    engine = engine_on(framework, fill("qdrant").store, output, max_documents=most)
    engine.finetune()
    n_others = N_DOCUMENTS - N_LABELLED if most is None else most
    assert engine.result.training.n_documents == N_LABELLED + n_others
    row = engine.result.training.table[-1]
    share = N_LABELLED / N_DOCUMENTS
    expected = share * row.seen.mean + (1 - share) * row.unseen.mean
    assert row.overall.mean == pytest.approx(expected)


def test_vectors_may_be_kept_in_a_file(
    framework: Framework, fill: Callable[..., OpenStore], output: Path, tmp_path: Path
) -> None:
    store = fill("faiss").store
    engines = [
        engine_on(framework, store, output / str(at), memory_map=memory_map)
        for at, memory_map in enumerate([False, True, tmp_path / "kept.npy"])
    ]
    for engine in engines:
        engine.finetune()
    prints = {engine.result.saved.adapter.fingerprint for engine in engines}
    assert len(prints) == 1
    assert np.load(output / "1" / "index.npy").shape == (N_DOCUMENTS, DIM)
    assert np.load(tmp_path / "kept.npy").shape == (N_DOCUMENTS, DIM)


def test_a_sample_may_be_kept_in_a_file(
    framework: Framework, fill: Callable[..., OpenStore], output: Path
) -> None:
    store = fill("faiss").store
    engine = engine_on(framework, store, output, max_documents=5, memory_map=True)
    engine.finetune()
    assert engine.result.training.n_documents == N_LABELLED + 5
    assert np.load(output / "index.npy").shape == (N_LABELLED + 5, DIM)


def test_a_dataset_with_texts_is_trained_as_its_pairs_are(
    framework: Framework, fill: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    store = fill("chroma").store
    dataset = framework.dataset(
        queries={text: text for text, _ in TRAINING},
        corpus={"another": "not in the store", **HELD_OUT.corpus},
        relevant_docs={text: [key] for text, key in TRAINING},
    )
    engines = [
        engine_on(framework, store, output / str(at), dataset=given, check_model=False)
        for at, given in enumerate([TRAINING, dict(TRAINING), dataset])
    ]
    for engine in engines:
        engine.finetune()
    assert len({engine.result.saved.adapter.fingerprint for engine in engines}) == 1
    assert base.documents == []


def test_vectors_that_were_read_before_replace_the_store(
    framework: Framework, fill: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    store = fill("chroma").store
    similarity: Any = framework.stores.stored_similarity(store)
    stored = replace(gather(framework.stores.stored_vectors(store)), similarity=similarity)
    engines = [
        framework.engines.adapter(
            HELD_OUT, base, store=given, model_output_path=output / str(at), **QUICK
        )
        for at, given in enumerate([store, stored])
    ]
    for engine in engines:
        engine.finetune()
    assert len({engine.result.saved.adapter.fingerprint for engine in engines}) == 1
    assert base.documents == []
