"""A LangChain vector store as the learned retriever searches it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore

from langchain_adapter.stores.documents import Access, access_to
from query_adapters.errors import UnreadableStoreError


@dataclass(frozen=True, eq=False)
class SearchedStore:
    """A vector store with the options of its search.

    Attributes:
        store: The vector store.
        options: Options of `similarity_search_by_vector`, such as `filter`.
        id_key: The metadata key of a document's id; None for the store's own way.
    """

    store: VectorStore
    options: Mapping[str, Any] = field(default_factory=dict)
    id_key: str | None = None

    def nearest(self, vector: Sequence[float], k: int) -> dict[str, Document]:
        """Return the `k` nearest documents that the filter admits, by id, nearest first.

        Raises:
            UnreadableStoreError: If the store returns no ids.
        """
        return self._with_ids(
            self.store.similarity_search_by_vector(list(vector), k=k, **self._options(k))
        )

    async def anearest(self, vector: Sequence[float], k: int) -> dict[str, Document]:
        """Return the same, by the asynchronous method of a store that has one."""
        if self._is_synchronous:
            return await run_in_executor(None, self.nearest, vector, k)
        found = await self.store.asimilarity_search_by_vector(list(vector), k=k, **self._options(k))
        return await run_in_executor(None, self._with_ids, found)

    def documents(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return the documents by id; those that the store lacks, or the filter, are left out.

        Raises:
            UnreadableStoreError: If the store does not return documents by id.
        """
        if not ids:
            return {}
        found = self._access.documents(self.store, list(ids), self.options)
        return {self._id_of(document): document for document in found}

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts of documents by id; those without a text are left out.

        Raises:
            UnreadableStoreError: If the store does not return documents by id.
        """
        found = self.documents(ids).items()
        return {key: document.page_content for key, document in found if document.page_content}

    @property
    def is_filtered(self) -> bool:
        """Whether the options restrict which documents may be returned."""
        names = self.options if self._access.filters is None else self._access.filters
        return any(self.options.get(name) is not None for name in names)

    @cached_property
    def _access(self) -> Access:
        return access_to(self.store)

    @property
    def _is_synchronous(self) -> bool:
        """Whether it is a PGVector without `async_mode`, whose asynchronous methods fail."""
        return getattr(self.store, "_async_engine", ...) is None

    def _options(self, k: int) -> Mapping[str, Any]:
        return self._access.options(self.store, k, self.options)

    def _with_ids(self, documents: Sequence[Document]) -> dict[str, Document]:
        return {self._id_of(document): document for document in documents}

    def _id_of(self, document: Document) -> str:
        key = self.id_key or self._access.id_key
        found = document.id if key is None else document.metadata.get(key)
        if found in (None, ""):
            place = "Document.id" if key is None else f"metadata[{key!r}]"
            raise UnreadableStoreError(
                type(self.store).__name__,
                expected=f"a vector store that returns the ids of documents, in {place}",
                remedy="keep the id in the metadata as well when documents are added, and name "
                'its key, as id_key="..."; documents of a FAISS folder without ids are added again',
            )
        return str(found)


def checked_store(vectorstore: Any) -> VectorStore:
    """Return the vector store.

    Raises:
        UnreadableStoreError: If it is not one.
    """
    if isinstance(vectorstore, VectorStore):
        return vectorstore
    hint = "pass the store that it searches, as retriever.vectorstore"
    raise UnreadableStoreError(
        type(vectorstore).__name__,
        expected="a LangChain vector store",
        remedy=hint if hasattr(vectorstore, "vectorstore") else "pass vectorstore first",
    )


def checked_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of a search.

    Raises:
        ValueError: If they hold the number of documents.
    """
    if "k" in options:
        raise ValueError(
            f"search_kwargs: expected options of the search other than k, got k={options['k']}; "
            "pass k to the retriever itself"
        )
    return options
