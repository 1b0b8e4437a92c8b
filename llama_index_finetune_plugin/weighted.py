"""Several LlamaIndex retrievers, weighed by what was learned."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle

from llama_index_finetune_plugin._top_k import HasTopK
from query_adapters.fusion.retrievers import Ask, RetrievedList, RetrieverWeights
from query_adapters.fusion.retrievers.storage import read_weights_for


class WeightedOptions(TypedDict, total=False):
    """Keyword-only arguments of `WeightedFusionRetriever`.

    Attributes:
        similarity_top_k: Number of nodes to retrieve, at least 1; 10 by default.
        callback_manager: As in every retriever; that of the first one if left out.
        object_map: As in every retriever.
        objects: As in every retriever.
        verbose: As in every retriever.
    """

    similarity_top_k: int
    callback_manager: CallbackManager | None
    object_map: dict[str, Any] | None
    objects: list[IndexNode] | None
    verbose: bool


class WeightedFusionRetriever(HasTopK, BaseRetriever):
    """Ranks the nodes of several retrievers by their scores, with learned weights.

    Retrievers without a weight are not asked. If only the first has one, its nodes are returned as
    they are, with its own scores; otherwise a score is `Σ w x`, on a common scale. The retrievers
    return as many nodes as they are set to; leave that as it was for training.

    Args:
        retrievers: The retrievers that the weights were learned for, in the same order.
        weights: The learned weights; see `load` for a folder.
        **options: As in `WeightedOptions`.

    Raises:
        InvalidVectorsError: When retrieving, if a retriever that was weighed by its scores returns
            none.
        ValueError: If there are more or fewer retrievers than weights, or `similarity_top_k` is
            below 1.
        TypeError: If one is not a retriever.
    """

    def __init__(
        self,
        retrievers: Sequence[BaseRetriever],
        weights: RetrieverWeights,
        **options: Unpack[WeightedOptions],
    ) -> None:
        for retriever in retrievers:
            check_retriever(retriever)
        self.similarity_top_k = options.get("similarity_top_k", 10)
        self._asked = weights.of_asked(retrievers)
        self.weights = weights
        super().__init__(
            callback_manager=options.get("callback_manager") or retrievers[0].callback_manager,
            object_map=options.get("object_map"),
            objects=options.get("objects"),
            verbose=options.get("verbose", False),
        )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        retrievers: Sequence[BaseRetriever],
        *,
        names: Sequence[str] | None = None,
        **options: Unpack[WeightedOptions],
    ) -> Self:
        """Return the retriever with the weights in a folder.

        Args:
            folder: The `model_output_path` of a FusionFinetuneEngine.
            retrievers: As in the constructor.
            names: Their names, if they were given to the engine.
            **options: As in `WeightedOptions`.

        Raises:
            AdapterFileError: If the weights were learned for other retrievers, or cannot be read.
            FileNotFoundError: If the folder holds none.
        """
        return cls(retrievers, read_weights_for(retrievers, folder, names=names), **options)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._ranked([one.retrieve(own) for one, own in self._asking(query_bundle)])

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asking = self._asking(query_bundle)
        return self._ranked(await asyncio.gather(*(one.aretrieve(own) for one, own in asking)))

    def _asking(self, query_bundle: QueryBundle) -> list[tuple[BaseRetriever, QueryBundle]]:
        """Return each retriever with a query of its own, on which it may keep its vector.

        A vector that is there already is the first retriever's; another may embed differently.
        """
        first = self.weights.asked[0]
        return [
            (one, replace(query_bundle, embedding=query_bundle.embedding if n == first else None))
            for n, one in zip(self.weights.asked, self._asked, strict=True)
        ]

    def _ranked(self, found: Sequence[Sequence[NodeWithScore]]) -> list[NodeWithScore]:
        if self.weights.is_base_alone:
            return list(found[0][: self.similarity_top_k])
        nodes = {one.node.node_id: one.node for nodes in reversed(found) for one in reversed(nodes)}
        ranked = self.weights.ranked([listed(nodes) for nodes in found])
        best = ranked[: self.similarity_top_k]
        return [NodeWithScore(node=nodes[key], score=score) for key, score in best]


def check_retriever(retriever: object) -> None:
    """Check that it is a retriever.

    Raises:
        TypeError: If it is something else, such as an index.
    """
    if not hasattr(retriever, "retrieve"):
        raise TypeError(
            f"retrievers: expected LlamaIndex retrievers, got {type(retriever).__name__}; pass "
            "index.as_retriever(similarity_top_k=50)"
        )


def listed(nodes: Sequence[NodeWithScore]) -> RetrievedList:
    """Return the ids of the nodes with their scores."""
    return RetrievedList([one.node.node_id for one in nodes], [one.score for one in nodes])


def asking(retriever: BaseRetriever) -> Ask:
    """Return how to ask a retriever a training question."""
    check_retriever(retriever)
    return lambda text: listed(retriever.retrieve(text))
