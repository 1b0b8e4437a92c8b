"""Tests of the engine that serves an index with another model than the one that built it."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters.storage import read_adapter
from query_adapters.errors import (
    AdapterMismatchError,
    InvalidDatasetError,
    NotFinetunedError,
)
from tests.integrations.framework import Framework

N, DIM_OLD, DIM_NEW = 120, 8, 12
CORPUS = {f"id text {number}": f"text {number}" for number in range(N)}
QUESTIONS = {f"question about text {number}": [f"id text {number}"] for number in range(N)}
INTO_NEW = np.linalg.qr(np.random.default_rng(1).normal(size=(DIM_NEW, DIM_NEW)))[0][:DIM_OLD]
ASKED = np.linalg.qr(np.random.default_rng(2).normal(size=(DIM_OLD, DIM_OLD)))[0]


def meaning(text: str) -> Any:
    return np.random.default_rng(int(text.rpartition(" ")[2])).normal(size=DIM_OLD)


def noise(text: str, dim: int) -> Any:
    return 0.3 * np.random.default_rng(len(text) + int(text.rpartition(" ")[2])).normal(size=dim)


def old_vector(text: str) -> list[float]:
    found: list[float] = meaning(text).tolist()
    return found


def new_vector(text: str) -> list[float]:
    found: list[float] = (meaning(text) @ INTO_NEW).tolist()
    return found


def asked(text: str, share: float) -> list[float]:
    found: list[float] = (np.array(new_vector(text)) + share * noise(text, DIM_NEW)).tolist()
    return found


def turned_document(text: str) -> list[float]:
    """Return a vector as long as the old model's, in another space."""
    found: list[float] = (meaning(text) @ ASKED).tolist()
    return found


def turned_question(text: str) -> list[float]:
    """Return a vector turned away from the answer, as only labels can tell."""
    found: list[float] = (meaning(text) @ ASKED @ INTO_NEW + noise(text, DIM_NEW)).tolist()
    return found


def noisy_old_question(text: str) -> list[float]:
    found: list[float] = (meaning(text) + 4 * noise(text, DIM_OLD)).tolist()
    return found


def old_model(framework: Framework) -> Any:
    return framework.make_base(model_name="old", document=old_vector, query=noisy_old_question)


def new_model(framework: Framework, **functions: Any) -> Any:
    given = {"document": new_vector, "query": new_vector, **functions}
    return framework.make_base(model_name="new", **given)


def engine(framework: Framework, store: Any, new: Any, output: Path, **options: Any) -> Any:
    return framework.engines.upgrade(store, new, output, **options)


@pytest.mark.parametrize("kind", ["memory", "chroma"])
def test_the_new_model_finds_every_document_and_the_store_is_not_touched(
    framework: Framework, kind: str, tmp_path: Path
) -> None:
    old, new = old_model(framework), new_model(framework)
    if kind == "memory":
        store = framework.stores.in_memory(CORPUS, old)
    else:
        store = framework.stores.chroma(tmp_path / "chroma", CORPUS, old)
    before = dict(stored(framework, store))
    upgrade = engine(framework, store, new, tmp_path / "out", n_texts=100)
    assert new.calls == []
    assert upgrade.plan.n_texts <= 103
    upgrade.finetune()
    assert len(set(new.documents)) == upgrade.plan.n_texts
    adapted = upgrade.get_finetuned_model()
    rows = np.array([before[key] for key in CORPUS])
    for number in (0, 50, 119):
        vector = framework.calls.query(adapted, f"question about text {number}")
        assert len(vector) == DIM_OLD
        assert vector == asyncio.run(
            framework.calls.aquery(adapted, f"question about text {number}")
        )
        cosines = rows @ vector / np.linalg.norm(rows, axis=1)
        assert cosines.argmax() == number
    after = dict(stored(framework, store))
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[key], before[key]) for key in before)


def stored(framework: Framework, store: Any) -> Any:
    for keys, vectors in framework.stores.stored_vectors(store):
        yield from zip(keys, vectors, strict=True)


def test_the_served_store_ranks_by_the_bridge(framework: Framework, output: Path) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    upgrade = engine(framework, store, new_model(framework), output)
    upgrade.finetune()
    served = framework.stores.served(store, upgrade.get_finetuned_model())
    retriever = framework.stores.retriever(served, 1)
    found = [framework.stores.found(retriever, question) for question in list(QUESTIONS)[:20]]
    assert found == list(QUESTIONS.values())[:20]


