"""Tests of training on labels of units: documents with several vectors."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import AdapterTrainer, objective, softmax, solver, subsample
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE
from query_adapters.training.objective import SoftmaxObjective, samples_negatives
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.sampled_softmax import SampledSoftmaxLoss
from query_adapters.training.softmax import FullSoftmaxLoss, Positives
from query_adapters.training.solver import MAX_ROUNDS, solve, solve_shared
from query_adapters.training.subsample import selection_sample
from query_adapters.typing import Values, Vectors

DIM, TEMPERATURE, STRENGTH = 8, 20.0, 0.01
MIXING = np.eye(DIM) + 0.4 * np.random.default_rng(42).normal(size=(DIM, DIM))
QUICK: dict[str, Any] = {"strengths": (0.3, 0.03), "guard": "off"}
seeds = st.integers(0, 10**6)


def planted(seed: int, *, n_units: int = 60, size: int = 4, noise: float = 0.4) -> EmbeddedDataset:
    """Return two questions a unit, each a mixed vector of one of its chunks plus noise.

    Rows of a unit are not next to each other, and unit 0 is relevant to question 1 as well.
    """
    rng = np.random.default_rng(seed)
    units = rng.permutation(np.repeat(np.arange(n_units), size))
    documents = rng.normal(size=(len(units), DIM))
    of_unit = np.argsort(units, kind="stable").reshape(n_units, size)
    answers = np.concatenate([of_unit[:, 0], of_unit[:, -1]])
    queries = documents[answers] @ MIXING + noise * rng.normal(size=(len(answers), DIM))
    relevant = [[unit] for unit in units[answers]]
    relevant[1] = [1, 0]
    return EmbeddedDataset(
        queries.astype(np.float32),
        documents.astype(np.float32),
        tuple(relevant),  # type: ignore[arg-type]
        units=units,
    )


def objective_of(dataset: EmbeddedDataset) -> SoftmaxObjective:
    return SoftmaxObjective(
        dataset,
        inputs=QueryInputs.of(dataset, COSINE, with_bias=True, memory=None),
        prior=PriorMap.of(np.eye(DIM, dtype=np.float32)),
        temperature=TEMPERATURE,
        strength=STRENGTH,
    )


def formula(dataset: EmbeddedDataset, mapped: Values) -> float:
    """Return the mean loss with labels shared by scores under the identity, in plain loops."""
    assert dataset.units is not None
    documents = dataset.documents.astype(np.float64)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    total = 0.0
    for u, z, relevant in zip(directions(dataset.queries), mapped, dataset.relevant, strict=True):
        scores, known = TEMPERATURE * documents @ z, TEMPERATURE * documents @ u
        is_negative = np.isin(dataset.units, dataset.labelled) & ~np.isin(dataset.units, relevant)
        others = np.logaddexp.reduce(scores[is_negative])
        for unit in relevant:
            rows = np.flatnonzero(dataset.units == unit)
            shares = np.exp(0.25 * known[rows])
            losses = np.logaddexp(0, others - scores[rows])
            total += (shares / shares.sum()) @ losses / len(relevant)
    return float(total / len(mapped))


def directions(queries: Vectors) -> Values:
    exact = queries.astype(np.float64)
    units: Values = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    return units


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_the_loss_is_the_formula_in_plain_loops(seed: int) -> None:
    dataset = planted(seed, n_units=6)
    value, _ = objective_of(dataset).value_and_gradient(np.zeros(objective_of(dataset).shape))
    assert value == pytest.approx(formula(dataset, directions(dataset.queries)), rel=1e-4)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_the_gradient_agrees_with_finite_differences(seed: int) -> None:
    start = objective_of(planted(seed, n_units=6))
    rng = np.random.default_rng(seed)
    at, step = 0.1 * rng.normal(size=start.shape), rng.normal(size=start.shape)
    step *= 1e-2 / np.linalg.norm(step)
    _, gradient = start.value_and_gradient(at)
    rise = start.value_and_gradient(at + step)[0] - start.value_and_gradient(at - step)[0]
    assert np.vdot(gradient, step) == pytest.approx(rise / 2, rel=0.05, abs=1e-5)


def test_a_sibling_of_the_positive_gets_no_push() -> None:
    documents = np.eye(3, dtype=np.float32)
    relevant = np.array([0]), np.array([1])
    dataset = EmbeddedDataset(documents[:2], documents, relevant, units=np.array([0, 0, 1]))
    positives = Positives.of(dataset)
    loss = FullSoftmaxLoss(documents, np.zeros(3, np.float32), positives)
    gradient = loss(np.array([[1, 0.9, 0.5], [0, 0, 1]], dtype=np.float32))[1]
    pulled, sibling, pushed = gradient[0]
    assert pulled < 0 < pushed
    assert sibling == 0


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_there_is_one_minimum_for_given_shares(seed: int) -> None:
    problem = objective_of(planted(seed, n_units=20))
    rng = np.random.default_rng(seed)
    starts = np.zeros(problem.shape), rng.normal(size=problem.shape)
    ends = [solve(problem, start) for start in starts]
    first, second = (problem.value_and_gradient(at)[0] for at in ends)
    assert first == pytest.approx(second, rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_sharing_anew_settles(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    dataset = planted(seed, noise=0.1)
    first = objective_of(dataset)
    with caplog.at_level("DEBUG", logger=solver.__name__):
        last, at = solve_shared(first, np.zeros(first.shape))
    (said,) = (record.args for record in caplog.records)
    assert isinstance(said, tuple)
    assert 1 < int(str(said[0])) < MAX_ROUNDS  # settled before the limit
    before, settled, after = (shares_of(f, dataset) for f in (first, last, last.shared(at)))
    moved_at_last, moved = (np.abs(s - settled).sum() / 2 for s in (after, before))
    assert moved_at_last < 0.03 * len(dataset.queries) < moved


def shares_of(problem: SoftmaxObjective, dataset: EmbeddedDataset) -> Values:
    """Return the weight of each document for each query, `(n_queries, n_documents)`."""
    positives: Positives = problem._loss.positives  # type: ignore[union-attr]
    shares = np.zeros((len(dataset.queries), len(dataset.documents)))
    shares[positives.queries, dataset.labelled_rows.rows[positives.columns]] = positives.weights
    return shares


def test_no_more_solves_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "MAX_ROUNDS", 1)
    start = objective_of(planted(0))
    last, at = solve_shared(start, np.zeros(start.shape))
    assert last is start
    np.testing.assert_array_equal(at, solve(start, np.zeros(start.shape)))


@pytest.mark.parametrize("most", [1, 3, 100])
def test_the_weight_of_a_unit_is_shared_among_its_best_vectors(most: int) -> None:
    dataset = planted(3)
    rows = dataset.labelled_rows.rows
    offsets = np.zeros(len(rows), np.float32)
    positives = Positives.of(dataset)
    shared = positives.shared(dataset.queries, dataset.documents[rows], offsets, most=most)
    assert dataset.units is not None
    for query, relevant in enumerate(dataset.relevant):
        own = shared.queries == query
        assert shared.weights[own].sum() == pytest.approx(1)
        for unit in relevant:
            of_unit = own & (dataset.units[rows[shared.columns]] == unit)
            assert of_unit.sum() == min(most, 4)
            scores = dataset.documents[dataset.units == unit] @ dataset.queries[query]
            best = rows[shared.columns[of_unit][shared.weights[of_unit].argmax()]]
            assert dataset.documents[best] @ dataset.queries[query] == pytest.approx(
                scores.max(), rel=1e-4
            )
    assert (np.diff(shared.queries) >= 0).all()


def test_shares_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = planted(3)
    rows = dataset.labelled_rows.rows
    arguments = dataset.queries, dataset.documents[rows], np.zeros(len(rows), np.float32)
    at_once = Positives.of(dataset).shared(*arguments)
    monkeypatch.setattr(softmax, "SCORES_AT_ONCE", 1)
    in_blocks = Positives.of(dataset).shared(*arguments)
    np.testing.assert_allclose(in_blocks.weights, at_once.weights, rtol=1e-5)
    assert in_blocks.columns.tolist() == at_once.columns.tolist()


def test_sampled_negatives_hold_no_vector_of_a_relevant_unit() -> None:
    dataset = planted(1)
    rows = dataset.labelled_rows.rows
    documents, offsets = dataset.documents[rows], np.zeros(len(rows), np.float32)
    positives = Positives.of(dataset)
    loss = SampledSoftmaxLoss.mined(documents, offsets, positives, dataset.queries)
    spans = positives.spans
    assert spans is not None
    for query, first, end in zip(spans.queries, spans.firsts, spans.ends, strict=True):
        siblings = (loss.columns[query] >= first) & (loss.columns[query] < end)
        assert np.isneginf(loss.corrections[query, siblings]).all()


@pytest.mark.parametrize("limit", [8_000, 50], ids=["all negatives", "sampled"])
def test_units_of_one_vector_give_the_same_adapter_bit_for_bit(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "MAX_FULL_DOCUMENTS", limit)
    chunks = replace(planted(2, n_units=90, size=1), units=None)
    trainer = AdapterTrainer(**QUICK)
    plain = trainer.fit(chunks)
    units = trainer.fit(replace(chunks, units=np.arange(len(chunks.documents))))
    assert units.table == plain.table
    assert units.verdict == plain.verdict
    queries = chunks.queries
    assert units.adapter(queries).tobytes() == plain.adapter(queries).tobytes()
    assert isinstance(plain.adapter, KernelAdapter | LinearAdapter)


def test_labels_on_units_gain_as_much_as_labels_on_their_chunks() -> None:
    train, test = planted(5), planted(5)
    test = replace(test, queries=test.queries + np.float32(0.05))
    rows = train.rows_of(np.arange(train.n_units)).rows.reshape(-1, 4)
    answers = np.concatenate([rows[:, 0], rows[:, -1]])
    by_chunk = replace(train, relevant=tuple(answers[:, None]), grades=(), units=None)
    base = evaluate_vectors(test).means["ndcg@10"]
    gains = [
        evaluate_vectors(test, AdapterTrainer(**QUICK).fit(data).adapter).means["ndcg@10"] - base
        for data in (train, by_chunk)
    ]
    assert gains[1] > 0.2
    assert gains[0] > 0.8 * gains[1]


def test_a_unit_of_thousands_of_vectors_is_trained_on() -> None:
    small = planted(6)
    assert small.units is not None
    rng = np.random.default_rng(0)
    large = EmbeddedDataset(
        small.queries,
        np.concatenate([small.documents, rng.normal(size=(5_000, DIM)).astype(np.float32)]),
        small.relevant,
        units=np.concatenate([small.units, np.zeros(5_000, np.int64)]),
    )
    result = AdapterTrainer(**QUICK, memories=(None,), n_folds=2).fit(large)
    assert np.isfinite(result.adapter(large.queries)).all()


def test_few_questions_about_many_vectors_have_all_negatives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = planted(1)  # 120 questions, 240 vectors
    monkeypatch.setattr(objective, "MAX_FULL_DOCUMENTS", 170)
    assert not samples_negatives(dataset)
    monkeypatch.setattr(objective, "MAX_FULL_DOCUMENTS", 169)
    assert samples_negatives(dataset)
    chunks = replace(planted(1, n_units=170, size=1), units=None)
    assert samples_negatives(chunks)  # more than 169 documents


def test_a_unit_is_in_one_fold_of_the_view_of_unseen_documents() -> None:
    dataset = planted(7)
    firsts = [rows[0] for rows in dataset.relevant]
    by_unit = {unit: set() for unit in firsts}  # type: ignore[var-annotated]
    for unit, group in zip(firsts, dataset.document_groups, strict=True):
        by_unit[unit].add(group)
    assert all(len(groups) == 1 for groups in by_unit.values())


def test_a_sample_holds_units_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsample, "MAX_DOCUMENTS", 150)
    monkeypatch.setattr(subsample, "NEAREST", 1)
    dataset = planted(8).select(np.arange(10))
    part = selection_sample(dataset, similarity="cosine", seed=0)
    assert part.units is not None
    assert np.bincount(part.units).tolist() == [4] * part.n_units
    assert part.n_units == 150 // 4
    before, after = (evaluate_vectors(data).means["ndcg@10"] for data in (dataset, part))
    assert after >= before
