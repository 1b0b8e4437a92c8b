"""Test that a prior maps scaled queries as the adapter that it comes from maps queries."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from query_adapters.adapters import KernelAdapter, LinearAdapter, QueryAdapter
from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.arrays import unit
from query_adapters.training.linear_score import COSINE, LinearScore
from query_adapters.training.prior_map import PriorMap
from query_adapters.typing import Similarity, Vectors

DIM = 5
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)
Make = Callable[..., RefinableAdapter]


def random_rows(seed: int, *shape: int) -> Vectors:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def linear(*, bias: bool = True, keeps_length: bool = True) -> LinearAdapter:
    weight = np.eye(DIM, dtype=np.float32) + random_rows(0, DIM, DIM) / 3
    return LinearAdapter(weight, random_rows(1, DIM) if bias else None, keeps_length=keeps_length)


def kernel(*, bias: bool = True, keeps_length: bool = True) -> KernelAdapter:
    return KernelAdapter(
        linear(bias=bias, keeps_length=keeps_length),
        unit(random_rows(2, 4, DIM)),
        random_rows(3, 4, DIM),
        3.0,
        centre=random_rows(4, DIM) / 5,
    )


def test_a_weight_alone_has_no_bias() -> None:
    weight, scaled = random_rows(0, DIM, DIM), random_rows(1, 7, DIM)
    np.testing.assert_array_equal(PriorMap.of(weight)(scaled), scaled @ weight.T)
    assert PriorMap.of(weight).bias.dtype == np.float32


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("make", [linear, kernel])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_prior_maps_as_its_adapter(similarity: Similarity, make: Make, bias: bool) -> None:
    documents = random_rows(5, 9, DIM) * np.linspace(0.5, 4, 9, dtype=np.float32)[:, None]
    score = LinearScore.of(documents, similarity)
    adapter = make(bias=bias, keeps_length=score.keeps_length)
    queries = 3 * unit(random_rows(6, 20, DIM))  # of one length, so that the bias fits all
    mapped = PriorMap.from_adapter(adapter, queries, score)(score.scaled_queries(queries))
    expected = 3 * unit(mapped) if score.keeps_length else np.float32(score.length) * mapped
    np.testing.assert_allclose(adapter(queries), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [linear, kernel])
def test_queries_of_different_lengths_have_their_bias_at_the_mean_length(make: Make) -> None:
    adapter = make()
    queries = 2 * unit(random_rows(6, 20, DIM))
    queries[::2] *= 3  # mean length 4
    mapped = PriorMap.from_adapter(adapter, queries)(unit(queries))
    np.testing.assert_allclose(unit(mapped), unit(adapter(4 * unit(queries))), rtol=1e-4, atol=1e-5)


def test_a_shift_is_added_to_the_weight_alone() -> None:
    prior = PriorMap.from_adapter(kernel(), random_rows(6, 20, DIM))
    shift, scaled = random_rows(7, DIM, DIM), unit(random_rows(8, 10, DIM))
    np.testing.assert_allclose(
        prior.shifted(shift)(scaled), prior(scaled) + scaled @ shift.T, rtol=1e-4, atol=1e-5
    )


def test_a_linear_adapter_gets_the_memory_that_is_refined() -> None:
    old, new = kernel(), LinearAdapter.identity(DIM)
    queries = random_rows(6, 20, DIM)
    refined = PriorMap.from_adapter(old, queries).with_memory(new)
    assert isinstance(refined, KernelAdapter)
    assert refined.linear is new
    tensors = {name: t.tobytes() for name, t in refined.tensors().items()}
    kept = {name: old.tensors()[name].tobytes() for name in tensors if name != "weight"}
    assert tensors == kept | {"weight": new.weight.tobytes()}
    assert {"landmarks", "values", "sharpness", "centre"} == set(kept)


def test_without_a_memory_it_stays_as_it_is() -> None:
    adapter = LinearAdapter.identity(DIM)
    assert PriorMap.of(random_rows(0, DIM, DIM)).with_memory(adapter) is adapter


class Unknown(QueryAdapter):
    """An adapter of a kind that training does not know."""

    kind: ClassVar[str] = "unheard-of"
    dim_in = dim_out = DIM
    is_identity = False

    def __call__(self, queries: Vectors) -> Vectors:
        return queries

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        return {}

    @classmethod
    def from_tensors(cls, _: Mapping[str, NDArray[Any]]) -> Self:
        return cls()


def test_an_adapter_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a linear or a kernel adapter, got unheard-of"):
        PriorMap.from_adapter(Unknown(), random_rows(0, 3, DIM), COSINE)
