"""The residual adapter: its formula, what it leaves alone, what it refuses, and on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter, ResidualMLPAdapter
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.storage import load_adapter, save_adapter
from query_adapters.typing import Vectors

DIM, HIDDEN = 6, 4


def parts(seed: int = 0, *, bias: bool = False, dim_out: int = DIM) -> dict[str, Any]:
    """Random weights."""
    rng = np.random.default_rng(seed)
    return {
        "linear": LinearAdapter(
            rng.normal(size=(dim_out, DIM)), rng.normal(size=dim_out) if bias else None
        ),
        "hidden_weight": rng.normal(size=(HIDDEN, DIM)),
        "hidden_bias": rng.normal(size=HIDDEN),
        "output_weight": rng.normal(size=(dim_out, HIDDEN)),
    }


def random_queries(seed: int = 1, *, n: int = 20) -> Vectors:
    rng = np.random.default_rng(seed)
    return (rng.uniform(0.1, 10, size=(n, 1)) * rng.normal(size=(n, DIM))).astype(np.float32)


@pytest.mark.parametrize("dim_out", [DIM, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_a_query_is_mapped_by_the_formula_at_its_own_length(bias: bool, dim_out: int) -> None:
    given = parts(bias=bias, dim_out=dim_out)
    adapter, linear = ResidualMLPAdapter(**given), given["linear"]
    for query in random_queries():
        exact = query.astype(np.float64)
        length = float(np.linalg.norm(exact))
        hidden = [
            max(0.0, float(w @ exact + length * b))
            for w, b in zip(given["hidden_weight"], given["hidden_bias"], strict=True)
        ]
        mapped = linear.weight @ exact + given["output_weight"] @ hidden
        mapped = mapped + (linear.bias if bias else 0)
        expected = length * mapped / np.linalg.norm(mapped)
        adapted = adapter(query)
        assert adapted.dtype == np.float32
        np.testing.assert_allclose(adapted, expected, rtol=0, atol=1e-5 * length)


def test_rows_come_out_as_they_do_one_by_one() -> None:
    adapter, queries = ResidualMLPAdapter(**parts(bias=True)), random_queries()
    one_by_one = np.stack([adapter(query) for query in queries])
    np.testing.assert_allclose(adapter(queries), one_by_one, rtol=1e-4, atol=1e-5)


def test_the_direction_alone_decides_what_the_network_adds() -> None:
    adapter, queries = ResidualMLPAdapter(**parts()), random_queries()
    np.testing.assert_allclose(adapter(7 * queries), 7 * adapter(queries), rtol=1e-4, atol=1e-4)


def test_the_identity_gives_every_vector_back() -> None:
    identity = ResidualMLPAdapter.identity(DIM, n_hidden=HIDDEN)
    assert identity.is_identity
    np.testing.assert_allclose(identity(random_queries()), random_queries(), rtol=1e-6)


@pytest.mark.parametrize("change", ["linear", "output_weight"])
def test_it_is_no_identity_once_either_part_does_something(change: str) -> None:
    silent = {"linear": LinearAdapter.identity(DIM), "output_weight": np.zeros((DIM, HIDDEN))}
    assert ResidualMLPAdapter(**(parts() | silent)).is_identity
    del silent[change]
    assert not ResidualMLPAdapter(**(parts() | silent)).is_identity


def test_vectors_without_a_direction_come_back_as_they_are() -> None:
    rows = np.zeros((3, DIM), dtype=np.float32)
    rows[1] = np.nan
    rows[2, 0] = np.inf
    adapter = ResidualMLPAdapter(**parts(bias=True))
    np.testing.assert_array_equal(adapter(rows), rows)


def test_a_saved_adapter_loads_the_same_to_the_bit(tmp_path: Path) -> None:
    adapter = ResidualMLPAdapter(**parts(bias=True))
    loaded = load_adapter(save_adapter(adapter, tmp_path))
    assert isinstance(loaded, ResidualMLPAdapter)
    assert loaded.fingerprint == adapter.fingerprint
    assert loaded.tensors().keys() == adapter.tensors().keys()
    np.testing.assert_array_equal(loaded(random_queries()), adapter(random_queries()))


def test_every_weight_is_in_the_fingerprint() -> None:
    changes = [
        {"linear": LinearAdapter.identity(DIM)},
        *({name: 2 * parts()[name]} for name in ("hidden_weight", "hidden_bias", "output_weight")),
    ]
    prints = {ResidualMLPAdapter(**(parts() | change)).fingerprint for change in [{}, *changes]}
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("hidden_weight", (HIDDEN, DIM + 1)),
        ("hidden_bias", (HIDDEN + 1,)),
        ("output_weight", (DIM + 1, HIDDEN)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidVectorsError, match="expected hidden and output weights of shapes"):
        ResidualMLPAdapter(**(parts() | {name: np.ones(shape)}))


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InvalidVectorsError, match="hidden_bias: expected finite numbers"):
        ResidualMLPAdapter(**(parts() | {"hidden_bias": np.full(HIDDEN, np.nan)}))


def test_queries_of_another_length_are_refused() -> None:
    with pytest.raises(DimensionMismatchError, match="expected 6 dimensions, got 7"):
        ResidualMLPAdapter(**parts())(np.ones(7, dtype=np.float32))
