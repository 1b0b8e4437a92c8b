"""Labelled questions over an index, as the new model, the old one and both embed them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, judged_rows
from query_adapters.data.splits import query_groups
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import own_name
from query_adapters.embedders.two_models import Served, joined, joined_name
from query_adapters.stores import StoredVectors
from query_adapters.typing import Vectors
from query_adapters.upgrade.learning import equal_parts


@dataclass(frozen=True, kw_only=True, eq=False)
class AskedQuestions:
    """Labelled questions, embedded when they are first needed.

    Attributes:
        questions: The questions.
        index: The stored vectors.
        new: The new model.
        old: The old model; None if it cannot be called any more.
        cache: Keeps their vectors.
        show_progress: Whether to show progress bars.
    """

    questions: RetrievalDataset
    index: StoredVectors
    new: TextEmbedder
    old: TextEmbedder | None
    cache: EmbeddingCache
    show_progress: bool

    @property
    def texts(self) -> list[str]:
        """The questions."""
        return list(self.questions.queries.values())

    @cached_property
    def by_new(self) -> Vectors:
        """Vectors by the new model, `(n_questions, dim_new)`."""
        return self._by(self.new)

    @cached_property
    def by_old(self) -> Vectors | None:
        """Vectors by the old model, `(n_questions, dim_old)`; None without it."""
        return None if self.old is None else self._by(self.old)

    def ways(
        self, bridge: LinearAdapter
    ) -> dict[Served, tuple[EmbeddedDataset, LinearAdapter | None]]:
        """Return the questions by the models that embed them, and what training starts from."""
        new = self._over_index(self.by_new, of_two_models=True), bridge
        if self.by_old is None:
            return {"new": new}
        both = self._over_index(joined(self.by_old, self.by_new), of_two_models=True)
        return {
            "old": (self._over_index(self.by_old), None),
            "new": new,
            "both": (both, equal_parts(bridge, self.by_new, self.by_old)),
        }

    def record(self, models: Served, training: Mapping[str, Any]) -> AdapterRecord:
        """Return the record of an adapter for the models."""
        name = name_of(models, self.new, self.old)
        return AdapterRecord(base_model=name, probe_text=self.texts[0], training=training)

    def _by(self, model: TextEmbedder) -> Vectors:
        return self.cache.embed_queries(model, self.texts, show_progress=self.show_progress)

    def _over_index(self, queries: Vectors, *, of_two_models: bool = False) -> EmbeddedDataset:
        return EmbeddedDataset(
            queries,
            self.index.vectors,
            *judged_rows(self.questions, self.index.row_of),
            query_groups(self.questions),
            of_two_models=of_two_models,
        )


def without_labels(
    bridge: LinearAdapter,
    probe: str,
    *,
    new: TextEmbedder,
    old: TextEmbedder | None,
    cache: EmbeddingCache,
) -> dict[Served, SavedAdapter]:
    """Return the adapters that need no labels: the bridge and, with the old model, both models.

    Args:
        bridge: The bridge.
        probe: A text that identifies the models; they embed it as a question.
        new: The new model.
        old: The old model; None if it cannot be called any more.
        cache: Keeps vectors.
    """
    by_new = cache.embed_queries(new, [probe])
    adapters: dict[Served, tuple[LinearAdapter, Vectors]] = {"new": (bridge, by_new[0])}
    if old is not None:
        by_old = cache.embed_queries(old, [probe])
        adapters["both"] = equal_parts(bridge, by_new, by_old), joined(by_old, by_new)[0]
    return {
        models: SavedAdapter(
            adapter=adapter,
            record=AdapterRecord(base_model=name_of(models, new, old), probe_text=probe),
            probe_vector=vector,
        )
        for models, (adapter, vector) in adapters.items()
    }


def name_of(models: Served, new: TextEmbedder, old: TextEmbedder | None) -> str:
    """Return the name under which an adapter for the models is recorded."""
    by_new = own_name(new.model_name)
    by_old = by_new if old is None else own_name(old.model_name)
    return {"new": by_new, "old": by_old, "both": joined_name(by_old, by_new)}[models]
