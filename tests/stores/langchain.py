"""The vector stores of LangChain."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_postgres import Column, PGEngine, PGVector, PGVectorStore
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models
from sqlalchemy import NullPool

from tests.stores.kind import Chunk, StoreKind
from tests.stores.place import DIM, Place

with warnings.catch_warnings():  # from imports of langchain-community
    warnings.simplefilter("ignore", DeprecationWarning)
    from langchain_community.vectorstores import FAISS, LanceDB
    from langchain_community.vectorstores.utils import DistanceStrategy


Open = Callable[[Place, Embeddings], VectorStore]


def _keep(store: Any, place: Place) -> None:
    """Do nothing, for stores that save their files automatically."""


@dataclass(frozen=True, kw_only=True)
class LangChainStore(StoreKind):
    """A store of LangChain.

    Attributes:
        open: Opens the store at a place, or creates it there.
        save: Saves a store to its place, if it does not save automatically.
        only_even: Search arguments that select documents whose `kind` is "even".
    """

    open: Open
    save: Callable[[Any, Place], None] = _keep
    only_even: Mapping[str, Any] = field(default_factory=dict)
    evaluator_options: Mapping[str, Any] = field(default_factory=lambda: {"id_key": "key"})

    def fill(self, place: Place, chunks: Sequence[Chunk], model: Any) -> VectorStore:
        store = self.open(place, model)
        if chunks:  # some stores reject an empty list
            documents = [
                Document(chunk.text, metadata={"kind": "even", **chunk.metadata, "key": chunk.key})
                for chunk in chunks
            ]
            store.add_documents(documents, ids=[chunk.key for chunk in chunks])
        return store

    def reopen(self, store: VectorStore, place: Place, model: Any) -> VectorStore:
        self.save(store, place)
        self.close(store)
        return self.open(place, model)

    def close(self, store: VectorStore) -> None:
        if isinstance(store, QdrantVectorStore):
            store.client.close()

    def remove(self, store: VectorStore) -> None:
        if isinstance(store, PGVector):  # ids are unique across the collections of a database
            store.delete_collection()
        self.close(store)

    def delete(self, store: VectorStore, keys: Sequence[str]) -> None:
        if isinstance(store, LanceDB):  # before langchain-community 0.4.2 ids delete nothing
            store.delete(filter=f"id IN ({', '.join(map(repr, keys))})")
        else:
            store.delete(list(keys))

    def retriever(self, store: VectorStore, k: int, *, only_even: bool = False) -> Any:
        return store.as_retriever(search_kwargs={"k": k, **(self.only_even if only_even else {})})

    def search(self, retriever: Any, question: str) -> list[str]:
        return [document.metadata["key"] for document in retriever.invoke(question)]

    def embedded_text(self, chunk: Chunk) -> str:
        return chunk.text


def _in_memory(place: Place, embedding: Embeddings) -> VectorStore:
    file = place.folder / "store.json"
    if file.exists():
        return InMemoryVectorStore.load(str(file), embedding)
    return InMemoryVectorStore(embedding)


def _faiss(**options: Any) -> Any:
    def open_store(place: Place, embedding: Embeddings) -> VectorStore:
        folder = place.folder / "faiss"
        if folder.exists():
            return FAISS.load_local(
                str(folder), embedding, allow_dangerous_deserialization=True, **options
            )
        store = FAISS.from_embeddings([("", [1.0] * DIM)], embedding, ids=["first"], **options)
        store.delete(["first"])
        return store

    return open_store


def _chroma(**options: Any) -> Any:
    def open_store(place: Place, embedding: Embeddings) -> VectorStore:
        folder = str(place.folder / "chroma")
        return Chroma("documents", embedding, persist_directory=folder, **options)

    return open_store


def _qdrant(distance: models.Distance) -> Any:
    def open_store(place: Place, embedding: Embeddings) -> VectorStore:
        client = QdrantClient(path=str(place.folder / "qdrant"))
        if not client.collection_exists("docs"):
            params = models.VectorParams(size=DIM, distance=distance)
            client.create_collection("docs", vectors_config=params)
        return QdrantVectorStore(
            client, "docs", embedding, distance=distance, validate_collection_config=False
        )

    return open_store


def _lancedb(place: Place, embedding: Embeddings) -> VectorStore:
    return LanceDB(uri=str(place.folder / "lance"), embedding=embedding)


def pgvector(place: Place, embedding: Embeddings, *, async_mode: bool = False) -> VectorStore:
    return PGVector(
        embedding,
        connection=place.postgres(),
        collection_name=place.table,
        engine_args={"poolclass": NullPool},
        async_mode=async_mode,
    )


def _pgvectorstore(place: Place, embedding: Embeddings) -> VectorStore:
    engine = PGEngine.from_connection_string(place.postgres(), poolclass=NullPool)
    marker = place.folder / "table"
    if not marker.exists():
        engine.init_vectorstore_table(
            place.table, DIM, metadata_columns=[Column("kind", "TEXT"), Column("key", "TEXT")]
        )
        marker.touch()
    return PGVectorStore.create_sync(
        engine, embedding, place.table, metadata_columns=["kind", "key"]
    )


def _is_even(document: Document) -> bool:
    return bool(document.metadata["kind"] == "even")


def _save_faiss(store: Any, place: Place) -> None:
    store.save_local(str(place.folder / "faiss"))


EVEN = {"filter": {"kind": "even"}}
QDRANT_EVEN = {
    "filter": models.Filter(
        must=[models.FieldCondition(key="metadata.kind", match=models.MatchValue(value="even"))]
    )
}


def _store(open_store: Open, similarity: str, **options: Any) -> LangChainStore:
    return LangChainStore(open=open_store, similarity=similarity, **options)


KINDS = {
    "in-memory": _store(
        _in_memory,
        "cosine",
        save=lambda store, place: store.dump(str(place.folder / "store.json")),
        only_even={"filter": _is_even},
        snapshot=True,
    ),
    "faiss": _store(_faiss(), "euclidean", save=_save_faiss, only_even={**EVEN, "fetch_k": 100}),
    "faiss-dot": _store(
        _faiss(distance_strategy=DistanceStrategy.MAX_INNER_PRODUCT),
        "dot",
        save=_save_faiss,
        filters=False,
    ),
    "faiss-unit": _store(
        _faiss(normalize_L2=True), "cosine", save=_save_faiss, unit=True, filters=False
    ),
    "chroma": _store(_chroma(), "euclidean", only_even=EVEN),
    "chroma-dot": _store(
        _chroma(collection_configuration={"hnsw": {"space": "ip"}}), "dot", only_even=EVEN
    ),
    "qdrant": _store(_qdrant(models.Distance.COSINE), "cosine", unit=True, only_even=QDRANT_EVEN),
    "qdrant-euclid": _store(_qdrant(models.Distance.EUCLID), "euclidean", only_even=QDRANT_EVEN),
    "lancedb": _store(_lancedb, "euclidean", snapshot=True, filters=False, returns_texts=False),
    "pgvector": _store(pgvector, "cosine", only_even=EVEN, snapshot=True),
    "pgvectorstore": _store(_pgvectorstore, "cosine", only_even=EVEN, snapshot=True),
}
