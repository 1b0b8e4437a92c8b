"""Test that a device of torch finds what numpy finds, whatever its memory, or is refused."""

import logging
from typing import Any

import numpy as np
import pytest

from query_adapters.device import Device, device_of
from query_adapters.evaluation import exact_search
from query_adapters.typing import Similarity
from tests.small_memory import SmallMemory

torch = pytest.importorskip("torch")
DIM = 6


@pytest.fixture(autouse=True)
def _no_device_is_open() -> None:
    from query_adapters.device import _opened

    _opened.cache_clear()  # a device remembers the size of blocks that fits


def vectors() -> tuple[Any, Any]:
    """Return queries and documents with ties, a zero vector each, in memory that is read only.

    They are whole numbers, whose products have no rounding: blocks of any size keep the ties.
    """
    rng = np.random.default_rng(0)
    documents = rng.integers(-900, 900, size=(90, DIM)).astype(np.float32)
    documents[3], documents[40:50] = 0, documents[7]
    queries = documents[::5] + rng.integers(-300, 300, size=(18, DIM)).astype(np.float32)
    queries[2] = 0
    documents.setflags(write=False)
    return queries, documents


@pytest.mark.parametrize("most", [10**9, 400, 100])
@pytest.mark.parametrize("with_units", [False, True])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_search_on_a_device_finds_the_same_rows(
    similarity: Similarity, with_units: bool, most: int
) -> None:
    queries, documents = vectors()
    units = np.random.default_rng(1).permutation(90) // 3 if with_units else None
    expected = exact_search(queries, documents, k=8, similarity=similarity, units=units)
    with SmallMemory(most):
        found = exact_search(
            queries, documents, k=8, similarity=similarity, units=units, device="cpu:0"
        )
    np.testing.assert_array_equal(found, expected)


def test_vectors_of_other_precision_are_searched_on_a_device() -> None:
    queries, documents = vectors()
    expected = exact_search(queries, documents, k=8)
    found = exact_search(queries.astype(np.float64), documents, k=8, device="cpu:0")
    np.testing.assert_array_equal(found, expected)


def test_a_device_out_of_memory_works_in_smaller_blocks_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device, rows = Device("cpu:0"), np.arange(40)
    with SmallMemory(30), caplog.at_level(logging.WARNING):
        found = [
            (block, device.here(rows[block].repeat(7)).sum().item())
            for _ in range(2)
            for block, _ in device.in_blocks(40, 7, lambda b: device.here(rows[b].repeat(7)))
        ]
    assert sum(total for _, total in found) == 2 * 7 * rows.sum()
    assert [record.getMessage() for record in caplog.records] == [
        "device cpu:0: out of memory, so work goes on in smaller blocks"
    ]


def test_without_memory_for_one_row_the_error_of_torch_passes() -> None:
    device = Device("cpu:0")
    with SmallMemory(30), pytest.raises(torch.OutOfMemoryError, match="limit of this test"):
        list(
            device.in_blocks(
                40, 31, lambda block: device.here(np.zeros((len(range(40)[block]), 31)))
            )
        )


def test_another_error_passes() -> None:
    with pytest.raises(RuntimeError, match="wrong shape"):
        list(Device("cpu:0").in_blocks(4, 1, fails))


def fails(block: slice) -> None:
    raise RuntimeError("wrong shape")


@pytest.mark.parametrize("name", ["cuda:99", "meta", "gpu", "hpu", "", None])
def test_a_device_that_is_not_there_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match=r"device: expected one of cpu.*, got .*; use 'auto'"):
        device_of(name)


def test_auto_is_numpy_where_torch_finds_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device_of("auto") is None
    assert device_of("cpu") is None
