"""Find the prefix that the documents of a vector store were embedded with."""

from collections.abc import Sequence
from typing import Any

from langchain_core.vectorstores import VectorStore

from langchain_adapter.embedder import as_text_embedder
from langchain_adapter.stores.live import live_index
from query_adapters.stores import PrefixCheck
from query_adapters.stores import check_prefix as check_prefix_of
from query_adapters.stores.index_check import N_TEXTS


def check_prefix(
    vectorstore: VectorStore,
    embeddings: Any,
    *,
    n_texts: int = N_TEXTS,
    prefixes: Sequence[str] | None = None,
) -> PrefixCheck:
    """Return which prefix, if any, the stored documents were embedded with.

    Args:
        vectorstore: The vector store.
        embeddings: The model that built it, as in `LangChainEmbedder`, or a `TextEmbedder`.
        n_texts: The most documents to embed, once in each way.
        prefixes: Prefixes to try; by default those of the model's family.

    Raises:
        InvalidVectorsError: If the store returns no vectors or no texts.
        DimensionMismatchError: If the stored vectors are longer than the model's.
        UnreadableStoreError: If vectors cannot be read back from the store.
    """
    return check_prefix_of(
        live_index(vectorstore), as_text_embedder(embeddings), n_texts=n_texts, prefixes=prefixes
    )
