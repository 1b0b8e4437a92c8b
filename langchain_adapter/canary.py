"""A new LangChain retriever for a share of the users, the one that serves for all others."""

from typing import Any, Unpack

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from pydantic import ConfigDict, field_validator

from langchain_adapter._retrievers import RetrieverLike
from langchain_adapter.experiments import ExperimentOptions, ExperimentRetriever, checked_fields
from query_adapters.experiments.arms import Arm, arm_of, checked_share
from query_adapters.experiments.serving import Challenge


class CanaryRetriever(ExperimentRetriever):
    """One of two retrievers, the challenger for a share of the users: always the same for a user.

    Documents are copies whose `metadata["experiments"]` maps the experiment to the arm that served.
    Where the challenger fails, and where nobody is known to ask, the incumbent serves, and
    documents are returned as they are.

    Args:
        incumbent: The retriever, or other Runnable, that serves now.
        challenger: The one that may replace it.
        experiment: Name of the experiment, on which the draw of users depends.
        share: Expected share of users with the challenger, in [0, 1]; it may be raised later, and
            nobody who has the challenger loses it.
        **options: As in `ExperimentOptions`.

    Raises:
        TypeError: If one is not a retriever.
        ValueError: If `experiment` is empty or `share` is not in [0, 1].
    """

    model_config = ConfigDict(validate_assignment=True)

    share: float

    def __init__(
        self,
        incumbent: RetrieverLike,
        challenger: RetrieverLike,
        *,
        experiment: str,
        share: float,
        **options: Unpack[ExperimentOptions],
    ) -> None:
        fields = {**checked_fields(incumbent, challenger, experiment), "share": share}
        super().__init__(**{**fields, **options})
        self._challenge = Challenge(experiment)

    _check_share = field_validator("share")(checked_share)

    def arm_of(self, session: str) -> Arm:
        """Return the arm of a user or session, for `query_adapters.experiments.SplitTest`.

        Args:
            session: The user's or the session's key.
        """
        return arm_of(session, share=self.share, salt=self.experiment)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        session: str | None = None,
        configurable: dict[str, Any] | None = None,
    ) -> list[Document]:
        asking = self._asking("invoke", query, run_manager, configurable)
        return self._noted(*self._challenge.served(self._arm(session), *asking))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        session: str | None = None,
        configurable: dict[str, Any] | None = None,
    ) -> list[Document]:
        asking = self._asking("ainvoke", query, run_manager, configurable)
        return self._noted(*await self._challenge.aserved(self._arm(session), *asking))

    def _arm(self, session: str | None) -> Arm | None:
        return None if session is None else self.arm_of(session)

    def _noted(self, documents: list[Document], arm: Arm | None) -> list[Document]:
        return documents if arm is None else [self._marked(one, arm) for one in documents]
