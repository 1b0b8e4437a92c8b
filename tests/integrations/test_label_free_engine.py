"""Tests of the label-free engine, which computes an adapter from the vectors of a store."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters.storage import read_adapter
from query_adapters.errors import (
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    NotFinetunedError,
)
from query_adapters.stores import gather
from query_adapters.training import whitening_adapter
from tests.integrations.framework import Framework
from tests.integrations.recording import mapped

CORPUS = {f"id text {number}": f"text {number}" for number in range(30)}


def questions_about(framework: Framework, corpus: dict[str, str]) -> Any:
    """Return a dataset with one question about each text."""
    return framework.dataset(
        {f"q {key}": f"question about {text}" for key, text in corpus.items()},
        corpus,
        {f"q {key}": [key] for key in corpus},
    )


def engine_on(framework: Framework, base: Any, output: Path, **options: Any) -> Any:
    store = framework.stores.in_memory(CORPUS, base)
    base.calls.clear()
    return framework.engines.label_free(store, base, output, **options)


def test_a_store_alone_gives_a_model_that_searches_it(
    framework: Framework, base: Any, output: Path
) -> None:
    store = framework.stores.in_memory(CORPUS, base)
    base.calls.clear()
    engine = framework.engines.label_free(store, base, output, exponent=0.3)
    engine.finetune()
    assert [call for call, _ in base.calls] == ["query"]  # one question, no document
    documents = [base.vector("document", text) for text in CORPUS.values()]
    expected = whitening_adapter(np.array(documents, dtype=np.float32), exponent=0.3)
    assert engine.result.saved.adapter.fingerprint == expected.fingerprint
    model = engine.get_finetuned_model()
    assert isinstance(model, framework.linear)  # type: ignore[arg-type]
    found = framework.calls.query(model, "a question")
    assert found == mapped(expected, base.vector("query", "a question"))
    assert framework.calls.documents(model, ["text 3"]) == [base.vector("document", "text 3")]
    served = framework.stores.served(store, model)
    assert len(framework.stores.found(framework.stores.retriever(served, 4), "a question")) == 4
    model.verify()


def test_the_verdict_says_that_nothing_was_checked_and_is_saved(
    framework: Framework, base: Any, output: Path
) -> None:
    engine = engine_on(framework, base, output)
    engine.finetune()
    assert "not checked: no labelled questions" in str(engine.result.whitening.verdict)
    record = read_adapter(output).record
    assert record.training["verdict"] == str(engine.result.whitening.verdict)
    assert record.training["exponent"] == 0.15


@pytest.mark.parametrize(("guard", "is_kept"), [("strict", False), ("off", True)])
def test_check_questions_decide(
    framework: Framework, base: Any, output: Path, guard: str, is_kept: bool
) -> None:
    check = questions_about(framework, CORPUS)
    engine = engine_on(framework, base, output, check_dataset=check, exponent=0.5, guard=guard)
    engine.finetune()
    assert engine.result.whitening.comparison is not None
    assert engine.result.saved.adapter.is_identity != is_kept


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("chroma", {}, "euclidean"),
        ("in memory", {}, "cosine"),
        ("chroma", {"similarity": "cosine"}, "cosine"),
    ],
)
def test_the_similarity_is_the_stores_by_default(
    framework: Framework, base: Any, tmp_path: Path,
    kind: str, given: dict[str, Any], expected: Any,
) -> None:  # fmt: skip
    if kind == "chroma":
        store = framework.stores.chroma(tmp_path / "chroma", CORPUS, base)
    else:
        store = framework.stores.in_memory(CORPUS, base)
    engine = framework.engines.label_free(store, base, tmp_path / "out", **given)
    engine.finetune()
    assert read_adapter(tmp_path / "out").record.training["similarity"] == expected
    stored = gather(framework.stores.stored_vectors(store)).vectors
    adapter = whitening_adapter(stored, similarity=expected)
    assert engine.result.saved.adapter.fingerprint == adapter.fingerprint


def test_blocks_replace_a_store(framework: Framework, base: Any, output: Path) -> None:
    texts = ["a", "b", "c"]
    blocks = [(texts, framework.calls.documents(base, texts))]
    engine = framework.engines.label_free(blocks, base, output)
    engine.finetune()
    assert engine.result.whitening.n_documents == 3


def test_an_unknown_setting_is_named(framework: Framework, base: Any, output: Path) -> None:
    with pytest.raises(TypeError, match="unexpected arguments: epochs"):
        engine_on(framework, base, output, epochs=4)


def test_a_model_before_training_is_refused(framework: Framework, base: Any, output: Path) -> None:
    with pytest.raises(NotFinetunedError, match=r"call finetune\(\) first"):
        engine_on(framework, base, output).get_finetuned_model()


def test_answers_outside_the_store_are_refused(
    framework: Framework, base: Any, output: Path
) -> None:
    check = questions_about(framework, {"id elsewhere": "elsewhere"})
    with pytest.raises(InvalidDatasetError, match="'id elsewhere'"):
        engine_on(framework, base, output, check_dataset=check)


def test_an_empty_store_is_refused(framework: Framework, base: Any, output: Path) -> None:
    with pytest.raises(InvalidVectorsError, match="at least one stored vector"):
        framework.engines.label_free(framework.stores.in_memory({}, base), base, output)


def test_a_store_of_another_model_costs_one_query(
    framework: Framework, base: Any, output: Path
) -> None:
    store = framework.stores.in_memory(CORPUS, framework.make_base(width=4))
    engine = framework.engines.label_free(store, base, output)
    with pytest.raises(DimensionMismatchError, match="expected 4 dimensions, got 8"):
        engine.finetune()
    assert [call for call, _ in base.calls] == ["query"]
