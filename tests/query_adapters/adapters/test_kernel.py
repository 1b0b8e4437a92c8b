"""Tests of the kernel adapter: formula, queries without effect of the memory, and storage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.adapters.kernel import similarity_kernel
from query_adapters.adapters.storage import load_adapter, save_adapter
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.typing import Vectors

DIM = 6
N_LANDMARKS = 9


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def parts(
    seed: int = 0, *, bias: bool = False, dim_out: int = DIM
) -> tuple[LinearAdapter, Any, Any, float]:
    """Return a linear adapter with random W and b, random landmarks and values, and a sharpness."""
    rng = np.random.default_rng(seed)
    linear = LinearAdapter(
        rng.normal(size=(dim_out, DIM)), rng.normal(size=dim_out) if bias else None
    )
    landmarks = unit(rng.normal(size=(N_LANDMARKS, DIM)))
    return linear, landmarks, rng.normal(size=(N_LANDMARKS, dim_out)), 5.0


def random_queries(seed: int = 1, *, n: int = 20) -> Vectors:
    rng = np.random.default_rng(seed)
    return (rng.uniform(0.1, 10, size=(n, 1)) * rng.normal(size=(n, DIM))).astype(np.float32)


def on_axes(**changes: Any) -> KernelAdapter:
    """Return a kernel adapter on the identity.

    The landmarks are the first two axes, and the value of both is the last axis.
    """
    value = np.tile(np.eye(DIM)[-1], (2, 1))
    given_: dict[str, Any] = {"linear": LinearAdapter.identity(DIM), "landmarks": np.eye(DIM)[:2]}
    return KernelAdapter(**(given_ | {"values": value, "sharpness": 5.0} | changes))


def a_centre() -> Any:
    return np.random.default_rng(5).normal(size=DIM) / 3


@pytest.mark.parametrize("dim_out", [DIM, 4])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("centre", [None, a_centre()], ids=["no centre", "centre"])
def test_a_query_is_mapped_by_the_formula_at_its_own_length(
    centre: Any, bias: bool, dim_out: int
) -> None:
    linear, landmarks, values, sharpness = parts(bias=bias, dim_out=dim_out)
    adapter = KernelAdapter(linear, landmarks, values, sharpness, centre=centre)
    for query in random_queries():
        exact = query.astype(np.float64)
        length = float(np.linalg.norm(exact))
        compared = exact / length if centre is None else unit(exact / length - centre)
        kernel = [(np.exp(sharpness * z @ compared) - 1) / np.expm1(sharpness) for z in landmarks]
        mapped = linear.weight @ exact + length * sum(
            k * v for k, v in zip(kernel, values, strict=True)
        )
        mapped = mapped + (linear.bias if linear.bias is not None else 0)
        adapted = adapter(query)
        assert adapted.dtype == np.float32
        np.testing.assert_allclose(adapted, length * unit(mapped), rtol=0, atol=2e-5 * length)


def test_a_query_in_the_centre_recalls_nothing() -> None:
    centre = np.eye(DIM)[0]
    adapter, query = on_axes(centre=centre), 3 * centre.astype(np.float32)
    assert adapter(query).tolist() == query.tolist()
    assert on_axes()(query).tolist() != query.tolist()


@pytest.mark.parametrize("squeeze", [1.0, 0.1, 0.01])
def test_queries_that_lie_close_together_are_told_apart_by_the_centre(squeeze: float) -> None:
    rng, common = np.random.default_rng(0), np.eye(DIM)[-1]
    apart = unit(rng.normal(size=(20, DIM - 1)))
    flat = np.pad(apart, ((0, 0), (0, 1)))
    queries = squeeze * flat + np.sqrt(1 - squeeze**2) * common
    centre = np.sqrt(1 - squeeze**2) * common
    adapter = on_axes(landmarks=flat[:2], centre=centre)
    expected = similarity_kernel(flat @ flat[:2].T, 5.0) @ adapter.values
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        adapter.recalled(queries.astype(np.float32)), expected, atol=3e-6 / squeeze
    )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("centre", [None, a_centre()], ids=["no centre", "centre"])
def test_rows_come_out_as_they_do_one_by_one(centre: Any, bias: bool) -> None:
    adapter = KernelAdapter(*parts(bias=bias), centre=centre)
    queries = random_queries(n=50)
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    one_by_one = np.stack([adapter(query) for query in queries])
    np.testing.assert_allclose(adapter(queries) / lengths, one_by_one / lengths, rtol=0, atol=1e-5)


def test_lengths_are_kept() -> None:
    queries = random_queries()
    adapted = KernelAdapter(*parts(bias=True))(queries)
    assert not np.allclose(adapted, queries, atol=0.1)
    np.testing.assert_allclose(
        np.linalg.norm(adapted, axis=1), np.linalg.norm(queries, axis=1), rtol=1e-5
    )


@pytest.mark.parametrize("bias", [False, True])
def test_an_empty_memory_leaves_the_linear_part_to_the_bit(bias: bool) -> None:
    linear, landmarks, values, sharpness = parts(bias=bias)
    adapter, queries = KernelAdapter(linear, landmarks, 0 * values, sharpness), random_queries()
    np.testing.assert_array_equal(adapter(queries), linear(queries))
    np.testing.assert_array_equal(adapter(queries[0]), linear(queries[0]))


def test_a_question_that_has_nothing_in_common_with_the_landmarks_comes_back_unchanged() -> None:
    query = np.array([0, 0, 1.5, -2.0, 0.25, 3.0], np.float32)
    assert on_axes()(query).tolist() == query.tolist()
    assert on_axes()(query[None]).tolist() == [query.tolist()]


def test_the_change_fades_as_the_question_turns_away_from_the_landmarks() -> None:
    cosines = np.array([1.0, 0.9, 0.7, 0.5, 0.3, 0.1, 0.0], np.float32)
    queries = np.zeros((len(cosines), DIM), np.float32)
    queries[:, 0], queries[:, 2] = cosines, np.sqrt(1 - cosines**2)
    changes = np.linalg.norm(on_axes()(queries) - queries, axis=1)
    assert (np.diff(changes) < 0).all()
    assert changes[0] == pytest.approx(np.linalg.norm([np.sqrt(0.5) - 1, np.sqrt(0.5)]))  # z = 1, 1
    assert changes[-2] < 0.01
    assert changes[-1] == 0


def test_a_sharper_kernel_asks_for_more_likeness() -> None:
    query = np.array([0.8, 0, 0.6, 0, 0, 0], np.float32)
    changes = [np.linalg.norm(on_axes(sharpness=b)(query) - query) for b in (1.0, 5.0, 20.0)]
    assert changes[0] > changes[1] > changes[2] > 0


@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
@settings(deadline=None)
def test_without_a_bias_a_longer_query_comes_out_longer_and_points_the_same_way(
    factor: float, seed: int
) -> None:
    adapter, queries = KernelAdapter(*parts(), centre=a_centre()), random_queries(seed, n=3)
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    scaled = adapter(np.float32(factor) * queries) / factor
    np.testing.assert_allclose(scaled / lengths, adapter(queries) / lengths, rtol=0, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("number", [0.0, np.nan, np.inf, -np.inf, 3e38])
def test_a_query_without_a_length_comes_back_as_it_is(number: float, bias: bool) -> None:
    adapter = KernelAdapter(*parts(bias=bias), centre=a_centre())
    odd, plain = np.full(DIM, number, np.float32), random_queries(n=1)[0]
    rows = adapter(np.stack([plain, odd, plain]))
    assert adapter(odd).tobytes() == rows[1].tobytes() == odd.tobytes()
    np.testing.assert_allclose(rows[[0, 2]], [adapter(plain)] * 2, rtol=1e-4)


def test_a_query_that_the_memory_cancels_out_comes_back_as_it_is() -> None:
    adapter = on_axes(values=-np.eye(DIM)[:2])
    query = 2 * np.eye(DIM, dtype=np.float32)[0]
    assert adapter(query).tolist() == query.tolist()
    assert adapter(query[None]).tolist() == [query.tolist()]


def test_so_does_one_alone_and_among_others_where_lengths_are_free() -> None:
    linear = LinearAdapter(np.eye(DIM), keeps_length=False)
    adapter = KernelAdapter(linear, np.eye(DIM)[:2], -np.eye(DIM)[:2], 2.0)
    query = 2 * np.eye(DIM, dtype=np.float32)[0]
    assert adapter(query).tolist() == adapter(query[None])[0].tolist() == query.tolist()


def test_the_given_query_is_not_written_to() -> None:
    queries = random_queries()
    before = queries.copy()
    queries.setflags(write=False)
    adapter = KernelAdapter(*parts(bias=True))
    adapter(queries)
    adapter(queries[0])
    assert queries.tobytes() == before.tobytes()


@given(sharpness=st.floats(1e-3, 80), seed=st.integers(0, 99), n=st.integers(1, 30))
@settings(deadline=None)
def test_the_kernel_of_unit_vectors_is_positive_semidefinite_with_a_diagonal_of_ones(
    sharpness: float, seed: int, n: int
) -> None:
    units = unit(np.random.default_rng(seed).normal(size=(n, 4)))
    kernel = similarity_kernel(units @ units.T, sharpness)
    np.testing.assert_allclose(np.diag(kernel), 1, atol=1e-5)
    assert np.linalg.eigvalsh(kernel).min() > -1e-9 * n
    single = similarity_kernel((units @ units.T).astype(np.float32), sharpness)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, kernel, atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"landmarks": np.eye(DIM)[:3]},
        {"values": np.eye(DIM)[:3]},
        {"landmarks": np.ones((2, DIM + 1))},
        {"values": np.ones((2, DIM - 1))},
        {"landmarks": np.ones(DIM)},
        {"values": np.ones(DIM)},
        {"landmarks": np.empty((0, DIM)), "values": np.empty((0, DIM))},
        {"landmarks": np.full((2, DIM), np.nan)},
        {"values": np.full((2, DIM), np.inf)},
        {"linear": LinearAdapter.identity(DIM + 1)},
        {"centre": np.ones(DIM + 1)},
        {"centre": np.ones((1, DIM))},
        {"centre": np.full(DIM, np.nan)},
        {"sharpness": 0.0},
        {"sharpness": -1.0},
        {"sharpness": np.nan},
        {"sharpness": np.inf},
        {"sharpness": 80.5},  # e^β would almost overflow float32
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidVectorsError, match="expected"):
        on_axes(**changes)


def test_the_sharpest_kernel_still_knows_its_landmarks() -> None:
    query = np.eye(DIM, dtype=np.float32)[0]
    np.testing.assert_allclose(
        on_axes(sharpness=80.0)(query), [np.sqrt(0.5), 0, 0, 0, 0, np.sqrt(0.5)], rtol=1e-5
    )


@pytest.mark.parametrize("shape", [(DIM + 1,), (2, DIM - 1)])
def test_vectors_of_another_length_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DimensionMismatchError, match=r"KernelAdapter.*expected 6 dimensions"):
        KernelAdapter(*parts())(np.ones(shape, np.float32))


def test_it_is_the_identity_only_with_nothing_remembered_on_the_identity() -> None:
    empty = np.zeros((2, DIM))
    assert on_axes(values=empty).is_identity
    assert not on_axes().is_identity
    assert not on_axes(values=empty, linear=parts()[0]).is_identity


# Storage


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("centre", [None, a_centre()], ids=["no centre", "centre"])
def test_a_saved_adapter_comes_back_to_the_bit(centre: Any, bias: bool, tmp_path: Path) -> None:
    adapter = KernelAdapter(*parts(bias=bias, dim_out=4), centre=centre)
    queries = random_queries()
    loaded = load_adapter(save_adapter(adapter, tmp_path))
    assert isinstance(loaded, KernelAdapter)
    assert loaded.fingerprint == adapter.fingerprint
    assert {name: t.tobytes() for name, t in loaded.tensors().items()} == {
        name: t.tobytes() for name, t in adapter.tensors().items()
    }
    assert loaded(queries).tobytes() == adapter(queries).tobytes()


def test_a_folder_from_before_there_was_a_centre_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("query_adapters.adapters.storage.FORMAT_VERSION", 1)
        save_adapter(KernelAdapter(*parts()), tmp_path)
    loaded, queries = load_adapter(tmp_path), random_queries()
    assert isinstance(loaded, KernelAdapter)
    assert loaded.centre is None
    assert loaded(queries).tobytes() == KernelAdapter(*parts())(queries).tobytes()


@pytest.mark.parametrize("name", ["weight", "bias", "landmarks", "values", "sharpness", "centre"])
def test_the_fingerprint_changes_with_any_tensor(name: str) -> None:
    adapter = KernelAdapter(*parts(bias=True), centre=a_centre())
    other = adapter.tensors()[name].copy()
    other.flat[-1] = np.nextafter(other.flat[-1], np.float32(2))
    changed = KernelAdapter.from_tensors(adapter.tensors() | {name: other})
    same = KernelAdapter.from_tensors(adapter.tensors())
    assert same.fingerprint == adapter.fingerprint != changed.fingerprint


def test_the_fingerprint_is_not_that_of_the_linear_part() -> None:
    linear, landmarks, values, sharpness = parts()
    adapter = KernelAdapter(linear, landmarks, 0 * values, sharpness)
    assert adapter.fingerprint != linear.fingerprint
