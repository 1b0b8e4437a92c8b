"""Tests of the retriever that searches an old and a new store while the new one fills."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.errors import AdapterFileError, AdapterMismatchError, UnreadableStoreError
from query_adapters.upgrade.migration.sample import MigrationSample
from tests.integrations.framework import Framework
from tests.integrations.recording import hashed
from tests.stores.kind import Chunk, StoreKind
from tests.stores.place import DIM, Place
from tests.stores.planted import document_vector, key_of, query_vector, text_of

N, K = 48, 10
STORES = ("in-memory", "faiss", "chroma", "qdrant")
TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(DIM, DIM)))[0]
CHUNKS = [
    Chunk(key_of(number), text_of(number), {"kind": ["even", "odd"][number % 2]})
    for number in range(N)
]
EVEN = {chunk.key for chunk in CHUNKS[::2]}
QUESTION = "how to use subject 7"


def new_document(text: str) -> list[float]:
    noise = 0.2 * np.array(hashed(text, DIM))  # so that the bridge is not exact
    found: list[float] = (np.array(document_vector(text)) @ TURN + noise).tolist()
    return found


def new_query(text: str) -> list[float]:
    found: list[float] = (np.array(query_vector(text)) @ TURN).tolist()
    return found


def models(framework: Framework) -> tuple[Any, Any]:
    return (
        framework.make_base(model_name="old", document=document_vector, query=query_vector),
        framework.make_base(model_name="new", document=new_document, query=new_query),
    )


def bridge_of(texts: Sequence[str]) -> SavedAdapter:
    """Return the bridge from the new model's vectors to those of the old model."""
    new, old = (np.array([of(text) for text in texts]) for of in (new_document, document_vector))
    sample = MigrationSample(tuple(c.key for c in CHUNKS), new, old, {key_of(5): 30})
    record = AdapterRecord(base_model="new")
    return sample.saved_with(SavedAdapter(adapter=LinearAdapter(TURN), record=record))


def assert_equal(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    assert [key for key, _ in found] == [key for key, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected])


Fill = Callable[[str, Sequence[Chunk], Any], Any]


@pytest.fixture
def fill(framework: Framework, place: Place) -> Iterator[Fill]:
    """Yield a function that fills a store at a place of its own."""
    made: list[tuple[StoreKind, Any]] = []

    def fill_store(name: str, chunks: Sequence[Chunk], model: Any) -> Any:
        folder = place.folder / str(len(made))
        folder.mkdir()
        kind = framework.stores.kinds[name]
        made.append((kind, kind.fill(replace(place, folder=folder), chunks, model)))
        return made[-1][1]

    yield fill_store
    for kind, store in made:
        kind.remove(store)


def texts_of(framework: Framework, name: str) -> list[str]:
    return [framework.stores.kinds[name].embedded_text(chunk) for chunk in CHUNKS]


@pytest.mark.slow
@pytest.mark.parametrize("name", STORES)
def test_no_document_is_lost_or_doubled_at_any_share(
    framework: Framework, name: str, fill: Fill
) -> None:
    old_model, new_model = models(framework)
    bridge = bridge_of(texts_of(framework, name))
    old = fill(name, CHUNKS, old_model)
    for share in (0, 0.25, 0.5, 0.75, 1):
        migrated = CHUNKS[: round(share * N)]
        new = fill(name, migrated, new_model)
        calls = len(new_model.calls)
        everything = framework.stores.migrating(old, new, bridge, N)
        found = framework.stores.ranked(everything, QUESTION)
        assert len(new_model.calls) == calls + 1
        assert sorted(key for key, _ in found) == sorted(chunk.key for chunk in CHUNKS)
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)
        few = framework.stores.migrating(old, new, bridge, K)
        assert_equal(framework.stores.ranked(few, QUESTION), found[:K])
        assert few.progress().share == pytest.approx(share)
        if framework.stores.kinds[name].filters:
            even = framework.stores.migrating(old, new, bridge, N, only_even=True)
            wanted = [pair for pair in found if pair[0] in EVEN]
            assert_equal(framework.stores.ranked(even, QUESTION), wanted)


