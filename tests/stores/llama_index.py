"""The vector stores of LlamaIndex, each built with a few nodes and opened again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import chromadb
import faiss
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.vector_stores.chroma import ChromaVectorStore
from llama_index.vector_stores.faiss import FaissMapVectorStore, FaissVectorStore
from llama_index.vector_stores.lancedb import LanceDBVectorStore
from llama_index.vector_stores.postgres import PGVectorStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models
from sqlalchemy import NullPool

from tests.stores.place import DIM, Place


@dataclass(frozen=True)
class Shop:
    """A store of one kind.

    Attributes:
        open: Returns the store at a place, new or with what it holds.
        similarity: What it ranks by.
        unit: Whether it brings vectors to length 1.
        tolerance: How far it rounds.
        filters: Whether it filters by metadata.
        snapshot: Whether what is read is what was there when reading began.
        delete: Deletes a node, or empties the store without ids; None where it cannot.
    """

    open: Callable[[Place], BasePydanticVectorStore]
    similarity: str
    unit: bool = False
    tolerance: float = 1e-6
    filters: bool = False
    snapshot: bool = False
    delete: Callable[[Any, Sequence[str]], object] | None = None

    def build(
        self, place: Place, nodes: Sequence[BaseNode], model: BaseEmbedding
    ) -> VectorStoreIndex:
        context = StorageContext.from_defaults(vector_store=self.open(place))
        index = VectorStoreIndex(nodes, storage_context=context, embed_model=model)
        context.persist(str(place.folder))
        return index

    def close(self, index: VectorStoreIndex) -> None:
        """Let go of files that only one client may hold."""
        if isinstance(index.vector_store, QdrantVectorStore):
            index.vector_store.client.close()

    def reopen(self, place: Place, model: BaseEmbedding) -> VectorStoreIndex:
        store = self.open(place)
        if store.stores_text:
            return VectorStoreIndex.from_vector_store(store, embed_model=model)
        context = StorageContext.from_defaults(vector_store=store, persist_dir=str(place.folder))
        index = load_index_from_storage(context, embed_model=model)
        assert isinstance(index, VectorStoreIndex)
        return index


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


def _delete(store: Any, ids: Sequence[str]) -> None:
    store.delete_nodes(list(ids))


def _delete_rows(store: Any, ids: Sequence[str]) -> None:
    store.table.delete(f"id IN {tuple(ids)}".replace(",)", ")"))


SHOPS = {
    "simple": Shop(_simple, "cosine", filters=True, delete=_delete),
    "faiss": Shop(_faiss(lambda: faiss.IndexFlatL2(DIM)), "euclidean"),
    "faiss-dot": Shop(_faiss(lambda: faiss.IndexFlatIP(DIM)), "dot"),
    "faiss-map": Shop(
        _faiss(lambda: faiss.IndexIDMap(faiss.IndexFlatIP(DIM)), FaissMapVectorStore),
        "dot",
        delete=_delete,
    ),
    "faiss-map2": Shop(
        _faiss(lambda: faiss.IndexIDMap2(faiss.IndexFlatL2(DIM)), FaissMapVectorStore),
        "euclidean",
        delete=_delete,
    ),
    "chroma": Shop(_chroma("l2"), "euclidean", filters=True, delete=_delete),
    "chroma-cosine": Shop(_chroma("cosine"), "cosine", filters=True, delete=_delete),
    "qdrant": Shop(
        _qdrant(models.Distance.COSINE), "cosine", unit=True, filters=True, delete=_delete
    ),
    "qdrant-dot": Shop(_qdrant(models.Distance.DOT), "dot", filters=True, delete=_delete),
    "lancedb": Shop(_lancedb, "euclidean", snapshot=True, delete=_delete_rows),
    "postgres": Shop(_postgres(), "cosine", filters=True, snapshot=True, delete=_delete),
    "postgres-half": Shop(
        _postgres(use_halfvec=True),
        "cosine",
        tolerance=1e-3,
        filters=True,
        snapshot=True,
        delete=_delete,
    ),
}
