"""Tests of the trainer on known problems: a planted map, no map and too little data."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import inf
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from query_adapters.adapters import KernelAdapter, LinearAdapter, QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import DimensionMismatchError, UnknownMetricError
from query_adapters.evaluation import evaluate_vectors, exact_search
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.training import AdapterTrainer, TrainingResult, threads
from query_adapters.training.candidates import Candidate
from query_adapters.training.memory import memories_of
from query_adapters.training.prior import spectral_prior
from query_adapters.training.regularization_path import RegularizationPath
from query_adapters.training.selection import Grid
from query_adapters.training.verdict import signed
from query_adapters.typing import Vectors

DIM = 10
ROTATION = np.linalg.qr(np.random.default_rng(42).normal(size=(DIM, DIM)))[0]
OFFSET = np.full(DIM, 0.8)  # only a bias can learn this
FEW = (0.3, 0.03)  # strengths for tests that need only a short path


def planted(
    seed: int, *, n: int = 100, noise: float = 0.5, length: float = 1.0, offset: Any = 0.0
) -> EmbeddedDataset:
    """Return questions of the given norm; documents are rotated unit questions plus noise."""
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(n, DIM))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    documents = queries @ ROTATION.T + offset + noise * rng.normal(size=(n, DIM)) / np.sqrt(DIM)
    return EmbeddedDataset(
        (length * queries).astype(np.float32),
        documents.astype(np.float32),
        tuple(np.arange(n)[:, None]),
    )


def shuffled(seed: int) -> EmbeddedDataset:
    """Return questions near their documents, with randomly permuted labels."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(100, DIM))
    queries = documents + 0.5 * rng.normal(size=documents.shape)
    labels = tuple(rng.permutation(100)[:, None])
    return EmbeddedDataset(queries.astype(np.float32), documents.astype(np.float32), labels)


def linear(result: TrainingResult) -> LinearAdapter:
    assert isinstance(result.adapter, LinearAdapter)
    return result.adapter


def ndcg(dataset: EmbeddedDataset, adapter: QueryAdapter | None = None) -> float:
    return evaluate_vectors(dataset, adapter, metrics=["ndcg@10"]).means["ndcg@10"]


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    return AdapterTrainer(strengths=FEW).fit(planted(0))


def test_a_planted_map_is_found_and_holds_on_fresh_questions_and_documents(
    result: TrainingResult,
) -> None:
    fresh = planted(1)
    assert ndcg(fresh, result.adapter) > ndcg(fresh) + 0.2
    assert result.chosen in result.table
    assert result.decision == "adapter"
    assert (result.metric, result.n_queries, result.n_documents) == ("ndcg@10", 100, 100)


def test_the_promised_gain_is_about_the_one_found_on_fresh_questions(
    result: TrainingResult,
) -> None:
    fresh = planted(2)
    found = ndcg(fresh, result.adapter) - ndcg(fresh)
    assert result.expected_gain is not None
    assert found == pytest.approx(result.expected_gain.mean, abs=0.1)
    assert result.expected_gain.low < found < result.expected_gain.high


@pytest.mark.parametrize("make", [lambda: planted(0), lambda: shuffled(0)])
def test_the_verdict_is_about_the_gain_that_was_tested(make: Callable[[], EmbeddedDataset]) -> None:
    result = AdapterTrainer(strengths=FEW).fit(make())
    assert result.evidence is not None
    assert result.expected_gain == result.evidence.gain
    assert result.p_value == result.evidence.p_value
    kinds = {name: score.mean for name, score in result.evidence.by_view.items()}
    assert result.evidence.gain.mean == pytest.approx(sum(kinds.values()) / 2)
    assert f"{signed(kinds['seen'])} for documents that have training questions" in str(result)
    assert f"among {len(result.table)} candidates included" in str(result) or not any(
        row.overall.mean > 0 and row.is_admissible for row in result.table
    )
    measured = result.verdict.one_line
    assert f"{signed(result.evidence.gain.mean)} ndcg@10" in measured


