"""Test the inputs of the learned part by hand, and that the adapter maps as they say."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE, LinearScore
from query_adapters.training.memory import Memory, MemorySettings
from query_adapters.training.prior_map import PriorMap
from query_adapters.typing import Similarity, Vectors

DIM = 5
MEMORY = MemorySettings(ease=100.0, sharpness=5.0)
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)


def dataset_of(queries: Vectors, documents: Vectors | None = None) -> EmbeddedDataset:
    """Return the queries, each with the document in its row."""
    rows = tuple(np.arange(len(queries))[:, None])
    return EmbeddedDataset(queries, queries if documents is None else documents, rows)


def random_dataset(seed: int, *, n: int = 12) -> EmbeddedDataset:
    """Return queries and documents of different lengths, the queries around a point away from 0."""
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(n, DIM)) + 1.5
    documents = rng.uniform(0.5, 3, size=(n, 1)) * rng.normal(size=(n, DIM))
    return dataset_of(queries.astype(np.float32), documents.astype(np.float32))


def test_inputs_are_centred_queries_and_half_their_spread() -> None:
    data = dataset_of(np.array([[2, 0], [0, 3]], np.float32))
    inputs = QueryInputs.of(data, COSINE, with_bias=True, memory=None)
    spread = np.sqrt(0.5)  # both unit vectors lie that far from their mean (0.5, 0.5)
    assert inputs.spread == pytest.approx(spread)
    np.testing.assert_allclose(
        inputs(np.array([[5, 0], [0, 1], [3, 4]], np.float32)),
        [[0.5, -0.5, spread / 2], [-0.5, 0.5, spread / 2], [0.1, 0.3, spread / 2]],
        rtol=1e-6,
    )


def test_without_a_bias_they_are_the_queries_themselves() -> None:
    data = random_dataset(0)
    inputs = QueryInputs.of(data, COSINE, with_bias=False, memory=None)
    assert not inputs.centre.any()
    np.testing.assert_array_equal(inputs(data.queries), unit(data.queries))
    with_bias = QueryInputs.of(data, COSINE, with_bias=True, memory=None)
    assert inputs.spread == with_bias.spread


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_training_inputs_have_mean_zero_and_the_spread_as_root_mean_square(
    similarity: Similarity, with_bias: bool
) -> None:
    data = random_dataset(1)
    score = LinearScore.of(data.documents, similarity)
    inputs = QueryInputs.of(data, score, with_bias=with_bias, memory=None)
    own = inputs(data.queries)[:, :DIM].astype(np.float64)
    assert np.sqrt(own.var(axis=0).sum()) == pytest.approx(inputs.spread, rel=1e-5)
    if with_bias:
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_memory_appends_its_features_in_units_of_the_spread(
    similarity: Similarity, with_bias: bool
) -> None:
    data, new = random_dataset(2), random_dataset(3).queries
    score = LinearScore.of(data.documents, similarity)
    alone, both = (
        QueryInputs.of(data, score, with_bias=with_bias, memory=memory) for memory in (None, MEMORY)
    )
    lengths = np.linalg.norm(new, axis=1, keepdims=True) / score.length
    features = Memory.of(data, MEMORY).features(unit(new))
    if similarity == "euclidean":
        features *= lengths
    np.testing.assert_array_equal(both(new)[:, : DIM + with_bias], alone(new))
    np.testing.assert_allclose(
        both(new)[:, DIM + with_bias :], both.spread * features, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("memory", [None, MEMORY])
def test_queries_that_are_all_equal_have_finite_inputs_and_adapters(
    n: int, memory: MemorySettings | None
) -> None:
    data = dataset_of(np.tile(random_dataset(4).queries[:1], (n, 1)))
    inputs = QueryInputs.of(data, COSINE, with_bias=True, memory=memory)
    found = inputs(data.queries)
    assert np.isfinite(found).all()
    learned = np.ones((DIM, found.shape[1]), np.float32)
    adapter = inputs.adapter(PriorMap.of(np.eye(DIM, dtype=np.float32)), learned, data.queries)
    assert np.isfinite(adapter(data.queries)).all()


def test_one_query_alone_has_spread_1() -> None:
    data = dataset_of(np.array([[3, 4]], np.float32))
    inputs = QueryInputs.of(data, COSINE, with_bias=True, memory=None)
    np.testing.assert_array_equal(inputs(data.queries), [[0, 0, 0.5]])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    similarity=st.sampled_from(SIMILARITIES),
    with_bias=st.booleans(),
    prior_bias=st.booleans(),
    part=st.sampled_from(["linear", "memory", "old memory"]),
)
def test_the_adapter_maps_by_prior_and_learned_part(
    seed: int, similarity: Similarity, with_bias: bool, prior_bias: bool, part: str
) -> None:
    data, rng = random_dataset(seed), np.random.default_rng(seed + 1)
    score = LinearScore.of(data.documents, similarity)
    memory = MEMORY if part == "memory" else None
    inputs = QueryInputs.of(data, score, with_bias=with_bias, memory=memory)
    start = LinearAdapter(
        np.eye(DIM) + 0.3 * rng.normal(size=(DIM, DIM)),
        0.3 * rng.normal(size=DIM) if prior_bias else None,
        keeps_length=score.keeps_length,
    )
    landmarks = unit(rng.normal(size=(4, DIM)).astype(np.float32))
    old = KernelAdapter(start, landmarks, rng.normal(size=(4, DIM)), 3.0)
    # A bias is scaled by the mean length, so one length makes the map exact.
    training = 3 * unit(data.queries)
    prior = PriorMap.from_adapter(old if part == "old memory" else start, training, score)
    new = 3 * unit(rng.normal(size=(20, DIM)).astype(np.float32) + 1)
    x = inputs(new)
    learned = (rng.normal(size=(DIM, x.shape[1])) / 10).astype(np.float32)
    z = prior(score.scaled_queries(new)) + x @ learned.T
    expected = 3 * unit(z) if score.keeps_length else np.float32(score.length) * z
    adapter = inputs.adapter(prior, learned, training)
    assert isinstance(adapter, LinearAdapter if part == "linear" else KernelAdapter)
    assert np.abs(adapter(new) - start(new)).max() > 0.05
    np.testing.assert_allclose(adapter(new), expected, atol=5e-4 * np.abs(expected).max())
