"""Tests of label-free whitening: the adapter, the verdict, and when a check refuses it."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import InvalidVectorsError, UnknownMetricError
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.pairwise import compare
from query_adapters.training import AdapterTrainer, prior, whiten, whitening, whitening_adapter
from query_adapters.training.guard import max_t_p_value
from query_adapters.training.prior import spectral_prior
from query_adapters.typing import Vectors

DIM = 20
METRIC = "ndcg@10"


def crowded(n: int = 300, *, seed: int = 0) -> Vectors:
    """Return documents with high variance in two uninformative directions and little elsewhere."""
    rng = np.random.default_rng(seed)
    spread = np.r_[3.0, 3.0, np.full(DIM - 2, 0.5)]
    documents: Vectors = (spread * rng.normal(size=(n, DIM))).astype(np.float32)
    return documents


def questions(documents: Vectors, n: int = 120, *, noisy: bool, seed: int = 1) -> EmbeddedDataset:
    """Return questions near their documents; `noisy` adds noise in the high-variance directions."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(documents))[:n]
    noise = rng.normal(size=(n, DIM)) * (np.r_[2.0, 2.0, np.full(DIM - 2, 0.3)] if noisy else 0.1)
    return EmbeddedDataset(
        (documents[rows] + noise).astype(np.float32), documents, tuple(rows[:, None])
    )


@pytest.mark.parametrize("exponent", [0.0, 0.15, 0.5])
def test_the_adapter_is_the_spectral_prior(exponent: float) -> None:
    adapter = whitening_adapter(crowded(), exponent=exponent)
    np.testing.assert_array_equal(adapter.weight, spectral_prior(crowded(), exponent=exponent))
    assert adapter.bias is None
    assert adapter.is_identity == (exponent == 0)


def test_without_questions_the_verdict_says_that_nothing_was_checked() -> None:
    result = whiten(crowded(), exponent=0.5)
    assert str(result).startswith("Whitening saved, not checked: no labelled questions.\n")
    assert "degrees (300 documents, exponent 0.5).\n" in str(result)
    assert "span at most" not in str(result)
    assert (result.comparison, result.p_value, result.expected_gain) == (None, None, None)
    assert result.decision == "adapter"
    assert not result.adapter.is_identity


def test_few_documents_are_called_few() -> None:
    assert "span at most 11 of 20 directions" in str(whiten(crowded(12)))
    assert "span at most 0 of 20 directions" in str(whiten(crowded(1)))
    assert whiten(crowded(1)).leading_share == (0.0, 0.0)


@pytest.mark.parametrize("exponent", [0.0, 0.3])
def test_the_turn_is_the_mean_angle_between_a_document_and_its_image(exponent: float) -> None:
    documents = crowded().astype(np.float64)
    images = documents @ spectral_prior(crowded(), exponent=exponent).astype(np.float64).T
    lengths = np.linalg.norm(documents, axis=1) * np.linalg.norm(images, axis=1)
    cosines = (documents * images).sum(axis=1) / lengths
    result = whiten(crowded(), exponent=exponent)
    assert result.mean_cosine == pytest.approx(cosines.mean(), abs=1e-5)
    assert f"by {np.degrees(np.arccos(min(1, cosines.mean()))):.0f} degrees" in str(result)


def test_the_leading_directions_hold_less_of_the_variance_afterwards() -> None:
    units = crowded() / np.linalg.norm(crowded(), axis=1, keepdims=True)
    singular = np.linalg.svd(units - units.mean(axis=0), compute_uv=False) ** 2
    result = whiten(crowded(), exponent=0.3)
    before, after = result.leading_share
    assert before == pytest.approx(singular[:2].sum() / singular.sum(), abs=1e-5)
    assert 0.1 < after < before - 0.1


def test_a_check_that_shows_a_gain_keeps_it_and_reports_it() -> None:
    documents = crowded()
    check = questions(documents, noisy=True)
    result = whiten(documents, exponent=0.5, check=check)
    base, adapted = (
        evaluate_vectors(check, adapter)
        for adapter in (None, whitening_adapter(documents, exponent=0.5))
    )
    expected = compare(base, adapted)
    assert result.comparison == expected
    assert expected[METRIC].difference.low > 0
    assert (result.decision, result.expected_gain) == ("adapter", expected[METRIC].difference)
    assert str(result).startswith("Use the whitening adapter.\nExpected gain: +0.")
    assert " (120 check questions).\nConfidence: p = " in str(result)
    assert not result.adapter.is_identity
    differences = adapted.per_query[METRIC] - base.per_query[METRIC]
    assert result.p_value == max_t_p_value([differences], 0, groups=np.arange(120))


def test_a_check_that_shows_none_keeps_the_base_and_still_reports() -> None:
    documents = crowded()
    result = whiten(documents, exponent=0.5, check=questions(documents, noisy=False))
    assert result.adapter.is_identity
    assert result.decision == "base"
    assert str(result).startswith("Keep the base model.\nExpected gain of the whitening: ")
    assert result.comparison is not None
    assert result.mean_cosine < 0.99  # the cosine of the rejected whitening


