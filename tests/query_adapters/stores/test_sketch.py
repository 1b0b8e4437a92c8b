"""Tests of the sketch by which an index is recognised."""

import json

import numpy as np
import pytest

from query_adapters.errors import AdapterFileError
from query_adapters.stores import StoredVectors
from query_adapters.stores.sketch import SAMPLE, compared_with_sketch, sketch_of
from query_adapters.typing import Vectors

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(200, 64)).astype(np.float32) + 0.5
IDS = tuple(f"chunk {n}" for n in range(200))
INDEX = StoredVectors(IDS, VECTORS)
SKETCH = json.loads(json.dumps(sketch_of(INDEX)))


def found(vectors: Vectors, ids: tuple[str, ...] = IDS) -> tuple[int, int]:
    """Return how many of the sampled documents are there, and how many have another vector."""
    compared = compared_with_sketch(SKETCH, StoredVectors(ids, vectors))
    assert compared.n_sampled == SAMPLE
    return compared.n_found, compared.n_changed


def test_the_same_index_is_recognised_also_if_it_is_rounded_scaled_or_in_another_order() -> None:
    assert found(VECTORS) == (SAMPLE, 0)
    assert found((np.round(VECTORS * 50) / 50).astype(np.float32)) == (SAMPLE, 0)
    assert found(3 * VECTORS) == (SAMPLE, 0)
    order = RNG.permutation(200)
    assert found(VECTORS[order], tuple(IDS[row] for row in order)) == (SAMPLE, 0)


def test_vectors_of_another_model_and_of_other_texts_are_told() -> None:
    assert found(RNG.normal(size=VECTORS.shape).astype(np.float32) + 0.5) == (SAMPLE, SAMPLE)
    assert found(VECTORS[:, :32]) == (SAMPLE, SAMPLE)
    edited = VECTORS.copy()
    edited[-1] = VECTORS[0]  # the last row is always in the sample
    assert found(edited) == (SAMPLE, 1)


def test_documents_that_are_gone_or_new_are_counted() -> None:
    half = compared_with_sketch(SKETCH, StoredVectors(IDS[:100], VECTORS[:100]))
    assert (half.n_then, half.n_now, half.n_found, half.n_changed) == (200, 100, SAMPLE // 2, 0)
    sampled = StoredVectors(IDS[:100], VECTORS[:100], n_stored=1_000)
    assert compared_with_sketch(SKETCH, sampled).n_now == 1_000


def test_it_holds_no_id_and_a_damaged_one_is_refused() -> None:
    assert "chunk" not in json.dumps(SKETCH)
    for damaged in (None, {}, {**SKETCH, "dim": "64"}, {**SKETCH, "sample": {"a": "xyz"}}):
        with pytest.raises(AdapterFileError, match="save the adapter again"):
            compared_with_sketch(damaged, INDEX)