@pytest.mark.slow
def test_labels_assigned_at_random_keep_the_base() -> None:
    results = [AdapterTrainer(strengths=FEW).fit(shuffled(seed)) for seed in range(10)]
    kept = [result for result in results if result.adapter.is_identity]
    assert len(kept) >= 8  # 1 in 100 such tests would find fewer at an error rate of 5 %
    assert all(result.decision == "base" for result in kept)


def test_where_no_gain_is_shown_the_identity_comes_with_the_reason() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, DIM)).astype(np.float32)
    perfect = EmbeddedDataset(vectors, vectors, tuple(np.arange(40)[:, None]))
    result = AdapterTrainer().fit(perfect)
    assert result.adapter.is_identity
    assert result.chosen is None
    assert result.table
    assert result.decision == "base"
    assert result.expected_gain == Interval(mean=0.0, low=0.0, high=0.0)
    assert result.advice == "none; there is nothing to gain on these questions"


def test_the_same_seed_gives_the_same_bits(result: TrainingResult) -> None:
    again = AdapterTrainer(strengths=FEW).fit(planted(0))
    assert again.adapter.fingerprint == result.adapter.fingerprint
    assert again.table == result.table
    assert again.evidence == result.evidence
    assert str(again) == str(result)


def test_another_seed_assigns_other_folds(result: TrainingResult) -> None:
    assert AdapterTrainer(strengths=FEW, seed=1).fit(planted(0)).table != result.table


def test_a_seen_share_of_1_measures_one_view() -> None:
    result = AdapterTrainer(seen_share=1, strengths=(0.1,)).fit(planted(0))
    assert all(row.unseen is None for row in result.table)
    assert "; the other kind was not measured" in str(result.verdict)


def test_priors_alone_come_first_then_every_setting_with_the_greatest_strength_first() -> None:
    memories = (None, *memories_of(True))
    trainer = AdapterTrainer(strengths=(0.03, 3.0, 0.3), whitenings=(0.1, 0.0), n_folds=2)
    table = replace(trainer, memories=memories).fit(planted(0, n=30)).table
    expected = [Candidate(0.1, inf), Candidate(0.0, inf)]
    for whitening in (0.1, 0.0):
        for memory in memories:
            expected += [Candidate(whitening, strength, memory) for strength in (3.0, 0.3, 0.03)]
    assert [row.candidate for row in table] == expected


@pytest.mark.parametrize(("given", "kinds"), [("auto", {"linear", "kernel"}), (False, {"linear"})])
def test_both_kinds_are_tried_unless_told_otherwise(given: Any, kinds: set[str]) -> None:
    trainer = AdapterTrainer(strengths=(0.3,), n_folds=2, memories=memories_of(given))
    tried = {row.candidate.memory is not None for row in trainer.fit(planted(0, n=30)).table}
    assert tried == {kind == "kernel" for kind in kinds}
    assert AdapterTrainer().memories == memories_of("auto")


# Another index, another start


def weight_of(adapter: QueryAdapter) -> Vectors:
    """Return the matrix of the linear part."""
    assert isinstance(adapter, LinearAdapter | KernelAdapter)
    return adapter.linear.weight if isinstance(adapter, KernelAdapter) else adapter.weight


