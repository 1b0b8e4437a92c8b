"""Tests of the memory: features, fit against other formulations, selection and use."""

from math import inf
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from query_adapters.adapters import KernelAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import MEMORIES, AdapterTrainer, MemorySettings, memory
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore, choose
from query_adapters.training.folds import make_views
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.memory import Memory, landmark_rows
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.selection import Grid
from query_adapters.training.solver import Precision, solve
from query_adapters.typing import Vectors

DIM = 5
METRIC = "ndcg@10"
SETTINGS = MemorySettings(ease=100.0, sharpness=5.0)
STRENGTH = 0.1


def unit(vectors: Any) -> Any:
    exact = np.asarray(vectors, dtype=np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


def kernel(left: Any, right: Any, sharpness: float = 5.0) -> Any:
    return (np.exp(sharpness * unit(left) @ unit(right).T) - 1) / (np.exp(sharpness) - 1)


def random_dataset(seed: int = 0, *, n_queries: int = 12, n_documents: int = 7) -> EmbeddedDataset:
    """Return random questions of norm 3, each with one random relevant document."""
    rng = np.random.default_rng(seed)
    return EmbeddedDataset(
        (3 * unit(rng.normal(size=(n_queries, DIM)))).astype(np.float32),
        rng.normal(size=(n_documents, DIM)).astype(np.float32),
        tuple(rng.integers(n_documents, size=(n_queries, 1))),
    )


# Features and the resulting adapter


@pytest.mark.parametrize("settings", MEMORIES)
def test_products_of_features_are_the_kernel_times_the_ease(settings: MemorySettings) -> None:
    dataset = random_dataset()
    features = Memory.of(dataset, settings).features(unit(dataset.queries).astype(np.float32))
    expected = settings.ease * kernel(dataset.queries, dataset.queries, settings.sharpness)
    np.testing.assert_allclose(features @ features.T, expected, atol=1e-5 * settings.ease)


@pytest.mark.parametrize("bias", [0.0, 0.3])
def test_the_adapter_does_what_its_map_does_to_question_and_features(bias: float) -> None:
    dataset, rng = random_dataset(), np.random.default_rng(1)
    remembered = Memory.of(dataset, SETTINGS)
    weight = np.concatenate(
        [rng.normal(size=(DIM, DIM)), rng.normal(size=(DIM, 12)) / 20], axis=1, dtype=np.float32
    )
    fitted = LinearMap(weight, (bias * rng.normal(size=DIM)).astype(np.float32))
    adapter = fitted.as_adapter(dataset.queries, remembered)
    assert isinstance(adapter, KernelAdapter)
    queries = random_dataset(2, n_queries=30).queries
    units = unit(queries).astype(np.float32)
    inputs = np.concatenate([units, remembered.features(units)], axis=1)
    expected = 3 * unit(inputs @ weight.T + fitted.bias)
    assert np.abs(adapter(queries) - adapter.linear(queries)).max() > 0.1
    np.testing.assert_allclose(adapter(queries), expected, atol=1e-4)


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
    """Return unit questions and √r L⁻¹ k(Z, q), in double precision."""
    gram = kernel(dataset.queries, dataset.queries)
    root = np.linalg.cholesky(gram + 1e-6 * np.eye(len(gram)))
    features = np.sqrt(SETTINGS.ease) * np.linalg.solve(root, gram).T
    return np.concatenate([unit(dataset.queries), features], axis=1)


def naive(np_like: Any, asarray: Any, dataset: EmbeddedDataset, weight: Any) -> Any:
    """Return f(W) computed in loops with numpy or torch, with a penalty toward the identity."""
    inputs, documents = asarray(hand_made_inputs(dataset)), asarray(unit(dataset.documents))
    answers = sorted({int(row) for (row,) in dataset.relevant})
    loss = 0.0
    for x, (row,) in zip(inputs, dataset.relevant, strict=True):
        z = weight @ x
        wrong = [z @ documents[k] - z @ documents[row] for k in answers if k != row]
        loss = loss + np_like.log1p(sum(np_like.exp(20 * margin) for margin in wrong))
    start = asarray(np.eye(*weight.shape))
    return loss / len(dataset.queries) + STRENGTH * ((weight - start) ** 2).sum()


def objective_of(dataset: EmbeddedDataset) -> tuple[SoftmaxObjective, LinearMap]:
    prior = LinearMap.of(np.eye(DIM, dtype=np.float32)).widened(DIM + len(dataset.queries))
    remembered = Memory.of(dataset, SETTINGS)
    return SoftmaxObjective(dataset, prior=prior, strength=STRENGTH, memory=remembered), prior


def somewhere(prior: LinearMap, seed: int) -> LinearMap:
    shift = 0.05 * np.random.default_rng(seed).normal(size=prior.weight.shape)
    return LinearMap.of(prior.weight + shift.astype(np.float32))


@pytest.mark.parametrize("seed", range(2))
def test_value_and_slope_are_those_of_the_formula_by_central_differences(seed: int) -> None:
    dataset = random_dataset(seed, n_queries=6)
    objective, prior = objective_of(dataset)
    at = somewhere(prior, seed)
    value, slope = objective.value_and_gradient(at)
    exact = at.weight.astype(np.float64)
    assert value == pytest.approx(naive(np, np.asarray, dataset, exact), rel=1e-4)
    expected = np.empty_like(exact)
    for entry in np.ndindex(*exact.shape):
        step = np.zeros_like(exact)
        step[entry] = 1e-5
        above, below = (naive(np, np.asarray, dataset, exact + s) for s in (step, -step))
        expected[entry] = (above - below) / 2e-5
    np.testing.assert_allclose(slope.weight, expected, rtol=1e-3, atol=1e-3)
    assert not slope.bias.any()


@pytest.mark.parametrize("seed", range(2))
def test_the_slope_is_that_of_autograd_on_the_formula(seed: int) -> None:
    torch = pytest.importorskip("torch")
    dataset = random_dataset(seed)
    objective, prior = objective_of(dataset)
    at = somewhere(prior, seed)
    weight = torch.tensor(at.weight, dtype=torch.float64, requires_grad=True)
    naive(torch, torch.tensor, dataset, weight).backward()
    _, slope = objective.value_and_gradient(at)
    np.testing.assert_allclose(slope.weight, weight.grad, rtol=1e-3, atol=1e-3)


def scores_of_the_explicit_form(dataset: EmbeddedDataset, new: Vectors) -> Any:
    """Return scores of new questions from `z = A q + Γᵀ K^(-1/2) k(q)`, fitted by BFGS.

    The penalty is λ ‖A - I‖² + (λ / r) ‖Γ‖², where ‖Γ‖ is the norm in the kernel's space.
    """
    gram = kernel(dataset.queries, dataset.queries)
    sizes, vectors = np.linalg.eigh(gram)
    whiten = vectors @ np.diag(sizes**-0.5) @ vectors.T
    inputs = np.concatenate([unit(dataset.queries), gram @ whiten], axis=1)
    labelled, wanted = np.unique(np.concatenate(dataset.relevant), return_inverse=True)
    documents = unit(dataset.documents)[labelled]
    start = np.eye(DIM, inputs.shape[1])
    pull = np.where(np.arange(inputs.shape[1]) < DIM, STRENGTH, STRENGTH / SETTINGS.ease)

    def value_and_slope(flat: Any) -> tuple[float, Any]:
        weight = flat.reshape(start.shape)
        scores = 20 * inputs @ weight.T @ documents.T
        each = np.arange(len(scores))
        losses = logsumexp(scores, axis=1) - scores[each, wanted]
        residuals = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
        residuals[each, wanted] -= 1
        slope = 20 / len(scores) * documents.T @ residuals.T @ inputs
        shift = weight - start
        value = losses.mean() + (pull * shift**2).sum()
        return float(value), (slope + 2 * pull * shift).ravel()

    found = minimize(
        value_and_slope,
        start.ravel(),
        method="BFGS",
        jac=True,
        options={"gtol": 1e-9, "maxiter": 5000},
    )
    at = np.concatenate([unit(new), kernel(new, dataset.queries) @ whiten], axis=1)
    return at @ found.x.reshape(start.shape).T @ unit(dataset.documents).T


def test_the_minimum_is_that_of_the_explicit_kernel_form() -> None:
    dataset = random_dataset(3, n_queries=10)
    new = np.concatenate([dataset.queries, random_dataset(4).queries])
    objective, prior = objective_of(dataset)
    fitted = solve(objective, prior, precision=Precision(2000, gradient=1e-7, decrease=1e-12))
    remembered = Memory.of(dataset, SETTINGS)
    units = unit(new).astype(np.float32)
    inputs = np.concatenate([units, remembered.features(units)], axis=1)
    ours = inputs @ fitted.weight.T @ unit(dataset.documents).T
    linear = units @ fitted.weight[:, :DIM].T @ unit(dataset.documents).T
    assert np.abs(ours - linear).max() > 0.1
    np.testing.assert_allclose(ours, scores_of_the_explicit_form(dataset, new), atol=1e-2)


# Selection


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


def table_of(dataset: EmbeddedDataset, *memories: MemorySettings) -> list[CandidateScore]:
    identity = LinearMap.of(np.eye(dataset.dim, dtype=np.float32))
    grid = Grid(
        priors={0.0: identity, 0.2: identity},
        strengths=(0.3, 0.03),
        metric=METRIC,
        with_bias=False,
        memories=memories,
    )
    views = make_views(dataset, n_folds=3, n_repeats=1, seed=0, seen_share=1)
    return list(grid.score(dataset, views))


def test_memories_are_candidates_only_where_they_are_given() -> None:
    assert {row.candidate.memory for row in table_of(intents())} == {None}
    assert {row.candidate.memory for row in table_of(intents(), SETTINGS)} == {None, SETTINGS}


def test_the_first_memory_walks_the_path_and_others_are_tried_where_it_was_best() -> None:
    other = MemorySettings(ease=30.0, sharpness=10.0)
    table = table_of(intents(), SETTINGS, other)
    walked = [
        row for row in table if row.candidate.whitening == 0 and row.candidate.memory != other
    ]
    best = max(walked, key=lambda row: row.overall.mean).candidate
    assert best.memory == SETTINGS
    tried = [row.candidate for row in table if row not in walked]
    assert tried == [Candidate(0.2, best.strength, SETTINGS), Candidate(0.0, best.strength, other)]
    linear = [row.candidate.strength for row in walked if row.candidate.memory is None]
    assert linear == [inf, 0.3, 0.03][: len(linear)]
    assert walked[len(linear)].candidate.strength == 0.3


def test_where_no_memory_was_better_no_other_one_is_tried() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, DIM)).astype(np.float32)
    perfect = EmbeddedDataset(vectors, vectors, tuple(np.arange(30)[:, None]))
    other = MemorySettings(ease=30.0, sharpness=10.0)
    tried = {row.candidate.memory for row in table_of(perfect, SETTINGS, other)}
    assert tried == {None, SETTINGS}


