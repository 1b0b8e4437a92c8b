"""Stored vectors, read back out of a vector store that is there already.

Read are the in-memory store, FAISS, Chroma, Qdrant, LanceDB and PostgreSQL with pgvector. For
another one, add a reader to `READERS`, or pass blocks of (ids, vectors) in place of the store.
"""

from langchain_adapter.stores.checking import check_prefix
from langchain_adapter.stores.documents import ACCESS, Access
from langchain_adapter.stores.readers import READERS
from langchain_adapter.stores.reading import Store, stored_similarity, stored_vectors

__all__ = [
    "ACCESS",
    "READERS",
    "Access",
    "Store",
    "check_prefix",
    "stored_similarity",
    "stored_vectors",
]
