"""What labels teach on top of the old model, the bridge, and both models side by side."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.embedders.two_models import Served
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.typing import Values, Vectors
from query_adapters.upgrade.candidates import NAMES, scores_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """An adapter that was learned from labels, on questions as some models embed them.

    Attributes:
        models: The models that embed questions.
        asked: The questions over the index.
        start: The adapter that training started from; None for the old model as it is.
        training: What was learned.
        before: The metric on each question without labels, `(n_questions,)`.
    """

    models: Served
    asked: EmbeddedDataset
    start: LinearAdapter | None
    training: TrainingResult
    before: Values

    @classmethod
    def of(
        cls,
        models: Served,
        asked: EmbeddedDataset,
        start: LinearAdapter | None,
        trainer: AdapterTrainer,
    ) -> "Learned":
        """Return what the trainer learns from the questions."""
        return cls(
            models=models,
            asked=asked,
            start=start,
            training=trainer.fit(asked, start=start),
            before=scores_of(asked, start, trainer.metric, trainer.similarity),
        )

    @property
    def served(self) -> str:
        """Name of the candidate that is served: with labels if they help."""
        without, with_labels = NAMES[self.models]
        return without if self.training.chosen is None else with_labels

    def scores(self) -> Iterator[tuple[str, Values]]:
        """Yield the candidates without and, out of fold, with labels: name and scores."""
        without, with_labels = NAMES[self.models]
        yield without, self.before
        if self.training.evidence is not None:
            yield with_labels, self.before + self.training.evidence.per_question


def equal_parts(bridge: LinearAdapter, new_queries: Vectors, old_queries: Vectors) -> LinearAdapter:
    """Return the map of joined vectors to the mean of the old vector and the bridged new one.

    Args:
        bridge: The map from the new model's vectors.
        new_queries: Questions by the new model, `(n_questions, dim_new)`; where lengths count,
            their mean length.
        old_queries: The same by the old model, `(n_questions, dim_old)`.
    """
    lengths = (np.linalg.norm(queries, axis=1).mean() for queries in (old_queries, new_queries))
    ratio = np.float32(next(lengths) / next(lengths))
    identity = np.eye(bridge.dim_out, dtype=np.float32)
    bridged = bridge.weight if bridge.keeps_length else bridge.weight / ratio
    scale = np.float32(0.5) * (ratio if bridge.keeps_length else np.float32(1))
    bias = None if bridge.bias is None else bridge.bias * scale
    weight = np.concatenate([identity, bridged], axis=1) / np.float32(np.sqrt(2))
    return LinearAdapter(weight, bias, keeps_length=bridge.keeps_length)
