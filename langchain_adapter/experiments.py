"""What the retrievers of experiments share: a new retriever beside the one that serves."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from pydantic import ConfigDict, Field, InstanceOf, PrivateAttr

from langchain_adapter._retrievers import check_retriever
from query_adapters.experiments.arms import Arm, SessionSource, current_session
from query_adapters.experiments.serving import Challenge, marked


class ExperimentOptions(TypedDict, total=False):
    """Keyword-only arguments of `InterleavedRetriever` and `CanaryRetriever`.

    Attributes:
        session_key: Name of the entry of `config["configurable"]` that is the key of the user or
            session; "session_id" by default. `invoke(question, session="u-17")` overrides it.
        session: Who asks where neither says so: a context variable, or a function without
            arguments; by default the block of `query_adapters.experiments.in_session`.
        id_key: The metadata key of a document's id, such as Qdrant's "_id"; `Document.id` of
            documents without that key, and by default of all.
        name: As in every LangChain retriever.
        tags: As in every LangChain retriever.
        metadata: As in every LangChain retriever.
    """

    session_key: str
    session: SessionSource | None
    id_key: str | None
    name: str | None
    tags: list[str] | None
    metadata: dict[str, Any] | None


class ExperimentRetriever(BaseRetriever):
    """What both retrievers share: two retrievers, and who asks."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    incumbent: InstanceOf[Runnable[Any, Any]] = Field(exclude=True, frozen=True)
    challenger: InstanceOf[Runnable[Any, Any]] = Field(exclude=True, frozen=True)
    experiment: str = Field(frozen=True)
    session_key: str = "session_id"
    session: Any = Field(default=None, exclude=True)
    id_key: str | None = None
    _challenge: Challenge = PrivateAttr()

    @property
    def n_failed(self) -> int:
        """Number of requests in which the challenger failed; they count for neither."""
        return self._challenge.n_failed

    def invoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        """Return the documents of a question; `session` says who asks, `config` may do so too."""
        return super().invoke(input, config, **self._request(config, kwargs))

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        """Return the same, asynchronously."""
        return await super().ainvoke(input, config, **self._request(config, kwargs))

    def _request(self, config: RunnableConfig | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments with those of `config`, which a retriever's own methods lack."""
        configurable = ensure_config(config).get("configurable", {})
        named = configurable.get(self.session_key)
        session = current_session((lambda: named) if named else self.session)
        return {"session": session, **kwargs, "configurable": configurable}

    def _asking(
        self, method: str, query: str, run_manager: Any, configurable: dict[str, Any] | None
    ) -> list[Callable[[], Any]]:
        """Return how to ask each retriever."""
        config: RunnableConfig = {"configurable": configurable or {}}
        if run_manager.handlers:  # a child for nobody costs as much as joining the lists
            config["callbacks"] = run_manager.get_child()
        return [
            partial(getattr(one, method), query, config)
            for one in (self.incumbent, self.challenger)
        ]

    def _marked(self, document: Document, arm: Arm | None) -> Document:
        metadata = marked(document.metadata, self.experiment, arm)
        return document.model_copy(update={"metadata": metadata})


def checked_fields(incumbent: object, challenger: object, experiment: str) -> dict[str, Any]:
    """Return the fields of both retrievers.

    Raises:
        TypeError: If one is not a retriever.
        ValueError: If the experiment has no name.
    """
    for retriever in (incumbent, challenger):
        check_retriever(retriever)
    Challenge(experiment)
    return {"incumbent": incumbent, "challenger": challenger, "experiment": experiment}
