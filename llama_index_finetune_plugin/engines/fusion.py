"""Engines that learn how much each retriever counts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Unpack

from llama_index.core.base.base_retriever import BaseRetriever

from llama_index_finetune_plugin.weighted import (
    WeightedFusionRetriever,
    WeightedOptions,
    asking,
)
from query_adapters.finetuning.fusion import (
    ALPHAS,
    ComparisonOptions,
    HybridWeightEngine,
    RetrieverFusionEngine,
)
from query_adapters.finetuning.options import AnyQuestions


class FusionFinetuneEngine(RetrieverFusionEngine):
    """Learns the weights of any LlamaIndex retrievers from their scores and ranks alone.

    Such as a vector retriever, BM25, a second embedding model, sparse vectors, or a rule of your
    own. Each is asked every training question once. Unless a gain over the first one alone can be
    shown, `get_finetuned_retriever` returns what the first one does, and `result.verdict` states
    it. A retriever that was itself trained on these questions, such as a FusionRetriever or a model
    with an adapter, gets too much weight: give it questions that it was not trained on.

    Args:
        dataset: Training questions with the ids of their relevant nodes: a dataset, whose corpus
            is not needed; or pairs, or a mapping, of question and node ids.
        retrievers: At least two retrievers, the one that is served today first. Let each return
            more nodes than you need, such as 50.
        names: Their names for the verdict and the saved file; by default those of their classes.
        **options: As in `ComparisonOptions`.

    Raises:
        QueryAdaptersError: As `query_adapters.finetuning.fusion.RetrieverFusionEngine`.
        TypeError: If an argument is unknown, or not of an expected type.
        ValueError: If there are fewer than two retrievers, or a setting is out of range.
    """

    def __init__(
        self,
        dataset: AnyQuestions,
        retrievers: Sequence[BaseRetriever],
        *,
        names: Sequence[str] | None = None,
        **options: Unpack[ComparisonOptions],
    ) -> None:
        super().__init__(dataset, retrievers, asking, names=names, **options)
        self._retrievers = list(retrievers)

    def get_finetuned_retriever(
        self, **options: Unpack[WeightedOptions]
    ) -> WeightedFusionRetriever:
        """Return a retriever that asks those with a weight, and ranks what they return.

        Args:
            **options: As in `WeightedOptions`, such as `similarity_top_k`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        return WeightedFusionRetriever(self._retrievers, self.result.weights, **options)


class HybridWeightFinetuneEngine(HybridWeightEngine):
    """Chooses the weight of the hybrid query that a vector store offers itself.

    Args:
        dataset: Training questions, as in `FusionFinetuneEngine`.
        retriever_at: Returns the retriever with a weight, such as
            `lambda alpha: index.as_retriever(vector_store_query_mode="hybrid", alpha=alpha)`.
        alphas: The weights to compare.
        base_alpha: The weight that is served today; it is compared as well.
        **options: As in `ComparisonOptions`.

    Raises:
        QueryAdaptersError: As `query_adapters.finetuning.fusion.HybridWeightEngine`.
        TypeError: If an argument is unknown, or `retriever_at` does not return retrievers.
        ValueError: If there is no weight beside `base_alpha`, or a setting is out of range.
    """

    def __init__(
        self,
        dataset: AnyQuestions,
        retriever_at: Callable[[float], BaseRetriever],
        *,
        alphas: Iterable[float] = ALPHAS,
        base_alpha: float,
        **options: Unpack[ComparisonOptions],
    ) -> None:
        self._retriever_at = retriever_at
        super().__init__(
            dataset,
            lambda alpha: asking(retriever_at(alpha)),
            alphas=alphas,
            base_alpha=base_alpha,
            **options,
        )

    def get_finetuned_retriever(self) -> BaseRetriever:
        """Return `retriever_at(result.alpha)`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        return self._retriever_at(self.result.alpha)
