"""Tests of refitting: what is trained on, what decides, and what is saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, read_adapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import AdapterMismatchError, InvalidDatasetError
from query_adapters.feedback.refitting import merged_datasets, refit


@pytest.fixture(scope="module")
def problem(make_problem: Callable[..., Any]) -> Any:
    return make_problem(n_queries=120)


@pytest.fixture
def embedder(make_embedder: Callable[..., Any], problem: Any) -> Any:
    return make_embedder(vectors=problem.vectors)


def serving(folder: Path, weight: Any, *, model: str = "fake") -> Path:
    record = AdapterRecord(base_model=model)
    save_adapter(SavedAdapter(adapter=LinearAdapter(weight), record=record), folder)
    return folder


def test_an_adapter_that_beats_the_serving_one_is_saved_with_its_verdict(
    problem: Any, embedder: Any, tmp_path: Path
) -> None:
    result = refit(
        problem.dataset,
        embedder,
        serving=serving(tmp_path / "old", np.eye(8)),
        model_output_path=tmp_path / "new",
    )
    assert result.decision == "adapter"
    assert result.n_trained + result.n_checked == 120
    trained, checked = result.trained.queries, result.checked.queries
    assert {**trained, **checked} == problem.dataset.queries
    assert result.over_serving.difference.low > 0
    assert result.over_base.difference.low > 0
    saved = read_adapter(tmp_path / "new")
    assert saved.adapter.fingerprint == result.saved.adapter.fingerprint
    assert saved.record.training["verdict"] == str(result.verdict)
    assert "Over the serving adapter: +" in str(result)


def test_the_serving_adapter_stays_where_the_new_one_is_not_better(
    problem: Any, embedder: Any, tmp_path: Path
) -> None:
    old = serving(tmp_path / "old", np.eye(8))
    first = refit(problem.dataset, embedder, serving=old, model_output_path=tmp_path / "first")
    again = refit(
        problem.dataset,
        embedder,
        serving=tmp_path / "first",
        model_output_path=tmp_path / "second",
    )
    assert again.decision == "start"
    assert again.saved.adapter.fingerprint == first.saved.adapter.fingerprint
    assert not (tmp_path / "second" / "adapter.safetensors").exists()
    assert "Keep the adapter that serves now." in str(again)


def test_an_adapter_that_is_worse_than_the_base_is_not_saved_even_if_the_serving_one_is_worse(
    make_problem: Callable[..., Any], make_embedder: Callable[..., Any], tmp_path: Path
) -> None:
    plain = make_problem(n_queries=120)
    # queries are their documents: the base is perfect, and nothing can beat it
    vectors = dict(plain.vectors)
    for query, grades in plain.dataset.qrels.items():
        (document,) = grades
        vectors[plain.dataset.queries[query]] = vectors[plain.dataset.corpus[document]]
    result = refit(
        plain.dataset,
        make_embedder(vectors=vectors),
        serving=serving(tmp_path / "old", -np.eye(8)),
        model_output_path=tmp_path / "new",
        guard="expected",
    )
    assert result.over_serving.difference.mean > 0
    assert result.over_base.difference.mean <= 0
    assert result.decision == "start"


def test_known_questions_are_trained_on_and_never_decide(
    problem: Any, embedder: Any, tmp_path: Path
) -> None:
    old = problem.dataset.select(list(problem.dataset.queries)[:40])
    result = refit(
        problem.dataset,
        embedder,
        serving=serving(tmp_path / "old", np.eye(8)),
        model_output_path=tmp_path / "new",
        old=old,
        held_out=0.5,
    )
    assert result.n_checked == pytest.approx(40, abs=1)
    assert result.n_trained + result.n_checked == 120


def test_grades_of_equal_questions_are_added_with_the_old_ones_weighted() -> None:
    corpus = {"a": "A", "b": "B"}
    old = RetrievalDataset({"1": "How far?", "2": "who?"}, corpus, {"1": {"a": 1}, "2": {"b": 1}})
    new = RetrievalDataset({"x": "how far"}, corpus, {"x": {"a": 0.5, "b": 1}})
    found = merged_datasets(old, new, old_weight=0.2)
    by_text = {found.queries[query]: dict(grades) for query, grades in found.qrels.items()}
    assert by_text == {"how far": {"a": 0.7, "b": 1.0}, "who?": {"b": 0.2}}
    with pytest.raises(InvalidDatasetError, match="1 documents with another text"):
        merged_datasets(old, RetrievalDataset({"x": "q"}, {"a": "?"}, {"x": {"a": 1}}))


def test_too_few_new_questions_a_wrong_model_and_a_wrong_weight_are_refused(
    problem: Any, embedder: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "serving": serving(tmp_path / "old", np.eye(8)),
        "model_output_path": tmp_path / "new",
    }
    few = problem.dataset.select(list(problem.dataset.queries)[:40])
    with pytest.raises(InvalidDatasetError, match="40 new questions: expected at least 67"):
        refit(few, embedder, **options)
    with pytest.raises(ValueError, match="old_weight"):
        refit(problem.dataset, embedder, old_weight=0, **options)
    other = serving(tmp_path / "other", np.eye(8), model="another model")
    with pytest.raises(AdapterMismatchError):
        refit(problem.dataset, embedder, **{**options, "serving": other})
