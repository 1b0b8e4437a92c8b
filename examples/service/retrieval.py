"""One index for all tenants: what serves each of them, what may replace it, and what users saw."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever

from examples.service.data import TENANTS
from langchain_adapter import (
    CachedEmbeddings,
    CanaryRetriever,
    InterleavedRetriever,
    LangChainEmbedder,
    TenantAdapterEmbeddings,
)
from langchain_adapter.sentence_transformers import SentenceTransformersEmbeddings
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import (
    AdapterRecord,
    SavedAdapter,
    read_adapter,
    save_adapter,
)
from query_adapters.demo import packaged_model
from query_adapters.deployment import AdapterRegistry, use_tenant
from query_adapters.experiments import in_session
from query_adapters.feedback import FeedbackLog, ShownList
from query_adapters.typing import Texts

PRODUCTION, CANARY = "production", "canary"  # aliases: what serves, and what may replace it
PERSON = "person"  # the system of a list with what a person answered
PAGE = 10  # documents on a page of results


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the service runs.

    Attributes:
        folder: Where registry, feedback, cached vectors and the page are.
        share: Share of the sessions that take part in an experiment.
        refresh_s: Seconds between two looks at the registry.
        clock: Returns the time, seconds since 1970; a simulated one replays a week in a minute.
    """

    folder: Path
    share: float = 0.5
    refresh_s: float = 60.0
    clock: Callable[[], float] = time.time


class Retrieval:
    """Searches for tenants, and logs what they were shown.

    Both aliases name the same version while there is no experiment: interleaving equal lists
    returns that list.

    Args:
        texts: The documents, by id.
        settings: As in `Settings`.
    """

    def __init__(self, texts: Texts, settings: Settings) -> None:
        self.settings, folder = settings, settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        model = SentenceTransformersEmbeddings(packaged_model(), device="cpu")
        self.base = CachedEmbeddings(model, folder / "vectors.sqlite")
        self.embedder = LangChainEmbedder(self.base)
        self.index = InMemoryVectorStore(self.base)
        self.index.add_documents([Document(text, id=key) for key, text in texts.items()])
        self.registry = AdapterRegistry(folder / "registry")
        self.logs: dict[str, FeedbackLog] = {
            tenant: FeedbackLog(folder / "feedback" / f"{tenant}.jsonl", clock=settings.clock)
            for tenant in TENANTS
        }
        for tenant in TENANTS:
            self._begin(tenant)
        self.adapted = {alias: self._adapted(alias) for alias in (PRODUCTION, CANARY)}
        incumbent, challenger = (self._retriever(alias) for alias in (PRODUCTION, CANARY))
        self.interleaved = InterleavedRetriever(incumbent, challenger, experiment="canary", k=PAGE)
        self.retriever = CanaryRetriever(
            incumbent, self.interleaved, experiment="share", share=settings.share
        )
        self.refresh()

    def search(self, tenant: str, question: str, session: str) -> tuple[ShownList, list[Document]]:
        """Return what the tenant's user is shown, as it was logged, and the documents."""
        self.base.embed_query(question)  # once; both retrievers find it in the cache
        system = self.serving(tenant)
        with use_tenant(tenant), in_session(session):
            documents = self.retriever.invoke(question)
        shown = self.logs[tenant].shown(
            question,
            [str(document.id) for document in documents],
            session=session,
            system=system,
            teams=self.interleaved.teams(documents),
        )
        return shown, documents

    def answered(self, tenant: str, question: str, document: str) -> None:
        """Log that a person answered a question with a document, which need not have been found."""
        shown = self.logs[tenant].shown(question, [document], system=PERSON)
        self.logs[tenant].clicked(shown, document)  # else it would count as passed over
        self.logs[tenant].rated(shown, 1.0, document)

    def serving(self, tenant: str) -> str:
        """Return the name of what serves the tenant in this process, as in the log."""
        return system_name(*(one.adapters.of(tenant) for one in self.adapted.values()))

    def system(self, tenant: str) -> str:
        """Return the name of what the registry lets serve the tenant now, as in the log."""
        aliases = (PRODUCTION, CANARY)
        return system_name(*(read_adapter(self.registry.uri(tenant, one)) for one in aliases))

    def refresh(self) -> None:
        """Load every tenant's adapters, or look for moved aliases; a thread does so in time."""
        for one in self.adapted.values():
            for tenant in TENANTS:
                one.adapters.of(tenant)
            one.adapters.look()

    def _begin(self, tenant: str) -> None:
        """Let a new tenant begin with an adapter that changes nothing: the base."""
        try:
            self.registry.resolve(tenant, CANARY)
        except FileNotFoundError:
            folder = self.settings.folder / "base"
            record = AdapterRecord(base_model=self.embedder.model_name)
            unchanged = LinearAdapter.identity(len(self.base.embed_query("any question")))
            save_adapter(SavedAdapter(adapter=unchanged, record=record), folder)
            version = self.registry.push(folder, tenant)
            for alias in (PRODUCTION, CANARY):
                self.registry.promote(tenant, version, alias=alias, reason="the base, unchanged")

    def _adapted(self, alias: str) -> TenantAdapterEmbeddings:
        uri = self.registry.uri("{tenant}", alias)
        return TenantAdapterEmbeddings(self.base, uri, refresh_s=self.settings.refresh_s)

    def _retriever(self, alias: str) -> VectorStoreRetriever:
        """Return the one index, opened with the model of an alias."""
        opened = InMemoryVectorStore(self.adapted[alias])
        opened.store = self.index.store
        return opened.as_retriever(search_kwargs={"k": PAGE})


def system_name(serving: SavedAdapter | None, canary: SavedAdapter | None) -> str:
    """Return a name for the two adapters that serve beside each other."""
    return "+".join("base" if one is None else one.adapter.fingerprint for one in (serving, canary))
