"""A new LlamaIndex retriever for a share of the users, the one that serves for all others."""

from typing import Unpack

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from llama_index_finetune_plugin.experiments import ExperimentOptions, ExperimentRetriever
from query_adapters.experiments.arms import Arm, arm_of, checked_share
from query_adapters.experiments.serving import Challenge


class CanaryRetriever(ExperimentRetriever):
    """One of two retrievers, the challenger for a share of the users: always the same for a user.

    `node.metadata["experiments"]` maps the experiment to the arm that served, which no model reads;
    nodes are copies. Where the challenger fails, and where nobody is known to ask, the incumbent
    serves, and nodes are returned as they are.

    Args:
        incumbent: The retriever that serves now.
        challenger: The retriever that may replace it.
        experiment: Name of the experiment; users are drawn anew under another name.
        share: Expected share of users that the challenger serves, in [0, 1]. If it is raised later,
            those who have the challenger keep it.
        **options: As in `ExperimentOptions`.

    Raises:
        TypeError: If one is not a retriever.
        ValueError: If `experiment` is empty or `share` is not in [0, 1].
    """

    def __init__(
        self,
        incumbent: BaseRetriever,
        challenger: BaseRetriever,
        *,
        experiment: str,
        share: float,
        **options: Unpack[ExperimentOptions],
    ) -> None:
        self.share = share
        super().__init__((incumbent, challenger), Challenge(experiment), options)

    @property
    def share(self) -> float:
        """Expected share of users that the challenger serves, in [0, 1]."""
        return self._share

    @share.setter
    def share(self, share: float) -> None:
        self._share = checked_share(share)

    def arm_of(self, session: str) -> Arm:
        """Return the arm of a user or session, for `query_adapters.experiments.SplitTest`.

        Args:
            session: The user's or the session's key.
        """
        return arm_of(session, share=self.share, salt=self._challenge.name)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asking = self._asking("retrieve", query_bundle)
        return self._noted(*self._challenge.served(self._arm(), *asking))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asking = self._asking("aretrieve", query_bundle)
        return self._noted(*await self._challenge.aserved(self._arm(), *asking))

    def _arm(self) -> Arm | None:
        session = self._asker()
        return None if session is None else self.arm_of(session)

    def _noted(self, nodes: list[NodeWithScore], arm: Arm | None) -> list[NodeWithScore]:
        return nodes if arm is None else [self._marked(one, arm) for one in nodes]
