"""Read an existing vector store for training."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from langchain_core.vectorstores import VectorStore

from langchain_adapter.stores.reading import open_store
from query_adapters.stores import LiveIndex
from query_adapters.stores.chroma import ChromaSource

logger = logging.getLogger(__name__)


def live_index(vectorstore: VectorStore) -> LiveIndex:
    """Return the vector store as the core's LiveIndex.

    Raises:
        UnreadableStoreError: If vectors cannot be read back from it.
    """
    source = open_store(vectorstore).source
    texts: Callable[[Sequence[str]], dict[str, str]] = partial(stored_texts, vectorstore)
    if isinstance(source, ChromaSource):  # get_by_ids fails on documents without metadata
        texts = source.texts
    return LiveIndex(
        name=type(vectorstore).__name__,
        source=source,
        texts=texts,
        hint=_hint,
    )


def stored_texts(vectorstore: VectorStore, ids: Sequence[str]) -> dict[str, str]:
    """Return the texts of documents by id; those that the store does not return are left out."""
    texts: dict[str, str] = {}
    for key in ids:  # one by one, because not every store returns the ids
        try:
            found = vectorstore.get_by_ids([key])
        except (
            Exception
        ) as error:  # every store raises another error, and training works without texts
            logger.info("%s gives no documents back: %s", type(vectorstore).__name__, error)
            continue
        if found and found[0].page_content:
            texts[key] = found[0].page_content
    return texts


def _hint(missing: Sequence[str]) -> str:
    return (
        "ids under which documents were added are expected (`Document.id`; Qdrant: "
        'metadata["_id"]): correct them, or drop questions about documents that were deleted'
    )