def test_the_saved_folder_serves_the_new_model_and_no_other(
    framework: Framework, output: Path
) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    new = new_model(framework)
    upgrade = engine(framework, store, new, output, dataset=QUESTIONS)
    upgrade.finetune()
    saved = read_adapter(output)
    assert (saved.adapter.dim_in, saved.adapter.dim_out) == (DIM_NEW, DIM_OLD)
    assert saved.record.training["decision"] == upgrade.result.decision
    assert saved.record.training["bridge"]["kind"] == upgrade.result.bridge.kind
    reopened = framework.linear(new, output)
    reopened.verify()
    question = next(iter(QUESTIONS))
    expected = framework.calls.query(upgrade.get_finetuned_model(), question)
    assert framework.calls.query(reopened, question) == expected
    with pytest.raises(AdapterMismatchError):
        framework.linear(old_model(framework), output)


def test_labels_are_learned_on_top_of_the_bridge(framework: Framework, output: Path) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    upgrade = engine(
        framework,
        store,
        new_model(framework, query=turned_question),
        output,
        old_model=old_model(framework),
        dataset=QUESTIONS,
    )
    upgrade.finetune()
    result = upgrade.result
    means = {name: mean.mean for name, mean in result.means.items()}
    assert list(means) == [
        "old model as it is",
        "old model + labels",
        "new model through the bridge",
        "bridge + labels",
        "both models",
        "both models + labels",
        "embedding again, estimated",
    ]
    assert result.decision in ("bridge", "both")
    assert result.p_value < 0.05
    assert means["bridge + labels"] > means["old model as it is"] + 0.1
    assert means["bridge + labels"] > means["new model through the bridge"] + 0.3
    assert result.advice in str(result)
    assert "120 texts, about" in str(result)
    assert [cost.model_name for cost in result.costs] == ["new", "old"]
    question = next(iter(QUESTIONS))
    for models in ("new", "old", "both"):
        served = upgrade.get_finetuned_model(models)
        served.verify()
        assert len(framework.calls.query(served, question)) == DIM_OLD
        assert framework.calls.documents(served, ["text 7"]) == [old_vector("text 7")]
    reopened = framework.two_models(old_model(framework), new_model(framework))
    assert read_adapter(output / "both").record.base_model == reopened.model_name


def test_documents_are_refused_by_a_model_whose_vectors_lie_in_another_space(
    framework: Framework, output: Path
) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    new = framework.make_base(model_name="new", document=turned_document, query=turned_document)
    upgrade = engine(framework, store, new, output)
    upgrade.finetune()
    refusing = upgrade.get_finetuned_model()
    for call in (
        lambda: framework.calls.documents(refusing, ["text 5"]),
        lambda: asyncio.run(framework.calls.adocuments(refusing, ["text 5"])),
    ):
        with pytest.raises(AdapterMismatchError, match="document_model="):
            call()
    by_old = framework.linear(new, output, document_model=old_model(framework))
    assert framework.calls.documents(by_old, ["text 5"]) == [old_vector("text 5")]
    assert asyncio.run(framework.calls.adocuments(by_old, ["text 5"])) == [old_vector("text 5")]
    own = framework.linear(new, output, document_model=new)
    assert framework.calls.documents(own, ["text 5"]) == [turned_document("text 5")]
    with pytest.raises(NotFinetunedError, match="old model and labelled questions"):
        upgrade.get_finetuned_model("both")


def test_without_labels_both_models_can_be_served_too(framework: Framework, output: Path) -> None:
    old, new = old_model(framework), new_model(framework)
    store = framework.stores.in_memory(CORPUS, old)
    upgrade = engine(framework, store, new, output, old_model=old)
    upgrade.finetune()
    served = upgrade.get_finetuned_model("both")
    served.verify()
    noisy, bridged = np.array(noisy_old_question("text 3")), np.array(old_vector("text 3"))
    expected = noisy / np.linalg.norm(noisy) + bridged / np.linalg.norm(bridged)
    found = np.array(framework.calls.query(served, "text 3"))
    assert found @ expected / np.linalg.norm(found) / np.linalg.norm(expected) > 0.99


