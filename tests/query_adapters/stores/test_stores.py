"""Test that vectors are checked per block and gathered into a matrix in memory or on disk."""

import tracemalloc
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.errors import DimensionMismatchError, InvalidVectorsError, UnreadableStoreError
from query_adapters.registry import entry_of, inherited_entry_of
from query_adapters.stores import (
    BlockSource,
    MappingSource,
    RawBlock,
    StoredVectors,
    gather,
    read_blocks,
)
from query_adapters.stores.chroma import ChromaSource
from query_adapters.stores.qdrant import QdrantSource, point_id
from query_adapters.stores.source import are_blocks
from query_adapters.typing import Vectors


class Announcing:
    """A source with a given count and given blocks."""

    similarity = None

    def __init__(self, announced: int | None, *blocks: RawBlock) -> None:
        self.announced, self.blocks = announced, blocks

    def count(self) -> int | None:
        return self.announced

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        yield from self.blocks


def read(source: Any, **options: Any) -> list[tuple[list[str], Vectors]]:
    return list(read_blocks(source, name="MyStore", **options))


def blocks_of(vectors: Vectors, size: int) -> list[tuple[list[str], Vectors]]:
    ids = [f"d{row}" for row in range(len(vectors))]
    starts = range(0, len(ids), size)
    return [(ids[at : at + size], vectors[at : at + size]) for at in starts]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", int, list])
def test_any_numbers_become_float32(dtype: Any) -> None:
    rows: Any = [[1, 2], [3, 4]] if dtype is list else np.array([[1, 2], [3, 4]], dtype=dtype)
    ((ids, vectors),) = read(Announcing(2, (("a", "b"), rows)))
    assert ids == ["a", "b"]
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 2.0], [1.0, np.nan]], "NaN or infinity in the vector of 'b'"),
        ([[1e39, 2.0], [1.0, 2.0]], "NaN or infinity in the vector of 'a'"),
        ([[1.0, 2.0], None], "expected a vector for 'b', got NoneType"),
        ([[1.0, 2.0], []], "'b': expected 2 dimensions, got 0"),
        ([[[1.0, 2.0]], [[1.0, 2.0]]], "one flat vector an id, got 2 ids and shape"),
        ([[[1.0]], [[1.0], [2.0]]], "expected a vector for 'a', got list"),
        ([[], []], "one flat vector an id"),
        ([[1.0, 2.0]], "got 2 ids and shape"),
        ([["x"], ["y"]], "expected rows of numbers"),
        (None, "got 2 ids and shape"),
    ],
)
def test_a_bad_vector_is_named_with_its_store(rows: Any, message: str) -> None:
    with pytest.raises(InvalidVectorsError, match=f"^MyStore: .*{message}"):
        read(Announcing(2, (("a", "b"), rows)))


@pytest.mark.parametrize(
    "blocks",
    [
        [(("a", "b"), [[1.0, 2.0], [1.0, 2.0, 3.0]])],
        [(("a",), [[1.0, 2.0]]), (("b",), [[1.0, 2.0, 3.0]])],
    ],
)
def test_vectors_of_two_lengths_are_refused(blocks: Any) -> None:
    with pytest.raises(DimensionMismatchError, match="'b': expected 2 dimensions, got 3; keep"):
        read(Announcing(2, *blocks))


@pytest.mark.parametrize("announced", [0, None])
def test_an_empty_store_is_refused(announced: int | None) -> None:
    with pytest.raises(InvalidVectorsError, match=r"^MyStore: .* got an empty store"):
        read(Announcing(announced))


def test_rows_that_go_while_the_store_is_read_are_missed() -> None:
    with pytest.raises(InvalidVectorsError, match=r"expected the 3 vectors .* got 1; rows went"):
        read(Announcing(3, (("a",), [[1.0]]), ((), [])))


def test_rows_that_come_while_the_store_is_read_do_no_harm() -> None:
    assert len(read(Announcing(1, (("a",), [[1.0]]), (("b",), [[1.0]])))) == 2


def test_a_read_that_is_given_up_is_closed() -> None:
    closed: list[bool] = []

    class Watched(Announcing):
        def read(
            self, ids: Sequence[str] | None, batch_size: int
        ) -> Generator[RawBlock, None, None]:
            try:
                yield from self.blocks
            finally:
                closed.append(True)

    blocks = read_blocks(Watched(2, (("a",), [[1.0]]), (("b",), [[1.0, 2.0]])), name="MyStore")
    next(blocks)
    with pytest.raises(DimensionMismatchError) as caught:
        next(blocks)
    assert closed  # although the error still references the frame of the read
    del caught


def test_ids_are_asked_for_once_and_need_not_be_there() -> None:
    source = MappingSource({"a": [1.0], "b": [2.0]})
    assert read(source, ids=["b", "z", "b"])[0][0] == ["b"]
    assert read(source, ids=[]) == []
    assert read(MappingSource({}), ids=["a"]) == []