FIRST, SECOND = SETTINGS, MemorySettings(ease=30.0, sharpness=5.0)


def row(
    mean: float, remembered: MemorySettings | None = None, *, whitening: float = 0.15
) -> CandidateScore:
    score = ViewScore(mean=mean, error=0.01)
    return CandidateScore(
        candidate=Candidate(whitening, 1.0, remembered),
        seen=score,
        unseen=None,
        overall=score,
        differences=np.array([mean]),
        controls=np.zeros(1),
    )


@pytest.mark.parametrize(
    ("table", "chosen"),
    [
        pytest.param([row(0.05), row(0.051, FIRST)], 1, id="the first memory, by its mean"),
        pytest.param([row(0.05), row(0.049, FIRST)], 0, id="no memory, by its mean"),
        pytest.param(
            [row(0.02), row(0.05, FIRST), row(0.058, SECOND)], 1, id="another, within an error"
        ),
        pytest.param(
            [row(0.02), row(0.05, FIRST), row(0.062, SECOND)], 2, id="another, clearly better"
        ),
        pytest.param(
            [row(0.02), row(0.05, FIRST), row(0.058, FIRST, whitening=0.3)],
            1,
            id="other prior with the first memory, within an error",
        ),
        pytest.param(
            [row(0.02), row(-0.05, FIRST), row(0.028, SECOND)], 0, id="the first memory vetoed"
        ),
    ],
)
def test_the_first_memory_stands_unless_another_is_clearly_better(
    table: list[CandidateScore], chosen: int
) -> None:
    assert choose(table) is table[chosen]


# The trainer


def test_repeated_questions_are_answered_from_memory_where_no_matrix_can() -> None:
    fresh = intents(1)
    linear, remembering = (
        AdapterTrainer(
            whitenings=(0.0,), strengths=(0.3, 0.03, 0.003), seen_share=1, memories=memories
        ).fit(intents())
        for memories in ((), (SETTINGS,))
    )
    assert isinstance(remembering.adapter, KernelAdapter)
    assert remembering.chosen is not None
    assert remembering.chosen.candidate.memory == SETTINGS
    base, matrix, memorised = (
        evaluate_vectors(fresh, adapter, metrics=[METRIC]).means[METRIC]
        for adapter in (None, linear.adapter, remembering.adapter)
    )
    assert memorised >= max(base, matrix) + 0.1
    assert remembering.chosen.overall.mean == pytest.approx(memorised - base, abs=0.1)


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
