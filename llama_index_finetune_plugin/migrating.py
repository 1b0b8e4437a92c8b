"""An old and a new index as one LlamaIndex retriever, while the new one fills."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypedDict, Unpack

from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from llama_index_finetune_plugin._top_k import HasTopK
from llama_index_finetune_plugin.embedder import BaseLike, resolve_base
from llama_index_finetune_plugin.fusion import embedded_strings
from llama_index_finetune_plugin.stores.live import live_index, own_model, without_adapter
from llama_index_finetune_plugin.stores.lookup import Found, found_in, nodes_by_id
from query_adapters.adapters.serving import AdapterLike
from query_adapters.data.units import UnitsOption
from query_adapters.embedders.identity import dim_of, model_name_of
from query_adapters.upgrade.migration.ranking import MigrationHit
from query_adapters.upgrade.migration.report import MigrationReport
from query_adapters.upgrade.migration.search import IndexSearch
from query_adapters.upgrade.migration.serving import ServedMigration


class MigratingOptions(TypedDict, total=False):
    """Keyword-only arguments of `MigratingRetriever`.

    Attributes:
        similarity_top_k: Number of nodes to retrieve, at least 1; 10 by default.
        filters: Metadata filters, for both indexes.
        units: What makes two nodes the same document: "chunk", their id, by default; or as in
            `IndexOptions`, such as "document", where the new index is split in another way.
        check_model: Whether to refuse a model of another name than the recorded one.
        vector_store_kwargs: Options of the search, for the vector stores of both indexes.
        callback_manager: As in every retriever; the new index's if left out.
        object_map: As in every retriever; the new index's if left out.
        objects: As in every retriever.
        verbose: As in every retriever.
    """

    similarity_top_k: int
    filters: MetadataFilters | None
    units: UnitsOption
    check_model: bool
    vector_store_kwargs: Mapping[str, Any] | None
    callback_manager: CallbackManager | None
    object_map: dict[str, Any] | None
    objects: list[IndexNode] | None
    verbose: bool


class MigratingRetriever(HasTopK, MigrationReport, BaseRetriever):
    """Searches an old index through a bridge and a new one, which fills with the same nodes.

    The new model embeds the question once. A node that is in the new index comes from there alone,
    whatever the old one returns. Scores are on the scale of the new index: those of the old index
    are put on it for each question. Both indexes are only read.

    Embed the ids of `next_to_embed` with the new model and add the nodes to the new index, until
    `progress()` states that nothing is left; then search the new index alone. Delete a node from
    both indexes, or its old vector counts again.

    Args:
        old_index: The index of the old model.
        new_index: The index of the new model, which may be empty.
        bridge: The folder of a `ModelUpgradeEngine`, or what was read from it.
        new_model: The new model; by default that of the new index.
        **options: As in `MigratingOptions`.

    Raises:
        UnreadableStoreError: If one is not a VectorStoreIndex, or its vectors cannot be read back.
        AdapterFileError: If the bridge was saved without a sample of documents.
        AdapterMismatchError: If the bridge belongs to another model or other indexes.
        DimensionMismatchError: If vectors of the model or of an index are of another length.
        InvalidVectorsError: If the old index is empty.
        InvalidDatasetError: If `units` finds no unit of a node.
        ValueError: If `similarity_top_k` is below 1.
        TypeError: If an argument is not of an expected type.
    """

    def __init__(
        self,
        old_index: VectorStoreIndex,
        new_index: VectorStoreIndex,
        bridge: AdapterLike,
        new_model: BaseLike | None = None,
        **options: Unpack[MigratingOptions],
    ) -> None:
        self.similarity_top_k = options.get("similarity_top_k", 10)
        units = options.get("units", "chunk")
        for index in (old_index, new_index):
            live_index(index)
        given = own_model(new_index) if new_model is None else resolve_base(new_model)
        self._indexes = {False: old_index, True: new_index}
        self._embed_model = model = without_adapter(given)
        self._filters = options.get("filters")
        self._search_options = dict(options.get("vector_store_kwargs") or {})
        self._served = ServedMigration(
            bridge,
            old=partial(live_index, old_index, units),
            new=partial(live_index, new_index, units),
            model_name=model_name_of(model) if options.get("check_model", True) else None,
            dim=dim_of(model),
        )
        super().__init__(
            callback_manager=options.get("callback_manager") or new_index._callback_manager,
            object_map=options.get("object_map") or new_index._object_map,
            objects=options.get("objects"),
            verbose=options.get("verbose", False),
        )

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        vector = query_bundle.embedding
        if vector is None:
            strings = embedded_strings(query_bundle)
            vector = self._embed_model.get_agg_embedding_from_queries(strings)
        search = self._served.search(vector, self.similarity_top_k)
        found: dict[bool, Found] = {}
        while search.wanted:
            asking = (self._searched(one) for one in search.wanted)
            search.take(self._noted(found, search.wanted, list(asking)))
        return self._nodes(search.hits, found)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """Return the same; both indexes are searched at once, and read by id in a thread."""
        vector = query_bundle.embedding
        if vector is None:
            strings = embedded_strings(query_bundle)
            vector = await self._embed_model.aget_agg_embedding_from_queries(strings)
        search = await asyncio.to_thread(self._served.search, vector, self.similarity_top_k)
        found: dict[bool, Found] = {}
        while search.wanted:
            asking = (self._asearched(one) for one in search.wanted)
            results = await asyncio.gather(*asking)
            await asyncio.to_thread(search.take, self._noted(found, search.wanted, results))
        return await asyncio.to_thread(self._nodes, search.hits, found)

    def _searched(self, search: IndexSearch) -> VectorStoreQueryResult:
        store = self._indexes[search.is_new].vector_store
        return store.query(self._query(search), **self._search_options)

    async def _asearched(self, search: IndexSearch) -> VectorStoreQueryResult:
        store = self._indexes[search.is_new].vector_store
        return await store.aquery(self._query(search), **self._search_options)

    def _query(self, search: IndexSearch) -> VectorStoreQuery:
        return VectorStoreQuery(
            query_embedding=search.vector.tolist(),
            similarity_top_k=search.k,
            filters=self._filters,
        )

    def _noted(
        self,
        known: dict[bool, Found],
        searches: Sequence[IndexSearch],
        results: Sequence[VectorStoreQueryResult],
    ) -> list[list[str]]:
        """Return the ids that each search found, and keep the nodes that came with them."""
        for search, result in zip(searches, results, strict=True):
            known[search.is_new] = found_in(self._indexes[search.is_new], result)
        return [list(known[search.is_new]) for search in searches]

    def _nodes(
        self, hits: Sequence[MigrationHit], found: Mapping[bool, Found]
    ) -> list[NodeWithScore]:
        """Return the nodes with their scores; those that only a vector is left of are left out."""
        nodes = {
            is_new: nodes_by_id(index, [hit.id for hit in hits if hit.is_new == is_new], known)
            for is_new, known in found.items()
            for index in [self._indexes[is_new]]
        }
        return [
            NodeWithScore(node=nodes[hit.is_new][hit.id], score=hit.score)
            for hit in hits
            if hit.id in nodes[hit.is_new]
        ]
