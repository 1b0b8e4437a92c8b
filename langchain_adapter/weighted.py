"""Several LangChain retrievers, weighed by what was learned."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import ConfigDict, Field, InstanceOf, PrivateAttr

from langchain_adapter._retrievers import RetrieverLike, key_of
from langchain_adapter.fusion import SCORE
from langchain_adapter.scoring import listed, scoring
from query_adapters.fusion.retrievers import RetrieverWeights
from query_adapters.fusion.retrievers.storage import read_weights_for
from query_adapters.fusion.serving import checked_top_k


class WeightedOptions(TypedDict, total=False):
    """Keyword-only arguments of `WeightedFusionRetriever`.

    Attributes:
        k: How many documents are returned, at least 1; 10 by default. `invoke(question, k=3)`
            overrides it.
        id_key: The metadata key of a document's id, such as Qdrant's "_id"; `Document.id` of
            documents without that key, and by default of all.
        name: As in every LangChain retriever.
        tags: As in every LangChain retriever.
        metadata: As in every LangChain retriever.
    """

    k: int
    id_key: str | None
    name: str | None
    tags: list[str] | None
    metadata: dict[str, Any] | None


class WeightedFusionRetriever(BaseRetriever):
    """Ranks the documents of several retrievers by their scores, with learned weights.

    Those without a weight are not asked. If only the first has one, its documents are returned as
    they are; otherwise as copies with `metadata["relevance_score"]`, which is `Σ w x` on a common
    scale. How many documents each of them returns must stay as it was for training.

    Scores are those of a vector store, or `relevance_score`, `score` or `_score` of the metadata;
    without any, ranks count.

    Args:
        retrievers: The retrievers that the weights were learned for, in the same order.
        weights: The learned weights; see `load` for a folder.
        **options: As in `WeightedOptions`.

    Raises:
        InvalidDatasetError: When retrieving, if a document has no id.
        InvalidVectorsError: When retrieving, if a retriever that was weighed by its scores returns
            none.
        TypeError: If one is not a retriever.
        ValueError: If there are more or fewer retrievers than weights, or `k` is below 1.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    retrievers: list[InstanceOf[Runnable[Any, Any]]] = Field(exclude=True, frozen=True)
    weights: InstanceOf[RetrieverWeights] = Field(exclude=True, frozen=True)
    k: int = 10
    id_key: str | None = None
    _asked: list[RetrieverLike] = PrivateAttr()

    def __init__(
        self,
        retrievers: Sequence[RetrieverLike],
        weights: RetrieverWeights,
        **options: Unpack[WeightedOptions],
    ) -> None:
        scored = [scoring(retriever) for retriever in retrievers]
        asked = weights.of_asked(retrievers if weights.is_base_alone else scored)
        fields: dict[str, Any] = {"retrievers": list(retrievers), "weights": weights}
        super().__init__(**{**fields, **options})
        checked_top_k(self.k)
        self._asked = asked

    @classmethod
    def load(
        cls,
        folder: str | Path,
        retrievers: Sequence[RetrieverLike],
        *,
        names: Sequence[str] | None = None,
        **options: Unpack[WeightedOptions],
    ) -> Self:
        """Return the retriever with the weights that an engine saved.

        Args:
            folder: The engine's `model_output_path`.
            retrievers: As in the constructor.
            names: Their names, if the engine was given any.
            **options: As in `WeightedOptions`.

        Raises:
            FileNotFoundError: If the folder holds no weights.
            AdapterFileError: If they were learned for other retrievers, or cannot be read.
        """
        return cls(retrievers, read_weights_for(retrievers, folder, names=names), **options)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        n = checked_top_k(self.k if k is None else k)
        config: RunnableConfig = {"callbacks": run_manager.get_child()}
        return self._best([one.invoke(query, config) for one in self._asked], n)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        n = checked_top_k(self.k if k is None else k)
        config: RunnableConfig = {"callbacks": run_manager.get_child()}
        asking = (one.ainvoke(query, config) for one in self._asked)
        return self._best(await asyncio.gather(*asking), n)

    def _best(self, found: Sequence[Sequence[Document]], k: int) -> list[Document]:
        if self.weights.is_base_alone:
            return list(found[0][:k])
        known = {
            key_of(document, self.id_key): document
            for documents in reversed(found)
            for document in reversed(documents)
        }
        ranked = self.weights.ranked([listed(documents, self.id_key) for documents in found])
        return [_copy(known[key], key, score) for key, score in ranked[:k]]


def _copy(document: Document, key: str, score: float) -> Document:
    metadata = {**document.metadata, SCORE: score}
    return document.model_copy(update={"id": key, "metadata": metadata})
