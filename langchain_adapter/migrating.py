"""An old and a new vector store as one LangChain retriever, while the new one fills."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypedDict, Unpack

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict, Field, PrivateAttr

from langchain_adapter.embedder import BaseLike
from langchain_adapter.embeddings import AdapterEmbeddings
from langchain_adapter.engines.base import embedder_of
from langchain_adapter.fusion import SCORE, Documents
from langchain_adapter.stores.live import live_index
from langchain_adapter.stores.searching import SearchedStore, checked_options, checked_store
from query_adapters.adapters.serving import AdapterLike
from query_adapters.data.units import UnitsOption
from query_adapters.embedders.identity import dim_of, model_name_of
from query_adapters.fusion.serving import checked_top_k
from query_adapters.upgrade.migration.ranking import MigrationHit
from query_adapters.upgrade.migration.report import MigrationReport
from query_adapters.upgrade.migration.search import IndexSearch
from query_adapters.upgrade.migration.serving import ServedMigration


class MigratingOptions(TypedDict, total=False):
    """Keyword-only arguments of `MigratingRetriever`.

    Attributes:
        k: How many documents are returned, at least 1; 10 by default. `invoke(question, k=3)`
            overrides it.
        filter: Which documents may be returned, as the searches of both stores take it.
        search_kwargs: Further options of `similarity_search_by_vector`, for both stores.
        units: What makes two entries the same document: "chunk", their id, by default; or as in
            `IndexOptions`, where the new store is split in another way.
        check_model: Whether to refuse a bridge that was fitted for another model; True by default.
        name: As in every LangChain retriever.
        tags: As in every LangChain retriever.
        metadata: As in every LangChain retriever.
    """

    k: int
    filter: Any
    search_kwargs: dict[str, Any]
    units: UnitsOption
    check_model: bool
    name: str | None
    tags: list[str] | None
    metadata: dict[str, Any] | None


class MigratingRetriever(MigrationReport, BaseRetriever):
    """Searches an old store through a bridge and a new one, which fills with the same documents.

    The new model embeds the question once. A document that is in the new store comes from there
    alone, whatever the old one returns. Documents are copies whose `id` is set and whose
    `metadata["relevance_score"]` is the score, on the scale of the new store: scores of the old
    one are put on it for each question. Both stores are only read.

    Embed the ids of `next_to_embed` with the new model and add the documents under the same ids to
    the new store, until `progress()` states that nothing is left; then search the new store alone.
    Delete a document from both stores, or its old vector counts again.

    Args:
        old_vectorstore: The store of the old model.
        new_vectorstore: The store of the new model, which may be empty.
        bridge: The folder of a `ModelUpgradeEngine`, or what was read from it.
        new_embeddings: The new model; by default that of the new store.
        **options: As in `MigratingOptions`.

    Raises:
        UnreadableStoreError: If one is not a vector store, or its vectors cannot be read back.
        AdapterFileError: If the bridge was saved without a sample of documents.
        AdapterMismatchError: If the bridge belongs to another model or other stores.
        DimensionMismatchError: If vectors of the model or of a store are of another length.
        InvalidVectorsError: If the old store is empty.
        InvalidDatasetError: If `units` finds no unit of a document.
        TypeError: If an argument has an unsupported type.
        ValueError: If `k` is below 1, or `search_kwargs` holds it.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    old_vectorstore: VectorStore = Field(exclude=True, frozen=True)
    new_vectorstore: VectorStore = Field(exclude=True, frozen=True)
    embeddings: Embeddings = Field(exclude=True, frozen=True)
    k: int = 10
    filter: Any = Field(default=None, exclude=True)
    search_kwargs: dict[str, Any] = Field(default_factory=dict, exclude=True)
    units: Any = Field(default="chunk", exclude=True, frozen=True)
    check_model: bool = True
    _served: ServedMigration = PrivateAttr()

    def __init__(
        self,
        old_vectorstore: VectorStore,
        new_vectorstore: VectorStore,
        bridge: AdapterLike,
        new_embeddings: BaseLike | None = None,
        **options: Unpack[MigratingOptions],
    ) -> None:
        old, new = checked_store(old_vectorstore), checked_store(new_vectorstore)
        model = embedder_of(new_embeddings, new).embeddings
        base = model.base if isinstance(model, AdapterEmbeddings) else model
        units = options.get("units", "chunk")
        served = ServedMigration(
            bridge,
            old=partial(live_index, old, units),
            new=partial(live_index, new, units),
            model_name=model_name_of(base) if options.get("check_model", True) else None,
            dim=dim_of(base),
        )
        fields: dict[str, Any] = {
            "old_vectorstore": old,
            "new_vectorstore": new,
            "embeddings": base,
        }
        super().__init__(**{**fields, **options})
        checked_top_k(self.k)
        checked_options(self.search_kwargs)
        self._served = served

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        n = checked_top_k(self.k if k is None else k)
        search = self._served.search(self.embeddings.embed_query(query), n)
        found: dict[bool, Documents] = {}
        while search.wanted:
            found |= {one.is_new: self._store(one).nearest(*_of(one)) for one in search.wanted}
            search.take([list(found[one.is_new]) for one in search.wanted])
        return _best(search.hits, found)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        n = checked_top_k(self.k if k is None else k)
        vector = await self.embeddings.aembed_query(query)
        search = await run_in_executor(None, self._served.search, vector, n)
        found: dict[bool, Documents] = {}
        while search.wanted:
            asking = (self._store(one).anearest(*_of(one)) for one in search.wanted)
            results = await asyncio.gather(*asking)
            found |= {one.is_new: r for one, r in zip(search.wanted, results, strict=True)}
            await run_in_executor(None, search.take, [list(result) for result in results])
        return _best(search.hits, found)

    def _store(self, search: IndexSearch) -> SearchedStore:
        store = self.new_vectorstore if search.is_new else self.old_vectorstore
        given = {} if self.filter is None else {"filter": self.filter}
        return SearchedStore(store, {**self.search_kwargs, **given})


def _of(search: IndexSearch) -> tuple[list[float], int]:
    return search.vector.tolist(), search.k


def _best(hits: Sequence[MigrationHit], found: Mapping[bool, Documents]) -> list[Document]:
    return [_copy(found[hit.is_new][hit.id], hit) for hit in hits]


def _copy(document: Document, hit: MigrationHit) -> Document:
    metadata = {**document.metadata, SCORE: hit.score}
    return document.model_copy(update={"id": hit.id, "metadata": metadata})
