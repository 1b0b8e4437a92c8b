"""Notice caches of other packages that give a query the vector of a document, or the reverse.

A model may embed a text as a query and as a document differently, and an adapted model always
does. LangChain's `CacheBackedEmbeddings` keeps both under the same keys if it is told to use one
store for both.
"""

import warnings
from collections.abc import Iterator
from typing import Any

from query_adapters.errors import QueryAdaptersWarning

INNER = ("underlying_embeddings", "base", "base_embed_model", "langchain_embeddings", "embed_model")
"""Attributes in which embedding models of both frameworks hold the model that they wrap."""
MAX_DEPTH = 10


def warn_of_mixed_roles(model: Any, *, stacklevel: int = 4) -> None:
    """Warn if the model, or one that it wraps, caches queries and documents under the same keys."""
    for layer in _layers(model):
        if _shares_keys(layer):
            warnings.warn(
                f"{type(layer).__name__} keeps queries and documents under the same keys: a text "
                "that is both gets one vector for both roles, the one that was asked for first. "
                "Use CachedEmbeddings (LangChain) or CachedEmbedding (LlamaIndex) of this package, "
                "or give `query_embedding_cache` a store of its own, and start with empty stores",
                QueryAdaptersWarning,
                stacklevel=stacklevel,
            )
            return


def _layers(model: Any) -> Iterator[Any]:
    """Yield the model and the models that it wraps, outermost first."""
    for _ in range(MAX_DEPTH):
        if model is None or isinstance(model, str):
            return
        yield model
        inner = (getattr(model, name, None) for name in INNER)
        model = next((one for one in inner if one is not None), None)


def _shares_keys(model: Any) -> bool:
    """Return whether two stores of a `CacheBackedEmbeddings` give a text the same key."""
    documents = getattr(model, "document_embedding_store", None)
    queries = getattr(model, "query_embedding_store", None)
    if documents is None or queries is None:
        return False
    if documents is queries:
        return True
    inner = [getattr(store, "store", store) for store in (documents, queries)]
    encoders = [getattr(store, "key_encoder", None) for store in (documents, queries)]
    return inner[0] is inner[1] and encoders[0] is encoders[1]
