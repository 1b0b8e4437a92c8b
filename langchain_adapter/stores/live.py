"""Read an existing vector store for training."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from langchain_adapter.documents import document_id
from langchain_adapter.stores.documents import access_to
from langchain_adapter.stores.reading import Store, open_store
from langchain_adapter.units import rule_of
from query_adapters.data.units import UnitsOption
from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import LiveIndex, StoredVectors, StoreReader
from query_adapters.stores.source import TextSource

logger = logging.getLogger(__name__)


def live_index(vectorstore: VectorStore, units: UnitsOption = "chunk") -> LiveIndex:
    """Return the vector store as the core's LiveIndex.

    Args:
        vectorstore: The vector store.
        units: What labels are on, as in `IndexOptions`.

    Raises:
        TypeError: If `units` is neither a string nor a function.
        UnreadableStoreError: If vectors cannot be read back from it.
    """
    source = open_store(vectorstore).source
    texts: Callable[[Sequence[str]], Mapping[str, str]] = partial(stored_texts, vectorstore)
    if isinstance(source, TextSource):  # get_by_ids is missing, or fails without metadata
        texts = source.texts
    return LiveIndex(
        name=type(vectorstore).__name__,
        source=source,
        texts=texts,
        hint=_hint,
        chunks=partial(stored_documents, vectorstore),
        units=rule_of(units),
    )


def opened(store: Store, units: UnitsOption) -> StoreReader | StoredVectors:
    """Return the store for reading; with units, its vectors and the units of its documents.

    Raises:
        InvalidDatasetError: If a document cannot be read back, or has no unit, or several.
        UnreadableStoreError: If vectors or documents cannot be read back from it.
    """
    if units == "chunk":
        return open_store(store)
    if not isinstance(store, VectorStore):
        raise UnreadableStoreError(
            type(store).__name__,
            expected="a vector store, whose documents have metadata, to read units",
            remedy="pass StoredVectors with `units` and leave this option out",
        )
    return live_index(store, units).with_units(open_store(store).gather())


def stored_documents(vectorstore: VectorStore, ids: Sequence[str]) -> dict[str, Document]:
    """Return documents by id; those that the store does not return are left out.

    Raises:
        UnreadableStoreError: If the store does not return documents by id.
    """
    access = access_to(vectorstore)
    found = access.documents(vectorstore, ids, {})
    return {document_id(document, access.id_key): document for document in found}


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
        'metadata["_id"]): correct them, or drop questions about documents that were deleted; if '
        "ids are of parents or sources, name the metadata key that holds them, as "
        'units="doc_id"'
    )
