"""Batch search for a retriever over vectors in memory.

Returns the same ids as a `VectorIndexRetriever` over a `SimpleVectorStore`, for many queries at
once. The retriever's events and callbacks are not sent; those of the embedding model are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.indices.vector_store.retrievers import VectorIndexRetriever
from llama_index.core.schema import BaseNode, IndexNode, QueryBundle
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from query_adapters.evaluation.search import Doubles, settled_run
from query_adapters.typing import Run, Texts


@dataclass(frozen=True, eq=False)
class IndexBatch:
    """The search of a retriever, for many queries at once.

    Args:
        retriever: The retriever.
        ids: The nodes that it searches.
        vectors: Their vectors, `(n_nodes, dim)`.
        id_of: Returns the id of a node, or of its unit.
    """

    retriever: VectorIndexRetriever
    ids: Sequence[str]
    vectors: Doubles
    id_of: Callable[[BaseNode], str]

    @classmethod
    def of(cls, retriever: BaseRetriever, id_of: Callable[[BaseNode], str]) -> Self | None:
        """Return the batch search, or None if the retriever's result may differ from it."""
        if type(retriever) is not VectorIndexRetriever or not _is_plain(retriever):
            return None
        store, wanted = retriever._vector_store, retriever._node_ids
        if type(store) is not SimpleVectorStore:
            return None
        stored = store.data.embedding_dict
        searched = stored if wanted is None else set(wanted)
        ids = [key for key in stored if key in searched]
        vectors = np.array([stored[key] for key in ids])
        in_doubles = vectors.dtype == np.float64 and bool(ids)
        return cls(retriever, ids, vectors, id_of) if in_doubles else None

    def embed(self, text: str) -> Embedding:
        """Return a query's vector, by the same call as the retriever's."""
        return self.retriever._embed_model.get_agg_embedding_from_queries([text])

    async def aembed(self, text: str) -> Embedding:
        """Return the same by the asynchronous method."""
        return await self.retriever._embed_model.aget_agg_embedding_from_queries([text])

    def run(self, queries: Texts, vectors: Mapping[str, Sequence[float]]) -> Run:
        """Return the run of the queries whose nodes the retriever would return as found.

        Args:
            queries: Texts of queries by id.
            vectors: Vectors by text.
        """
        found = self._found(vectors)
        nodes = self.retriever._docstore.get_nodes(_distinct(found), raise_error=False)
        return self._returned(queries, found, nodes)

    async def arun(self, queries: Texts, vectors: Mapping[str, Sequence[float]]) -> Run:
        """Return what `run` returns, by the document store's asynchronous method."""
        found = self._found(vectors)
        nodes = await self.retriever._docstore.aget_nodes(_distinct(found), raise_error=False)
        return self._returned(queries, found, nodes)

    def _found(self, vectors: Mapping[str, Sequence[float]]) -> Run:
        """Return the ids by text; ties are ranked by the store itself."""
        k = self.retriever.similarity_top_k
        settled = settled_run(vectors, self.ids, self.vectors, k=k)
        return {text: settled.get(text) or self._ranked(text, vectors[text]) for text in vectors}

    def _ranked(self, text: str, vector: Sequence[float]) -> list[str]:
        query = self.retriever._build_vector_store_query(QueryBundle(text, embedding=list(vector)))
        return self.retriever._vector_store.query(query).ids or []

    def _returned(self, queries: Texts, found: Run, nodes: Iterable[BaseNode]) -> Run:
        """Leave out queries with index nodes, which are followed, or with missing nodes."""
        known = self.retriever._index.index_struct.nodes_dict
        plain = (node for node in nodes if not isinstance(node, IndexNode))
        named = {n.node_id: self.id_of(n) for n in plain if known.get(n.node_id) == n.node_id}
        runs = ((query, found[text]) for query, text in queries.items())
        return {
            query: list(dict.fromkeys(named[key] for key in ids))
            for query, ids in runs
            if named.keys() >= set(ids)
        }


def _distinct(found: Run) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(found.values())))


def _is_plain(retriever: VectorIndexRetriever) -> bool:
    """Return whether the result depends on vectors alone."""
    options = (
        retriever._filters,
        retriever._doc_ids,
        retriever._alpha,
        retriever._sparse_top_k,
        retriever._hybrid_top_k,
    )
    return (
        retriever._vector_store_query_mode == VectorStoreQueryMode.DEFAULT
        and retriever._needs_embedding()
        and (retriever.similarity_top_k or 0) >= 1
        and not retriever._kwargs
        and all(option is None for option in options)
    )
