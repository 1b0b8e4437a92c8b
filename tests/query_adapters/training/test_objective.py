"""Test the objective against its formula in plain loops, autograd and finite differences."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import softmax
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.typing import Rows

DIM = 5
STRENGTH = 0.1

seeds = st.integers(0, 10**6)


def random_dataset(seed: int, *, n_queries: int = 6, n_documents: int = 9) -> EmbeddedDataset:
    """Return random vectors; queries have one to three relevant documents of grades 1 to 3."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, size=n_queries)
    return EmbeddedDataset(
        (3 * rng.normal(size=(n_queries, DIM))).astype(np.float32),
        rng.normal(size=(n_documents, DIM)).astype(np.float32),
        tuple(rng.choice(n_documents, size=n, replace=False) for n in counts),
        tuple(rng.integers(1, 4, size=n).astype(np.float64) for n in counts),
    )


def random_map(seed: int, *, bias: float = 0.3) -> LinearMap:
    rng = np.random.default_rng(seed)
    weight = np.eye(DIM) + 0.2 * rng.normal(size=(DIM, DIM))
    return LinearMap(weight.astype(np.float32), (bias * rng.normal(size=DIM)).astype(np.float32))


def formula(
    np_like: Any, dataset: EmbeddedDataset, prior: LinearMap, weight: Any, bias: Any, asarray: Any
) -> Any:
    """Return f(W, b) as in the docstring of the objective, with numpy or torch."""

    def unit(vectors: Any) -> Any:
        exact = vectors.astype(np.float64)
        return asarray(exact / np.linalg.norm(exact, axis=1, keepdims=True))

    queries, documents = unit(dataset.queries), unit(dataset.documents)
    answers = sorted({int(row) for rows in dataset.relevant for row in rows})
    loss = 0.0
    for query, rows, grades in zip(queries, dataset.relevant, dataset.grades, strict=True):
        z = weight @ query + bias
        negatives = [k for k in answers if k not in rows]
        for row, grade in zip(rows, grades, strict=True):
            negative = sum(
                np_like.exp(20 * (z @ documents[k] - z @ documents[row])) for k in negatives
            )
            loss = loss + grade / grades.sum() * np_like.log1p(negative + 0 * z[0])
    shift = ((weight - asarray(prior.weight.astype(np.float64))) ** 2).sum()
    shift = shift + ((bias - asarray(prior.bias.astype(np.float64))) ** 2).sum()
    return loss / len(dataset.queries) + STRENGTH * shift


def in_numpy(dataset: EmbeddedDataset, prior: LinearMap, weight: Any, bias: Any) -> float:
    return float(formula(np, dataset, prior, weight, bias, np.asarray))


def objective_of(
    dataset: EmbeddedDataset, prior: LinearMap | None = None, *, with_bias: bool = True
) -> SoftmaxObjective:
    prior = prior or LinearMap.of(np.eye(DIM, dtype=np.float32))
    return SoftmaxObjective(dataset, prior=prior, strength=STRENGTH, with_bias=with_bias)


