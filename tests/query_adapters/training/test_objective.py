"""Test the objective against its formula in plain loops, autograd and finite differences."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import softmax
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior_map import PriorMap
from query_adapters.typing import Rows, Values

DIM = 5
N_INPUTS = DIM + 1
STRENGTH = 0.1
TEMPERATURE = 20.0

seeds = st.integers(0, 10**6)
sizes = st.sampled_from([(9, 9), (3, 9), (12, 3), (3, 3)])  # with few rows, A has coordinates


def random_dataset(seed: int, *, n_queries: int = 9, n_documents: int = 9) -> EmbeddedDataset:
    """Return random vectors; queries have one to three relevant documents of grades 1 to 3.

    Every document is relevant to some query if there are as many queries.
    """
    rng = np.random.default_rng(seed)
    relevant = []
    for query in range(n_queries):
        others = np.delete(np.arange(n_documents), query % n_documents)
        drawn = rng.choice(others, size=rng.integers(0, 3), replace=False)
        relevant.append(np.append(drawn, query % n_documents))
    return EmbeddedDataset(
        (3 * rng.normal(size=(n_queries, DIM)) + 2).astype(np.float32),
        rng.normal(size=(n_documents, DIM)).astype(np.float32),
        tuple(relevant),
        tuple(rng.integers(1, 4, size=len(rows)).astype(np.float64) for rows in relevant),
    )


def random_prior(seed: int, *, bias: float = 0.3) -> PriorMap:
    rng = np.random.default_rng(seed)
    weight = np.eye(DIM) + 0.2 * rng.normal(size=(DIM, DIM))
    return PriorMap.of(weight.astype(np.float32), (bias * rng.normal(size=DIM)).astype(np.float32))


def somewhere(of: SoftmaxObjective, seed: int, *, spread: float = 0.3) -> Values:
    """Return random coordinates of A."""
    return spread * np.random.default_rng(seed).normal(size=of.shape)


def exact_inputs(dataset: EmbeddedDataset, *, with_bias: bool) -> tuple[Any, Any]:
    """Return u and x of the training queries in double precision."""
    queries = dataset.queries.astype(np.float64)
    units = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    centred = units - units.mean(axis=0)
    if not with_bias:
        return units, units
    spread = np.sqrt((centred**2).sum(axis=1).mean())
    return units, np.hstack([centred, np.full((len(units), 1), 0.5 * spread)])


def formula(
    np_like: Any,
    dataset: EmbeddedDataset,
    prior: PriorMap,
    learned: Any,
    asarray: Any,
    *,
    with_bias: bool = True,
) -> Any:
    """Return f(A) as in the docstring of the objective, with numpy or torch."""
    units, inputs = (asarray(rows) for rows in exact_inputs(dataset, with_bias=with_bias))
    exact = dataset.documents.astype(np.float64)
    documents = asarray(exact / np.linalg.norm(exact, axis=1, keepdims=True))
    weight, bias = (asarray(part.astype(np.float64)) for part in (prior.weight, prior.bias))
    answers = sorted({int(row) for rows in dataset.relevant for row in rows})
    loss = 0.0
    for u, x, rows, grades in zip(units, inputs, dataset.relevant, dataset.grades, strict=True):
        z = weight @ u + bias + learned @ x
        negatives = [k for k in answers if k not in rows]
        for row, grade in zip(rows, grades, strict=True):
            negative = sum(
                np_like.exp(TEMPERATURE * (z @ documents[k] - z @ documents[row]))
                for k in negatives
            )
            loss = loss + grade / grades.sum() * np_like.log1p(negative + 0 * z[0])
    return loss / len(dataset.queries) + STRENGTH * (learned**2).sum()


def in_numpy(
    dataset: EmbeddedDataset, prior: PriorMap, learned: Any, *, with_bias: bool = True
) -> float:
    return float(formula(np, dataset, prior, learned, np.asarray, with_bias=with_bias))


def objective_of(
    dataset: EmbeddedDataset, prior: PriorMap | None = None, *, with_bias: bool = True
) -> SoftmaxObjective:
    return SoftmaxObjective(
        dataset,
        inputs=QueryInputs.of(dataset, COSINE, with_bias=with_bias, memory=None),
        prior=prior or PriorMap.of(np.eye(DIM, dtype=np.float32)),
        temperature=TEMPERATURE,
        strength=STRENGTH,
    )


def expanded(objective: SoftmaxObjective, coordinates: Values) -> Values:
    """Return A, or the gradient by A, in all dimensions."""
    return objective.subspace.expand(coordinates.astype(np.float32)).astype(np.float64)


def assert_equal(ours: tuple[float, Values], theirs: tuple[float, Values]) -> None:
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4, atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, size=sizes, with_bias=st.booleans())
def test_value_matches_the_formula(seed: int, size: tuple[int, int], with_bias: bool) -> None:
    dataset = random_dataset(seed, n_queries=size[0], n_documents=size[1])
    prior = random_prior(seed + 1)
    objective = objective_of(dataset, prior, with_bias=with_bias)
    at = somewhere(objective, seed + 2)
    value, _ = objective.value_and_gradient(at)
    expected = in_numpy(dataset, prior, expanded(objective, at), with_bias=with_bias)
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("size", [(9, 9), (3, 9), (12, 3)], ids=str)
def test_gradient_matches_autograd_on_the_formula(size: tuple[int, int], with_bias: bool) -> None:
    torch = pytest.importorskip("torch")
    dataset, prior = random_dataset(0, n_queries=size[0], n_documents=size[1]), random_prior(1)
    objective = objective_of(dataset, prior, with_bias=with_bias)
    at = somewhere(objective, 2)
    learned = torch.tensor(expanded(objective, at), requires_grad=True)
    formula(torch, dataset, prior, learned, torch.tensor, with_bias=with_bias).backward()
    _, gradient = objective.value_and_gradient(at)
    assert learned.grad.abs().max() > 0.1
    np.testing.assert_allclose(expanded(objective, gradient), learned.grad, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_matches_central_differences_of_the_formula(seed: int) -> None:
    dataset, prior = random_dataset(seed), random_prior(seed + 1)
    objective = objective_of(dataset, prior)
    at = somewhere(objective, seed + 2)
    _, gradient = objective.value_and_gradient(at)
    steps = 1e-5 * np.eye(at.size).reshape(-1, *at.shape)
    ends = [[in_numpy(dataset, prior, at + sign * step) for sign in (1, -1)] for step in steps]
    expected = np.array([(above - below) / 2e-5 for above, below in ends]).reshape(at.shape)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=2e-5)


def test_a_bias_is_one_more_input() -> None:
    assert objective_of(random_dataset(0)).shape == (DIM, N_INPUTS)
    assert objective_of(random_dataset(0), with_bias=False).shape == (DIM, DIM)


def test_another_strength_changes_the_penalty_alone() -> None:
    objective = objective_of(random_dataset(0), random_prior(1))
    at = somewhere(objective, 2)
    value, gradient = objective.value_and_gradient(at)
    other = objective.at_strength(STRENGTH + 2).value_and_gradient(at)
    assert_equal(other, (value + 2 * float((at**2).sum()), gradient + 4 * at))
    assert objective.value_and_gradient(at)[0] == value


@settings(max_examples=25, deadline=None)
@given(seed=seeds, data=st.data())
def test_order_of_queries_and_documents_does_not_matter(seed: int, data: st.DataObject) -> None:
    dataset = random_dataset(seed)
    order: list[int] = data.draw(st.permutations(range(len(dataset.queries))))
    position: list[int] = data.draw(st.permutations(range(len(dataset.documents))))
    documents = np.empty_like(dataset.documents)
    documents[position] = dataset.documents
    shuffled = EmbeddedDataset(
        dataset.queries[order],
        documents,
        tuple(np.array(position)[dataset.relevant[query]] for query in order),
        tuple(dataset.grades[query] for query in order),
    )
    at = somewhere(objective_of(dataset), seed)
    assert_equal(
        objective_of(shuffled).value_and_gradient(at), objective_of(dataset).value_and_gradient(at)
    )


@pytest.mark.parametrize("at_once", [1, 20, 10**9])
def test_block_size_does_not_matter(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = random_dataset(3, n_queries=11)
    at = somewhere(objective_of(dataset), 4)
    whole = objective_of(dataset).value_and_gradient(at)
    monkeypatch.setattr(softmax, "SCORES_AT_ONCE", at_once)
    assert_equal(objective_of(dataset).value_and_gradient(at), whole)


def test_documents_without_a_query_have_no_influence() -> None:
    dataset = random_dataset(5)
    at = somewhere(objective_of(dataset), 6)
    more = np.concatenate([dataset.documents, random_dataset(7).documents])
    larger = EmbeddedDataset(dataset.queries, more, dataset.relevant, dataset.grades)
    assert_equal(
        objective_of(larger).value_and_gradient(at), objective_of(dataset).value_and_gradient(at)
    )


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_vector_lengths_do_not_matter_for_cosine(scale: float) -> None:
    dataset = random_dataset(8)
    at = somewhere(objective_of(dataset), 9)
    scaled = EmbeddedDataset(
        dataset.queries * scale, dataset.documents / scale, dataset.relevant, dataset.grades
    )
    assert_equal(
        objective_of(scaled).value_and_gradient(at), objective_of(dataset).value_and_gradient(at)
    )


def relevant_to(*rows: list[int]) -> tuple[Rows, ...]:
    return tuple(np.array(row) for row in rows)


def test_query_whose_labelled_documents_are_all_relevant_adds_no_loss() -> None:
    vectors, prior = random_dataset(10), random_prior(11)
    satisfied = EmbeddedDataset(vectors.queries[:1], vectors.documents, relevant_to([0, 1, 2]))
    mixed = EmbeddedDataset(vectors.queries[:2], vectors.documents, relevant_to([0, 1, 2], [1]))
    objective = objective_of(satisfied, prior)
    value, gradient = objective.value_and_gradient(np.zeros(objective.shape))
    assert value == 0
    assert not gradient.any()
    alone = objective_of(mixed, prior)
    expected = in_numpy(mixed, prior, np.zeros((DIM, N_INPUTS)))
    assert expected > 0
    assert alone.value_and_gradient(np.zeros(alone.shape))[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_huge_scores_do_not_overflow(scale: float) -> None:
    objective = objective_of(random_dataset(12))
    value, gradient = objective.value_and_gradient(somewhere(objective, 1, spread=scale))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@settings(max_examples=50, deadline=None)
@given(seed=seeds, spread=st.floats(0.1, 5))
def test_objective_is_convex_along_random_segments(seed: int, spread: float) -> None:
    objective = objective_of(random_dataset(seed))
    ends = [somewhere(objective, seed + place, spread=spread) for place in (0, 1)]
    middle = (ends[0] + ends[1]) / 2
    mean = np.mean([objective.value_and_gradient(end)[0] for end in ends])
    assert objective.value_and_gradient(middle)[0] <= mean * (1 + 1e-5)
