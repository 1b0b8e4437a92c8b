"""The vector stores of LangChain, each filled with a few documents and opened again."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_postgres import Column, PGEngine, PGVector, PGVectorStore
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models
from sqlalchemy import NullPool

from tests.stores.place import DIM, Place

with warnings.catch_warnings():  # of what langchain-community itself imports
    warnings.simplefilter("ignore", DeprecationWarning)
    from langchain_community.vectorstores import FAISS, LanceDB
    from langchain_community.vectorstores.utils import DistanceStrategy


class CountingEmbeddings(Embeddings):
    """Vectors from a hash of role and text; counts the documents."""

    def __init__(self) -> None:
        self.n_documents = 0

    def vector(self, role: str, text: str) -> list[float]:
        seed = int.from_bytes(hashlib.sha256(f"{role}|{text}".encode()).digest()[:8], "little")
        numbers: list[float] = np.random.default_rng(seed).normal(size=DIM).tolist()
        return numbers

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.n_documents += len(texts)
        return [self.vector("document", text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vector("query", text)


@dataclass(frozen=True)
class Shop:
    """A store of one kind.

    Attributes:
        open: Returns the store at a place, new or with what it holds.
        similarity: What it ranks by.
        save: Writes a store to its place, if it does not do so by itself.
        unit: Whether it brings vectors to length 1.
        only_even: Search arguments for documents whose `kind` is "even"; none where it has none.
        snapshot: Whether what is read is what was there when reading began.
    """

    open: Callable[[Place, Embeddings], VectorStore]
    similarity: str
    save: Callable[[Any, Place], object] = lambda store, place: None
    unit: bool = False
    only_even: dict[str, Any] = field(default_factory=dict)
    snapshot: bool = False

    def close(self, store: VectorStore) -> None:
        """Let go of files that only one client may hold."""
        if isinstance(store, QdrantVectorStore):
            store.client.close()

    def reopen(self, store: VectorStore, place: Place, embedding: Embeddings) -> VectorStore:
        self.save(store, place)
        self.close(store)
        return self.open(place, embedding)


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


def _pgvector(place: Place, embedding: Embeddings) -> VectorStore:
    options = {"poolclass": NullPool}
    return PGVector(
        embedding,
        connection=place.postgres(),
        collection_name=place.table,
        engine_args=options,
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
QDRANT_EVEN = models.Filter(
    must=[models.FieldCondition(key="metadata.kind", match=models.MatchValue(value="even"))]
)

SHOPS = {
    "in-memory": Shop(
        _in_memory,
        "cosine",
        save=lambda store, place: store.dump(str(place.folder / "store.json")),
        only_even={"filter": _is_even},
        snapshot=True,
    ),
    "faiss": Shop(_faiss(), "euclidean", _save_faiss, only_even={**EVEN, "fetch_k": 100}),
    "faiss-dot": Shop(
        _faiss(distance_strategy=DistanceStrategy.MAX_INNER_PRODUCT), "dot", _save_faiss
    ),
    "faiss-unit": Shop(_faiss(normalize_L2=True), "cosine", _save_faiss, unit=True),
    "chroma": Shop(_chroma(), "euclidean", only_even=EVEN),
    "chroma-dot": Shop(
        _chroma(collection_configuration={"hnsw": {"space": "ip"}}), "dot", only_even=EVEN
    ),
    "qdrant": Shop(
        _qdrant(models.Distance.COSINE), "cosine", unit=True, only_even={"filter": QDRANT_EVEN}
    ),
    "qdrant-euclid": Shop(
        _qdrant(models.Distance.EUCLID), "euclidean", only_even={"filter": QDRANT_EVEN}
    ),
    "lancedb": Shop(_lancedb, "euclidean", snapshot=True),
    "pgvector": Shop(_pgvector, "cosine", only_even=EVEN, snapshot=True),
    "pgvectorstore": Shop(_pgvectorstore, "cosine", only_even=EVEN, snapshot=True),
}
