"""Test that the linear map follows its formula and leaves zero vectors unchanged."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from query_adapters.adapters import LinearAdapter
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.typing import Vectors

NUMBERS = st.floats(-100, 100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)


@st.composite
def adapters(draw: st.DrawFn, *, bias: bool | None = None) -> LinearAdapter:
    """Draw adapters with up to five dimensions and moderate weights."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=5))
    weight = draw(arrays(np.float32, shape, elements=NUMBERS))
    with_bias = draw(st.booleans()) if bias is None else bias
    return LinearAdapter(
        weight, draw(arrays(np.float32, shape[0], elements=NUMBERS)) if with_bias else None
    )


@st.composite
def adapters_with_queries(
    draw: st.DrawFn, *, bias: bool | None = None
) -> tuple[LinearAdapter, Vectors]:
    adapter = draw(adapters(bias=bias))
    n_queries = draw(st.integers(1, 4))
    return adapter, draw(arrays(np.float32, (n_queries, adapter.dim_in), elements=NUMBERS))


def in_double(adapter: LinearAdapter, query: Vectors) -> tuple[Any, float]:
    """Return the formula in float64 and the factor by which terms may have cancelled."""
    weight, exact = adapter.weight.astype(np.float64), query.astype(np.float64)
    bias = 0.0 if adapter.bias is None else adapter.bias.astype(np.float64)
    mapped = weight @ exact + bias
    size = np.abs(weight) @ np.abs(exact) + np.abs(bias)
    length = float(np.linalg.norm(mapped))
    cancelled = float(np.linalg.norm(size)) / length if length else np.inf
    return mapped * (np.linalg.norm(exact) / length if length else 0.0), cancelled


@pytest.mark.slow
@given(given_=adapters_with_queries())
def test_a_query_is_mapped_by_the_formula_at_its_own_length(
    given_: tuple[LinearAdapter, Vectors],
) -> None:
    adapter, queries = given_
    for query in queries:
        expected, cancelled = in_double(adapter, query)
        assume(cancelled < 100 and query.any())
        adapted = adapter(query)
        assert adapted.dtype == np.float32
        length = float(np.linalg.norm(query))
        np.testing.assert_allclose(adapted, expected, rtol=0, atol=1e-4 * length)
        assert np.linalg.norm(adapted) == pytest.approx(length, rel=1e-5)


@pytest.mark.slow
@given(given_=adapters_with_queries())
def test_rows_come_out_as_they_do_one_by_one(given_: tuple[LinearAdapter, Vectors]) -> None:
    adapter, queries = given_
    assume(all(in_double(adapter, query)[1] < 10 for query in queries))
    rows = adapter(queries)
    assert rows.shape == (len(queries), adapter.dim_out)
    for row, query in zip(rows, queries, strict=True):
        scale = max(float(np.linalg.norm(query)), 1e-6)
        np.testing.assert_allclose(row / scale, adapter(query) / scale, rtol=0, atol=1e-5)


def test_many_rows_come_out_as_they_do_one_by_one_at_a_real_dimension() -> None:
    rng = np.random.default_rng(0)
    adapter = LinearAdapter(
        np.eye(384) + rng.normal(size=(384, 384)) / 40, rng.normal(size=384) / 40
    )
    queries = rng.normal(size=(50, 384))
    queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    one_by_one = np.stack([adapter(query) for query in queries])
    np.testing.assert_allclose(adapter(queries), one_by_one, rtol=0, atol=1e-6)


@given(queries=arrays(np.float32, array_shapes(min_dims=1, max_dims=2), elements=NUMBERS))
def test_the_identity_returns_the_very_numbers(queries: Vectors) -> None:
    adapter = LinearAdapter.identity(queries.shape[-1])
    assert adapter.is_identity
    unsigned = queries + np.float32(0)  # a sum has no negative zero
    assert adapter(unsigned).tobytes() == unsigned.tobytes()
    assert np.array_equal(adapter(queries), queries)


@pytest.mark.slow
@given(
    given_=adapters_with_queries(bias=False), factor=st.sampled_from([2.0**-6, 0.5, 4.0, 2.0**10])
)
def test_without_a_bias_a_longer_query_comes_out_longer_and_points_the_same_way(
    given_: tuple[LinearAdapter, Vectors], factor: float
) -> None:
    adapter, queries = given_
    assume(all(in_double(adapter, query)[1] < 100 for query in queries))
    scaled = adapter(queries * np.float32(factor))
    np.testing.assert_allclose(scaled, adapter(queries) * factor, rtol=1e-5)


