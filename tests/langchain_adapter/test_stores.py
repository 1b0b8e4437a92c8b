"""Vectors come back out of every store as they went in, and adapted queries search it as it is."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from lancedb.index import IvfFlat
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_qdrant import QdrantVectorStore, RetrievalMode

from langchain_adapter.embeddings import AdapterEmbeddings
from langchain_adapter.stores import READERS, stored_similarity, stored_vectors
from query_adapters.adapters import LinearAdapter
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError, UnreadableStoreError
from query_adapters.evaluation.search import exact_search
from query_adapters.stores import BlockSource, StoredVectors, gather
from query_adapters.typing import Vectors
from tests.stores.langchain import SHOPS, CountingEmbeddings, Shop
from tests.stores.place import DIM, Place

N = 37
QUESTION = "which one is it?"


@dataclass
class Open:
    """One of the stores, and what it was filled with."""

    shop: Shop
    place: Place
    store: VectorStore
    base: CountingEmbeddings
    documents: dict[str, Document]
    expected: dict[str, Vectors]

    def reopened(self, embedding: Embeddings) -> VectorStore:
        self.store = self.shop.reopen(self.store, self.place, embedding)
        return self.store


@pytest.fixture
def make_open(place: Place) -> Iterator[Callable[[str], Open]]:
    made: list[Open] = []

    def make(name: str) -> Open:
        shop, base = SHOPS[name], CountingEmbeddings()
        store = shop.open(place, base)
        keys = [str(uuid4()) for _ in range(N)]
        kinds = ["even" if i % 2 == 0 else "odd" for i in range(N)]
        documents = {
            key: Document(f"text {i}", metadata={"kind": kinds[i], "key": key})
            for i, key in enumerate(keys)
        }
        store.add_documents(list(documents.values()), ids=keys)
        base.n_documents = 0
        rows = {
            key: as_vector(base.vector("document", document.page_content))
            for key, document in documents.items()
        }
        if shop.unit:
            rows = {key: row / np.linalg.norm(row) for key, row in rows.items()}
        made.append(Open(shop, place, store, base, documents, rows))
        return made[-1]

    yield make
    for opened in made:
        opened.shop.close(opened.store)


@pytest.fixture(params=SHOPS)
def opened(request: pytest.FixtureRequest, make_open: Callable[[str], Open]) -> Open:
    return make_open(request.param)


@pytest.fixture(params=[name for name, shop in SHOPS.items() if shop.only_even])
def filtering(request: pytest.FixtureRequest, make_open: Callable[[str], Open]) -> Open:
    return make_open(request.param)


@pytest.fixture
def adapter() -> LinearAdapter:
    return LinearAdapter(np.random.default_rng(0).normal(size=(DIM, DIM)))


def as_vector(numbers: list[float]) -> Vectors:
    return np.array(numbers, dtype=np.float32)


def rows_of(store: Any, **options: Any) -> dict[str, Vectors]:
    stored = gather(stored_vectors(store, **options))
    return dict(zip(stored.ids, stored.vectors, strict=True))


def check_equal(actual: dict[str, Vectors], expected: dict[str, Vectors]) -> None:
    assert actual.keys() == expected.keys()
    for key, row in expected.items():
        np.testing.assert_allclose(actual[key], row, rtol=1e-6, atol=1e-6)


def checksum(stored: StoredVectors) -> str:
    rows = sorted(zip(stored.ids, stored.vectors, strict=True), key=lambda row: row[0])
    said = b"".join(key.encode() + vector.tobytes() for key, vector in rows)
    return hashlib.sha256(said).hexdigest()


def nearest(query: list[float], stored: StoredVectors, similarity: Any) -> list[str]:
    found = exact_search(as_vector(query)[None], stored.vectors, k=5, similarity=similarity)
    return [stored.ids[row] for row in found[0]]


def ids_found(store: VectorStore, **search: Any) -> list[str]:
    retriever = store.as_retriever(search_kwargs={"k": 5, **search})
    return [document.metadata["key"] for document in retriever.invoke(QUESTION)]


def test_what_was_added_comes_back_in_blocks(opened: Open) -> None:
    blocks = list(stored_vectors(opened.store, batch_size=10))
    assert all(0 < len(ids) == len(vectors) <= 10 for ids, vectors in blocks)
    assert sum(len(ids) for ids, _ in blocks) == N
    assert all(vectors.dtype == np.float32 for _, vectors in blocks)
    check_equal(rows_of(opened.store), opened.expected)
    assert opened.base.n_documents == 0


def test_only_the_ids_asked_for_are_read(opened: Open) -> None:
    wanted = list(opened.documents)[3:26]
    asked = [*wanted, str(uuid4()), "not-there", wanted[0]]
    blocks = list(stored_vectors(opened.store, ids=asked, batch_size=10))
    assert all(len(ids) <= 10 for ids, _ in blocks)
    expected = {key: opened.expected[key] for key in wanted}
    check_equal(rows_of(opened.store, ids=asked), expected)
    assert list(stored_vectors(opened.store, ids=[])) == []
    assert list(stored_vectors(opened.store, ids=["not-there"])) == []


def test_a_store_tells_what_it_ranks_by(opened: Open) -> None:
    assert stored_similarity(opened.store) == opened.shop.similarity


def test_a_store_that_is_opened_again_gives_the_same(opened: Open) -> None:
    store = opened.reopened(opened.base)
    rows = rows_of(store)
    if opened.shop.unit:  # a Qdrant without a server keeps its files as they were added
        rows = {key: row / np.linalg.norm(row) for key, row in rows.items()}
    check_equal(rows, opened.expected)
    assert stored_similarity(store) == opened.shop.similarity


def test_adapted_queries_search_the_store_as_it_is(opened: Open, adapter: LinearAdapter) -> None:
    base, similarity = opened.base, opened.shop.similarity
    store = opened.reopened(base)
    before = gather(stored_vectors(store))
    adapted = AdapterEmbeddings(base, adapter)
    expected = nearest(adapted.embed_query(QUESTION), before, similarity)
    without = nearest(base.embed_query(QUESTION), before, similarity)
    assert expected != without

    assert ids_found(store) == without
    before = gather(stored_vectors(store))  # Qdrant's own client rescales at its first search
    store = opened.reopened(adapted)
    assert ids_found(store) == expected
    assert base.n_documents == 0
    assert checksum(gather(stored_vectors(store))) == checksum(before)
    assert ids_found(opened.reopened(base)) == without


def test_a_filter_goes_on_working(filtering: Open, adapter: LinearAdapter) -> None:
    adapted = AdapterEmbeddings(filtering.base, adapter)
    store = filtering.reopened(adapted)
    even = [key for key, doc in filtering.documents.items() if doc.metadata["kind"] == "even"]
    stored = gather(stored_vectors(store, ids=even))
    expected = nearest(adapted.embed_query(QUESTION), stored, filtering.shop.similarity)
    assert ids_found(store, **filtering.shop.only_even) == expected


def test_deleted_documents_are_gone(opened: Open) -> None:
    gone = list(opened.documents)[:4]
    opened.store.delete(gone)
    left = {key: row for key, row in opened.expected.items() if key not in gone}
    check_equal(rows_of(opened.store), left)
    assert list(stored_vectors(opened.store, ids=gone)) == []


def test_a_store_that_is_emptied_while_it_is_read_never_gives_less_in_silence(
    opened: Open,
) -> None:
    blocks = stored_vectors(opened.store, batch_size=10)
    n_read = len(next(blocks)[0])
    opened.store.delete(list(opened.documents))
    if opened.shop.snapshot:
        assert n_read + sum(len(ids) for ids, _ in blocks) == N
    else:
        with pytest.raises(InvalidVectorsError, match=f"expected the {N} vectors"):
            list(blocks)


def test_vectors_of_two_models_in_one_store_are_refused(make_open: Callable[[str], Open]) -> None:
    store: Any = make_open("pgvector").store
    store.add_embeddings(["short"], [[1.0, 2.0]], ids=["short"])
    with pytest.raises(DimensionMismatchError, match=r"PGVector: .* keep the vectors of one"):
        list(stored_vectors(store))


@pytest.mark.parametrize("name", SHOPS)
def test_a_store_that_holds_nothing_is_refused(name: str, place: Place) -> None:
    store = SHOPS[name].open(place, CountingEmbeddings())
    with pytest.raises(InvalidVectorsError, match="at least one stored vector, got an empty"):
        list(stored_vectors(store))
    assert list(stored_vectors(store, ids=[str(uuid4())])) == []
    SHOPS[name].close(store)


def test_a_collection_among_others_gives_its_own_vectors_only(
    place: Place, make_open: Callable[[str], Open], tmp_path_factory: pytest.TempPathFactory
) -> None:
    opened = make_open("pgvector")
    elsewhere = Place(tmp_path_factory.mktemp("another_collection"), place.postgres)
    other = SHOPS["pgvector"].open(elsewhere, opened.base)
    other.add_texts(["another"], ids=[str(uuid4())])
    check_equal(rows_of(opened.store), opened.expected)
    assert len(rows_of(other)) == 1


async def test_an_asynchronous_pgvector_is_read_too(make_open: Callable[[str], Open]) -> None:
    from langchain_postgres import PGVector
    from sqlalchemy import NullPool

    opened = make_open("pgvector")
    store = PGVector(
        opened.base,
        connection=opened.place.postgres(),
        collection_name=opened.place.table,
        engine_args={"poolclass": NullPool},
        async_mode=True,
    )
    check_equal(rows_of(store), opened.expected)


def test_a_qdrant_store_of_sparse_vectors_is_refused(make_open: Callable[[str], Open]) -> None:
    store: Any = make_open("qdrant").store
    sparse = QdrantVectorStore(
        store.client,
        "docs",
        retrieval_mode=RetrievalMode.SPARSE,
        validate_embeddings=False,
        validate_collection_config=False,
    )
    with pytest.raises(UnreadableStoreError, match="got QdrantVectorStore of sparse vectors only"):
        list(stored_vectors(sparse))


def test_lancedb_tells_what_its_vector_index_ranks_by(make_open: Callable[[str], Open]) -> None:
    store: Any = make_open("lancedb").store
    index = IvfFlat(distance_type="dot", num_partitions=1)
    store.get_table().create_index("vector", config=index)
    assert stored_similarity(store) == "dot"


class MuteStore(VectorStore):
    """A store of somebody else that can only be searched."""

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[Document]:
        return []

    @classmethod
    def from_texts(cls, texts: Any, embedding: Any, metadatas: Any = None, **options: Any) -> Any:
        return cls()


class ChildStore(MuteStore):
    """A subclass, which its parent's reader reads."""


def test_a_store_that_nothing_reads_is_named_with_the_remedy() -> None:
    with pytest.raises(UnreadableStoreError, match=r"got MuteStore; add a reader to"):
        list(stored_vectors(MuteStore()))


def test_a_reader_of_ones_own_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [(["a", "b"], np.eye(2)), (["c"], np.ones((1, 2)))]
    monkeypatch.setitem(READERS, f"{__name__}:MuteStore", lambda store: BlockSource(blocks, "dot"))
    assert rows_of(ChildStore()).keys() == {"a", "b", "c"}
    assert stored_similarity(ChildStore()) == "dot"


def test_blocks_stand_for_a_store() -> None:
    blocks = [(["a", "b", "c"], np.eye(3)), (["d"], np.ones((1, 3)))]
    found = list(stored_vectors(blocks, ids=["a", "c", "d"], batch_size=1))
    assert [ids for ids, _ in found] == [["a"], ["c"], ["d"]]


def test_another_thing_is_named_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"got CountingEmbeddings; add a reader"):
        list(stored_vectors(CountingEmbeddings()))  # type: ignore[arg-type]