@pytest.mark.parametrize("memory", [False, True])
def test_a_served_index_swaps_its_own_prior_for_that_of_the_training_documents(
    memory: bool,
) -> None:
    memories = memories_of(memory)
    trainer = AdapterTrainer(whitenings=(0.3,), strengths=(0.1,), memories=memories)
    training = planted(0)
    served = planted(5).documents * np.linspace(0.2, 2, DIM, dtype=np.float32)
    here, there = trainer.fit(training), trainer.fit(training, served=served)
    assert there.served_whitening is not None
    theirs = spectral_prior(served, exponent=there.served_whitening)
    moved = theirs - spectral_prior(training.documents, exponent=0.3)
    assert np.abs(moved).max() > 0.1
    assert {here.adapter.kind, there.adapter.kind} == {"kernel" if memory else "linear"}
    np.testing.assert_allclose(weight_of(there.adapter), weight_of(here.adapter) + moved, atol=1e-5)
    if isinstance(here.adapter, KernelAdapter) and isinstance(there.adapter, KernelAdapter):
        np.testing.assert_array_equal(there.adapter.values, here.adapter.values)
    assert there.table == here.table


@pytest.mark.parametrize("length", [1.0, 7.0])
def test_a_start_is_what_a_huge_strength_pulls_back_to(length: float) -> None:
    training = planted(0, length=length, offset=OFFSET)
    start = LinearAdapter(ROTATION, length * OFFSET)
    result = AdapterTrainer(strengths=(1e6,), bias=True).fit(training, start=start)
    refined = linear(result)
    assert refined.bias is not None
    np.testing.assert_allclose(refined.weight, ROTATION, atol=1e-4)
    np.testing.assert_allclose(refined.bias, length * OFFSET, rtol=1e-3)


def test_a_start_is_refined_where_labels_ask_for_it() -> None:
    training, fresh = planted(0), planted(1)
    half = LinearAdapter((np.eye(DIM) + ROTATION) / 2)
    result = AdapterTrainer(strengths=FEW).fit(training, start=half)
    assert {row.candidate.whitening for row in result.table} == {0.0}
    assert ndcg(fresh, result.adapter) > ndcg(fresh, half) + 0.05


def test_an_adapter_with_a_memory_is_refined_around_it() -> None:
    training, fresh = planted(0), planted(1)
    memory = AdapterTrainer(strengths=(1.0,), whitenings=(0.0,), memories=memories_of(True))
    start = memory.fit(training.select(np.arange(30))).adapter
    assert isinstance(start, KernelAdapter)
    result = AdapterTrainer(strengths=FEW).fit(training, start=start)
    assert {row.candidate.memory for row in result.table} == {None}
    assert result.decision == "adapter"
    refined = result.adapter
    assert isinstance(refined, KernelAdapter)
    np.testing.assert_array_equal(refined.landmarks, start.landmarks)
    np.testing.assert_array_equal(refined.values, start.values)
    assert np.abs(refined.linear.weight - start.linear.weight).max() > 0.01
    assert ndcg(fresh, refined) > ndcg(fresh, start) + 0.05
    alone = result.table[0]
    assert alone.candidate == Candidate(0.0, inf)
    assert abs(alone.overall.mean) < 0.005  # a KernelAdapter as a start gains nothing over itself


def test_what_eight_questions_cannot_better_is_kept() -> None:
    good = LinearAdapter(ROTATION)
    few = planted(5, n=8)
    result = AdapterTrainer().fit(few, start=good)
    assert result.adapter is good
    assert result.reference == "start"
    assert result.decision == "start"
    assert str(result).startswith("Keep the original adapter.\n")


def test_a_start_that_knows_the_labels_by_heart_proves_nothing() -> None:
    labels_at_random = shuffled(0)
    overfit = AdapterTrainer(strengths=(1e-4,), whitenings=(0.0,), guard="off")
    start = linear(overfit.fit(labels_at_random))
    assert ndcg(labels_at_random, start) > ndcg(labels_at_random) + 0.1
    refined = AdapterTrainer().fit(labels_at_random, start=start)
    assert refined.adapter is start
    assert refined.decision == "start"


def test_a_refined_adapter_is_said_to_be_better_than_its_start() -> None:
    half = LinearAdapter((np.eye(DIM) + ROTATION) / 2)
    result = AdapterTrainer(strengths=FEW).fit(planted(0), start=half)
    assert str(result).startswith("Use the refined adapter.\nExpected gain over the original ada")
    assert result.to_record()["reference"] == "start"
    assert result.expected_gain is not None
    gain = ndcg(planted(2), result.adapter) - ndcg(planted(2), half)
    assert result.expected_gain.mean == pytest.approx(gain, abs=0.1)


