"""Tests of LangChain stores: collections, async, sparse and third-party stores."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from lancedb.index import IvfFlat
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from langchain_qdrant import QdrantVectorStore, RetrievalMode

from langchain_adapter.stores import READERS, stored_similarity, stored_vectors
from query_adapters.errors import DimensionMismatchError, UnreadableStoreError
from query_adapters.stores import BlockSource, gather
from query_adapters.typing import Vectors
from tests.stores.kind import Chunk, OpenStore
from tests.stores.langchain import KINDS, pgvector
from tests.stores.place import Place

pytestmark = pytest.mark.slow

N = 37


@pytest.fixture
def fill(make_store: Callable[..., OpenStore], base: Any) -> Callable[[str], OpenStore]:
    """Return a function that fills a store of the given kind."""
    chunks = [Chunk(str(uuid4()), f"text {i}") for i in range(N)]
    return lambda name: make_store(name, chunks, base)


def rows_of(store: Any) -> dict[str, Vectors]:
    stored = gather(stored_vectors(store))
    return dict(zip(stored.ids, stored.vectors, strict=True))


def check_vectors(store: Any, opened: OpenStore, base: Any) -> None:
    """Check that the store contains the vectors of the chunks of `opened`."""
    found = rows_of(store)
    assert found.keys() == {chunk.key for chunk in opened.chunks}
    for chunk in opened.chunks:
        expected = base.vector("document", chunk.text)
        np.testing.assert_allclose(found[chunk.key], expected, rtol=1e-6, atol=1e-6)


def test_vectors_of_two_lengths_in_pgvector_are_refused(fill: Callable[[str], OpenStore]) -> None:
    store: Any = fill("pgvector").store
    store.add_embeddings(["short"], [[1.0, 2.0]], ids=["short"])
    with pytest.raises(DimensionMismatchError, match=r"PGVector: .* keep the vectors of one"):
        list(stored_vectors(store))


def test_a_collection_among_others_gives_its_own_vectors_only(
    place: Place,
    fill: Callable[[str], OpenStore],
    base: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    opened = fill("pgvector")
    elsewhere = Place(tmp_path_factory.mktemp("another_collection"), place.postgres)
    other = KINDS["pgvector"].open(elsewhere, base)
    other.add_texts(["another"], ids=[str(uuid4())])
    check_vectors(opened.store, opened, base)
    assert len(rows_of(other)) == 1


async def test_an_asynchronous_pgvector_is_read_too(
    fill: Callable[[str], OpenStore], base: Any
) -> None:
    opened = fill("pgvector")
    store = pgvector(opened.place, base, async_mode=True)
    check_vectors(store, opened, base)


def test_a_qdrant_store_of_sparse_vectors_is_refused(fill: Callable[[str], OpenStore]) -> None:
    store: Any = fill("qdrant").store
    sparse = QdrantVectorStore(
        store.client,
        "docs",
        retrieval_mode=RetrievalMode.SPARSE,
        validate_embeddings=False,
        validate_collection_config=False,
    )
    with pytest.raises(UnreadableStoreError, match="got QdrantVectorStore of sparse vectors only"):
        list(stored_vectors(sparse))


def test_the_similarity_of_lancedb_is_that_of_its_vector_index(
    fill: Callable[[str], OpenStore],
) -> None:
    store: Any = fill("lancedb").store
    index = IvfFlat(distance_type="dot", num_partitions=1)
    store.get_table().create_index("vector", config=index)
    assert stored_similarity(store) == "dot"


class SearchOnlyStore(VectorStore):
    """A third-party store that supports only search."""

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[Document]:
        return []

    @classmethod
    def from_texts(cls, texts: Any, embedding: Any, metadatas: Any = None, **options: Any) -> Any:
        return cls()


class ChildStore(SearchOnlyStore):
    """A subclass that the reader of its parent supports."""


def test_a_store_that_nothing_reads_is_named_with_the_remedy() -> None:
    with pytest.raises(UnreadableStoreError, match=r"got SearchOnlyStore; add a reader to"):
        list(stored_vectors(SearchOnlyStore()))


def test_a_reader_for_another_store_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [(["a", "b"], np.eye(2)), (["c"], np.ones((1, 2)))]
    monkeypatch.setitem(
        READERS, f"{__name__}:SearchOnlyStore", lambda store: BlockSource(blocks, "dot")
    )
    assert rows_of(ChildStore()).keys() == {"a", "b", "c"}
    assert stored_similarity(ChildStore()) == "dot"
