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
from query_adapters.training import AdapterTrainer, objective, selection, softmax, solver, subsample
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.sampled_softmax import SampledSoftmaxLoss
from query_adapters.training.softmax import FullSoftmaxLoss, Positives
from query_adapters.training.solver import MAX_ROUNDS, solve, solve_units
from query_adapters.training.subsample import selection_sample
from query_adapters.typing import Values, Vectors

DIM, TEMPERATURE, STRENGTH = 8, 20.0, 0.01
ROTATION = np.linalg.qr(np.random.default_rng(42).normal(size=(DIM, DIM)))[0]
QUICK: dict[str, Any] = {"strengths": (0.3, 0.03), "guard": "off"}
seeds = st.integers(0, 10**6)


def planted(seed: int, *, n_units: int = 60, size: int = 4) -> EmbeddedDataset:
    """Return two questions a unit, each a rotated vector of one of its chunks plus noise.

    Rows of a unit are not next to each other, and unit 0 is relevant to question 1 as well.
    """
    rng = np.random.default_rng(seed)
    units = rng.permutation(np.repeat(np.arange(n_units), size))
    documents = rng.normal(size=(len(units), DIM))
    of_unit = np.argsort(units, kind="stable").reshape(n_units, size)
    answers = np.concatenate([of_unit[:, 0], of_unit[:, -1]])
    queries = documents[answers] @ ROTATION + 0.4 * rng.normal(size=(len(answers), DIM))
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
    """Return the mean loss with the best vector of each relevant unit, in plain loops."""
    assert dataset.units is not None
    documents = dataset.documents.astype(np.float64)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    total = 0.0
    for z, relevant in zip(mapped, dataset.relevant, strict=True):
        scores = TEMPERATURE * documents @ z
        is_negative = np.isin(dataset.units, dataset.labelled) & ~np.isin(dataset.units, relevant)
        others = np.logaddexp.reduce(scores[is_negative])
        best = [scores[dataset.units == unit].max() for unit in relevant]
        total += np.mean([np.logaddexp(0, others - score) for score in best])
    return float(total / len(mapped))


def directions(queries: Vectors) -> Values:
    exact = queries.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_a_unit_scores_by_its_best_vector_and_its_others_are_no_negatives(seed: int) -> None:
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
    dataset = EmbeddedDataset(
        documents[:2],
        documents,
        ([0], [1]),
        units=np.array([0, 0, 1]),  # type: ignore[arg-type]
    )
    positives = Positives.of(dataset)
    loss = FullSoftmaxLoss(documents, np.zeros(3, np.float32), positives)
    gradient = loss(np.array([[1, 0.9, 0.5], [0, 0, 1]], dtype=np.float32))[1]
    pulled, sibling, pushed = gradient[0]
    assert pulled < 0 < pushed
    assert sibling == 0


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_choosing_vectors_settles_and_never_raises_the_loss(seed: int) -> None:
    current = objective_of(planted(seed, n_units=20))
    at = solve(current, np.zeros(current.shape))
    values = [current.value_and_gradient(at)[0]]
    for _ in range(MAX_ROUNDS):
        rechosen = current.rechosen(at)
        if rechosen is current:
            break
        assert rechosen.value_and_gradient(at)[0] < values[-1]
        at = solve(rechosen, at)
        current = rechosen
        values.append(current.value_and_gradient(at)[0])
    assert current.rechosen(at) is current
    assert values == sorted(values, reverse=True)
    settled, _ = solve_units(objective_of(planted(seed, n_units=20)), np.zeros(current.shape))
    assert settled.value_and_gradient(at)[0] == pytest.approx(values[-1], rel=1e-3)


def test_no_more_rounds_than_the_limit_are_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "MAX_ROUNDS", 1)
    start = objective_of(planted(0))
    last, at = solve_units(start, np.zeros(start.shape))
    assert last is start
    assert start.rechosen(at) is not start  # it would go on


def test_a_choice_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = planted(3)
    rows = dataset.labelled_rows.rows
    arguments = dataset.queries, dataset.documents[rows], np.zeros(len(rows), np.float32)
    at_once = Positives.of(dataset).rechosen(*arguments)
    monkeypatch.setattr(softmax, "SCORES_AT_ONCE", 1)
    assert Positives.of(dataset).rechosen(*arguments).columns.tolist() == at_once.columns.tolist()


def test_sampled_negatives_hold_no_vector_of_a_relevant_unit() -> None:
    dataset = planted(1)
    rows = dataset.labelled_rows.rows
    documents, offsets = dataset.documents[rows], np.zeros(len(rows), np.float32)
    positives = Positives.of(dataset)
    loss = SampledSoftmaxLoss.mined(documents, offsets, positives, dataset.queries)
    assert positives.spans is not None
    for query, (first, end) in zip(positives.queries, positives.spans, strict=True):
        siblings = (loss.columns[query] >= first) & (loss.columns[query] < end)
        assert np.isneginf(loss.corrections[query, siblings]).all()
    moved = loss.rechosen(dataset.queries)
    assert moved(dataset.queries)[0] < loss(dataset.queries)[0]
    assert moved.rechosen(dataset.queries) is moved


@pytest.mark.parametrize("limit", [8_000, 50], ids=["all negatives", "sampled"])
def test_units_of_one_vector_give_the_same_adapter_bit_for_bit(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (objective, selection):
        monkeypatch.setattr(module, "MAX_FULL_DOCUMENTS", limit)
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