def test_without_a_guard_the_verdict_claims_nothing() -> None:
    result = AdapterTrainer(strengths=(0.3,), guard="off").fit(shuffled(2))
    assert result.decision == "adapter"
    assert str(result).startswith('Adapter kept without proof of a gain (guard="off").\n')
    assert '\nGuard: "off", ' in str(result)
    assert result.advice.startswith("compare it with the base on held-out questions")


def test_the_verdict_reports_which_questions_are_expected() -> None:
    trainer = AdapterTrainer(strengths=(0.1,), seen_share=0.25)
    shares = "; expected shares of future questions: 25 % and 75 %."
    assert all(shares in str(trainer.fit(data)) for data in (planted(0), shuffled(0)))


@pytest.mark.parametrize(
    "shape", [(DIM + 1, DIM + 1), (DIM, DIM + 1), (DIM + 1, DIM)], ids=["both", "in", "out"]
)
def test_a_start_of_another_dimension_is_refused(shape: tuple[int, int]) -> None:
    start = LinearAdapter(np.ones(shape, np.float32))
    with pytest.raises(
        DimensionMismatchError, match=rf"\b{DIM}\b.*\b{DIM + 1}\b|{DIM + 1}.*{DIM}\b"
    ):
        AdapterTrainer().fit(planted(0), start=start)


def test_a_served_index_of_another_dimension_is_refused() -> None:
    with pytest.raises(DimensionMismatchError, match=f"expected {DIM} dimensions, got 3"):
        AdapterTrainer().fit(planted(0), served=np.ones((5, 3), np.float32))


# Bias


@cache
def fit_with_bias(length: float, *, bias: bool = True) -> TrainingResult:
    strengths = (0.03, 0.003)  # greater ones hold the bias near 0
    trainer = AdapterTrainer(bias=bias, whitenings=(0.0,), strengths=strengths, memories=(None,))
    return trainer.fit(planted(0, length=length, offset=OFFSET))


def test_a_bias_learns_what_a_matrix_cannot() -> None:
    fresh = planted(1, offset=OFFSET)
    without, learned = (linear(fit_with_bias(1.0, bias=bias)) for bias in (False, True))
    assert without.bias is None
    assert learned.bias is not None
    assert ndcg(fresh, learned) > ndcg(fresh, without)


def test_questions_seven_times_as_long_change_neither_selection_nor_ranking() -> None:
    short, long = fit_with_bias(1.0), fit_with_bias(7.0)
    assert short.chosen is not None
    assert long.chosen is not None
    assert long.chosen.candidate == short.chosen.candidate
    means = [[row.overall.mean for row in result.table] for result in (short, long)]
    np.testing.assert_allclose(means[1], means[0], atol=1e-3)
    short_bias, long_bias = linear(short).bias, linear(long).bias
    assert short_bias is not None
    assert long_bias is not None
    np.testing.assert_allclose(long_bias, 7 * short_bias, rtol=1e-2, atol=1e-3)
    fresh = planted(1, offset=OFFSET)

    def ranked(adapter: QueryAdapter, queries: Vectors) -> Any:
        return exact_search(adapter(queries), fresh.documents, k=3)

    expected = ranked(short.adapter, fresh.queries)
    assert (ranked(long.adapter, 7 * fresh.queries) == expected).mean() > 0.98


# Very little data


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("shares_document", [True, False])
def test_a_handful_of_questions_keeps_the_base_and_says_why(n: int, shares_document: bool) -> None:
    vectors = planted(3, n=50)
    rows = tuple(np.array([0 if shares_document else query]) for query in range(n))
    result = AdapterTrainer().fit(EmbeddedDataset(vectors.queries[:n], vectors.documents, rows))
    assert result.adapter.is_identity
    assert result.decision == "base"


