"""Tests of the memory: features, fit against other formulations, choice and use."""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import MEMORIES, AdapterTrainer, MemorySettings, memories_of, memory
from query_adapters.training.candidates import Candidate
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE
from query_adapters.training.memory import Memory, landmark_rows
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.solver import Precision, solve
from query_adapters.typing import Values, Vectors

DIM = 5
METRIC = "ndcg@10"
SETTINGS = MemorySettings(ease=100.0, sharpness=5.0)
STRENGTH = 0.1
TEMPERATURE = 20.0


def unit(vectors: Any) -> Any:
    exact = np.asarray(vectors, dtype=np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


def kernel(left: Any, right: Any, *, sharpness: float = 5.0) -> Any:
    """Return k of queries and landmarks, both compared from the centre of the landmarks."""
    centre = unit(right).mean(axis=0)
    cosines = unit(unit(left) - centre) @ unit(unit(right) - centre).T
    return (np.exp(sharpness * cosines) - 1) / (np.exp(sharpness) - 1)


def random_dataset(seed: int = 0, *, n_queries: int = 12, n_documents: int = 7) -> EmbeddedDataset:
    """Return random questions of norm 3, each with one random relevant document.

    The questions lie around a point away from 0.
    """
    rng = np.random.default_rng(seed)
    return EmbeddedDataset(
        (3 * unit(rng.normal(size=(n_queries, DIM)) + 1)).astype(np.float32),
        rng.normal(size=(n_documents, DIM)).astype(np.float32),
        tuple(rng.integers(n_documents, size=(n_queries, 1))),
    )


# Features and the resulting adapter


@pytest.mark.parametrize("settings", MEMORIES)
def test_products_of_features_are_the_kernel_times_the_ease(settings: MemorySettings) -> None:
    dataset = random_dataset()
    features = Memory.of(dataset, settings).features(unit(dataset.queries).astype(np.float32))
    expected = settings.ease * kernel(
        dataset.queries, dataset.queries, sharpness=settings.sharpness
    )
    np.testing.assert_allclose(features @ features.T, expected, atol=1e-5 * settings.ease)


def test_the_adapter_recalls_what_its_weights_make_of_the_features() -> None:
    dataset, rng = random_dataset(), np.random.default_rng(1)
    remembered, linear = Memory.of(dataset, SETTINGS), LinearAdapter(rng.normal(size=(DIM, DIM)))
    weights = (rng.normal(size=(DIM, 12)) / 20).astype(np.float32)
    adapter = remembered.adapter(linear, weights)
    units = unit(random_dataset(2, n_queries=30).queries).astype(np.float32)
    expected = remembered.features(units) @ weights.T
    assert adapter.linear is linear
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(adapter.recalled(units), expected, atol=1e-4)


def test_more_questions_than_fit_in_one_block_have_the_same_features(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remembered = Memory.of(random_dataset(), SETTINGS)
    units = unit(random_dataset(2, n_queries=30).queries).astype(np.float32)
    whole = remembered.features(units)
    monkeypatch.setattr(memory, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(remembered.features(units), whole, atol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_questions_asked_again_and_again_are_remembered_all_the_same(noise: float) -> None:
    rng = np.random.default_rng(0)
    queries = np.tile(rng.normal(size=(10, 64)), (60, 1))
    queries += noise * rng.normal(size=queries.shape)
    rows = tuple(np.array([query % 10]) for query in range(600))
    dataset = EmbeddedDataset(queries.astype("f4"), rng.normal(size=(10, 64)).astype("f4"), rows)
    features = Memory.of(dataset, SETTINGS).features(unit(queries).astype(np.float32))
    np.testing.assert_allclose(
        features @ features.T, SETTINGS.ease * kernel(queries, queries), atol=1e-2
    )


def test_a_question_without_a_length_is_no_reason_to_fail() -> None:
    queries = random_dataset().queries.copy()
    queries[3] = 0
    dataset = EmbeddedDataset(queries, random_dataset().documents, random_dataset().relevant)
    assert np.isfinite(Memory.of(dataset, SETTINGS).features(dataset.queries / np.float32(3))).all()


@pytest.mark.parametrize(
    ("ease", "sharpness"),
    [(0.0, 5.0), (-1.0, 5.0), (inf, 5.0), (np.nan, 5.0), (1.0, 0.0), (1.0, np.nan), (1.0, 81.0)],
)
def test_a_setting_out_of_range_is_refused(ease: float, sharpness: float) -> None:
    with pytest.raises(ValueError, match=rf"expected an ease above 0.*got {ease} and {sharpness}"):
        MemorySettings(ease=ease, sharpness=sharpness)


# Landmarks


def asked(counts: list[int]) -> EmbeddedDataset:
    """Return `counts[i]` questions about each document i, grouped by document."""
    rows = np.repeat(np.arange(len(counts)), counts)
    vectors = np.random.default_rng(0).normal(size=(len(rows), DIM)).astype(np.float32)
    return EmbeddedDataset(vectors, vectors[: len(counts)], tuple(rows[:, None]))


@pytest.mark.parametrize("most", [10, 11])
def test_all_questions_are_remembered_where_they_are_not_too_many(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MAX_LANDMARKS", most)
    assert landmark_rows(asked([7, 3])).tolist() == list(range(10))


@pytest.mark.parametrize("most", [1, 4, 8, 11, 20])
def test_more_are_spread_evenly_over_the_documents(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MAX_LANDMARKS", most)
    dataset = asked([12, 1, 5, 3])
    rows = landmark_rows(dataset)
    assert len(rows) == len(set(rows.tolist())) == most
    counts = np.bincount([dataset.relevant[row][0] for row in rows], minlength=4)
    available = np.array([12, 1, 5, 3])
    fullest = counts.max()
    assert (counts >= np.minimum(available, fullest - 1)).all()  # documents are filled in turn
    assert len(Memory.of(dataset, SETTINGS).landmarks) == most


# The objective


def hand_made_inputs(dataset: EmbeddedDataset) -> Any:
    """Return x: centred questions, half the spread, and the spread times √r L⁻¹ k(Z, q)."""
    units = unit(dataset.queries)
    centred = units - units.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=1).mean())
    gram = kernel(dataset.queries, dataset.queries)
    root = np.linalg.cholesky(gram + 1e-6 * np.eye(len(gram)))
    features = np.sqrt(SETTINGS.ease) * np.linalg.solve(root, gram).T
    constant = np.full((len(units), 1), 0.5 * spread)
    return np.concatenate([centred, constant, spread * features], axis=1)


def naive(np_like: Any, asarray: Any, dataset: EmbeddedDataset, learned: Any) -> Any:
    """Return f(A) computed in loops with numpy or torch, from the identity."""
    inputs, documents = asarray(hand_made_inputs(dataset)), asarray(unit(dataset.documents))
    units = asarray(unit(dataset.queries))
    answers = sorted({int(row) for (row,) in dataset.relevant})
    loss = 0.0
    for u, x, (row,) in zip(units, inputs, dataset.relevant, strict=True):
        z = u + learned @ x
        wrong = [z @ documents[k] - z @ documents[row] for k in answers if k != row]
        loss = loss + np_like.log1p(sum(np_like.exp(TEMPERATURE * margin) for margin in wrong))
    return loss / len(dataset.queries) + STRENGTH * (learned**2).sum()


IDENTITY = PriorMap.of(np.eye(DIM, dtype=np.float32))


def inputs_of(dataset: EmbeddedDataset) -> QueryInputs:
    return QueryInputs.of(dataset, COSINE, with_bias=True, memory=SETTINGS)


def objective_of(dataset: EmbeddedDataset) -> SoftmaxObjective:
    return SoftmaxObjective(
        dataset,
        inputs=inputs_of(dataset),
        prior=IDENTITY,
        temperature=TEMPERATURE,
        strength=STRENGTH,
    )


def somewhere(objective: SoftmaxObjective, seed: int) -> tuple[Values, Values]:
    """Return random coordinates, and the A that they stand for."""
    at = 0.05 * np.random.default_rng(seed).normal(size=objective.shape)
    return at, objective.subspace.expand(at.astype(np.float32)).astype(np.float64)


def slope_of(objective: SoftmaxObjective, at: Values) -> Vectors:
    """Return the gradient by A."""
    return objective.subspace.expand(objective.value_and_gradient(at)[1].astype(np.float32))


@pytest.mark.parametrize("seed", range(2))
def test_value_and_slope_are_those_of_the_formula_by_central_differences(seed: int) -> None:
    dataset = random_dataset(seed, n_queries=6)
    objective = objective_of(dataset)
    at, learned = somewhere(objective, seed)
    value, _ = objective.value_and_gradient(at)
    assert value == pytest.approx(naive(np, np.asarray, dataset, learned), rel=1e-4)
    expected = np.empty_like(learned)
    for entry in np.ndindex(*learned.shape):
        step = np.zeros_like(learned)
        step[entry] = 1e-5
        above, below = (naive(np, np.asarray, dataset, learned + s) for s in (step, -step))
        expected[entry] = (above - below) / 2e-5
    np.testing.assert_allclose(slope_of(objective, at), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("seed", range(2))
def test_the_slope_is_that_of_autograd_on_the_formula(seed: int) -> None:
    torch = pytest.importorskip("torch")
    dataset = random_dataset(seed)
    objective = objective_of(dataset)
    at, exact = somewhere(objective, seed)
    learned = torch.tensor(exact, requires_grad=True)
    naive(torch, torch.tensor, dataset, learned).backward()
    np.testing.assert_allclose(slope_of(objective, at), learned.grad, rtol=1e-3, atol=1e-3)


def scores_of_the_explicit_form(dataset: EmbeddedDataset, new: Vectors) -> Any:
    """Return scores of new questions from `z = u + A (u - μ) + b + Γᵀ K^(-1/2) k(q)`, by BFGS.

    The penalty is λ ‖A‖² + λ ‖b / (κ s)‖² + λ / (r s²) ‖Γ‖², where ‖Γ‖ is the norm in the
    kernel's space.
    """
    units, at_units = unit(dataset.queries), unit(new)
    mean = units.mean(axis=0)
    variance = ((units - mean) ** 2).sum(axis=1).mean()
    gram = kernel(dataset.queries, dataset.queries)
    sizes, vectors = np.linalg.eigh(gram)
    whiten = vectors @ np.diag(sizes**-0.5) @ vectors.T
    inputs = np.concatenate([units - mean, np.ones((len(units), 1)), gram @ whiten], axis=1)
    labelled, wanted = np.unique(np.concatenate(dataset.relevant), return_inverse=True)
    documents = unit(dataset.documents)[labelled]
    shape = DIM, inputs.shape[1]
    memory_pull = np.full(len(units), STRENGTH / (SETTINGS.ease * variance))
    bias_pull = STRENGTH / (0.25 * variance)
    pull = np.concatenate([np.full(DIM, STRENGTH), [bias_pull], memory_pull])

    def value_and_slope(flat: Any) -> tuple[float, Any]:
        learned = flat.reshape(shape)
        scores = TEMPERATURE * (units + inputs @ learned.T) @ documents.T
        each = np.arange(len(scores))
        losses = logsumexp(scores, axis=1) - scores[each, wanted]
        residuals = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
        residuals[each, wanted] -= 1
        slope = TEMPERATURE / len(scores) * documents.T @ residuals.T @ inputs
        value = losses.mean() + (pull * learned**2).sum()
        return float(value), (slope + 2 * pull * learned).ravel()

    found = minimize(
        value_and_slope,
        np.zeros(DIM * shape[1]),
        method="BFGS",
        jac=True,
        options={"gtol": 1e-9, "maxiter": 5000},
    )
    at = np.concatenate(
        [at_units - mean, np.ones((len(new), 1)), kernel(new, dataset.queries) @ whiten], axis=1
    )
    return (at_units + at @ found.x.reshape(shape).T) @ unit(dataset.documents).T


def test_the_minimum_is_that_of_the_explicit_kernel_form() -> None:
    dataset = random_dataset(3, n_queries=10)
    new = np.concatenate([dataset.queries, random_dataset(4).queries])
    objective, inputs = objective_of(dataset), inputs_of(dataset)
    precision = Precision(2000, gradient=1e-7, decrease=1e-12)
    found = solve(objective, np.zeros(objective.shape), precision=precision)
    learned = objective.subspace.expand(found.astype(np.float32))
    adapter = inputs.adapter(IDENTITY, learned, dataset.queries)
    assert isinstance(adapter, KernelAdapter)
    documents = unit(dataset.documents)
    ours = adapter.mapped(new) @ documents.T / 3  # the questions' length
    linear = adapter.linear.mapped(new) @ documents.T / 3
    assert np.abs(ours - linear).max() > 0.1
    np.testing.assert_allclose(ours, scores_of_the_explicit_form(dataset, new), atol=1e-2)


# Which are tried


def intents(
    seed: int = 0, *, n_intents: int = 40, each: int = 4, noise: float = 0.3, dim: int = 10
) -> EmbeddedDataset:
    """Return repeated questions whose documents are independent of the question vectors.

    The seed affects only the noise of the repetitions. Intents and documents are the same for
    every seed.
    """
    world, rng = np.random.default_rng(0), np.random.default_rng(seed + 1)
    directions, documents = unit(world.normal(size=(2 * n_intents, dim))).reshape(2, n_intents, dim)
    rows = np.repeat(np.arange(n_intents), each)
    queries = directions[rows] + noise * rng.normal(size=(len(rows), dim)) / np.sqrt(dim)
    return EmbeddedDataset(
        queries.astype(np.float32), documents.astype(np.float32), tuple(rows[:, None])
    )


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("auto", (None, *MEMORIES)), (True, MEMORIES), (False, (None,))],
)
def test_a_memory_is_tried_beside_none_alone_or_not_at_all(setting: Any, expected: Any) -> None:
    assert memories_of(setting) == expected


@pytest.mark.parametrize("setting", [None, 1, 0, "yes", "True"])
def test_another_memory_setting_is_refused(setting: Any) -> None:
    with pytest.raises(TypeError, match=f'memory: expected "auto", True or False, got {setting!r}'):
        memories_of(setting)


def test_every_memory_is_tried_at_every_strength_with_every_prior() -> None:
    other = MemorySettings(ease=30.0, sharpness=10.0)
    result = AdapterTrainer(
        whitenings=(0.1, 0.0), strengths=(0.03, 0.3), memories=(None, SETTINGS, other), n_folds=2
    ).fit(intents(n_intents=10))
    tried = [row.candidate for row in result.table]
    assert len(tried) == len(set(tried))
    assert set(tried) == {Candidate(p, inf) for p in (0.1, 0.0)} | {
        Candidate(p, strength, remembered)
        for p in (0.1, 0.0)
        for strength in (0.03, 0.3)
        for remembered in (None, SETTINGS, other)
    }


def test_a_memory_that_is_refined_stays_and_no_other_is_tried() -> None:
    landmarks = unit(np.random.default_rng(0).normal(size=(5, 10)))
    start = KernelAdapter(LinearAdapter.identity(10), landmarks, landmarks, 5.0)
    result = AdapterTrainer(strengths=(0.1,), guard="off").fit(intents(n_intents=10), start=start)
    assert {row.candidate.memory for row in result.table} == {None}
    assert isinstance(result.adapter, KernelAdapter)
    np.testing.assert_array_equal(result.adapter.values, start.values)


# The trainer


def test_repeated_questions_are_answered_from_memory_where_no_matrix_can() -> None:
    fresh = intents(1)
    linear, either = (
        AdapterTrainer(
            whitenings=(0.0,), strengths=(0.3, 0.03, 0.003), seen_share=1, memories=memories
        ).fit(intents())
        for memories in ((None,), memories_of("auto"))
    )
    assert isinstance(either.adapter, KernelAdapter)
    assert either.chosen is not None
    assert either.chosen.candidate.memory == MEMORIES[0]
    assert either.p_value is not None
    assert either.p_value < 0.01
    base, matrix, memorised = (
        evaluate_vectors(fresh, adapter, metrics=[METRIC]).means[METRIC]
        for adapter in (None, linear.adapter, either.adapter)
    )
    assert memorised >= max(base, matrix) + 0.1
    assert either.expected_gain is not None
    assert either.expected_gain.mean == pytest.approx(memorised - base, abs=0.1)


def test_where_a_matrix_says_it_all_no_memory_is_chosen(
    make_embedded: Callable[..., EmbeddedDataset],
) -> None:
    rotated = make_embedded(n_documents=60, n_queries=60, dim=8, noise=0.5)
    result = AdapterTrainer(strengths=(0.1, 0.03, 0.01)).fit(rotated)
    assert result.chosen is not None
    assert result.chosen.candidate.memory is None
    assert isinstance(result.adapter, LinearAdapter)


@pytest.mark.slow
def test_labels_assigned_at_random_keep_the_base_with_memories_too() -> None:
    kept = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        documents = rng.normal(size=(60, DIM))
        queries = documents + 0.5 * rng.normal(size=documents.shape)
        labels = tuple(rng.permutation(60)[:, None])
        shuffled = EmbeddedDataset(queries.astype("f4"), documents.astype("f4"), labels)
        result = AdapterTrainer(memories=MEMORIES, strengths=(1.0, 0.1), n_folds=3).fit(shuffled)
        assert any(row.candidate.memory for row in result.table)
        kept += result.adapter.is_identity
    assert kept >= 5
