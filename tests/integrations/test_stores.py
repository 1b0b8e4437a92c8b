"""Test that every store returns its vectors and that adapted queries search it unchanged."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.evaluation.search import exact_search
from query_adapters.stores import StoredVectors, gather
from query_adapters.typing import Vectors
from tests.integrations.both import each_store
from tests.integrations.framework import Framework
from tests.stores.kind import Chunk, OpenStore

pytestmark = pytest.mark.slow

N = 37
QUESTION = "which one is it?"


@pytest.fixture
def chunks() -> list[Chunk]:
    return [Chunk(str(uuid4()), f"text {i}", {"kind": ["even", "odd"][i % 2]}) for i in range(N)]


@pytest.fixture
def fill(
    make_store: Callable[..., OpenStore], chunks: list[Chunk], base: Any
) -> Callable[[str], OpenStore]:
    """Return a function that fills a store of the given kind."""

    def make(name: str) -> OpenStore:
        opened = make_store(name, chunks, base)
        base.calls.clear()
        return opened

    return make


def as_vector(numbers: list[float]) -> Vectors:
    return np.array(numbers, dtype=np.float32)


def unit(vector: Vectors) -> Vectors:
    normalized: Vectors = vector / np.linalg.norm(vector)
    return normalized


def expected_rows(opened: OpenStore, base: Any) -> dict[str, Vectors]:
    texts = {chunk.key: opened.kind.embedded_text(chunk) for chunk in opened.chunks}
    rows = {key: as_vector(base.vector("document", text)) for key, text in texts.items()}
    return {key: unit(row) if opened.kind.unit else row for key, row in rows.items()}


def rows_of(framework: Framework, store: Any, **options: Any) -> dict[str, Vectors]:
    stored = gather(framework.stores.stored_vectors(store, **options))
    return dict(zip(stored.ids, stored.vectors, strict=True))


def check_equal(
    actual: dict[str, Vectors], expected: dict[str, Vectors], *, tolerance: float
) -> None:
    assert actual.keys() == expected.keys()
    for key, row in expected.items():
        np.testing.assert_allclose(actual[key], row, rtol=tolerance, atol=tolerance)


def checksum(stored: StoredVectors) -> str:
    rows = sorted(zip(stored.ids, stored.vectors, strict=True), key=lambda row: row[0])
    content = b"".join(key.encode() + vector.tobytes() for key, vector in rows)
    return hashlib.sha256(content).hexdigest()


def nearest(query: list[float], stored: StoredVectors, similarity: Any) -> list[str]:
    found = exact_search(as_vector(query)[None], stored.vectors, k=5, similarity=similarity)
    return [stored.ids[row] for row in found[0]]


@each_store()
def test_vectors_are_read_in_blocks_as_they_were_added(
    framework: Framework, name: str, fill: Callable[[str], OpenStore], base: Any
) -> None:
    opened = fill(name)
    blocks = list(framework.stores.stored_vectors(opened.store, batch_size=10))
    assert all(0 < len(ids) == len(vectors) <= 10 for ids, vectors in blocks)
    assert sum(len(ids) for ids, _ in blocks) == N
    assert all(vectors.dtype == np.float32 for _, vectors in blocks)
    rows = rows_of(framework, opened.store)
    check_equal(rows, expected_rows(opened, base), tolerance=opened.kind.tolerance)
    assert base.calls == []


@each_store()
def test_only_the_requested_ids_are_read(
    framework: Framework, name: str, fill: Callable[[str], OpenStore], base: Any
) -> None:
    opened, read = fill(name), framework.stores.stored_vectors
    wanted = [chunk.key for chunk in opened.chunks[3:26]]
    asked = [*wanted, str(uuid4()), "not-there", wanted[0]]
    assert all(len(ids) <= 10 for ids, _ in read(opened.store, ids=asked, batch_size=10))
    rows, expected = rows_of(framework, opened.store, ids=asked), expected_rows(opened, base)
    check_equal(rows, {key: expected[key] for key in wanted}, tolerance=opened.kind.tolerance)
    assert list(read(opened.store, ids=[])) == []
    assert list(read(opened.store, ids=["not-there"])) == []


@each_store()
def test_the_similarity_of_the_store_is_known(
    framework: Framework, name: str, fill: Callable[[str], OpenStore]
) -> None:
    opened = fill(name)
    assert framework.stores.stored_similarity(opened.store) == opened.kind.similarity


@each_store()
def test_a_store_that_is_opened_again_has_the_same_vectors(
    framework: Framework, name: str, fill: Callable[[str], OpenStore], base: Any
) -> None:
    opened = fill(name)
    rows = rows_of(framework, opened.reopen(base))
    if opened.kind.unit:  # Qdrant without a server stores unnormalized vectors
        rows = {key: unit(row) for key, row in rows.items()}
    check_equal(rows, expected_rows(opened, base), tolerance=opened.kind.tolerance)
    assert framework.stores.stored_similarity(opened.store) == opened.kind.similarity


@each_store()
def test_adapted_queries_search_the_store_as_it_is(
    framework: Framework, name: str, fill: Callable[[str], OpenStore], base: Any,
    adapter: LinearAdapter,
) -> None:  # fmt: skip
    opened, read = fill(name), framework.stores.stored_vectors
    adapted, similarity = framework.adapted(base, adapter), opened.kind.similarity
    before = gather(read(opened.reopen(base)))
    expected = nearest(framework.calls.query(adapted, QUESTION), before, similarity)
    without = nearest(base.vector("query", QUESTION), before, similarity)
    assert expected != without

    assert opened.search(QUESTION) == without
    before = gather(read(opened.store))  # Qdrant's local client normalizes at the first search
    opened.reopen(adapted)
    assert opened.search(QUESTION) == expected
    assert base.documents == []
    assert set(base.queries) == {QUESTION}
    assert checksum(gather(read(opened.store))) == checksum(before)
    opened.reopen(base)
    assert opened.search(QUESTION) == without


@each_store(lambda kind: kind.filters)
def test_a_filter_works_with_adapted_queries(
    framework: Framework, name: str, fill: Callable[[str], OpenStore], base: Any,
    adapter: LinearAdapter,
) -> None:  # fmt: skip
    opened, adapted = fill(name), framework.adapted(base, adapter)
    store = opened.reopen(adapted)
    even = [chunk.key for chunk in opened.chunks if chunk.metadata["kind"] == "even"]
    stored = gather(framework.stores.stored_vectors(store, ids=even))
    query = framework.calls.query(adapted, QUESTION)
    expected = nearest(query, stored, opened.kind.similarity)
    assert opened.search(QUESTION, only_even=True) == expected


@each_store(lambda kind: kind.deletes)
def test_a_store_that_is_emptied_while_it_is_read_raises_an_error(
    framework: Framework, name: str, fill: Callable[[str], OpenStore]
) -> None:
    opened = fill(name)
    blocks = framework.stores.stored_vectors(opened.store, batch_size=10)
    n_read = len(next(blocks)[0])
    opened.kind.delete(opened.store, [chunk.key for chunk in opened.chunks])
    if opened.kind.snapshot:
        assert n_read + sum(len(ids) for ids, _ in blocks) == N
    else:
        with pytest.raises(InvalidVectorsError, match=f"expected the {N} vectors"):
            list(blocks)


@each_store()
def test_a_store_that_was_never_filled_is_refused(
    framework: Framework, name: str, make_store: Callable[..., OpenStore], base: Any
) -> None:
    store = make_store(name, [], base).store
    with pytest.raises(InvalidVectorsError, match="at least one stored vector, got an empty"):
        list(framework.stores.stored_vectors(store))
    assert list(framework.stores.stored_vectors(store, ids=[str(uuid4())])) == []


def test_vectors_of_two_models_in_one_store_are_refused(
    framework: Framework, fill: Callable[[str], OpenStore]
) -> None:
    store = fill("in-memory").store
    framework.stores.embeddings(store)["short"] = [1.0, 2.0]
    with pytest.raises(DimensionMismatchError, match="'short': expected 8 dimensions, got 2"):
        list(framework.stores.stored_vectors(store))


def test_blocks_replace_a_store(framework: Framework) -> None:
    blocks = [(["a", "b", "c"], np.eye(3)), (["d"], np.ones((1, 3)))]
    for given in (blocks, iter(blocks)):
        found = framework.stores.stored_vectors(given, ids=["a", "c", "d"], batch_size=1)
        assert [ids for ids, _ in found] == [["a"], ["c"], ["d"]]


def test_an_object_that_is_no_store_is_named_with_the_remedy(
    framework: Framework, base: Any
) -> None:
    told = rf"got {type(base).__name__}; (leave `index` out|add a reader)"
    with pytest.raises(TypeError, match=told):
        list(framework.stores.stored_vectors(base))
