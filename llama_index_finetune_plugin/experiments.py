"""What the retrievers of experiments share: a new retriever beside the one that serves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle

from llama_index_finetune_plugin.stores.lookup import with_metadata
from llama_index_finetune_plugin.weighted import check_retriever
from query_adapters.experiments.arms import Arm, SessionSource, current_session
from query_adapters.experiments.serving import EXPERIMENTS, Challenge, marked


class ExperimentOptions(TypedDict, total=False):
    """Keyword-only arguments of `InterleavedRetriever` and `CanaryRetriever`.

    Attributes:
        session: Who asks: a context variable, or a function without arguments, that gives the key
            of a user or session; by default the block of `query_adapters.experiments.in_session`.
        callback_manager: As in every retriever; the incumbent's if left out.
        object_map: As in every retriever.
        objects: As in every retriever.
        verbose: As in every retriever.
    """

    session: SessionSource | None
    callback_manager: CallbackManager | None
    object_map: dict[str, Any] | None
    objects: list[IndexNode] | None
    verbose: bool


class ExperimentRetriever(BaseRetriever):
    """What both retrievers share: two retrievers, and who asks."""

    def __init__(
        self, retrievers: Sequence[BaseRetriever], challenge: Challenge, options: ExperimentOptions
    ) -> None:
        for retriever in retrievers:
            check_retriever(retriever)
        self.incumbent, self.challenger = retrievers
        self._challenge = challenge
        self._session = options.get("session")
        super().__init__(
            callback_manager=options.get("callback_manager") or self.incumbent.callback_manager,
            object_map=options.get("object_map"),
            objects=options.get("objects"),
            verbose=options.get("verbose", False),
        )

    @property
    def n_failed(self) -> int:
        """Number of requests in which the challenger failed; they count for neither."""
        return self._challenge.n_failed

    def _asker(self) -> str | None:
        return current_session(self._session)

    def _asking(
        self, method: str, query_bundle: QueryBundle
    ) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """Return how to ask each retriever, with a query of its own that may keep its vector.

        A vector that is there already is the incumbent's; the challenger may embed differently.
        """
        return (
            partial(getattr(self.incumbent, method), replace(query_bundle)),
            partial(getattr(self.challenger, method), replace(query_bundle, embedding=None)),
        )

    def _marked(self, found: NodeWithScore, arm: Arm | None) -> NodeWithScore:
        marks = marked(found.node.metadata, self._challenge.name, arm)
        node = with_metadata(found.node, EXPERIMENTS, marks[EXPERIMENTS])
        return NodeWithScore(node=node, score=found.score)