def test_the_formula_by_hand_with_a_bias_and_another_number_of_dimensions() -> None:
    adapter = LinearAdapter([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], [0.0, 0.0, 3.0])
    assert (adapter.dim_in, adapter.dim_out) == (2, 3)
    expected = np.array([2.0, 6.0, 3.0]) * np.sqrt(13) / 7  # (2, 3) -> (2, 6, 3), which has norm 7
    np.testing.assert_allclose(adapter(np.array([2.0, 3.0], np.float32)), expected, rtol=1e-6)
    np.testing.assert_allclose(adapter(np.array([[2.0, 3.0]], np.float32)), [expected], rtol=1e-6)


@pytest.mark.parametrize("bias", [None, [5.0, -1.0]])
@pytest.mark.parametrize(
    "query", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [-np.inf, np.inf], [3e38, 3e38]]
)
def test_a_query_without_a_length_comes_back_as_it_is(
    query: list[float], bias: list[float] | None
) -> None:
    adapter = LinearAdapter([[2.0, 1.0], [0.5, 3.0]], bias)
    vector = np.array(query, dtype=np.float32)
    plain = np.array([3.0, 4.0], dtype=np.float32)
    rows = adapter(np.stack([plain, vector, plain]))
    assert adapter(vector).tobytes() == rows[1].tobytes() == vector.tobytes()
    assert rows[0].tolist() == rows[2].tolist() == pytest.approx(adapter(plain).tolist())


def test_a_query_that_the_map_would_take_to_zero_comes_back_as_it_is() -> None:
    adapter = LinearAdapter([[1.0, -1.0], [1.0, -1.0]])
    assert adapter(np.array([2.0, 2.0], np.float32)).tolist() == [2, 2]
    assert adapter(np.array([[2.0, 2.0], [1.0, 1.0]], np.float32)).tolist() == [[2, 2], [1, 1]]


@pytest.mark.parametrize("query", [[0.0, 0.0], [np.nan, 1.0]])
def test_without_a_length_another_number_of_dimensions_still_has_the_promised_shape(
    query: list[float],
) -> None:
    adapter = LinearAdapter(np.ones((3, 2)))
    assert adapter(np.array(query, np.float32)).shape == (3,)
    assert adapter(np.array([query], np.float32)).shape == (1, 3)


def test_no_rows_in_are_no_rows_out() -> None:
    assert LinearAdapter(np.ones((3, 2)))(np.empty((0, 2), np.float32)).shape == (0, 3)


def test_the_given_query_is_not_written_to() -> None:
    adapter = LinearAdapter([[0.0, 1.0], [1.0, 0.0]], [1.0, 1.0])
    for queries in (np.array([3.0, 4.0], np.float32), np.array([[3.0, 4.0], [0, 0]], np.float32)):
        before = queries.copy()
        queries.setflags(write=False)
        adapter(queries)
        assert queries.tobytes() == before.tobytes()


def test_weights_are_a_frozen_copy() -> None:
    weight, bias = np.eye(2, dtype=np.float32), np.ones(2, dtype=np.float32)
    adapter = LinearAdapter(weight, bias)
    weight[0, 0] = bias[0] = 7
    assert adapter.weight[0, 0] == 1
    for array in adapter.tensors().values():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 3)])
def test_vectors_of_another_length_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DimensionMismatchError, match="expected 2 dimensions, got 3") as caught:
        LinearAdapter(np.ones((4, 2)))(np.ones(shape, np.float32))
    assert (caught.value.expected, caught.value.actual) == (2, 3)


@pytest.mark.parametrize(
    ("weight", "bias", "message"),
    [
        ([1.0, 2.0], None, r"weight: expected 2 dimensions, got shape \(2,\)"),
        (np.ones((0, 2)), None, "weight: expected 2 dimensions"),
        ([[1.0, np.nan]], None, "weight: expected finite numbers"),
        ([[1.0, 2.0]], [np.inf], "bias: expected finite numbers"),
        ([[1.0, 2.0]], [[1.0]], "bias: expected 1 dimensions"),
        ([[1.0, 2.0]], [1.0, 2.0], r"bias: expected shape \(1,\) .* got \(2,\)"),
    ],
)
def test_weights_that_make_no_map_are_refused(weight: Any, bias: Any, message: str) -> None:
    with pytest.raises(InvalidVectorsError, match=message):
        LinearAdapter(weight, bias)


