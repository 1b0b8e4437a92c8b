"""The vector stores of LlamaIndex, each used through an index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import chromadb
import faiss
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.schema import MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.vector_stores.chroma import ChromaVectorStore
from llama_index.vector_stores.faiss import FaissMapVectorStore, FaissVectorStore
from llama_index.vector_stores.lancedb import LanceDBVectorStore
from llama_index.vector_stores.postgres import PGVectorStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models
from sqlalchemy import NullPool

from tests.stores.kind import Chunk, StoreKind
from tests.stores.place import DIM, Place

Open = Callable[[Place], BasePydanticVectorStore]


def _delete_nodes(store: Any, ids: Sequence[str]) -> None:
    store.delete_nodes(list(ids))


@dataclass(frozen=True, kw_only=True)
class LlamaIndexStore(StoreKind):
    """A store of LlamaIndex, used through an index.

    Attributes:
        open: Opens the store at a place, or creates it there.
        delete_nodes: Deletes nodes from the store by id.
    """

    open: Open
    delete_nodes: Callable[[Any, Sequence[str]], None] = _delete_nodes

    def fill(self, place: Place, chunks: Sequence[Chunk], model: Any) -> VectorStoreIndex:
        context = StorageContext.from_defaults(vector_store=self.open(place))
        nodes = [node_of(chunk) for chunk in chunks]
        index = VectorStoreIndex(nodes, storage_context=context, embed_model=model)
        context.persist(str(place.folder))
        return index

    def reopen(self, store: VectorStoreIndex, place: Place, model: Any) -> VectorStoreIndex:
        self.close(store)
        opened = self.open(place)
        if opened.stores_text:
            return VectorStoreIndex.from_vector_store(opened, embed_model=model)
        context = StorageContext.from_defaults(vector_store=opened, persist_dir=str(place.folder))
        index = load_index_from_storage(context, embed_model=model)
        assert isinstance(index, VectorStoreIndex)
        return index

    def close(self, store: VectorStoreIndex) -> None:
        if isinstance(store.vector_store, QdrantVectorStore):
            store.vector_store.client.close()

    def remove(self, store: VectorStoreIndex) -> None:
        self.close(store)

    def delete(self, store: VectorStoreIndex, keys: Sequence[str]) -> None:
        self.delete_nodes(store.vector_store, keys)

    def retriever(self, store: VectorStoreIndex, k: int, *, only_even: bool = False) -> Any:
        even = MetadataFilters(filters=[MetadataFilter(key="kind", value="even")])
        return store.as_retriever(similarity_top_k=k, filters=even if only_even else None)

    def search(self, retriever: Any, question: str) -> list[str]:
        return [found.node_id for found in retriever.retrieve(question)]

    def embedded_text(self, chunk: Chunk) -> str:
        return node_of(chunk).get_content(MetadataMode.EMBED)


def node_of(chunk: Chunk) -> TextNode:
    """Return the node of a chunk; its metadata name the source document."""
    metadata = dict(chunk.metadata)
    source = metadata.pop("source", None)
    related = {} if source is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)}
    return TextNode(id_=chunk.key, text=chunk.text, metadata=metadata, relationships=related)


def _simple(place: Place) -> BasePydanticVectorStore:
    file = place.folder / "default__vector_store.json"
    return SimpleVectorStore.from_persist_path(str(file)) if file.exists() else SimpleVectorStore()


def _faiss(new: Callable[[], Any], kind: type[FaissVectorStore] = FaissVectorStore) -> Any:
    def open_store(place: Place) -> BasePydanticVectorStore:
        folder = str(place.folder)
        there = (place.folder / "default__vector_store.json").exists()
        return kind.from_persist_dir(folder) if there else kind(new())

    return open_store


def _chroma(space: str) -> Any:
    def open_store(place: Place) -> BasePydanticVectorStore:
        client = chromadb.PersistentClient(str(place.folder / "chroma"))
        settings: Any = {"hnsw": {"space": space}}
        return ChromaVectorStore(client.get_or_create_collection("docs", configuration=settings))

    return open_store


def _qdrant(distance: models.Distance) -> Any:
    def open_store(place: Place) -> BasePydanticVectorStore:
        client = QdrantClient(path=str(place.folder / "qdrant"))
        params = models.VectorParams(size=DIM, distance=distance)
        return QdrantVectorStore("docs", client=client, dense_config=params, index_doc_id=False)

    return open_store


def _lancedb(place: Place) -> BasePydanticVectorStore:
    return LanceDBVectorStore(str(place.folder / "lance"), table_name="docs")


def _postgres(**options: Any) -> Any:
    def open_store(place: Place) -> BasePydanticVectorStore:
        address = place.postgres()
        asynchronous = address.replace("+psycopg", "+asyncpg")
        return PGVectorStore.from_params(
            connection_string=address,
            async_connection_string=asynchronous,
            table_name=place.table,
            embed_dim=DIM,
            create_engine_kwargs={"poolclass": NullPool},
            **options,
        )

    return open_store


def _delete_rows(store: Any, ids: Sequence[str]) -> None:
    store.table.delete(f"id IN {tuple(ids)}".replace(",)", ")"))


def _store(open_store: Open, similarity: str, **options: Any) -> LlamaIndexStore:
    return LlamaIndexStore(open=open_store, similarity=similarity, **options)


NO_FILTERS: dict[str, Any] = {"filters": False}
KINDS = {
    "in-memory": _store(_simple, "cosine"),
    "faiss": _store(
        _faiss(lambda: faiss.IndexFlatL2(DIM)), "euclidean", deletes=False, **NO_FILTERS
    ),
    "faiss-dot": _store(_faiss(lambda: faiss.IndexFlatIP(DIM)), "dot", deletes=False, **NO_FILTERS),
    "faiss-map": _store(
        _faiss(lambda: faiss.IndexIDMap(faiss.IndexFlatIP(DIM)), FaissMapVectorStore),
        "dot",
        **NO_FILTERS,
    ),
    "faiss-map2": _store(
        _faiss(lambda: faiss.IndexIDMap2(faiss.IndexFlatL2(DIM)), FaissMapVectorStore),
        "euclidean",
        **NO_FILTERS,
    ),
    "chroma": _store(_chroma("l2"), "euclidean"),
    "chroma-cosine": _store(_chroma("cosine"), "cosine"),
    "qdrant": _store(_qdrant(models.Distance.COSINE), "cosine", unit=True),
    "qdrant-dot": _store(_qdrant(models.Distance.DOT), "dot"),
    "lancedb": _store(
        _lancedb,
        "euclidean",
        snapshot=True,
        delete_nodes=_delete_rows,
        returns_texts=False,
        **NO_FILTERS,
    ),
    "postgres": _store(_postgres(), "cosine", snapshot=True),
    "postgres-half": _store(
        _postgres(use_halfvec=True), "cosine", tolerance=1e-3, snapshot=True, returns_texts=False
    ),
}
