"""Batch search for a retriever over vectors in memory.

Returns the same documents as a `VectorStoreRetriever` over an `InMemoryVectorStore`, for many
queries at once. The retriever's runs are not traced.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever

from query_adapters.evaluation.search import Doubles, settled_run
from query_adapters.typing import Run, Texts


@dataclass(frozen=True, eq=False)
class StoreBatch:
    """The search of a retriever, for many queries at once.

    Args:
        store: The vector store.
        k: Documents per query.
        id_of: Returns the id of a document, or of its unit.
        keys: The documents in the store.
        vectors: Their vectors, `(n_documents, dim)`.
    """

    store: InMemoryVectorStore
    k: int
    id_of: Callable[[Document], str]
    keys: Sequence[str]
    vectors: Doubles

    @classmethod
    def of(cls, retriever: object, id_of: Callable[[Document], str]) -> Self | None:
        """Return the batch search, or None if the retriever's result may differ from it."""
        if type(retriever) is not VectorStoreRetriever or not _is_plain(retriever):
            return None
        store, k = retriever.vectorstore, retriever.search_kwargs["k"]
        if type(store) is not InMemoryVectorStore or find_spec(
            "simsimd"
        ):  # which computes in single precision
            return None
        vectors = np.array([entry["vector"] for entry in store.store.values()])
        in_doubles = len(vectors) > 0 and vectors.dtype == np.float64
        return cls(store, k, id_of, list(store.store), vectors) if in_doubles else None

    def embed(self, text: str) -> list[float]:
        """Return a query's vector, by the same call as the retriever's."""
        return self.store.embedding.embed_query(text)

    async def aembed(self, text: str) -> list[float]:
        """Return the same by the asynchronous method."""
        return await self.store.embedding.aembed_query(text)

    def run(self, queries: Texts, vectors: Mapping[str, Sequence[float]]) -> Run:
        """Return the run; ties are ranked by the store itself.

        Args:
            queries: Texts of queries by id.
            vectors: Vectors by text.
        """
        settled = settled_run(vectors, self.keys, self.vectors, k=self.k)
        found = {text: self._documents(vectors[text], settled.get(text)) for text in vectors}
        ids = {text: list(dict.fromkeys(map(self.id_of, found[text]))) for text in found}
        return {query: ids[text] for query, text in queries.items()}

    async def arun(self, queries: Texts, vectors: Mapping[str, Sequence[float]]) -> Run:
        """Return what `run` returns: the store is in memory."""
        return self.run(queries, vectors)

    def _documents(self, vector: Sequence[float], keys: Sequence[str] | None) -> list[Document]:
        if keys is None:
            return self.store.similarity_search_by_vector(list(vector), k=self.k)
        return self.store.get_by_ids(keys)


def _is_plain(retriever: VectorStoreRetriever) -> bool:
    """Return whether the result depends on vectors alone."""
    options = retriever.search_kwargs
    k = options.get("k")
    return retriever.search_type == "similarity" and options.keys() == {"k"} and (k or 0) >= 1
