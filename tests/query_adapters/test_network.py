"""The residual network: its gradient, where it starts, what it alone can learn, who lets it in."""

from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter, ResidualMLPAdapter
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import AdapterTrainer
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore, choose
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.network import HiddenLayer, Network, NetworkObjective, solve_network
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior import spectral_prior
from query_adapters.vectors import EmbeddedDataset

DIM, HIDDEN = 5, 3
STRENGTH = 0.1
METRIC = "ndcg@10"


def unit(vectors: Any) -> Any:
    exact = np.asarray(vectors, dtype=np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


def random_dataset(seed: int, *, n_queries: int = 8, n_documents: int = 9) -> EmbeddedDataset:
    """Questions of length 3 with one or two relevant documents of grades 1 to 3."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 3, size=n_queries)
    return EmbeddedDataset(
        (3 * unit(rng.normal(size=(n_queries, DIM)))).astype(np.float32),
        rng.normal(size=(n_documents, DIM)).astype(np.float32),
        tuple(rng.choice(n_documents, size=n, replace=False) for n in counts),
        tuple(rng.integers(1, 4, size=n).astype(np.float64) for n in counts),
    )


def random_network(start: Network, seed: int = 1) -> Network:
    """A network some way from the start, everywhere."""
    rng = np.random.default_rng(seed)
    return start.like(start.flat() + 0.3 * rng.normal(size=start.flat().size))


def objective_of(
    dataset: EmbeddedDataset, *, strength: float = STRENGTH, with_bias: bool = True
) -> NetworkObjective:
    prior = LinearMap.of(spectral_prior(dataset.documents, exponent=0.3))
    objective = NetworkObjective(dataset, prior=prior, n_hidden=HIDDEN, with_bias=with_bias)
    return objective.at_strength(strength)


def formula(dataset: EmbeddedDataset, objective: NetworkObjective, at: Network, flat: Any) -> float:
    """f word for word, in double precision, at the numbers of `flat`."""
    sizes = np.cumsum([DIM * (DIM + HIDDEN), DIM, HIDDEN * DIM])
    weight, bias, hidden_weight, hidden_bias = np.split(flat, sizes)
    weight, hidden_weight = weight.reshape(DIM, -1), hidden_weight.reshape(HIDDEN, DIM)
    documents = unit(dataset.documents)
    answers = sorted({int(row) for rows in dataset.relevant for row in rows})
    loss = 0.0
    for query, rows, grades in zip(
        unit(dataset.queries), dataset.relevant, dataset.grades, strict=True
    ):
        hidden = np.maximum(0, hidden_weight @ query + hidden_bias)
        scores = 20 * documents @ (weight @ np.concatenate([query, hidden]) + bias)
        for row, grade in zip(rows, grades, strict=True):
            wrong = sum(np.exp(scores[k] - scores[row]) for k in answers if k not in rows)
            loss += grade / grades.sum() * np.log1p(wrong)
    shift = flat - objective.start.flat()
    return float(loss / len(dataset.queries) + STRENGTH * shift @ shift)


@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_are_those_of_the_formula_and_its_central_differences(
    seed: int,
) -> None:
    dataset = random_dataset(seed)
    objective = objective_of(dataset)
    at = random_network(objective.start, seed)
    value, slope = objective.value_and_gradient(at)
    flat = at.flat()
    assert value == pytest.approx(formula(dataset, objective, at, flat), rel=1e-4)
    steps = 1e-6 * np.eye(len(flat))
    expected = [
        (formula(dataset, objective, at, flat + s) - formula(dataset, objective, at, flat - s))
        / 2e-6
        for s in steps
    ]
    np.testing.assert_allclose(slope.flat(), expected, rtol=1e-3, atol=1e-4)


def test_without_a_bias_its_slope_is_0_and_the_hidden_bias_still_learns() -> None:
    objective = objective_of(random_dataset(0), with_bias=False)
    _, slope = objective.value_and_gradient(random_network(objective.start))
    assert not slope.map.bias.any()
    assert slope.layer.bias.any()


def test_it_starts_from_the_prior_exactly_where_the_linear_loss_is_the_same() -> None:
    dataset = random_dataset(0)
    objective = objective_of(dataset)
    prior = LinearMap.of(spectral_prior(dataset.documents, exponent=0.3))
    linear = SoftmaxObjective(dataset, prior=prior, strength=STRENGTH)
    value, _ = objective.value_and_gradient(objective.start)
    assert value == pytest.approx(linear.value_and_gradient(prior)[0], rel=1e-6)
    adapter = adapter_of(objective.start, dataset)
    np.testing.assert_allclose(
        adapter(dataset.queries), LinearAdapter(prior.weight)(dataset.queries), atol=1e-6
    )


def adapter_of(fitted: Network, dataset: EmbeddedDataset) -> ResidualMLPAdapter:
    adapter = fitted.map.as_adapter(dataset.queries, fitted.layer)
    assert isinstance(adapter, ResidualMLPAdapter)
    return adapter


def test_features_are_about_as_long_as_their_question() -> None:
    units = unit(np.random.default_rng(0).normal(size=(50, 40))).astype(np.float32)
    lengths = np.linalg.norm(HiddenLayer.initial(40, 500).features(units), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=0.2)


def test_a_large_strength_holds_it_at_the_start_and_a_small_one_lets_go() -> None:
    objective = objective_of(random_dataset(2))
    start = objective.start
    moved = [
        np.abs(solve_network(objective.at_strength(s), start).flat() - start.flat()).max()
        for s in (1e5, 1e-2)
    ]
    assert moved[0] < 1e-3
    assert moved[1] > 0.1


def test_the_adapter_serves_what_was_trained() -> None:
    dataset = random_dataset(3)
    fitted = solve_network(objective_of(dataset), objective_of(dataset).start)
    units = unit(dataset.queries)
    inputs = np.concatenate([units, fitted.layer.features(units.astype(np.float32))], axis=1)
    expected = unit(inputs @ fitted.map.weight.T + fitted.map.bias)
    assert fitted.map.weight[:, DIM:].any()
    served = adapter_of(fitted, dataset)(dataset.queries)
    np.testing.assert_allclose(served, 3 * expected, atol=1e-4)


# The choice


def twins(*, seed: int = 0, n: int = 40, random_labels: bool = False) -> EmbeddedDataset:
    """Documents in pairs that only the product of two of the question's numbers tells apart.

    Every linear function is as often right as wrong about the sign of a product.
    """
    rng = np.random.default_rng(seed)
    subjects = 3 * unit(rng.normal(size=(n, 8)))
    documents = [np.r_[0, 0, s, subject] for subject in subjects for s in (1, -1)]
    signs = [(a, b) for a in (1, -1) for b in (1, -1)]
    questions = [np.r_[2 * a, 2 * b, 0, subject] for subject in subjects for a, b in signs]
    rows = np.array([2 * i + (a * b < 0) for i in range(n) for a, b in signs])
    if random_labels:
        rows = 2 * (rows // 2) + rng.integers(2, size=len(rows))
    return EmbeddedDataset(
        np.array(questions, dtype=np.float32),
        np.array(documents, dtype=np.float32),
        tuple(rows[:, None]),
    )


def trainer(**settings: Any) -> AdapterTrainer:
    given: dict[str, Any] = {"whitenings": (0.0,), "strengths": (0.1, 0.01, 0.001), "n_folds": 2}
    return AdapterTrainer(**(given | {"hidden_sizes": (8,)} | settings))


def test_what_no_linear_map_can_do_is_left_to_the_network() -> None:
    dataset = twins()
    linear = trainer(hidden_sizes=()).fit(dataset)
    assert "base kept" in linear.verdict
    result = trainer().fit(dataset)
    assert result.chosen is not None
    assert result.chosen.candidate.hidden == 8
    assert isinstance(result.adapter, ResidualMLPAdapter)
    fresh = twins(seed=1)
    base = evaluate_vectors(fresh, metrics=[METRIC]).means[METRIC]
    adapted = evaluate_vectors(fresh, result.adapter, metrics=[METRIC]).means[METRIC]
    assert adapted > base + 0.1


def test_training_again_gives_the_same_bits() -> None:
    first, again = (trainer(strengths=(0.01,)).fit(twins()).adapter for _ in range(2))
    assert first.fingerprint == again.fingerprint


def test_noise_keeps_the_base() -> None:
    for seed in range(3):
        result = trainer().fit(twins(seed=seed, random_labels=True))
        assert any(row.candidate.hidden for row in result.table)
        assert result.chosen is None


@pytest.mark.parametrize(("gain", "is_taken"), [(0.019, False), (0.021, True)])
def test_a_network_must_be_better_by_more_than_a_standard_error(
    gain: float, is_taken: bool
) -> None:
    linear, residual = (
        CandidateScore(
            candidate=Candidate(0.15, 1.0, hidden=hidden),
            seen=None,
            unseen=None,
            overall=ViewScore(mean=mean, error=0.02),
            differences=np.array([mean]),
            controls=np.zeros(1),
        )
        for hidden, mean in ((None, 0.1), (64, 0.1 + gain))
    )
    assert choose([linear, residual]) is (residual if is_taken else linear)


def test_the_table_tells_networks_apart_and_can_be_written_down() -> None:
    record = trainer(strengths=(0.1,)).fit(twins()).to_record()
    settings = [
        (row["candidate"]["strength"], row["candidate"]["hidden"]) for row in record["table"]
    ]
    assert settings == [(None, None), (0.1, None), (0.1, 8)]


def test_a_network_is_served_on_top_of_the_served_index_s_prior() -> None:
    dataset = twins()
    served = np.random.default_rng(1).normal(size=(50, dataset.dim)).astype(np.float32)
    served *= np.linspace(0.1, 2, dataset.dim, dtype=np.float32)
    fit = trainer(whitenings=(0.3,), strengths=(0.01,), seen_share=0.5)
    own, other = (fit.fit(dataset, served=s).adapter for s in (None, served))
    assert isinstance(own, ResidualMLPAdapter)
    assert isinstance(other, ResidualMLPAdapter)
    shift = spectral_prior(served, exponent=0.3) - spectral_prior(dataset.documents, exponent=0.3)
    np.testing.assert_allclose(other.linear.weight - own.linear.weight, shift, atol=1e-5)
    np.testing.assert_array_equal(other.output_weight, own.output_weight)


def test_a_hidden_layer_without_units_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected hidden_sizes from 1, got \(0,\)"):
        trainer(hidden_sizes=(0,))
