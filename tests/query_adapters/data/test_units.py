"""Test how units are read from a framework's chunks, numbered and checked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.units import UnitRows, Units, read_units, unit_rule
from query_adapters.errors import InvalidDatasetError, InvalidVectorsError

CHUNKS = {
    "c1": {"doc_id": "report", "page": 3},
    "c2": {"doc_id": "letter", "page": 3},
    "c3": {"doc_id": "report", "page": 4},
}


def rule(units: Any) -> Any:
    return unit_rule(units, {"first letter": lambda chunk: chunk["doc_id"][0]}, lambda chunk: chunk)


def blocks() -> Iterator[Sequence[str]]:
    yield from (["c1", "c2"], ["c3"])


def found(ids: Sequence[str]) -> Mapping[str, Any]:
    return {key: CHUNKS[key] for key in ids}


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ("doc_id", ["report", "letter", "report"]),
        ("page", ["3", "3", "4"]),  # as labels, which are strings
        ("first letter", ["r", "l", "r"]),
        (lambda chunk: f"{chunk['doc_id']}, page {chunk['page']}",
         ["report, page 3", "letter, page 3", "report, page 4"]),
    ],
)  # fmt: skip
def test_the_unit_of_a_chunk_is_read_by_key_rule_or_function(
    units: Any, expected: list[str]
) -> None:
    assert list(read_units(blocks(), found, rule(units), name="Store").values()) == expected
    assert rule(units)(CHUNKS["c3"]) == expected[2]


def test_chunks_have_no_rule() -> None:
    assert rule("chunk") is None


@pytest.mark.parametrize("units", [3, None, ["doc_id"]])
def test_what_is_neither_a_name_nor_a_function_is_refused(units: Any) -> None:
    with pytest.raises(TypeError, match=r"units: expected .*metadata key or a function"):
        rule(units)


def test_chunks_without_the_key_are_counted_and_their_keys_named() -> None:
    message = (
        r"Store: expected a unit.*units='source', got none for 3 of 3, such as 'c1', 'c2', 'c3'; "
        r"their metadata keys are \['doc_id', 'page'\]"
    )
    with pytest.raises(InvalidDatasetError, match=message):
        read_units(blocks(), found, rule("source"), name="Store")
    with pytest.raises(InvalidDatasetError, match=r"units='source'.*\['doc_id', 'page'\]"):
        rule("source")(CHUNKS["c1"])


@pytest.mark.parametrize("nothing", [None, ""])
def test_one_chunk_without_a_unit_is_named(nothing: Any) -> None:
    units = rule(lambda chunk: nothing if chunk["page"] == 4 else "a")
    with pytest.raises(InvalidDatasetError, match="got none for 1 of 3, such as 'c3'"):
        read_units(blocks(), found, units, name="Store")


def test_chunks_that_cannot_be_read_back_are_named() -> None:
    with pytest.raises(InvalidDatasetError, match=r"3 of 3.*cannot be read back"):
        read_units(blocks(), lambda ids: {}, rule("doc_id"), name="Store")


@pytest.mark.parametrize("several", [["a", "b"], ("a",), {"a"}])
def test_a_chunk_of_several_units_is_refused(several: Any) -> None:
    with pytest.raises(InvalidDatasetError, match="expected one unit for each chunk, got"):
        read_units(blocks(), found, rule(lambda chunk: several), name="Store")


def test_units_are_numbered_as_they_come() -> None:
    units = Units.of(["b", "a", "b"])
    assert units.ids == ("b", "a")
    assert units.unit_of.tolist() == [0, 1, 0]
    assert units.number_of == {"b": 0, "a": 1}


@pytest.mark.parametrize(
    ("ids", "unit_of"), [(("a", "a"), [0, 1]), (("a", "b"), [0, 0]), (("a",), [0, 1])]
)
def test_units_that_do_not_fit_are_refused(ids: tuple[str, ...], unit_of: list[int]) -> None:
    with pytest.raises(InvalidVectorsError, match="units: expected"):
        Units(ids, np.array(unit_of))


def test_rows_are_grouped_by_unit() -> None:
    rows = UnitRows.of(np.array([1, 0, 1, 2])).select(np.array([1, 2]))
    assert rows.rows.tolist() == [0, 2, 3]
    assert [rows.rows[span].tolist() for span in rows.spans()] == [[0, 2], [3]]
    assert rows.means(np.array([[1.0], [3.0], [5.0]])).tolist() == [[2.0], [5.0]]


def dataset(units: Sequence[int] | None) -> EmbeddedDataset:
    vectors = np.arange(1, 11, dtype=np.float32).reshape(5, 2)
    return EmbeddedDataset(vectors[:2], vectors, ([2], [0, 2]), units=units)  # type: ignore[arg-type]


def test_a_dataset_over_some_units_keeps_all_their_vectors() -> None:
    part = dataset([2, 0, 1, 2, 0]).over(np.array([0, 2]))
    assert part.units is not None
    assert part.units.tolist() == [1, 0, 1, 0]
    assert part.documents[:, 0].tolist() == [1, 3, 7, 9]
    assert [rows.tolist() for rows in part.relevant] == [[1], [0, 1]]
    assert part.select(np.array([1])).labelled_rows.rows.tolist() == [1, 3, 0, 2]


def test_without_units_every_document_is_one() -> None:
    assert dataset(None).labelled_rows.rows.tolist() == [0, 2]
    assert dataset(None).n_units == 5


@pytest.mark.parametrize("units", [[0, 1, 2], [0, 1, 3, 3, 0], [0, 0, 1, 1, 1]])
def test_units_must_fit_vectors_and_labels(units: list[int]) -> None:
    with pytest.raises(InvalidVectorsError):
        dataset(units)
