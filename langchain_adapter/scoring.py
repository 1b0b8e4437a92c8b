"""Scores of retrieved documents, which LangChain's retrievers leave out."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.vectorstores import VectorStoreRetriever

from langchain_adapter._retrievers import check_retriever, key_of
from langchain_adapter.fusion import SCORE
from query_adapters.fusion.retrievers import Ask, RetrievedList
from query_adapters.registry import entry_of

SCORES = (SCORE, "score", "_score")
"""Metadata keys of a score: LangChain's rerankers', and those of search engines."""


class ScoredStoreRetriever(VectorStoreRetriever):
    """The retriever of a vector store, whose documents have the store's score as metadata.

    Of a store that returns no scores, they have none.
    """

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = {**self.search_kwargs, **kwargs}
        try:
            found = self.vectorstore.similarity_search_with_score(query, **options)
        except NotImplementedError:
            return super()._get_relevant_documents(query, run_manager=run_manager, **kwargs)
        return [_scored(*pair) for pair in found]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = {**self.search_kwargs, **kwargs}
        try:
            found = await self.vectorstore.asimilarity_search_with_score(query, **options)
        except NotImplementedError:
            return await super()._aget_relevant_documents(query, run_manager=run_manager, **kwargs)
        return [_scored(*pair) for pair in found]


class ScoredBM25Retriever(BaseRetriever):
    """A BM25Retriever of langchain-community, whose documents have their score as metadata."""

    retriever: Any

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        inner = self.retriever
        scores = np.asarray(inner.vectorizer.get_scores(inner.preprocess_func(query)))
        best = np.argsort(-scores, kind="stable")[: inner.k]
        return [_scored(inner.docs[row], scores[row]) for row in best]


def _with_store_scores(retriever: VectorStoreRetriever) -> VectorStoreRetriever:
    if retriever.search_type != "similarity":
        return retriever
    names = VectorStoreRetriever.model_fields
    return ScoredStoreRetriever(**{name: getattr(retriever, name) for name in names})


WITH_SCORES: Mapping[str, Callable[[Any], BaseRetriever]] = {
    "langchain_core:VectorStoreRetriever": _with_store_scores,
    "langchain_community:BM25Retriever": lambda retriever: ScoredBM25Retriever(retriever=retriever),
}
"""Retrievers that know scores, by class, and the ones that return them."""


def scoring(retriever: Any) -> Runnable[str, list[Document]]:
    """Return the retriever, or one with the same documents and their scores as metadata.

    That is for the plain search of a vector store and BM25Retriever, not for subclasses of them.

    Raises:
        TypeError: If it is not a retriever, such as a vector store.
    """
    check_retriever(retriever)
    with_scores = entry_of(type(retriever), WITH_SCORES)
    found: Runnable[str, list[Document]] = retriever
    return found if with_scores is None else with_scores(retriever)


def asking(retriever: Any, id_key: str | None) -> Ask:
    """Return how to ask a retriever a training question."""
    asked = scoring(retriever)
    return lambda text: listed(asked.invoke(text), id_key)


def listed(documents: Sequence[Document], id_key: str | None) -> RetrievedList:
    """Return the ids of the documents, with their scores if they state any.

    Raises:
        InvalidDatasetError: If a document has no id.
        TypeError: If one is not a Document.
    """
    ids = [key_of(document, id_key) for document in documents]
    return RetrievedList(ids, [score_of(document) for document in documents])


def score_of(document: Document) -> float | None:
    """Return the score that the metadata states; None without one."""
    for key in SCORES:
        score = document.metadata.get(key)
        if isinstance(score, float | Real):  # the first check is much faster
            return float(score)
    return None


def _scored(document: Document, score: float) -> Document:
    metadata = {**document.metadata, SCORE: float(score)}
    return document.model_copy(update={"metadata": metadata})
