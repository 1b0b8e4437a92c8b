"""Two small user-defined stores over one SQLite table, for which no reader is registered."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from llama_index.core.schema import BaseNode, TextNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

Row = tuple[str, str, Sequence[float]]


def write(path: str, rows: Iterable[Row]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS documents (id PRIMARY KEY, text, vector BLOB)")
        database.executemany(
            "INSERT INTO documents VALUES (?, ?, ?)",
            [(key, text, np.array(vector, np.float32).tobytes()) for key, text, vector in rows],
        )


def nearest(path: str, vector: Sequence[float], k: int) -> list[tuple[str, str, float]]:
    """Return the ids, texts and cosine scores of the k nearest documents, best first."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT id, text, vector FROM documents").fetchall()
    query = np.array(vector, np.float32)
    stored = np.array([np.frombuffer(blob, np.float32) for _, _, blob in rows])
    lengths = np.linalg.norm(stored, axis=1) * np.linalg.norm(query)
    cosines = stored @ query / np.maximum(lengths, 1e-9)
    return [(*rows[i][:2], float(cosines[i])) for i in np.argsort(-cosines, kind="stable")[:k]]


def texts_of(path: str, ids: Sequence[str]) -> Mapping[str, str]:
    marks = ", ".join("?" * len(ids))
    statement = f"SELECT id, text FROM documents WHERE id IN ({marks})"  # noqa: S608
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute(statement, list(ids)).fetchall())


class MyLlamaIndexStore(BasePydanticVectorStore):
    stores_text: bool = True
    path: str

    @property
    def client(self) -> None:
        return None

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        write(self.path, [(n.node_id, n.get_content(), n.get_embedding()) for n in nodes])
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        raise NotImplementedError

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        found = nearest(self.path, query.query_embedding or [], query.similarity_top_k)
        return VectorStoreQueryResult(
            nodes=[TextNode(id_=key, text=text) for key, text, _ in found],
            similarities=[cosine for _, _, cosine in found],
            ids=[key for key, _, _ in found],
        )


class MyLangChainStore(VectorStore):
    def __init__(self, path: str, embedding: Embeddings) -> None:
        self.path = path
        self.embedding = embedding

    @property
    def embeddings(self) -> Embeddings:
        return self.embedding

    @classmethod
    def from_texts(cls, *args: Any, **kwargs: Any) -> "MyLangChainStore":
        raise NotImplementedError

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        return [Document(text, id=key) for key, text in texts_of(self.path, ids).items()]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        found = nearest(self.path, self.embedding.embed_query(query), k)
        return [Document(text, id=key) for key, text, _ in found]