@pytest.mark.parametrize(
    ("adapter", "is_identity"),
    [
        (LinearAdapter(np.eye(3), np.zeros(3)), True),
        (LinearAdapter(np.eye(3), [0, 0, 1e-6]), False),
        (LinearAdapter(np.eye(3) * 2), False),
        (LinearAdapter(np.eye(3)[:2]), False),
    ],
)
def test_only_a_map_that_changes_nothing_is_the_identity(
    adapter: LinearAdapter, is_identity: bool
) -> None:
    assert adapter.is_identity is is_identity


@given(adapter=adapters())
def test_an_adapter_made_of_the_tensors_of_another_is_the_same(adapter: LinearAdapter) -> None:
    copy = LinearAdapter.from_tensors(adapter.tensors())
    assert copy.fingerprint == adapter.fingerprint
    assert len(copy.fingerprint) == 16
    assert copy.weight.tobytes() == adapter.weight.tobytes()
    assert (copy.bias is None) == (adapter.bias is None)


@given(adapter=adapters(), data=st.data())
def test_the_least_change_of_a_weight_changes_the_fingerprint(
    adapter: LinearAdapter, data: st.DataObject
) -> None:
    tensors = {name: tensor.copy() for name, tensor in adapter.tensors().items()}
    changed = tensors[data.draw(st.sampled_from(sorted(tensors)))]
    at = data.draw(st.integers(0, changed.size - 1))
    changed.flat[at] = np.nextafter(changed.flat[at], np.float32(np.inf))
    assert LinearAdapter.from_tensors(tensors).fingerprint != adapter.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda a: LinearAdapter(a.weight.reshape(3, 2)),
        lambda a: LinearAdapter(a.weight, np.zeros(2)),
        lambda a: type("Other", (LinearAdapter,), {"kind": "other"})(a.weight),
    ],
)
def test_shape_bias_and_kind_are_part_of_the_fingerprint(
    change: Callable[[LinearAdapter], LinearAdapter],
) -> None:
    adapter = LinearAdapter(np.arange(6.0).reshape(2, 3))
    assert change(adapter).fingerprint != adapter.fingerprint
    assert LinearAdapter(np.arange(6.0).reshape(2, 3)).fingerprint == adapter.fingerprint


def test_without_its_length_a_query_gets_what_the_matrix_makes_of_it() -> None:
    adapter = LinearAdapter([[0.0, 2.0], [0.5, 0.0]], [1.0, 0.0], keeps_length=False)
    queries = np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]], dtype=np.float32)
    adapted = adapter(queries)
    assert adapted[0].tolist() == adapter(queries[0]).tolist() == [9.0, 1.5]
    np.testing.assert_array_equal(adapted[1:], queries[1:])
    np.testing.assert_array_equal(adapter(queries[1]), queries[1])


@pytest.mark.parametrize("query", [[1.0, 2.0], [3e30, 6e30], [1.0, 0.0], [0.0, 0.0]])
def test_without_its_length_a_query_alone_gets_what_it_gets_among_others(
    query: list[float],
) -> None:
    adapter = LinearAdapter([[2e10, -1e10], [0.0, 0.0]], keeps_length=False)
    vector = np.array(query, np.float32)
    alone, among = adapter(vector), adapter(np.stack([vector, vector]))[0]
    assert alone.tolist() == among.tolist()
    assert alone.tolist() == ([2e10, 0.0] if query == [1.0, 0.0] else vector.tolist())


def test_whether_lengths_are_kept_is_part_of_the_adapter() -> None:
    kept, free = LinearAdapter(np.eye(2)), LinearAdapter(np.eye(2), keeps_length=False)
    assert not LinearAdapter.from_tensors(free.tensors()).keeps_length
    assert LinearAdapter.from_tensors(kept.tensors()).keeps_length
    assert kept.fingerprint != free.fingerprint
