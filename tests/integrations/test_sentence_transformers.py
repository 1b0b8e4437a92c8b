"""Tests of the engine that trains the model itself and of the class that serves it."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import split_by_document
from query_adapters.embedders.identity import identity_of
from query_adapters.errors import NotFinetunedError
from query_adapters.stores import gather
from tests.integrations.framework import Framework
from tests.tiny_model import LEARNS, save_tiny_model, toy_dataset

pytestmark = pytest.mark.slow

QUIET: dict[str, Any] = {**LEARNS, "show_progress_bar": False, "device": "cpu"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    prompts = {"query": "filler0 ", "document": "filler1 "}
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny-bert", prompts=prompts)


@pytest.fixture
def datasets(framework: Framework) -> tuple[Any, Any]:
    """Return a training and a validation dataset about different documents."""

    def own(dataset: RetrievalDataset) -> Any:
        relevant = {query: list(grades) for query, grades in dataset.qrels.items()}
        return framework.dataset(dict(dataset.queries), dict(dataset.corpus), relevant)

    train, validation = split_by_document(toy_dataset(), held_out=0.3)
    return own(train), own(validation)


def ndcg(framework: Framework, store: Any, model: Any, dataset: Any) -> float:
    retriever = framework.stores.retriever(framework.stores.served(store, model), 10)
    mean: float = framework.evaluator(retriever).evaluate_dataset(dataset).means["ndcg@10"]
    return mean


def checksum(framework: Framework, store: Any) -> str:
    stored = gather(framework.stores.stored_vectors(store))
    return hashlib.sha256(stored.vectors[np.argsort(stored.ids)].tobytes()).hexdigest()


def test_a_whole_model_that_was_trained_serves_a_store_of_its_own(
    framework: Framework, datasets: tuple[Any, Any], tiny: str, tmp_path: Path
) -> None:
    train, validation = datasets
    engine = framework.engines.tower(
        train, tiny, model_output_path=str(tmp_path / "tuned"), val_dataset=validation, **QUIET
    )
    with pytest.raises(NotFinetunedError):
        engine.get_finetuned_model()
    engine.finetune()
    model = engine.get_finetuned_model()
    assert isinstance(model, framework.engines.tower_model)  # type: ignore[arg-type]
    gain = engine.result.judgement.comparison["ndcg@10"]
    assert gain.difference.low > 0.5
    store = framework.stores.in_memory(dict(validation.corpus), model)
    measured = ndcg(framework, store, model, validation)
    assert measured == pytest.approx(gain.adapted.mean, abs=1e-6)


def test_the_query_tower_serves_an_existing_store_and_an_adapter_stacks_on_it(
    framework: Framework, datasets: tuple[Any, Any], tmp_path: Path
) -> None:
    train, validation = datasets
    tiny = save_tiny_model(tmp_path / "tiny-bert")
    base = framework.engines.tower_model(tiny, device="cpu")
    store = framework.stores.in_memory(dict(train.corpus), base)
    before, untuned = checksum(framework, store), ndcg(framework, store, base, validation)
    engine = framework.engines.tower(
        train, tiny, model_output_path=tmp_path / "tuned", train="query", store=store,
        device="cpu", show_progress_bar=False, epochs=3, batch_size=16,
        learning_rate=LEARNS["learning_rate"],
    )  # fmt: skip
    engine.finetune()
    tuned = engine.get_finetuned_model()
    after_tuning = ndcg(framework, store, tuned, validation)
    assert after_tuning > untuned + 0.3

    stacked = framework.engines.adapter(
        train, tuned, store=store, model_output_path=tmp_path / "adapter"
    )
    stacked.finetune()
    adapted = stacked.get_finetuned_model()
    assert stacked.result.training.chosen is not None
    assert ndcg(framework, store, adapted, validation) > after_tuning
    assert checksum(framework, store) == before
    text = next(iter(train.corpus.values()))
    vectors = [framework.calls.documents(model, [text]) for model in (base, tuned, adapted)]
    assert vectors[0] == vectors[1] == vectors[2]
    assert identity_of(tuned) != identity_of(base)
    assert tuned.identity is tuned.identity  # computed once, not for every query
    saved = SentenceTransformer(str(engine.result.folder), device="cpu")
    query = framework.calls.query(tuned, text)
    np.testing.assert_allclose(query, saved.encode_query(text), atol=1e-6)


def test_prompts_and_routes_are_those_of_the_saved_model(framework: Framework, tiny: str) -> None:
    model = SentenceTransformer(tiny, device="cpu")
    served = framework.engines.tower_model(tiny, device="cpu")
    text = "asked1 asked2"
    query, (document,) = (
        framework.calls.query(served, text),
        framework.calls.documents(served, [text]),
    )
    np.testing.assert_allclose(query, model.encode_query(text), atol=1e-6)
    np.testing.assert_allclose(document, model.encode_document(text), atol=1e-6)
    assert not np.allclose(query, document, atol=1e-3)


def test_a_model_retrained_in_the_same_folder_has_another_identity(
    framework: Framework, tmp_path: Path
) -> None:
    folder = tmp_path / "model"

    def identity() -> str:
        return identity_of(framework.engines.tower_model(str(folder), device="cpu"))

    identities = []
    for seed in (0, 1):
        save_tiny_model(folder, seed=seed)
        identities.append(identity())
    assert identities[0] != identities[1] == identity()
