"""Engines that learn how much each LangChain retriever counts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Unpack

from langchain_adapter._retrievers import RetrieverLike
from langchain_adapter.scoring import asking
from langchain_adapter.weighted import WeightedFusionRetriever, WeightedOptions
from query_adapters.finetuning.fusion import (
    ALPHAS,
    ComparisonOptions,
    HybridWeightEngine,
    RetrieverFusionEngine,
)
from query_adapters.finetuning.options import AnyQuestions
from query_adapters.fusion.retrievers import Ask


class FusionFinetuneEngine(RetrieverFusionEngine):
    """Learns how much each of several LangChain retrievers counts, whatever they are.

    Such as the retriever of a vector store, BM25Retriever, Elasticsearch, a second embedding model,
    or a rule as a RunnableLambda. Each of them answers the training questions once; only scores and
    ranks are used. Where no gain over the first one can be shown, the others are not asked when
    serving, and `result.verdict` states it.

    What was trained on the same questions, such as a FusionRetriever or embeddings with an adapter,
    ranks them too well and gets too much weight: use other questions then.

    Args:
        dataset: Training questions with the ids of their relevant documents: a dataset, whose
            corpus is not needed; or pairs, or a mapping, of question and ids.
        retrievers: At least two, first the one that is served today. Let each return more documents
            than you need, such as 50.
        names: Their names in the verdict and the file; by default their classes.
        id_key: The metadata key of a document's id, as in `WeightedOptions`.
        **options: As in `ComparisonOptions`.

    Raises:
        QueryAdaptersError: As `query_adapters.finetuning.fusion.RetrieverFusionEngine`.
        TypeError: If one is not a retriever, or an argument is unknown.
        ValueError: If there are fewer than two retrievers, or a setting is out of range.
    """

    def __init__(
        self,
        dataset: AnyQuestions,
        retrievers: Sequence[RetrieverLike],
        *,
        names: Sequence[str] | None = None,
        id_key: str | None = None,
        **options: Unpack[ComparisonOptions],
    ) -> None:
        def ask(retriever: object) -> Ask:
            return asking(retriever, id_key)

        super().__init__(dataset, retrievers, ask, names=names, **options)
        self._retrievers, self._id_key = list(retrievers), id_key

    def get_finetuned_retriever(
        self, **options: Unpack[WeightedOptions]
    ) -> WeightedFusionRetriever:
        """Return a retriever that asks those with a weight, and ranks their documents.

        Args:
            **options: As in `WeightedOptions`, such as `k`; `id_key` is the engine's.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        given: WeightedOptions = {"id_key": self._id_key, **options}
        return WeightedFusionRetriever(self._retrievers, self.result.weights, **given)


class HybridWeightFinetuneEngine(HybridWeightEngine):
    """Chooses the weight of a hybrid query, whichever store or retriever offers it.

    Args:
        dataset: Training questions, as in `FusionFinetuneEngine`.
        retriever_at: Returns the retriever with a weight, such as
            `lambda alpha: store.as_retriever(search_kwargs={"alpha": alpha})` for Weaviate, or an
            EnsembleRetriever with the weights `[alpha, 1 - alpha]`.
        alphas: The weights that are compared.
        base_alpha: The one that is served today, which is compared as well.
        id_key: As in `FusionFinetuneEngine`.
        **options: As in `ComparisonOptions`.

    Raises:
        QueryAdaptersError: As `query_adapters.finetuning.fusion.HybridWeightEngine`.
        TypeError: If `retriever_at` does not return retrievers, or an argument is unknown.
        ValueError: If there is no weight beside `base_alpha`, or a setting is out of range.
    """

    def __init__(
        self,
        dataset: AnyQuestions,
        retriever_at: Callable[[float], RetrieverLike],
        *,
        alphas: Iterable[float] = ALPHAS,
        base_alpha: float,
        id_key: str | None = None,
        **options: Unpack[ComparisonOptions],
    ) -> None:
        def ask_at(alpha: float) -> Ask:
            return asking(retriever_at(alpha), id_key)

        super().__init__(dataset, ask_at, alphas=alphas, base_alpha=base_alpha, **options)
        self._retriever_at = retriever_at

    def get_finetuned_retriever(self) -> RetrieverLike:
        """Return the retriever with the weight `result.alpha`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        return self._retriever_at(self.result.alpha)
