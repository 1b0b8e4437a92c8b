"""Stored vectors, read back out of an index that is there already.

Read are the default in-memory store, FAISS, Chroma, Qdrant, LanceDB, PostgreSQL with pgvector,
and every store whose `get_nodes` returns nodes with their embeddings. For another one, add a
reader to `READERS`, or pass blocks of (ids, vectors) in place of the index.
"""

from llama_index_finetune_plugin.stores.checking import check_prefix
from llama_index_finetune_plugin.stores.readers import READERS
from llama_index_finetune_plugin.stores.reading import Store, stored_similarity, stored_vectors

__all__ = ["READERS", "Store", "check_prefix", "stored_similarity", "stored_vectors"]
