"""Tests of LlamaIndex stores: duplicates, store-specific settings, third-party stores."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import faiss
import numpy as np
import pytest
from lancedb.index import BTree, IvfFlat
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.vector_stores.faiss import FaissVectorStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import AsyncQdrantClient

from llama_index_finetune_plugin import AdapterEmbedding
from llama_index_finetune_plugin.stores import READERS, stored_similarity, stored_vectors
from query_adapters.adapters import LinearAdapter
from query_adapters.errors import InvalidVectorsError, UnreadableStoreError
from query_adapters.stores import BlockSource, gather
from query_adapters.typing import Vectors
from tests.stores.kind import Chunk, OpenStore
from tests.stores.llama_index import KINDS, LlamaIndexStore
from tests.stores.place import Place

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
    return lambda name: make_store(name, chunks, base)


def rows_of(index: Any) -> dict[str, Vectors]:
    stored = gather(stored_vectors(index))
    return dict(zip(stored.ids, stored.vectors, strict=True))


@pytest.mark.parametrize("name", KINDS)
def test_a_retriever_takes_the_adapted_model_as_an_argument(
    name: str, fill: Callable[[str], OpenStore], base: Any, adapter: LinearAdapter
) -> None:
    opened, adapted = fill(name), AdapterEmbedding(base, adapter)
    index, kind = opened.store, opened.kind

    def found(index: Any, **options: Any) -> list[str]:
        return kind.search(index.as_retriever(similarity_top_k=5, **options), QUESTION)

    without, with_adapter = found(index), found(index, embed_model=adapted)
    assert without != with_adapter
    filters = opened.retriever(5, only_even=True)._filters if kind.filters else None
    filtered = found(index, embed_model=adapted, filters=filters)
    served = opened.reopen(adapted)
    assert found(served) == with_adapter
    assert found(served, filters=filters) == filtered
    assert found(served, embed_model=base) == without


@pytest.mark.parametrize("name", ["lancedb", "postgres"])
def test_a_node_that_was_added_twice_is_named(
    name: str, fill: Callable[[str], OpenStore], base: Any
) -> None:
    opened = fill(name)
    twice = opened.chunks[7].key
    node = TextNode(id_=twice, text="changed", embedding=base.vector("document", "changed"))
    opened.store.vector_store.add([node])
    with pytest.raises(InvalidVectorsError, match=rf"got 1 of them .* the first '{twice}'"):
        gather(stored_vectors(opened.store))


def test_a_faiss_store_without_its_index_is_refused(fill: Callable[[str], OpenStore]) -> None:
    store = fill("faiss").store.vector_store
    with pytest.raises(UnreadableStoreError, match=r"got FaissVectorStore; pass the index"):
        list(stored_vectors(store))


def test_an_inverted_file_index_is_read_too(place: Place, chunks: list[Chunk], base: Any) -> None:
    inverted = faiss.IndexIVFFlat(faiss.IndexFlatIP(8), 8, 2, faiss.METRIC_INNER_PRODUCT)
    inverted.train(np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32))
    kind = LlamaIndexStore(open=lambda _: FaissVectorStore(inverted), similarity="dot")
    rows = rows_of(kind.fill(place, chunks, base))
    assert rows.keys() == {chunk.key for chunk in chunks}
    for chunk in chunks:
        expected = base.vector("document", kind.embedded_text(chunk))
        np.testing.assert_allclose(rows[chunk.key], expected, rtol=1e-6, atol=1e-6)


def test_a_qdrant_store_with_an_asynchronous_client_only_is_refused() -> None:
    store = QdrantVectorStore("docs", aclient=AsyncQdrantClient(":memory:"))
    with pytest.raises(UnreadableStoreError, match=r"pass `client=` besides `aclient=`"):
        list(stored_vectors(store))


def test_the_similarity_of_lancedb_is_that_of_its_vector_index(
    fill: Callable[[str], OpenStore],
) -> None:
    opened = fill("lancedb")
    rng = np.random.default_rng(0)
    rows = [TextNode(text="x", embedding=rng.normal(size=8).tolist()) for _ in range(300)]
    opened.store.vector_store.add(rows)
    table: Any = opened.store.vector_store.table
    table.create_index("id", config=BTree())
    assert stored_similarity(opened.store) == "euclidean"
    table.create_index("vector", config=IvfFlat(distance_type="cosine", num_partitions=1))
    assert stored_similarity(opened.store) == "cosine"


class SearchOnlyStore(BasePydanticVectorStore):
    """A third-party store that supports only search."""

    stores_text: bool = True

    @property
    def client(self) -> None:
        return None

    def add(self, nodes: Any, **options: Any) -> Any: ...
    def delete(self, ref_doc_id: str, **options: Any) -> None: ...
    def query(self, query: Any, **options: Any) -> Any: ...


class GetNodes(SearchOnlyStore):
    """A third-party store whose `get_nodes` returns nodes."""

    kept: dict[str, TextNode]

    def get_nodes(self, node_ids: Any = None, filters: Any = None) -> Any:
        return [self.kept[key] for key in (node_ids or self.kept) if key in self.kept]


def test_any_store_whose_nodes_have_their_embeddings_is_read() -> None:
    kept = {k: TextNode(id_=k, embedding=[i, 1.0]) for i, k in enumerate("abc")}
    store = GetNodes(kept=kept)
    assert [ids for ids, _ in stored_vectors(store, batch_size=2)] == [["a", "b"], ["c"]]
    assert [ids for ids, _ in stored_vectors(store, ids=["c", "z"])] == [["c"]]
    assert stored_similarity(store) is None


@pytest.mark.parametrize("store", [SearchOnlyStore(), GetNodes(kept={"a": TextNode(id_="a")})])
def test_a_store_that_gives_no_vectors_is_named_with_the_remedy(store: Any) -> None:
    with pytest.raises(UnreadableStoreError, match=rf"got {type(store).__name__}; add a reader"):
        list(stored_vectors(store))


def test_a_reader_for_another_store_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [(["a", "b"], np.eye(2)), (["c"], np.ones((1, 2)))]
    monkeypatch.setitem(
        READERS, f"{__name__}:SearchOnlyStore", lambda store, index: BlockSource(blocks, "dot")
    )
    assert rows_of(SearchOnlyStore()).keys() == {"a", "b", "c"}
    assert stored_similarity(SearchOnlyStore()) == "dot"
