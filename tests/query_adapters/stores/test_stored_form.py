"""Tests of indexes that keep documents as whole numbers or bits."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from query_adapters.arrays import unit
from query_adapters.data.units import unit_rule
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.stores import (
    LiveIndex,
    MappingSource,
    RestoredSource,
    StoredForm,
    gather,
    rescored,
)
from query_adapters.stores.blocks import read_blocks
from query_adapters.typing import Vectors

FORMS = [StoredForm(precision=each) for each in ("int8", "uint8", "binary", "ubinary")]
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.precision)
rows_of_8 = arrays(np.float32, (3, 8), elements=st.floats(-4, 4, width=32))


def test_bits_are_the_signs_eight_to_a_byte() -> None:
    vector = [0.5, -1, 2, 3, -0.1, -0.2, -0.3, 0.4]
    ubinary, binary = StoredForm(precision="ubinary"), StoredForm(precision="binary")
    assert ubinary.stored(vector).tolist() == [0b10110001]
    assert binary.stored(vector).tolist() == [0b10110001 - 128]
    assert ubinary.restored([[0b10110001]]).tolist() == [[1, -1, 1, 1, -1, -1, -1, 1]]


def test_one_scale_keeps_the_direction() -> None:
    form = StoredForm(precision="int8")
    assert form.stored([0.5, -1.0, 0.25, 0]).tolist() == [64, -127, 32, 0]
    assert StoredForm(precision="uint8").stored([0.5, -1.0, 0]).tolist() == [192, 1, 128]
    assert StoredForm(precision="uint8").restored([[192, 1, 128]]).tolist() == [[64, -127, 0]]


def test_ranges_divide_each_number_into_255_steps() -> None:
    low, high = np.array([0, -1], dtype=np.float32), np.array([255, 1], dtype=np.float32)
    form = StoredForm(precision="int8", low=low, high=high)
    assert form.stored([3, 1]).tolist() == [3 - 128, 127]
    assert form.stored([300, -5]).tolist() == [127, -128], "beyond the range is its end"
    assert form.restored([[3 - 128, 127]]).tolist() == [[3, 1]]


@each_form
@given(vectors=rows_of_8)
def test_what_was_restored_is_stored_as_it_was(form: StoredForm, vectors: Vectors) -> None:
    kept = form.stored(vectors)
    again = form.restored(kept)
    assert again.shape == vectors.shape
    if form.is_binary:
        np.testing.assert_array_equal(form.stored(again), kept)
    else:
        largest = np.abs(vectors).max(axis=1, keepdims=True)
        np.testing.assert_allclose(again / 127 * largest, vectors, atol=4 / 127)


@given(vectors=rows_of_8)
def test_hamming_distance_ranks_as_the_product_of_signs(vectors: Vectors) -> None:
    form = StoredForm(precision="ubinary")
    bits, signs = form.stored(vectors), form.restored(form.stored(vectors))
    hamming = [int(np.bitwise_count(bits[0] ^ other).sum()) for other in bits]
    assert (signs @ signs[0]).tolist() == [8 - 2 * distance for distance in hamming]


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept,
        lambda kept: kept.tolist(),
        lambda kept: [row.astype(np.uint8).tobytes() for row in kept],
        lambda kept: kept.astype(np.float32),
    ],
    ids=["array", "lists", "bytes", "floats"],
)
def test_a_store_is_read_as_what_it_searches_however_it_returns_rows(
    change: Callable[[Any], Any],
) -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    form = StoredForm(precision="ubinary")
    rows = change(form.stored(vectors))
    source = RestoredSource(MappingSource({f"d{n}": row for n, row in enumerate(rows)}), form)
    stored = gather(read_blocks(source, name="store"))
    np.testing.assert_array_equal(stored.vectors, np.where(vectors > 0, 1, -1))
    assert (source.similarity, source.count()) == ("cosine", 5)


@pytest.mark.parametrize("rows", [[[0.5, 1]], [[300, 1]], [[-1, 1]], [[1], [1, 2]], [["a"]]])
def test_an_index_of_another_form_is_refused(rows: Any) -> None:
    with pytest.raises(InvalidVectorsError, match=r"stored vectors: expected .*whole numbers"):
        StoredForm(precision="uint8").restored(rows)


@pytest.mark.parametrize(
    "wrong",
    [
        {"precision": "int4"},
        {"precision": "int8", "low": np.zeros(2)},
        {"precision": "int8", "low": np.ones(2), "high": np.ones(2)},
        {"precision": "binary", "low": np.zeros(2), "high": np.ones(2)},
    ],
)
def test_a_form_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        StoredForm(**wrong)


@each_form
def test_the_check_of_the_model_compares_in_the_stores_form(
    form: StoredForm, make_embedder: Callable[..., Any]
) -> None:
    model = make_embedder(dim=64)
    texts = {f"d{n}": f"text {n}" for n in range(4)}
    kept = form.stored(model.embed_documents(list(texts.values())))
    source = RestoredSource(MappingSource(dict(zip(texts, kept, strict=True))), form)
    live = LiveIndex(
        name="MyStore",
        source=source,
        texts=lambda ids: {key: texts[key] for key in ids},
        hint=lambda _: "",
    )
    stored = live.read(["d1", "d2", "d3"], embedder=model)
    assert stored.vectors.shape == (4, 64)
    rule = unit_rule("page", {}, lambda chunk: chunk)
    paged = replace(live, chunks=lambda ids: {key: {"page": key} for key in ids}, units=rule)
    assert paged.read(["d1", "d2", "d3"], embedder=model).vectors.shape == (4, 64)


def test_candidates_are_ranked_by_the_querys_own_numbers() -> None:
    rng = np.random.default_rng(1)
    vectors = {f"d{n}": row for n, row in enumerate(rng.normal(size=(30, 16)))}
    form = StoredForm(precision="ubinary")
    kept = {key: form.stored(row) for key, row in vectors.items()}
    query = rng.normal(size=16)
    blocks = read_blocks(MappingSource(kept), name="store", ids=list(kept)[:20], batch_size=7)
    found = rescored(query, blocks, form, k=5)
    cosine = {
        key: float(np.where(row > 0, 1, -1) @ query / 4 / np.linalg.norm(query))
        for key, row in list(vectors.items())[:20]
    }
    assert [key for key, _ in found] == sorted(cosine, key=lambda key: -cosine[key])[:5]
    assert dict(found) == pytest.approx({key: cosine[key] for key, _ in found}, abs=1e-6)


def test_a_query_in_the_stores_form_is_refused() -> None:
    form = StoredForm(precision="ubinary")
    with pytest.raises(DimensionMismatchError, match="expected 16 dimensions, got 2; give"):
        rescored([3, 7], [(["d"], np.array([[3, 7]], dtype=np.float32))], form, k=1)


@pytest.mark.parametrize("length", [1.0, 50.0])
def test_fresh_vectors_of_any_length_agree_with_those_in_ranges(length: float) -> None:
    vectors = length * unit(np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32))
    form = StoredForm.calibrated(vectors)
    source = RestoredSource(MappingSource({}), form)
    fresh, kept = unit(source.as_stored(unit(vectors))), unit(form.restored(form.stored(vectors)))
    assert (fresh * kept).sum(axis=1).min() > 0.999