def test_a_worse_new_model_is_not_advised(framework: Framework, output: Path) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    good = framework.make_base(model_name="old", document=old_vector, query=old_vector)
    poor = new_model(
        framework,
        query=lambda text: (np.array(new_vector(text)) + 9 * noise(text, DIM_NEW)).tolist(),
    )
    upgrade = engine(framework, store, poor, output, old_model=good, dataset=QUESTIONS)
    upgrade.finetune()
    assert upgrade.result.decision == "stay"
    assert upgrade.result.advice.startswith("stay with the old model")


def test_embedding_again_is_advised_where_stored_vectors_have_lost_what_matters(
    framework: Framework, output: Path
) -> None:
    def coarse(text: str) -> list[float]:
        kept = meaning(text)
        kept[3:] = 0.05 * np.random.default_rng(7 * int(text.rpartition(" ")[2])).normal(size=5)
        return [float(value) for value in kept]

    old = framework.make_base(model_name="old", document=coarse, query=noisy_old_question)
    store = framework.stores.in_memory(CORPUS, old)
    new = new_model(framework, query=lambda text: asked(text, 1))
    upgrade = engine(
        framework, store, new, output, dataset=QUESTIONS, memory=False, price_per_million_tokens=2.0
    )
    upgrade.finetune()
    assert upgrade.result.decision == "re-embed"
    assert upgrade.result.means["embedding again, estimated"].mean > 0.9
    assert upgrade.plan.index_cost == pytest.approx(upgrade.plan.index_tokens * 2e-6)


def test_texts_of_other_ids_are_refused(framework: Framework, output: Path) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    texts = dict(zip(CORPUS, list(CORPUS.values())[7:] + list(CORPUS.values())[:7], strict=True))
    upgrade = engine(framework, store, new_model(framework), output, texts=texts)
    with pytest.raises(AdapterMismatchError, match="check that the texts are those"):
        upgrade.finetune()
    assert not (output / "adapter.safetensors").exists()


def test_a_model_without_relation_to_the_stored_vectors_is_refused(
    framework: Framework, output: Path
) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    upgrade = engine(framework, store, framework.make_base(model_name="hashed"), output)
    with pytest.raises(AdapterMismatchError, match="bridge"):
        upgrade.finetune()


def test_an_old_model_that_did_not_build_the_index_is_refused(
    framework: Framework, output: Path
) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    other = framework.make_base(model_name="other", width=DIM_OLD)
    with pytest.raises(AdapterMismatchError):
        engine(framework, store, new_model(framework), output, old_model=other)


def test_without_texts_of_enough_documents_nothing_is_embedded(
    framework: Framework, output: Path
) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    new = new_model(framework)
    with pytest.raises(InvalidDatasetError, match="texts="):
        engine(framework, store, new, output, texts={"unknown": "text 1"})
    few = dict(list(CORPUS.items())[:10])
    with pytest.raises(InvalidDatasetError, match="at least 40 different texts"):
        engine(framework, store, new, output, texts=few)
    assert new.calls == []


def test_a_missing_prefix_is_noticed(framework: Framework, output: Path, caplog: Any) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    new = framework.make_base(model_name="intfloat/e5-small", document=new_vector, query=new_vector)
    upgrade = engine(framework, store, new, output)
    upgrade.finetune()
    assert "need a prefix" in upgrade.result.note
    assert "need a prefix" in caplog.text
    assert "Roles:" in str(upgrade.result)


def test_a_result_before_the_run_and_wrong_settings_are_refused(
    framework: Framework, output: Path
) -> None:
    store = framework.stores.in_memory(CORPUS, old_model(framework))
    upgrade = engine(framework, store, new_model(framework), output)
    with pytest.raises(NotFinetunedError):
        upgrade.get_finetuned_model()
    settings: tuple[dict[str, Any], ...] = (
        {"n_texts": 0}, {"price_per_million_tokens": -1.0}, {"guard": "none"}, {"device": "cuda:99"}
    )  # fmt: skip
    for wrong in settings:
        with pytest.raises(ValueError, match="expected"):
            engine(framework, store, new_model(framework), output, **wrong)
    with pytest.raises(TypeError, match="unexpected"):
        engine(framework, store, new_model(framework), output, epochs=3)
