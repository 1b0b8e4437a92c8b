"""Test which chunks labels on units stand for, and how units are sampled."""

from collections import Counter

import numpy as np
import pytest

from query_adapters.data.units import Units
from query_adapters.errors import InvalidDatasetError, InvalidVectorsError
from query_adapters.stores import StoredVectors
from query_adapters.stores.unit_labels import check_labels, chunks_of, sampled_chunks

UNIT_OF = {f"c{n}": f"u{n // 3}" for n in range(30)}


def test_a_label_stands_for_all_chunks_of_its_unit() -> None:
    assert chunks_of(["u2", "u0"], UNIT_OF) == ["c0", "c1", "c2", "c6", "c7", "c8"]


def test_a_unit_may_have_the_id_of_a_chunk() -> None:
    check_labels(["c0", "c1"], {"c0": "c0", "c1": "c1", "c2": "c1"}, name="Store")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["u1", "c4"], "1 of 2 on chunks, such as 'c4', which is a chunk of the unit 'u1'"),
        (["u1", "x", "y"], "2 of 3 that do not, such as 'x', 'y', where units are such as 'u0'"),
    ],
)
def test_labels_that_name_no_unit_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        check_labels(labels, UNIT_OF, name="Store")


@pytest.mark.parametrize("most", [0, 2, 3, 10, 23, 24, None])
def test_drawn_units_are_whole_and_not_more_than_wanted(most: int | None) -> None:
    labelled = set(chunks_of(["u0", "u1"], UNIT_OF))
    drawn = sampled_chunks(UNIT_OF, labelled, most, seed=0)
    assert labelled.isdisjoint(drawn)
    assert set(Counter(UNIT_OF[chunk] for chunk in drawn).values()) <= {3}
    assert len(drawn) == (24 if most is None else min(24, most // 3 * 3))


def test_every_unit_is_drawn_equally_often() -> None:
    counts = Counter(
        UNIT_OF[chunk] for seed in range(400) for chunk in sampled_chunks(UNIT_OF, (), 9, seed)
    )
    assert min(counts.values()) > 0.7 * 3 * 400 * 3 / 10


def test_stored_vectors_need_a_unit_each() -> None:
    with pytest.raises(InvalidVectorsError, match="a unit for each of 2 vectors"):
        StoredVectors(("a", "b"), np.eye(2, dtype=np.float32), units=Units.of(["u"]))
