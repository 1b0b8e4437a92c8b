"""The results of two LangChain retrievers as one list, to learn which of them users prefer."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Unpack

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from pydantic import Field

from langchain_adapter._retrievers import RetrieverLike, key_of
from langchain_adapter.experiments import ExperimentOptions, ExperimentRetriever, checked_fields
from query_adapters.experiments.arms import Arm
from query_adapters.experiments.serving import Challenge, teams_in
from query_adapters.fusion.serving import checked_top_k

Keyed = list[tuple[str, Document]]


class InterleavedOptions(ExperimentOptions, total=False):
    """Keyword-only arguments of `InterleavedRetriever`.

    Attributes:
        k: How many documents are returned, at least 1; 10 by default. `invoke(question, k=3)`
            overrides it.
        max_delay_s: The most seconds that a request waits for the challenger after the incumbent
            has answered; 1 by default, None for as long as it takes.
    """

    k: int
    max_delay_s: float | None


class InterleavedRetriever(ExperimentRetriever):
    """Both retrievers' documents as one list, whose clicks tell which of the two users prefer.

    Both are asked at the same time, and their lists are joined by team draft; coins depend on
    experiment, session and question. Documents are copies whose `metadata["experiments"]` maps the
    experiment to the document's team; `teams` collects them. Where the challenger fails or is too
    late, the incumbent's documents are returned as they are, without teams.

    Args:
        incumbent: The retriever that serves now.
        challenger: The retriever that may replace it.
        experiment: Name of the experiment.
        **options: As in `InterleavedOptions`; let both retrievers return `k` documents or more.

    Raises:
        InvalidDatasetError: When retrieving, if a document of the incumbent has no id.
        TypeError: If one is not a retriever.
        ValueError: If `experiment` is empty, `k` is below 1 or `max_delay_s` negative.
    """

    k: int = 10
    max_delay_s: float | None = Field(default=1.0, frozen=True)

    def __init__(
        self,
        incumbent: RetrieverLike,
        challenger: RetrieverLike,
        *,
        experiment: str,
        **options: Unpack[InterleavedOptions],
    ) -> None:
        fields = checked_fields(incumbent, challenger, experiment)
        super().__init__(**{**fields, **options})
        checked_top_k(self.k)
        self._challenge = Challenge(experiment, max_delay_s=self.max_delay_s)

    def teams(self, documents: Iterable[Document]) -> dict[str, Arm | None]:
        """Return the team of each document by id, for `query_adapters.experiments.outcome`.

        Args:
            documents: What the retriever returned; without teams, the result is empty.
        """
        found = ((key_of(one, self.id_key), one.metadata) for one in documents)
        return teams_in(found, self.experiment)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        session: str | None = None,
        configurable: dict[str, Any] | None = None,
    ) -> list[Document]:
        n = checked_top_k(self.k if k is None else k)
        own, other = self._asking("invoke", query, run_manager, configurable)
        found = self._challenge.beside(lambda: self._keyed(own()), lambda: self._keyed(other()))
        return self._joined(*found, n, query, session)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        session: str | None = None,
        configurable: dict[str, Any] | None = None,
    ) -> list[Document]:
        n = checked_top_k(self.k if k is None else k)
        own, other = self._asking("ainvoke", query, run_manager, configurable)
        found = await self._challenge.abeside(self._akeyed(own), self._akeyed(other))
        return self._joined(*found, n, query, session)

    def _keyed(self, documents: Sequence[Document]) -> Keyed:
        return [(key_of(one, self.id_key), one) for one in documents]

    async def _akeyed(self, ask: Callable[[], Any]) -> Keyed:
        return self._keyed(await ask())

    def _joined(
        self, own: Keyed, other: Keyed | None, k: int, question: str, session: str | None
    ) -> list[Document]:
        if other is None:
            return [document for _, document in own[:k]]
        joined = self._challenge.joined(own, other, k, question=question, session=session)
        return [self._marked(*pair) for pair in joined]
