"""Vectors come back out of every store as they went in, and adapted queries search it as it is."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import faiss
import numpy as np
import pytest
from lancedb.index import BTree, IvfFlat
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.vector_stores.faiss import FaissVectorStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import AsyncQdrantClient

from llama_index_finetune_plugin import AdapterEmbedding
from llama_index_finetune_plugin.stores import READERS, stored_similarity, stored_vectors
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError, UnreadableStoreError
from query_adapters.evaluation.search import exact_search
from query_adapters.stores import BlockSource, StoredVectors, gather
from query_adapters.typing import Vectors
from tests.stores.llama_index import SHOPS, Shop
from tests.stores.place import Place

N = 37
QUESTION = "which one is it?"


@dataclass
class Open:
    """An index over one of the stores, and what it was made of."""

    shop: Shop
    place: Place
    index: VectorStoreIndex
    nodes: list[TextNode]
    expected: dict[str, Vectors]

    def reopened(self, model: Any) -> VectorStoreIndex:
        self.shop.close(self.index)
        self.index = self.shop.reopen(self.place, model)
        return self.index


@pytest.fixture
def nodes() -> list[TextNode]:
    return [
        TextNode(id_=str(uuid4()), text=f"text {i}", metadata={"kind": ["even", "odd"][i % 2]})
        for i in range(N)
    ]


@pytest.fixture
def make_open(place: Place, nodes: list[TextNode], base: Any) -> Iterator[Callable[[str], Open]]:
    made: list[Open] = []

    def make(name: str) -> Open:
        shop = SHOPS[name]
        index = shop.build(place, nodes, base)
        texts = {node.node_id: node.get_content(MetadataMode.EMBED) for node in nodes}
        rows = {key: as_vector(base.vector("text", text)) for key, text in texts.items()}
        if shop.unit:
            rows = {key: row / np.linalg.norm(row) for key, row in rows.items()}
        base.calls.clear()
        made.append(Open(shop, place, index, nodes, rows))
        return made[-1]

    yield make
    for opened in made:
        opened.shop.close(opened.index)


@pytest.fixture(params=SHOPS)
def opened(request: pytest.FixtureRequest, make_open: Callable[[str], Open]) -> Open:
    return make_open(request.param)


@pytest.fixture(params=[name for name, shop in SHOPS.items() if shop.delete])
def emptiable(request: pytest.FixtureRequest, make_open: Callable[[str], Open]) -> Open:
    return make_open(request.param)


@pytest.fixture(params=[name for name, shop in SHOPS.items() if shop.filters])
def filtering(request: pytest.FixtureRequest, make_open: Callable[[str], Open]) -> Open:
    return make_open(request.param)


def as_vector(numbers: list[float]) -> Vectors:
    return np.array(numbers, dtype=np.float32)


def rows_of(index: Any, **options: Any) -> dict[str, Vectors]:
    stored = gather(stored_vectors(index, **options))
    return dict(zip(stored.ids, stored.vectors, strict=True))


def check_equal(actual: dict[str, Vectors], expected: dict[str, Vectors], shop: Shop) -> None:
    assert actual.keys() == expected.keys()
    for key, row in expected.items():
        np.testing.assert_allclose(actual[key], row, rtol=shop.tolerance, atol=shop.tolerance)


def checksum(stored: StoredVectors) -> str:
    rows = sorted(zip(stored.ids, stored.vectors, strict=True), key=lambda row: row[0])
    said = b"".join(key.encode() + vector.tobytes() for key, vector in rows)
    return hashlib.sha256(said).hexdigest()


def nearest(query: Vectors, stored: StoredVectors, similarity: Any, k: int = 5) -> list[str]:
    found = exact_search(query[None], stored.vectors, k=k, similarity=similarity)
    return [stored.ids[row] for row in found[0]]


def ids_found(index: VectorStoreIndex, **options: Any) -> list[str]:
    retriever = index.as_retriever(similarity_top_k=5, **options)
    return [found.node_id for found in retriever.retrieve(QUESTION)]


def test_what_was_added_comes_back_in_blocks(opened: Open) -> None:
    blocks = list(stored_vectors(opened.index, batch_size=10))
    assert all(0 < len(ids) == len(vectors) <= 10 for ids, vectors in blocks)
    assert sum(len(ids) for ids, _ in blocks) == N
    assert all(vectors.dtype == np.float32 for _, vectors in blocks)
    check_equal(rows_of(opened.index), opened.expected, opened.shop)


def test_only_the_ids_asked_for_are_read(opened: Open) -> None:
    wanted = [node.node_id for node in opened.nodes[3:26]]
    asked = [*wanted, str(uuid4()), "not-there", wanted[0]]
    blocks = list(stored_vectors(opened.index, ids=asked, batch_size=10))
    assert all(len(ids) <= 10 for ids, _ in blocks)
    expected = {key: opened.expected[key] for key in wanted}
    check_equal(rows_of(opened.index, ids=asked), expected, opened.shop)
    assert list(stored_vectors(opened.index, ids=[])) == []
    assert list(stored_vectors(opened.index, ids=["not-there"])) == []


def test_a_store_tells_what_it_ranks_by(opened: Open) -> None:
    assert stored_similarity(opened.index) == opened.shop.similarity


def test_a_store_that_is_opened_again_gives_the_same(opened: Open, base: Any) -> None:
    index = opened.reopened(base)
    rows = rows_of(index)
    if opened.shop.unit:  # a Qdrant without a server keeps its files as they were added
        rows = {key: row / np.linalg.norm(row) for key, row in rows.items()}
    check_equal(rows, opened.expected, opened.shop)
    assert stored_similarity(index) == opened.shop.similarity


def test_adapted_queries_search_the_index_as_it_is(
    opened: Open, base: Any, make_adapter: Any
) -> None:
    index = opened.reopened(base)
    before = gather(stored_vectors(index))
    adapted = AdapterEmbedding(base, make_adapter(dim=8))
    query = as_vector(adapted.get_query_embedding(QUESTION))
    plain = as_vector(base.vector("query", QUESTION))
    expected = nearest(query, before, opened.shop.similarity)
    without = nearest(plain, before, opened.shop.similarity)
    assert expected != without

    assert ids_found(index) == without
    before = gather(stored_vectors(index))  # Qdrant's own client rescales at its first search
    assert ids_found(index, embed_model=adapted) == expected
    index = opened.reopened(adapted)
    assert ids_found(index) == expected
    assert ids_found(index, embed_model=base) == without
    assert {call for call, _ in base.calls} == {"query"}
    assert checksum(gather(stored_vectors(index))) == checksum(before)


def test_a_filter_goes_on_working(filtering: Open, base: Any, make_adapter: Any) -> None:
    adapted = AdapterEmbedding(base, make_adapter(dim=8))
    even = [node.node_id for node in filtering.nodes if node.metadata["kind"] == "even"]
    stored = gather(stored_vectors(filtering.index, ids=even))
    query = as_vector(adapted.get_query_embedding(QUESTION))
    filters = MetadataFilters(filters=[MetadataFilter(key="kind", value="even")])
    found = ids_found(filtering.index, embed_model=adapted, filters=filters)
    assert found == nearest(query, stored, filtering.shop.similarity)


def test_deleted_nodes_are_gone(emptiable: Open) -> None:
    gone = [node.node_id for node in emptiable.nodes[:4]]
    assert emptiable.shop.delete is not None
    emptiable.shop.delete(emptiable.index.vector_store, gone)
    left = {key: row for key, row in emptiable.expected.items() if key not in gone}
    check_equal(rows_of(emptiable.index), left, emptiable.shop)
    assert list(stored_vectors(emptiable.index, ids=gone)) == []


def test_a_store_that_is_emptied_while_it_is_read_never_gives_less_in_silence(
    emptiable: Open,
) -> None:
    blocks = stored_vectors(emptiable.index, batch_size=10)
    n_read = len(next(blocks)[0])
    assert emptiable.shop.delete is not None
    emptiable.shop.delete(emptiable.index.vector_store, [n.node_id for n in emptiable.nodes])
    if emptiable.shop.snapshot:
        assert n_read + sum(len(ids) for ids, _ in blocks) == N
    else:
        with pytest.raises(InvalidVectorsError, match=f"expected the {N} vectors"):
            list(blocks)


def test_an_emptied_store_is_refused(emptiable: Open) -> None:
    assert emptiable.shop.delete is not None
    emptiable.shop.delete(emptiable.index.vector_store, list(emptiable.expected))
    with pytest.raises(InvalidVectorsError, match="at least one stored vector"):
        list(stored_vectors(emptiable.index))


def test_vectors_of_two_models_in_one_store_are_refused(make_open: Callable[[str], Open]) -> None:
    index = make_open("simple").index
    index.vector_store.add([TextNode(id_="short", text="", embedding=[1.0, 2.0])])
    with pytest.raises(DimensionMismatchError, match="'short': expected 8 dimensions, got 2"):
        list(stored_vectors(index))


@pytest.mark.parametrize("name", ["lancedb", "postgres"])
def test_a_node_that_was_added_twice_is_named(
    name: str, make_open: Callable[[str], Open], base: Any
) -> None:
    opened = make_open(name)
    twice = opened.nodes[7].model_copy(update={"embedding": base.vector("text", "changed")})
    opened.index.vector_store.add([twice])
    with pytest.raises(InvalidVectorsError, match=rf"got 1 of them .* the first '{twice.id_}'"):
        gather(stored_vectors(opened.index))


@pytest.mark.parametrize("name", SHOPS)
def test_a_store_that_holds_nothing_yet_is_refused(name: str, place: Place, base: Any) -> None:
    index = SHOPS[name].build(place, [], base)
    with pytest.raises(InvalidVectorsError, match="at least one stored vector, got an empty"):
        list(stored_vectors(index))
    assert list(stored_vectors(index, ids=[str(uuid4())])) == []
    SHOPS[name].close(index)


def test_a_faiss_store_without_its_index_is_refused(make_open: Callable[[str], Open]) -> None:
    store = make_open("faiss").index.vector_store
    with pytest.raises(UnreadableStoreError, match=r"got FaissVectorStore; pass the index"):
        list(stored_vectors(store))


def test_an_inverted_file_index_is_read_too(place: Place, nodes: Any, base: Any) -> None:
    inverted = faiss.IndexIVFFlat(faiss.IndexFlatIP(8), 8, 2, faiss.METRIC_INNER_PRODUCT)
    inverted.train(np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32))
    shop = Shop(lambda _: FaissVectorStore(inverted), "dot")
    index = shop.build(place, nodes, base)
    texts = {node.node_id: node.get_content(MetadataMode.EMBED) for node in nodes}
    expected = {key: as_vector(base.vector("text", text)) for key, text in texts.items()}
    check_equal(rows_of(index), expected, shop)


def test_a_qdrant_store_with_an_asynchronous_client_only_is_refused() -> None:
    store = QdrantVectorStore("docs", aclient=AsyncQdrantClient(":memory:"))
    with pytest.raises(UnreadableStoreError, match=r"pass `client=` besides `aclient=`"):
        list(stored_vectors(store))


def test_lancedb_tells_what_its_vector_index_ranks_by(make_open: Callable[[str], Open]) -> None:
    opened = make_open("lancedb")
    rng = np.random.default_rng(0)
    rows = [TextNode(text="x", embedding=rng.normal(size=8).tolist()) for _ in range(300)]
    opened.index.vector_store.add(rows)
    table: Any = opened.index.vector_store.table  # type: ignore[attr-defined]
    table.create_index("id", config=BTree())
    assert stored_similarity(opened.index) == "euclidean"
    table.create_index("vector", config=IvfFlat(distance_type="cosine", num_partitions=1))
    assert stored_similarity(opened.index) == "cosine"


class MuteStore(BasePydanticVectorStore):
    """A store of somebody else that can only be searched."""

    stores_text: bool = True

    @property
    def client(self) -> None:
        return None

    def add(self, nodes: Any, **options: Any) -> Any: ...
    def delete(self, ref_doc_id: str, **options: Any) -> None: ...
    def query(self, query: Any, **options: Any) -> Any: ...


class GetNodes(MuteStore):
    """A store of somebody else whose `get_nodes` returns nodes."""

    kept: dict[str, TextNode]

    def get_nodes(self, node_ids: Any = None, filters: Any = None) -> Any:
        return [self.kept[key] for key in (node_ids or self.kept) if key in self.kept]


def test_any_store_whose_nodes_have_their_embeddings_is_read() -> None:
    kept = {k: TextNode(id_=k, embedding=[i, 1.0]) for i, k in enumerate("abc")}
    store = GetNodes(kept=kept)
    assert [ids for ids, _ in stored_vectors(store, batch_size=2)] == [["a", "b"], ["c"]]
    assert [ids for ids, _ in stored_vectors(store, ids=["c", "z"])] == [["c"]]
    assert stored_similarity(store) is None


@pytest.mark.parametrize("store", [MuteStore(), GetNodes(kept={"a": TextNode(id_="a")})])
def test_a_store_that_gives_no_vectors_is_named_with_the_remedy(store: Any) -> None:
    with pytest.raises(UnreadableStoreError, match=rf"got {type(store).__name__}; add a reader"):
        list(stored_vectors(store))


def test_a_reader_of_ones_own_is_four_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [(["a", "b"], np.eye(2)), (["c"], np.ones((1, 2)))]
    monkeypatch.setitem(
        READERS, f"{__name__}:MuteStore", lambda store, index: BlockSource(blocks, "dot")
    )
    assert rows_of(MuteStore()).keys() == {"a", "b", "c"}
    assert stored_similarity(MuteStore()) == "dot"


def test_blocks_stand_for_a_store() -> None:
    blocks = iter([(["a", "b", "c"], np.eye(3)), (["d"], np.ones((1, 3)))])
    found = list(stored_vectors(blocks, ids=["a", "c", "d"], batch_size=1))
    assert [ids for ids, _ in found] == [["a"], ["c"], ["d"]]


def test_another_thing_is_named_with_the_remedy(base: Any) -> None:
    with pytest.raises(TypeError, match=r"got FakeEmbedding; leave `index` out"):
        list(stored_vectors(base))
