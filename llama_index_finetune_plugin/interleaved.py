"""The results of two LlamaIndex retrievers as one list, to learn which of them users prefer."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Unpack

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from llama_index_finetune_plugin._top_k import HasTopK
from llama_index_finetune_plugin.experiments import ExperimentOptions, ExperimentRetriever
from query_adapters.experiments.arms import Arm
from query_adapters.experiments.serving import Challenge, teams_in

Keyed = list[tuple[str, NodeWithScore]]


class InterleavedRetriever(HasTopK, ExperimentRetriever):
    """Both retrievers' nodes as one list, whose clicks tell which of the two users prefer.

    Both are asked at the same time, and their lists are joined by team draft; coins depend on
    experiment, session and question. `node.metadata["experiments"]` maps the experiment to the
    node's team, which no model reads; `teams` collects them. A node is a copy with the score of the
    retriever that it is from, so that scores need not fall along the list. Where the challenger
    fails or is too late, the incumbent's nodes are returned, without teams.

    Args:
        incumbent: The retriever that serves now.
        challenger: The retriever that may replace it.
        experiment: Name of the experiment.
        similarity_top_k: Number of nodes to retrieve, at least 1; let both retrievers return as
            many.
        max_delay_s: The most seconds that a request waits for the challenger after the incumbent
            has answered; None for as long as it takes.
        **options: As in `ExperimentOptions`.

    Raises:
        TypeError: If one is not a retriever.
        ValueError: If `experiment` is empty, `similarity_top_k` below 1 or `max_delay_s` negative.
    """

    def __init__(
        self,
        incumbent: BaseRetriever,
        challenger: BaseRetriever,
        *,
        experiment: str,
        similarity_top_k: int = 10,
        max_delay_s: float | None = 1.0,
        **options: Unpack[ExperimentOptions],
    ) -> None:
        self.similarity_top_k = similarity_top_k
        challenge = Challenge(experiment, max_delay_s=max_delay_s)
        super().__init__((incumbent, challenger), challenge, options)

    def teams(self, nodes: Iterable[NodeWithScore]) -> dict[str, Arm | None]:
        """Return the team of each node by id, for `query_adapters.experiments.outcome`.

        Args:
            nodes: What the retriever returned; without teams, the result is empty.
        """
        found = ((one.node.node_id, one.node.metadata) for one in nodes)
        return teams_in(found, self._challenge.name)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asks = self._asking("retrieve", query_bundle)
        found = self._challenge.beside(*(partial(_keyed_by, ask) for ask in asks))
        return self._joined(query_bundle.query_str, *found)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asks = self._asking("aretrieve", query_bundle)
        found = await self._challenge.abeside(*map(_akeyed_by, asks))
        return self._joined(query_bundle.query_str, *found)

    def _joined(self, question: str, own: Keyed, other: Keyed | None) -> list[NodeWithScore]:
        if other is None:
            return [node for _, node in own[: self.similarity_top_k]]
        joined = self._challenge.joined(
            own, other, self.similarity_top_k, question=question, session=self._asker()
        )
        return [self._marked(*pair) for pair in joined]


def _keyed_by(ask: Callable[[], Any]) -> Keyed:
    return _keyed(ask())


async def _akeyed_by(ask: Callable[[], Any]) -> Keyed:
    return _keyed(await ask())


def _keyed(nodes: Iterable[NodeWithScore]) -> Keyed:
    return [(one.node.node_id, one) for one in nodes]