@pytest.fixture
def half(framework: Framework, fill: Fill) -> tuple[Any, Any, SavedAdapter, Any]:
    """Return an old store, a new one that holds half of it, a bridge, and the new model."""
    old_model, new_model = models(framework)
    old, new = fill("in-memory", CHUNKS, old_model), fill("in-memory", CHUNKS[: N // 2], new_model)
    new_model.calls.clear()
    return old, new, bridge_of(texts_of(framework, "in-memory")), new_model


def test_a_question_is_embedded_once_and_found_documents_are_the_same_asynchronously(
    framework: Framework, half: Any
) -> None:
    old, new, bridge, model = half
    retriever = framework.stores.migrating(old, new, bridge, K)
    found = framework.stores.ranked(retriever, QUESTION)
    assert len(found) == K
    assert asyncio.run(framework.stores.aranked(retriever, QUESTION)) == found
    sync, later = framework.calls.names[:2]
    assert model.calls == [(sync, (QUESTION,)), (later, (QUESTION,))]


def test_scores_of_migrated_documents_are_those_of_the_new_store(
    framework: Framework, half: Any
) -> None:
    old, new, bridge, _ = half
    found = dict(framework.stores.ranked(framework.stores.migrating(old, new, bridge, N), QUESTION))
    own = dict(framework.stores.scored(new, QUESTION, N // 2))
    assert {key: found[key] for key in own} == pytest.approx(own, abs=1e-5)


def test_documents_that_are_added_or_deleted_meanwhile_are_noticed(
    framework: Framework, half: Any
) -> None:
    old, new, bridge, _ = half
    kind = framework.stores.kinds["in-memory"]
    retriever = framework.stores.migrating(old, new, bridge, N)
    kind.delete(old, [CHUNKS[0].key, CHUNKS[-1].key])
    kind.delete(new, [CHUNKS[1].key])
    found = [key for key, _ in framework.stores.ranked(retriever, QUESTION)]
    assert sorted(found) == sorted(chunk.key for chunk in CHUNKS[:-1])
    progress = retriever.progress()
    assert (progress.n_migrated, progress.n_pending) == (N // 2 - 1, N // 2)
    assert CHUNKS[1].key in retriever.next_to_embed(N)


def test_the_order_begins_with_what_was_asked_for(framework: Framework, half: Any) -> None:
    old, _, bridge, model = half
    retriever = framework.stores.migrating(old, framework.stores.in_memory({}, model), bridge, 1)
    assert retriever.next_to_embed(1) == [key_of(5)]  # by the labels
    [(best, _)] = framework.stores.ranked(retriever, QUESTION)
    for _ in range(100):
        framework.stores.ranked(retriever, QUESTION)
    assert retriever.next_to_embed(1) == [best]
    assert retriever.asked[best] >= 100


def test_units_keep_chunks_of_a_document_from_one_store(framework: Framework, half: Any) -> None:
    old, new, bridge, _ = half
    retriever = framework.stores.migrating(old, new, bridge, N, units="kind")
    found = {key for key, _ in framework.stores.ranked(retriever, QUESTION)}
    assert found == {chunk.key for chunk in CHUNKS[: N // 2]}  # both units are in the new store
    assert retriever.progress().is_complete
    retriever.refresh()


def test_a_bridge_of_an_engine_serves_while_an_empty_store_fills(
    framework: Framework, output: Path, fill: Fill
) -> None:
    old_model, new_model = models(framework)
    old, new = fill("in-memory", CHUNKS, old_model), fill("in-memory", (), new_model)
    engine = framework.engines.upgrade(old, new_model, output)
    engine.finetune()
    retriever = framework.stores.migrating(old, new, output, K)
    alone = framework.stores.scored(
        framework.stores.served(old, engine.get_finetuned_model()), QUESTION, K
    )
    found = framework.stores.ranked(retriever, QUESTION)
    assert [key for key, _ in found] == [key for key, _ in alone]
    assert retriever.progress().n_migrated == 0


def test_other_stores_models_and_bridges_are_refused(
    framework: Framework, half: Any, tmp_path: Path
) -> None:
    old, new, bridge, _ = half
    migrating = framework.stores.migrating
    with pytest.raises(AdapterMismatchError, match="old index first"):
        migrating(new, old, replace(bridge, record=AdapterRecord(base_model="old")), K)
    with pytest.raises(AdapterMismatchError):
        migrating(old, old, bridge, K)
    with pytest.raises(AdapterFileError, match="sample"):
        migrating(old, new, save_adapter(bridge.adapter, tmp_path / "plain"), K)
    with pytest.raises(UnreadableStoreError):
        migrating(framework.stores.retriever(old, 3), new, bridge, K)
    with pytest.raises(ValueError, match="at least 1"):
        migrating(old, new, bridge, 0)