def assert_equal(ours: tuple[float, LinearMap], theirs: tuple[float, LinearMap]) -> None:
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(ours[1].weight, theirs[1].weight, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours[1].bias, theirs[1].bias, rtol=1e-4, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_value_matches_the_formula(seed: int) -> None:
    dataset, prior, at = random_dataset(seed), random_map(seed + 1), random_map(seed + 2)
    value, _ = objective_of(dataset, prior).value_and_gradient(at)
    expected = in_numpy(dataset, prior, at.weight.astype(np.float64), at.bias.astype(np.float64))
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_matches_autograd_on_the_formula(seed: int, with_bias: bool) -> None:
    torch = pytest.importorskip("torch")
    dataset, prior, at = random_dataset(seed), random_map(seed + 1), random_map(seed + 2)
    weight = torch.tensor(at.weight, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(at.bias, dtype=torch.float64, requires_grad=True)
    formula(torch, dataset, prior, weight, bias, torch.tensor).backward()
    _, gradient = objective_of(dataset, prior, with_bias=with_bias).value_and_gradient(at)
    np.testing.assert_allclose(gradient.weight, weight.grad, rtol=1e-3, atol=2e-5)
    np.testing.assert_allclose(gradient.bias, bias.grad * with_bias, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_matches_central_differences_of_the_formula(seed: int) -> None:
    dataset, prior, at = random_dataset(seed), random_map(seed + 1), random_map(seed + 2)
    _, gradient = objective_of(dataset, prior).value_and_gradient(at)
    flat = np.concatenate([at.weight.ravel(), at.bias]).astype(np.float64)

    def value(of: Any) -> float:
        return in_numpy(dataset, prior, of[: DIM * DIM].reshape(DIM, DIM), of[DIM * DIM :])

    steps = 1e-5 * np.eye(len(flat))
    expected = [(value(flat + step) - value(flat - step)) / 2e-5 for step in steps]
    ours = np.concatenate([gradient.weight.ravel(), gradient.bias])
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=2e-5)


def test_without_a_bias_only_its_gradient_is_zero() -> None:
    dataset, at = random_dataset(0), random_map(1, bias=0)
    learned = objective_of(dataset).value_and_gradient(at)
    frozen = objective_of(dataset, with_bias=False).value_and_gradient(at)
    assert frozen[0] == learned[0]
    assert learned[1].bias.any()
    assert not frozen[1].bias.any()
    np.testing.assert_array_equal(frozen[1].weight, learned[1].weight)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, data=st.data())
def test_order_of_queries_and_documents_does_not_matter(seed: int, data: st.DataObject) -> None:
    dataset, at = random_dataset(seed), random_map(seed)
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
    assert_equal(
        objective_of(shuffled).value_and_gradient(at), objective_of(dataset).value_and_gradient(at)
    )


@pytest.mark.parametrize("at_once", [1, 20, 10**9])
def test_block_size_does_not_matter(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, at = random_dataset(3, n_queries=11), random_map(4)
    whole = objective_of(dataset).value_and_gradient(at)
    monkeypatch.setattr(softmax, "SCORES_AT_ONCE", at_once)
    assert_equal(objective_of(dataset).value_and_gradient(at), whole)


def test_documents_without_a_query_have_no_influence() -> None:
    dataset, at = random_dataset(5), random_map(6)
    more = np.concatenate([dataset.documents, random_dataset(7).documents])
    larger = EmbeddedDataset(dataset.queries, more, dataset.relevant, dataset.grades)
    assert_equal(
        objective_of(larger).value_and_gradient(at), objective_of(dataset).value_and_gradient(at)
    )


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_vector_lengths_do_not_matter_for_cosine(scale: float) -> None:
    dataset, at = random_dataset(8), random_map(9)
    scaled = EmbeddedDataset(
        dataset.queries * scale, dataset.documents / scale, dataset.relevant, dataset.grades
    )
    assert_equal(
        objective_of(scaled).value_and_gradient(at), objective_of(dataset).value_and_gradient(at)
    )


def relevant_to(*rows: list[int]) -> tuple[Rows, ...]:
    return tuple(np.array(row) for row in rows)


def test_query_whose_labelled_documents_are_all_relevant_adds_no_loss() -> None:
    vectors = random_dataset(10)
    at = random_map(11)
    satisfied = EmbeddedDataset(vectors.queries[:1], vectors.documents, relevant_to([0, 1, 2]))
    mixed = EmbeddedDataset(vectors.queries[:2], vectors.documents, relevant_to([0, 1, 2], [1]))
    alone = in_numpy(mixed, at, at.weight.astype(np.float64), at.bias.astype(np.float64))
    value, gradient = objective_of(satisfied, at).value_and_gradient(at)
    assert value == 0
    assert not gradient.weight.any()
    assert not gradient.bias.any()
    assert objective_of(mixed, at).value_and_gradient(at)[0] == pytest.approx(alone, rel=1e-4)


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_huge_scores_do_not_overflow(scale: float) -> None:
    at = LinearMap.of(np.float32(scale) * random_map(1).weight)
    value, gradient = objective_of(random_dataset(12)).value_and_gradient(at)
    assert np.isfinite(value)
    assert np.isfinite(gradient.weight).all()
    assert np.isfinite(gradient.bias).all()


@settings(max_examples=50, deadline=None)
@given(seed=seeds, spread=st.floats(0.1, 5))
def test_objective_is_convex_along_random_segments(seed: int, spread: float) -> None:
    function = objective_of(random_dataset(seed))
    rng = np.random.default_rng(seed)
    flat = (spread * rng.normal(size=(2, DIM + 1, DIM))).astype(np.float32)
    ends = [LinearMap(end[:DIM], end[DIM]) for end in flat]
    middle = LinearMap(flat.mean(axis=0)[:DIM], flat.mean(axis=0)[DIM])
    mean = np.mean([function.value_and_gradient(end)[0] for end in ends])
    assert function.value_and_gradient(middle)[0] <= mean * (1 + 1e-5)