def test_a_batch_has_at_least_one_row() -> None:
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        read(MappingSource({"a": [1.0]}), batch_size=0)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 12), st.data())
def test_blocks_of_any_size_are_cut_and_keep_every_row(
    n: int, given_size: int, batch_size: int, data: st.DataObject
) -> None:
    vectors = np.arange(n * 2, dtype=np.float32).reshape(n, 2)
    source = BlockSource(blocks_of(vectors, given_size))
    wanted = data.draw(st.none() | st.lists(st.sampled_from([f"d{i}" for i in range(n)])))
    found = read(source, ids=wanted, batch_size=batch_size)
    rows = {key: row for ids, block in found for key, row in zip(ids, block, strict=True)}
    assert all(0 < len(ids) <= batch_size for ids, _ in found)
    assert rows.keys() == set([f"d{i}" for i in range(n)] if wanted is None else wanted)
    assert all(row.tolist() == vectors[int(key[1:])].tolist() for key, row in rows.items())


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_gathered_blocks_are_one_matrix(size: int, mapped: bool, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    path = tmp_path / "vectors.npy" if mapped else None
    stored = gather(iter(blocks_of(vectors, size)), path=path)
    assert stored.ids == tuple(f"d{row}" for row in range(100))
    np.testing.assert_array_equal(stored.vectors, vectors)
    assert isinstance(stored.vectors, np.memmap) == mapped
    if path is not None:
        np.testing.assert_array_equal(np.load(path), vectors)
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "at least one stored vector"),
        ([(["a", "b"], np.ones((2, 2))), (["b"], np.ones((1, 2)))], "each id once, got 1 of them"),
        ([(["a"], np.ones((1, 2))), (["b"], np.ones((1, 3)))], "'b': expected 2 dimensions, got 3"),
    ],
)
def test_what_cannot_be_one_matrix_is_refused(
    blocks: Any, message: str, mapped: bool, tmp_path: Path
) -> None:
    with pytest.raises(InvalidVectorsError, match=message):
        gather(blocks, path=tmp_path / "vectors.npy" if mapped else None)


def test_a_read_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> Iterator[Any]:
        yield ["a"], np.ones((1, 2), dtype=np.float32)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        gather(failing(), path=tmp_path / "vectors.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mapped", [False, True])
def test_gathering_holds_no_second_copy(mapped: bool, tmp_path: Path) -> None:
    n, dim, size = 5_000, 512, 100
    whole = n * dim * 4
    blocks = (
        ([f"d{at + row}" for row in range(size)], np.full((size, dim), at, dtype=np.float32))
        for at in range(0, n, size)
    )
    tracemalloc.start()
    gather(blocks, path=tmp_path / "vectors.npy" if mapped else None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (0.3 if mapped else 1.3) * whole


class FakeCollection:
    """A Chroma collection that fails if more than `at_once` vectors are read at a time."""

    def __init__(self, n: int, at_once: int) -> None:
        self.n, self.at_once = n, at_once

    def count(self) -> int:
        return self.n

    def get(self, ids: Any = None, include: Any = ()) -> dict[str, Any]:
        if ids is None:
            assert "embeddings" not in include
            return {"ids": [str(row) for row in range(self.n)]}
        assert 0 < len(ids) <= self.at_once
        return {"ids": ids, "embeddings": np.array([[float(key)] for key in ids])}


def test_a_collection_is_never_read_at_once() -> None:
    found = read(ChromaSource(FakeCollection(25, 10)), batch_size=10)
    assert [len(ids) for ids, _ in found] == [10, 10, 5]


def test_qdrant_ids_come_back_as_they_were_asked_for() -> None:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    params = models.VectorParams(size=2, distance=models.Distance.MANHATTAN)
    client.create_collection("docs", vectors_config={"dense": params})
    written = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    points = [
        models.PointStruct(id=5, vector={"dense": [1.0, 2.0]}),
        models.PointStruct(id=written, vector={"dense": [3.0, 4.0]}),
    ]
    client.upsert("docs", points)
    source = QdrantSource(client, "docs", "dense")
    asked = ["5", written, "no-uuid", "6"]
    rows = dict(zip(*read(source, ids=asked)[0], strict=True))
    assert {key: row.tolist() for key, row in rows.items()} == {"5": [1, 2], written: [3, 4]}
    assert source.similarity is None
    client.upsert("docs", [models.PointStruct(id=9, vector={})])
    with pytest.raises(InvalidVectorsError, match="expected a vector for '9', got NoneType"):
        read(source)
    client.close()


def test_a_qdrant_collection_that_is_not_there_is_empty() -> None:
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    source = QdrantSource(client, "docs")
    assert source.count() == 0
    assert source.similarity is None
    client.close()


def test_a_uuid_is_the_same_with_and_without_hyphens() -> None:
    written = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    assert point_id(written) == point_id(written.replace("-", "")) is not None


class Parent:
    """A store."""


class Child(Parent):
    """A subclass of the store."""


def test_a_reader_is_found_by_package_and_class_and_for_subclasses() -> None:
    package = __name__.partition(".")[0]
    assert inherited_entry_of(Child, {f"{package}:Parent": "parent"}) == "parent"
    assert inherited_entry_of(Child, {f"{__name__}:Child": 1, f"{__name__}:Parent": 2}) == 1
    assert inherited_entry_of(Child, {"elsewhere:Parent": 1, "Parent": 2}) is None
    assert entry_of(Child, {f"{package}:Parent": "parent"}) is None
    assert entry_of(Parent, {f"{package}:Parent": "parent"}) == "parent"


@pytest.mark.parametrize(
    ("thing", "are"), [([], True), (iter([]), True), ("ab", False), (5, False)]
)
def test_lists_and_iterators_may_be_blocks(thing: object, are: bool) -> None:
    assert are_blocks(thing) is are


def test_an_unreadable_store_is_a_type_error_with_a_remedy() -> None:
    error = UnreadableStoreError("MyStore", expected="a store", remedy="embed")
    assert isinstance(error, TypeError)
    assert str(error) == "index: expected a store, got MyStore; embed"
    assert error.store == "MyStore"


def test_stored_vectors_know_their_dimension() -> None:
    assert StoredVectors(("a",), np.ones((1, 3), dtype=np.float32)).dim == 3
