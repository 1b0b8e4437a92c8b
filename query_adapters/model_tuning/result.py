"""The result of model tuning."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from query_adapters.model_tuning.decision import Judgement
from query_adapters.training.verdict import ResultWithVerdict


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TowerResult(ResultWithVerdict):
    """A saved model and its gain on the held-out questions.

    Attributes:
        verdict: The outcome; its fields are also the result's own (`decision`, `expected_gain`,
            `p_value`, `advice`).
        folder: The model's folder.
        judgement: Base against tuned model on the held-out questions.
        n_training: Questions it was trained on.
        n_held_out: Questions that it was chosen and compared with the base on.
        best_step: Training step after which the weights were best.
        training_loss: Mean over the run.
        elapsed_seconds: Wall time of the whole run.
    """

    folder: Path
    judgement: Judgement
    n_training: int
    n_held_out: int
    best_step: int
    training_loss: float
    elapsed_seconds: float

    def to_record(self) -> dict[str, Any]:
        """Return everything but the model, as JSON can hold it."""
        return self.judgement.to_record() | {
            "n_training": self.n_training,
            "n_held_out": self.n_held_out,
            "best_step": self.best_step,
            "training_loss": self.training_loss,
            "elapsed_seconds": round(self.elapsed_seconds, 1),
        }
