"""The learned retriever as a LlamaIndex retriever."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

import numpy as np
from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseNode, IndexNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from llama_index_finetune_plugin._top_k import HasTopK
from llama_index_finetune_plugin.embedder import BaseLike, resolve_base
from llama_index_finetune_plugin.stores.live import (
    embedded_text,
    embedded_texts,
    live_index,
    own_model,
    without_adapter,
)
from llama_index_finetune_plugin.stores.lookup import (
    Found,
    explained,
    found_in,
    nodes_by_id,
    satisfying,
)
from llama_index_finetune_plugin.stores.reading import open_store
from query_adapters.embedders.identity import dim_of, model_name_of
from query_adapters.fusion.model import FusionModel, FusionQuery, RankedDocument
from query_adapters.fusion.serving import (
    Refresh,
    Satisfying,
    ServedFusion,
)
from query_adapters.fusion.storage import SavedFusion, read_fusion
from query_adapters.remote.locations import folder_to_write
from query_adapters.stores.source import batches


class RetrieverOptions(TypedDict, total=False):
    """Keyword-only arguments of `FusionRetriever` besides the number of nodes.

    Attributes:
        filters: Metadata filters; documents found by exact words or votes satisfy them too.
        explain: Whether `node.metadata["fusion"]` holds what each part adds to the score; it is
            left out of the texts for models.
        check_model: Whether to refuse a model of another name than the recorded one.
        vector_store_kwargs: Options of the vector store's search. Filters among them, such as
            Qdrant's own, apply to that search alone: use `filters`.
        callback_manager: As in every retriever; the index's if left out.
        object_map: As in every retriever; the index's if left out.
        objects: As in every retriever.
        verbose: As in every retriever.
    """

    filters: MetadataFilters | None
    explain: bool
    check_model: bool
    vector_store_kwargs: Mapping[str, Any] | None
    callback_manager: CallbackManager | None
    object_map: dict[str, Any] | None
    objects: list[IndexNode] | None
    verbose: bool


class FusionRetriever(HasTopK, BaseRetriever):
    """Ranks by adapted similarity, exact words, votes and hubness, with learned weights.

    The index stays as it is. The nearest nodes by the adapted query, and those with the best exact
    words and the most votes, are each scored by their stored vector and text. A score is on the
    scale of the index's similarity. It can be used wherever LlamaIndex takes a retriever;
    AutoMergingRetriever, though annotated with VectorIndexRetriever, takes it too.

    Metadata filters are applied by the vector store itself: the in-memory store, Chroma, Qdrant and
    PostgreSQL filter as they do for a VectorIndexRetriever, and FAISS refuses filters.

    Args:
        index: The VectorStoreIndex, whose vectors and nodes are read by id.
        fusion: The learned retriever, with its record or without; see `load` for a folder.
        base_embed_model: The model that the index was built with; by default the index's own. An
            adapter on either is left out, for the learned retriever has its own.
        similarity_top_k: Number of nodes to retrieve, at least 1.
        **options: As in `RetrieverOptions`.

    Raises:
        UnreadableStoreError: If it is not a VectorStoreIndex, or its vectors cannot be read back.
        InvalidVectorsError: If the store is empty.
        AdapterMismatchError: If the adapter was trained on another model.
        DimensionMismatchError: If the model's or the stored vectors are of another length.
        ValueError: If `similarity_top_k` is below 1.
        TypeError: If `fusion` or `base_embed_model` is not of an expected type.
    """

    def __init__(
        self,
        index: VectorStoreIndex,
        fusion: FusionModel | SavedFusion,
        base_embed_model: BaseLike | None = None,
        *,
        similarity_top_k: int = 10,
        **options: Unpack[RetrieverOptions],
    ) -> None:
        live_index(index)
        self.similarity_top_k = similarity_top_k
        given = own_model(index) if base_embed_model is None else resolve_base(base_embed_model)
        self._index, self._embed_model = index, without_adapter(given)
        self._filters = options.get("filters")
        self._explain = options.get("explain", False)
        self._search_options = dict(options.get("vector_store_kwargs") or {})
        self._served = self._serving(fusion, check_model=options.get("check_model", True))
        super().__init__(
            callback_manager=options.get("callback_manager") or index._callback_manager,
            object_map=options.get("object_map") or index._object_map,
            objects=options.get("objects"),
            verbose=options.get("verbose", False),
        )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        index: VectorStoreIndex,
        base_embed_model: BaseLike | None = None,
        similarity_top_k: int = 10,
        **options: Unpack[RetrieverOptions],
    ) -> Self:
        """Return the retriever in a folder, where `refresh` then saves the lexical index.

        Args:
            folder: The adapter's folder, with a scoring head.
            index: As in the constructor.
            base_embed_model: As in the constructor.
            similarity_top_k: As in the constructor.
            **options: As in `RetrieverOptions`.

        Raises:
            QueryAdaptersError: As the constructor and `query_adapters.fusion.storage.read_fusion`.
            FileNotFoundError: If there is no such folder.
        """
        options_of_all: dict[str, Any] = {"similarity_top_k": similarity_top_k, **options}
        retriever = cls(index, read_fusion(folder), base_embed_model, **options_of_all)
        retriever._served.folder = folder_to_write(folder)
        return retriever

    @property
    def fusion(self) -> FusionModel:
        """The model in use; `refresh` replaces it."""
        return self._served.model

    def refresh(self) -> Refresh:
        """Return how many nodes were updated and deleted in the lexical index, to match the store.

        All ids and texts are read, in blocks; unchanged texts are not split into words again. A
        retriever that was loaded from a folder saves the lexical index there. Queries may run
        meanwhile: they use the old index until the new one is complete.

        Raises:
            InvalidVectorsError: If the store is empty.
            UnreadableStoreError: If no texts can be read back from the index.
        """
        return self._served.refresh()

    def _serving(self, fusion: FusionModel | SavedFusion, *, check_model: bool) -> ServedFusion:
        index = self._index
        return ServedFusion(
            fusion,
            reader=lambda: open_store(index),
            texts=lambda ids: embedded_texts(index, ids),
            model_name=model_name_of(self._embed_model) if check_model else None,
            dim=dim_of(self._embed_model),
        )

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        vector = query_bundle.embedding
        if vector is None:
            vector = self._embed_model.get_agg_embedding_from_queries(
                embedded_strings(query_bundle)
            )
        query = self._prepared(query_bundle.query_str, vector)
        result = self._index.vector_store.query(self._search(query), **self._search_options)
        return self._scored(query, result)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """Return the same; stored vectors and nodes are read by id in a thread."""
        vector = query_bundle.embedding
        if vector is None:
            strings = embedded_strings(query_bundle)
            vector = await self._embed_model.aget_agg_embedding_from_queries(strings)
        query = await asyncio.to_thread(self._prepared, query_bundle.query_str, vector)
        store = self._index.vector_store
        result = await store.aquery(self._search(query), **self._search_options)
        return await asyncio.to_thread(self._scored, query, result)

    def _prepared(self, question: str, vector: list[float]) -> FusionQuery:
        return self.fusion.prepared(question, np.array(vector, dtype=np.float32))

    def _search(self, query: FusionQuery) -> VectorStoreQuery:
        return VectorStoreQuery(
            query_embedding=query.vector.tolist(),
            similarity_top_k=max(self.fusion.depth, self.similarity_top_k),
            filters=self._filters,
        )

    def _scored(self, query: FusionQuery, result: VectorStoreQueryResult) -> list[NodeWithScore]:
        found = found_in(self._index, result)
        ranked = self._served.ranked(query, list(found), satisfying=self._filter(query))
        nodes = self._best(ranked, found)
        self._served.note_changed({key: embedded_text(node) for key, node in nodes.items()})
        return [self._with_score(one, nodes[one.id]) for one in ranked if one.id in nodes]

    def _filter(self, query: FusionQuery) -> Satisfying | None:
        filters = self._filters
        if filters is None:
            return None
        return lambda ids: satisfying(self._index, ids, filters, query.vector.tolist())

    def _best(self, ranked: list[RankedDocument], found: Found) -> dict[str, BaseNode]:
        """Return the best nodes by id; a node that only its vector is left of is passed over."""
        nodes: dict[str, BaseNode] = {}
        for batch in batches([one.id for one in ranked], self.similarity_top_k):
            nodes |= nodes_by_id(self._index, batch, found)
            if len(nodes) >= self.similarity_top_k:
                break
        return dict(list(nodes.items())[: self.similarity_top_k])

    def _with_score(self, ranked: RankedDocument, node: BaseNode) -> NodeWithScore:
        shown = explained(node, ranked.parts) if self._explain else node
        return NodeWithScore(node=shown, score=ranked.score)


def embedded_strings(query_bundle: QueryBundle) -> list[str]:
    """Return what is embedded; an empty question too, which LlamaIndex leaves out."""
    return query_bundle.embedding_strs or [query_bundle.query_str]