def test_the_guard_decides_how_sure_a_gain_must_be() -> None:
    """Six questions show a gain that is not significant."""
    documents = crowded()
    few = questions(documents, 6, noisy=True, seed=3)
    results = {
        guard: whiten(documents, exponent=0.5, check=few, guard=guard)
        for guard in ("strict", "expected", "off")
    }
    p_value = results["strict"].p_value
    assert p_value is not None
    assert p_value > 0.05
    kept = {guard: not result.adapter.is_identity for guard, result in results.items()}
    assert kept == {"strict": False, "expected": True, "off": True}
    headline = 'Adapter kept without proof of a gain (guard="expected").'
    assert str(results["expected"]).startswith(headline)


def test_off_keeps_even_what_is_worse() -> None:
    documents = crowded()
    harmed = questions(documents, noisy=False)
    kept = {
        guard: not whiten(documents, exponent=1.5, check=harmed, guard=guard).adapter.is_identity
        for guard in ("expected", "off")
    }
    assert kept == {"expected": False, "off": True}


def test_another_metric_decides_and_is_reported() -> None:
    documents = crowded()
    check = questions(documents, noisy=True)
    result = whiten(documents, exponent=0.5, check=check, metric="recall@3")
    assert result.comparison is not None
    assert set(result.comparison) == {"hit_rate@5", "mrr@10", "ndcg@10", "recall@3"}
    assert result.metric == "recall@3"
    assert " recall@3, 95 % interval [" in str(result)


def test_the_record_is_json_and_says_that_no_label_was_used() -> None:
    documents = crowded()
    check = questions(documents, noisy=True)
    records: list[dict[str, Any]] = [
        json.loads(json.dumps(whiten(documents, check=given).to_record(), allow_nan=False))
        for given in (None, check)
    ]
    assert [record["labels"] for record in records] == ["none", "none"]
    assert records[0]["check"] == {}
    assert records[1]["check"][METRIC]["mean"] > 0


def test_it_is_the_first_candidate_of_the_trainer() -> None:
    documents = crowded()
    dataset = questions(documents, noisy=True)
    trainer = AdapterTrainer(whitenings=(0.3,), strengths=(1.0,), n_folds=2)
    first = trainer.fit(dataset).table[0]
    check = whiten(documents, exponent=0.3, check=dataset).comparison
    assert check is not None
    assert first.overall.mean == pytest.approx(check[METRIC].difference.mean, abs=1e-6)


@pytest.mark.parametrize("exponent", [-0.1, np.inf, np.nan])
def test_an_exponent_out_of_range_is_refused(exponent: float) -> None:
    with pytest.raises(ValueError, match="expected a finite exponent from 0"):
        whiten(crowded(), exponent=exponent)


@pytest.mark.parametrize(
    "documents", [np.full((3, DIM), np.nan), np.ones(DIM), np.ones((0, DIM)), np.ones((3, 0))]
)
def test_documents_that_are_no_vectors_are_refused(documents: Vectors) -> None:
    with pytest.raises(InvalidVectorsError, match="documents: expected finite vectors"):
        whitening_adapter(documents.astype(np.float32))


def test_an_unknown_guard_or_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a guard of"):
        whiten(crowded(), guard="lenient")  # type: ignore[arg-type]
    with pytest.raises(UnknownMetricError):
        whiten(crowded(), metric="accuracy")


def test_the_adapter_is_linear() -> None:
    assert isinstance(whiten(crowded()).adapter, LinearAdapter)


def test_the_check_counts_questions_of_one_document_as_one() -> None:
    documents = crowded()
    once = questions(documents, 40, noisy=True)
    check = once.select(np.arange(40).repeat(3))
    check = EmbeddedDataset(check.queries, documents, check.relevant)
    base, adapted = (
        evaluate_vectors(check, adapter).per_query[METRIC]
        for adapter in (None, whitening_adapter(documents))
    )
    by_document, by_question = (
        max_t_p_value([adapted - base], 0, groups=groups)
        for groups in (np.concatenate(check.relevant), np.arange(120))
    )
    result = whiten(documents, check=check)
    assert result.p_value == by_document != by_question
    assert result.comparison is not None
    assert result.comparison[METRIC].n_groups == 40


def test_documents_are_read_in_blocks_and_their_number_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "index.npy", crowded(40_000))
    documents: Vectors = np.load(tmp_path / "index.npy", mmap_mode="r")
    expected = whiten(np.array(documents), exponent=0.3)
    monkeypatch.setattr(whitening, "ROWS_AT_ONCE", 1_003)
    monkeypatch.setattr(prior, "ROWS_AT_ONCE", 1_003)
    tracemalloc.start()
    result = whiten(documents, exponent=0.3)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < documents.nbytes / 2
    assert result.mean_cosine == pytest.approx(expected.mean_cosine, abs=1e-7)
    assert result.leading_share == pytest.approx(expected.leading_share, abs=1e-6)
    np.testing.assert_allclose(result.adapter.weight, expected.adapter.weight, atol=1e-5)