def test_a_single_question_has_nothing_to_be_measured_on() -> None:
    result = AdapterTrainer().fit(planted(3, n=50).select(np.array([4])))
    assert (result.decision, result.p_value, result.expected_gain) == ("base", None, None)
    assert (result.table, result.evidence) == ((), None)


def test_a_single_document_is_no_reason_to_fail() -> None:
    vectors = planted(0, n=12)
    only = EmbeddedDataset(
        vectors.queries, vectors.documents[:1], tuple(np.zeros((12, 1), np.int64))
    )
    assert AdapterTrainer(bias=True).fit(only).adapter.is_identity


# The record and the settings


def no_constants(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize("make", [lambda: planted(0), lambda: shuffled(3), lambda: planted(0, n=1)])
def test_the_record_is_plain_json(make: Callable[[], EmbeddedDataset]) -> None:
    result = AdapterTrainer(n_repeats=2, strengths=FEW).fit(make())
    record = json.loads(json.dumps(result.to_record()), parse_constant=no_constants)
    assert record == result.to_record()
    assert record["verdict"] == str(result.verdict)
    assert (record["decision"], record["p_value"]) == (result.decision, result.p_value)
    assert [row["candidate"]["whitening"] for row in record["table"]] == [
        row.candidate.whitening for row in result.table
    ]
    assert (record["chosen"] is None) == (result.chosen is None)
    if record["table"]:
        strengths = [row["candidate"]["strength"] for row in record["table"]]
        assert strengths[:4] == [None, None, 0.3, 0.03]
    if result.chosen is not None:
        candidate = result.chosen.candidate
        fitted = result.temperatures[candidate.whitening]
        assert record["temperature"] == fitted * candidate.sharpening > 0
    else:
        assert record["temperature"] is None


@pytest.mark.parametrize(
    "settings",
    [
        {"strengths": ()},
        {"memories": ()},
        {"strengths": (1.0, 0.0)},
        {"strengths": (-1.0,)},
        {"strengths": (1.0, float("nan"))},
        {"whitenings": ()},
        {"whitenings": (0.15, -0.1)},
        {"whitenings": (0.15, float("nan"))},
        {"whitenings": (float("inf"),)},
        {"n_folds": 1},
        {"n_repeats": 0},
        {"seed": None},
        {"seed": -1},
        {"seed": 0.5},
        {"seen_share": -0.1},
        {"seen_share": 1.1},
        {"seen_share": float("nan")},
    ],
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    words = {"n_folds": "folds", "n_repeats": "repeat"}
    with pytest.raises(ValueError, match=f"expected.* {words.get(name, name)}.*, got"):
        AdapterTrainer(**settings)


def test_an_unknown_metric_is_refused_before_training() -> None:
    with pytest.raises(UnknownMetricError):
        AdapterTrainer(metric="accuracy@10")


@pytest.mark.slow
@pytest.mark.parametrize(("most", "expected"), [(10**9, {1}), (0, {2})])
def test_small_problems_stay_on_one_thread(
    most: int, expected: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()

    class WatchedGrid(Grid):
        def path(self, *args: Any) -> RegularizationPath:
            # the limit of a library that other tests loaded may hold in their thread alone (OpenMP)
            blas = (n for n in threadpool_info() if n.get("threading_layer") == "pthreads")
            seen.update(n["num_threads"] for n in blas)
            return super().path(*args)

    class Watched(AdapterTrainer):
        def grid(self, *args: Any) -> Grid:
            return WatchedGrid(**vars(super().grid(*args)))

    monkeypatch.setattr(threads, "SCORES_FOR_THREADS", most)
    with threadpool_limits(limits=2, user_api="blas"):
        Watched(strengths=FEW).fit(planted(0, n=30))
    assert seen == expected
