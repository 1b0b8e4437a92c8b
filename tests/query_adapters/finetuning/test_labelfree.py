"""Tests of label-free fine-tuning: embedded texts, the saved record and errors."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters.storage import read_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.data.units import Units
from query_adapters.errors import DimensionMismatchError, InvalidDatasetError, UnknownMetricError
from query_adapters.evaluation import evaluate_vectors
from query_adapters.finetuning.labelfree import LabelFreeFinetuner
from query_adapters.finetuning.probe import NEUTRAL_PROBE
from query_adapters.stores import StoredVectors
from query_adapters.training import whitening_adapter

DIM = 8


@pytest.fixture
def index() -> StoredVectors:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(50, DIM)) * np.linspace(0.2, 2, DIM)).astype(np.float32)
    return StoredVectors(tuple(f"d{row}" for row in range(50)), vectors)


@pytest.fixture
def check() -> RetrievalDataset:
    """Return four check questions about three documents of the index, with one grade of 2."""
    return RetrievalDataset(
        {f"q{i}": f"question {i}" for i in range(4)},
        {f"d{row}": f"document {row}" for row in (7, 3, 9)},
        {"q0": {"d7": 1.0}, "q1": {"d3": 2.0, "d9": 1.0}, "q2": {"d9": 1.0}, "q3": {"d7": 1.0}},
    )


@pytest.fixture
def make(
    index: StoredVectors, make_embedder: Callable[..., Any], tmp_path: Path
) -> Callable[..., LabelFreeFinetuner]:
    def finetuner(**settings: Any) -> LabelFreeFinetuner:
        given = {"index": index, "embedder": make_embedder(dim=DIM), "output": tmp_path / "out"}
        return LabelFreeFinetuner(**(given | settings))

    return finetuner


def test_the_whitening_of_the_index_is_saved_with_a_verdict_that_promises_nothing(
    make: Callable[..., LabelFreeFinetuner], index: StoredVectors, tmp_path: Path
) -> None:
    result = make(exponent=0.3).run()
    saved = read_adapter(tmp_path / "out")
    expected = whitening_adapter(index.vectors, exponent=0.3)
    assert saved.adapter.fingerprint == result.saved.adapter.fingerprint == expected.fingerprint
    assert saved.record.base_model == "fake"
    assert saved.record.training["verdict"] == str(result.whitening.verdict) == str(result.verdict)
    assert (result.decision, result.expected_gain, result.p_value) == ("adapter", None, None)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "**Whitening saved, not checked: no labelled questions.**" in card
    assert "numpy" in saved.record.training["libraries"]


def test_it_prints_as_its_verdict(make: Callable[..., LabelFreeFinetuner]) -> None:
    result = make().run()
    assert str(result) == str(result.whitening.verdict)
    assert repr(result) == f"<LabelFreeResult: {result.verdict.one_line}>"
    assert "\n" not in repr(result)


def test_one_question_is_embedded_and_vouches_for_the_model(
    make: Callable[..., LabelFreeFinetuner], make_embedder: Callable[..., Any]
) -> None:
    embedder = make_embedder(dim=DIM)
    saved = make(embedder=embedder).run().saved
    assert embedder.calls == [("query", (NEUTRAL_PROBE,))]
    assert saved.record.probe_text == NEUTRAL_PROBE
    np.testing.assert_array_equal(saved.probe_vector, embedder.vector("query", NEUTRAL_PROBE))


def test_check_questions_are_measured_over_the_whole_index(
    make: Callable[..., LabelFreeFinetuner],
    make_embedder: Callable[..., Any],
    index: StoredVectors,
    check: RetrievalDataset,
) -> None:
    embedder = make_embedder(dim=DIM)
    result = make(embedder=embedder, check=check, metric="ndcg@3").run()
    whole = RetrievalDataset(check.queries, dict.fromkeys(index.ids, "text"), check.qrels)
    stored = dict(zip(index.ids, index.vectors, strict=True))
    embedded = embed_dataset(whole, make_embedder(dim=DIM), stored=stored)
    adapter = whitening_adapter(index.vectors)
    for system, name in ((None, "base"), (adapter, "adapted")):
        expected = evaluate_vectors(embedded, system, metrics=["ndcg@3"]).means["ndcg@3"]
        assert result.whitening.comparison is not None
        assert getattr(result.whitening.comparison["ndcg@3"], name).mean == pytest.approx(expected)
    assert sorted(embedder.embedded("query")) == sorted(check.queries.values())
    assert embedder.embedded("document") == []


def test_a_check_without_a_gain_saves_the_identity_and_says_so(
    make: Callable[..., LabelFreeFinetuner], check: RetrievalDataset, tmp_path: Path
) -> None:
    make(check=check).run()
    saved = read_adapter(tmp_path / "out")
    assert saved.adapter.is_identity
    assert saved.record.training["decision"] == "base"
    assert saved.record.training["verdict"].startswith("Keep the base model.\n")
    assert json.loads((tmp_path / "out" / "adapter.json").read_text())["record"]["training"][
        "check"
    ]


def test_guard_off_keeps_it(
    make: Callable[..., LabelFreeFinetuner], check: RetrievalDataset
) -> None:
    assert not make(check=check, guard="off").run().saved.adapter.is_identity


def test_answers_that_the_index_does_not_hold_are_refused_before_anything_is_embedded(
    make: Callable[..., LabelFreeFinetuner], check: RetrievalDataset, index: StoredVectors
) -> None:
    half = StoredVectors(index.ids[:8], index.vectors[:8])
    with pytest.raises(InvalidDatasetError, match="got 1 of 3 that are not, such as 'd9'"):
        make(check=check, index=half)


def test_a_file_in_the_folders_place_is_refused(
    make: Callable[..., LabelFreeFinetuner], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="expected a folder"):
        make(output=tmp_path / "file")


def test_a_model_of_another_length_costs_one_question(
    make: Callable[..., LabelFreeFinetuner],
    make_embedder: Callable[..., Any],
    check: RetrievalDataset,
) -> None:
    embedder = make_embedder(dim=DIM + 1)
    with pytest.raises(DimensionMismatchError, match="expected 8 dimensions, got 9"):
        make(embedder=embedder, check=check).run()
    assert embedder.calls == [("query", ("question 0",))]


def test_a_cache_elsewhere_is_used(make: Callable[..., LabelFreeFinetuner], tmp_path: Path) -> None:
    make(cache_path=tmp_path / "cache.sqlite").run()
    assert (tmp_path / "cache.sqlite").is_file()
    assert not list((tmp_path / "out").glob("*.sqlite"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metric": "bogus@10"}, "bogus"),
        ({"guard": "strictt"}, "expected a guard of .* got strictt"),
        ({"exponent": -1}, r"expected an exponent from 0 .* got -1"),
        ({"exponent": 3}, r"to 0\.5 .* got 3"),
        ({"exponent": float("nan")}, "got nan"),
        ({"similarity": "l2"}, "expected a similarity of .* got l2"),
    ],
    ids=["metric", "guard", "below", "beyond", "nan", "similarity"],
)
def test_a_setting_out_of_range_is_refused_before_a_question_is_embedded(
    wrong: dict[str, Any], words: str, make: Callable[..., LabelFreeFinetuner]
) -> None:
    with pytest.raises((ValueError, UnknownMetricError), match=words):
        make(**wrong)


def test_check_questions_may_be_about_units(
    make: Callable[..., LabelFreeFinetuner], index: StoredVectors, check: RetrievalDataset
) -> None:
    by_id = make(check=check).run().whitening.comparison
    alone = replace(index, units=Units.of(index.ids))
    by_unit = make(check=check, index=alone).run().whitening.comparison
    assert by_id is not None
    assert by_unit == by_id
    pairs = replace(index, units=Units.of(f"pair {row // 2}" for row in range(50)))
    with pytest.raises(InvalidDatasetError, match="got 3 of 3 that are not"):
        make(check=check, index=pairs)
