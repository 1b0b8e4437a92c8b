"""The learned retriever in LangChain: similarity, exact words and past answers, weighed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

import numpy as np
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict, Field, InstanceOf, PrivateAttr

from langchain_adapter.embedder import BaseLike
from langchain_adapter.embeddings import AdapterEmbeddings
from langchain_adapter.engines.base import embedder_of
from langchain_adapter.stores.reading import open_store
from langchain_adapter.stores.searching import SearchedStore, checked_options, checked_store
from query_adapters.embedders.identity import dim_of, model_name_of
from query_adapters.fusion.model import FusionModel, FusionQuery, RankedDocument
from query_adapters.fusion.serving import EXPLAINED, Refresh, ServedFusion, checked_top_k
from query_adapters.fusion.storage import SavedFusion, read_fusion
from query_adapters.remote.locations import folder_to_write
from query_adapters.stores.source import batches

SCORE = "relevance_score"
"""Metadata key of a document's score, as LangChain's rerankers name it."""

Documents = Mapping[str, Document]


class FusionOptions(TypedDict, total=False):
    """Keyword-only arguments of `FusionRetriever`.

    Attributes:
        k: How many documents are returned, at least 1; 10 by default. `invoke(question, k=3)`
            overrides it.
        filter: Which documents may be returned, as the store's search takes it.
        search_kwargs: Further options of the store's `similarity_search_by_vector`.
        id_key: The metadata key of a document's id, where the store returns it there; by default
            `Document.id`, and `"_id"` in Qdrant.
        explain: Whether `metadata["fusion"]` holds what each part adds to the score.
        check_model: Whether to refuse a retriever that was trained on another model; True by
            default.
        save_to: The folder of the adapter, where `refresh` saves the lexical index; None, the
            default, to keep it in memory.
        name: As in every LangChain retriever.
        tags: As in every LangChain retriever.
        metadata: As in every LangChain retriever.
    """

    k: int
    filter: Any
    search_kwargs: dict[str, Any]
    id_key: str | None
    explain: bool
    check_model: bool
    save_to: Path | None
    name: str | None
    tags: list[str] | None
    metadata: dict[str, Any] | None


class FusionRetriever(BaseRetriever):
    """Retrieves the documents with the highest scores of a learned retriever.

    The vector store stays as it is. It is searched for the nearest documents of the adapted
    question; those with its exact words, and those that answered similar training questions, are
    read by id. All of them get their true similarity from their stored vectors. Documents are
    copies whose `id` is set and whose `metadata["relevance_score"]` is the score, on the scale of
    the similarity.

    A filter applies to every document that is returned. The in-memory store, FAISS, Chroma, Qdrant,
    PGVector and PGVectorStore check it by id, and their further options in `search_kwargs`, such as
    a threshold, apply to the search for the nearest alone. Of other stores, with a filter or
    another option, documents come from that search alone.

    Args:
        vectorstore: The vector store.
        fusion: The learned retriever, as `read_fusion` returns it, or a FusionModel.
        embeddings: The model that the store was filled with; by default the store's own. An adapter
            that it has is left out.
        **options: As in `FusionOptions`.

    Raises:
        UnreadableStoreError: If it is not a vector store, or vectors cannot be read back from it;
            at the first question, if it returns no ids.
        InvalidVectorsError: If the vector store is empty.
        AdapterMismatchError: If it was trained on another model.
        DimensionMismatchError: If the model or the store has vectors of another length.
        TypeError: If `fusion` or `embeddings` has an unsupported type.
        ValueError: If `k` is below 1, or `search_kwargs` holds it.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    vectorstore: VectorStore = Field(exclude=True, frozen=True)
    fusion: InstanceOf[FusionModel] | InstanceOf[SavedFusion] = Field(
        exclude=True, frozen=True, repr=False
    )
    embeddings: Embeddings = Field(exclude=True, frozen=True)
    k: int = 10
    filter: Any = Field(default=None, exclude=True)
    search_kwargs: dict[str, Any] = Field(default_factory=dict, exclude=True)
    id_key: str | None = None
    explain: bool = False
    check_model: bool = True
    save_to: Path | None = None
    _served: ServedFusion = PrivateAttr()

    def __init__(
        self,
        vectorstore: VectorStore,
        fusion: FusionModel | SavedFusion,
        embeddings: BaseLike | None = None,
        **options: Unpack[FusionOptions],
    ) -> None:
        store = checked_store(vectorstore)
        model = embedder_of(embeddings, store).embeddings
        base = model.base if isinstance(model, AdapterEmbeddings) else model
        served = ServedFusion(
            fusion,
            reader=partial(open_store, store),
            texts=SearchedStore(store, id_key=options.get("id_key")).texts,
            model_name=model_name_of(base) if options.get("check_model", True) else None,
            dim=dim_of(base),
        )
        fields: dict[str, Any] = {"vectorstore": store, "fusion": fusion, "embeddings": base}
        super().__init__(**{**fields, **options})
        checked_top_k(self.k)
        checked_options(self.search_kwargs)
        served.folder = self.save_to
        self._served = served

    @classmethod
    def load(
        cls,
        folder: str | Path,
        vectorstore: VectorStore,
        embeddings: BaseLike | None = None,
        *,
        memory_map: bool = True,
        **options: Any,
    ) -> Self:
        """Return the retriever of a folder, where `refresh` saves the lexical index.

        Args:
            folder: The folder of an adapter with a scoring head.
            vectorstore: As in the constructor.
            embeddings: As in the constructor.
            memory_map: Whether the lexical index stays on disk and is read as it is needed.
            **options: As in the constructor, such as `k`.

        Raises:
            QueryAdaptersError: As the constructor, and as
                `query_adapters.fusion.storage.read_fusion`.
            FileNotFoundError: If there is no such folder.
        """
        fusion = read_fusion(folder, memory_map=memory_map)
        options = {"save_to": folder_to_write(folder), **options}
        return cls(vectorstore, fusion, embeddings, **options)

    def refresh(self) -> Refresh:
        """Bring the lexical index up to date with the store's texts, and return what changed.

        Call it after documents were added, changed or deleted. All ids and texts are read, in
        blocks; unchanged texts are not split into words again. Where exact words have no weight,
        nothing is read.

        Raises:
            QueryAdaptersError: As `query_adapters.fusion.serving.ServedFusion.refresh`.
        """
        changed = self._served.refresh()
        self.__dict__.update(fusion=self._current())  # for copies with another configuration
        return changed

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        n = checked_top_k(self.k if k is None else k)
        question = self._prepared(query, self.embeddings.embed_query(query))
        found = self._store.nearest(question.vector.tolist(), self._depth(n))
        return self._best(question, found, n)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        n = checked_top_k(self.k if k is None else k)
        vector = await self.embeddings.aembed_query(query)
        question = await run_in_executor(None, self._prepared, query, vector)
        found = await self._store.anearest(question.vector.tolist(), self._depth(n))
        return await run_in_executor(None, self._best, question, found, n)

    def _current(self) -> FusionModel | SavedFusion:
        model = self._served.model
        saved = self.fusion if isinstance(self.fusion, SavedFusion) else None
        return model if saved is None else replace(saved, model=model)

    def _prepared(self, question: str, vector: list[float]) -> FusionQuery:
        return self._served.model.prepared(question, np.array(vector, dtype=np.float32))

    def _depth(self, k: int) -> int:
        return max(self._served.model.depth, k)

    def _best(self, question: FusionQuery, found: Documents, k: int) -> list[Document]:
        """Return copies of the `k` documents with the highest scores, of those that have a text."""
        store, known = self._store, dict(found)

        def satisfying(ids: Sequence[str]) -> Collection[str]:
            known.update(store.documents(ids))
            return known

        ranked = self._served.ranked(
            question, list(found), satisfying=satisfying if store.is_filtered else None
        )
        best: list[Document] = []
        for batch in batches(ranked, k):
            known |= store.documents([one.id for one in batch if one.id not in known])
            best += [self._copy(known[one.id], one) for one in batch if one.id in known]
            if len(best) >= k:
                break
        self._served.note_changed({key: known[key].page_content for key in known})
        return best[:k]

    def _copy(self, document: Document, ranked: RankedDocument) -> Document:
        metadata = {**document.metadata, SCORE: ranked.score}
        if self.explain:
            metadata[EXPLAINED] = dict(ranked.parts)
        return document.model_copy(update={"id": ranked.id, "metadata": metadata})

    @property
    def _store(self) -> SearchedStore:
        given = {} if self.filter is None else {"filter": self.filter}
        return SearchedStore(self.vectorstore, {**self.search_kwargs, **given}, self.id_key)
