"""Resolve the base model of an engine: the one given, or the vector store's own."""

from collections.abc import Mapping

from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever

from langchain_adapter.embedder import BaseLike, LangChainEmbedder
from langchain_adapter.embeddings import AdapterEmbeddings
from langchain_adapter.stores import Store
from query_adapters.errors import UnreadableStoreError


def embedder_of(embeddings: BaseLike | None, vectorstore: Store | None) -> LangChainEmbedder:
    """Return the embedder of the model, by default of the store's model without its adapter.

    Raises:
        TypeError: If there is no model, or it is not an embedding model.
        UnreadableStoreError: If `vectorstore` is a retriever or a mapping.
    """
    if isinstance(vectorstore, BaseRetriever):
        raise UnreadableStoreError(
            type(vectorstore).__name__,
            expected="a vector store, not a retriever",
            remedy="pass the store that it searches, as retriever.vectorstore",
        )
    if isinstance(vectorstore, Mapping):
        raise UnreadableStoreError(
            type(vectorstore).__name__,
            expected="a vector store",
            remedy="pass the questions first and then the vector store",
        )
    if embeddings is None and vectorstore is not None:
        stored = own_model(vectorstore)
        embeddings = stored.base if isinstance(stored, AdapterEmbeddings) else stored
    if embeddings is None:
        raise TypeError(
            "embeddings: expected a LangChain embedding model, got none, and no vectorstore "
            "with a model; pass the model that the documents are embedded with"
        )
    return LangChainEmbedder(embeddings)


def own_model(vectorstore: object) -> Embeddings | None:
    """Return the vector store's model; None if it has none, as blocks have not.

    Some stores, such as SQLiteVec, do not give theirs away by the property `embeddings`.
    """
    model = getattr(vectorstore, "embeddings", None)
    return getattr(vectorstore, "_embedding", None) if model is None else model
