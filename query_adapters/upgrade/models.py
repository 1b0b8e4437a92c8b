"""The old and the new model of an upgrade, alone and side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import own_name
from query_adapters.embedders.two_models import Served, joined, joined_name
from query_adapters.finetuning.probe import ProbeText, chosen_probe
from query_adapters.typing import Vectors
from query_adapters.upgrade.learning import equal_parts


@dataclass(frozen=True, kw_only=True, eq=False)
class Models:
    """The models that embed questions.

    Attributes:
        new: The new model.
        old: The old model; None if it cannot be called any more.
        cache: Keeps their vectors.
        probe_text: Which text identifies them in a saved adapter, as in `RunOptions`.
        show_progress: Whether to show progress bars.
    """

    new: TextEmbedder
    old: TextEmbedder | None
    cache: EmbeddingCache
    probe_text: ProbeText = ...
    show_progress: bool = False

    def queries(self, models: Served, texts: Sequence[str]) -> Vectors:
        """Return the vectors of questions, `(len(texts), dim)`; both need the old model."""
        asked = {"new": (self.new,), "old": (self.old,), "both": (self.old, self.new)}[models]
        by = [
            self.cache.embed_queries(model, texts, show_progress=self.show_progress)
            for model in asked
            if model is not None
        ]
        return by[0] if len(by) == 1 else joined(*by)

    def saved(
        self,
        models: Served,
        adapter: QueryAdapter,
        question: str,
        training: Mapping[str, Any] | None = None,
    ) -> SavedAdapter:
        """Return an adapter for the models with its record and probe.

        Args:
            models: The models that embed its questions.
            adapter: The adapter.
            question: The probe, if the setting leaves the choice.
            training: Record of its training.
        """
        probe = chosen_probe(self.probe_text, question)
        name = self._name(models)
        return SavedAdapter(
            adapter=adapter,
            record=AdapterRecord(base_model=name, probe_text=probe, training=training or {}),
            probe_vector=None if probe is None else self.queries(models, [probe])[0],
        )

    def without_labels(self, bridge: LinearAdapter, question: str) -> dict[Served, SavedAdapter]:
        """Return the adapters that need no labels: the bridge and, with the old model, both models.

        Args:
            bridge: The bridge.
            question: A text to embed as a question.
        """
        adapters: dict[Served, LinearAdapter] = {"new": bridge}
        if self.old is not None:
            by_new, by_old = self.queries("new", [question]), self.queries("old", [question])
            adapters["both"] = equal_parts(bridge, by_new, by_old)
        return {one: self.saved(one, adapter, question) for one, adapter in adapters.items()}

    def _name(self, models: Served) -> str:
        new = own_name(self.new.model_name)
        old = new if self.old is None else own_name(self.old.model_name)
        return {"new": new, "old": old, "both": joined_name(old, new)}[models]
