"""Settings of model tuning, validated before anything is loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

FULL_RATE, LORA_RATE = 2e-5, 2e-4
OURS = ("output_dir", "seed", "num_train_epochs", "per_device_train_batch_size")
LossLike = nn.Module | Callable[[Any], nn.Module]


@dataclass(frozen=True, kw_only=True)
class TowerSettings:
    """Settings of the training.

    Attributes:
        train: "both" towers, after which all documents must be embedded again, or only the
            "query" tower, which leaves the index as it is.
        batch_size: Training pairs per step; questions per step with train="query".
        epochs: Passes over the training set.
        learning_rate: Of AdamW, with a linear warm-up over a tenth of the steps and a decay to
            0; by default 2e-5, with LoRA 2e-4.
        loss: A sentence-transformers loss, or a callable that makes one from a model; by default
            MultipleNegativesRankingLoss. train="query" has a loss of its own.
        use_all_docs: Whether every relevant document of a question is used, or only the first.
        lora: Rank of a low-rank update (extra: lora); None to train all weights.
        hard_negatives: Negatives per pair, mined with the base model; 0 for none.
        pull: Weight of the mean squared distance between the tuned and the base's vectors of
            the training questions; for train="query" only.
        interpolations: Interpolations between base and tuned weights to try on the held-out
            questions, as shares of the tuned weights in (0, 1].
        held_out: Share of the training questions that is held out, by document, if no validation
            set is given.
        keep_base_if_worse: Whether to save the base instead if no gain can be shown.
        evaluation_steps: Steps between evaluations on the held-out questions.
        save_checkpoints: Whether to keep checkpoints from which training can resume.
        resume_from_checkpoint: Whether to continue from the last checkpoint, if there is one.
        checkpoint_save_steps: Steps between checkpoints.
        checkpoint_save_total_limit: How many checkpoints are kept, 0 for all.
        seed: Of batches, dropout and the split.
        training_args: Any other argument of SentenceTransformerTrainingArguments, such as
            `{"bf16": True}`.

    Raises:
        ValueError: If a setting is out of range, or two exclude each other.
    """

    train: Literal["both", "query"] = "both"
    batch_size: int = 10
    epochs: float = 2
    learning_rate: float | None = None
    loss: LossLike | None = None
    use_all_docs: bool = True
    lora: int | None = None
    hard_negatives: int = 0
    pull: float = 1.0
    interpolations: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    held_out: float = 0.2
    keep_base_if_worse: bool = True
    evaluation_steps: int = 50
    save_checkpoints: bool = False
    resume_from_checkpoint: bool = False
    checkpoint_save_steps: int = 500
    checkpoint_save_total_limit: int = 0
    seed: int = 0
    training_args: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.train not in ("both", "query"):
            raise ValueError(f"train: expected 'both' or 'query', got {self.train!r}")
        self._check_ranges()
        if self.train == "query" and (self.loss is not None or self.hard_negatives):
            raise ValueError(
                "train='query': expected neither loss nor hard_negatives, as every labelled "
                "document is a negative already; leave them out, or use train='both'"
            )
        taken = sorted(set(OURS) & set(self.training_args))
        if taken:
            raise ValueError(
                f"training_args: expected arguments that have no setting of their own, got "
                f"{', '.join(taken)}; use model_output_path, seed, epochs, batch_size"
            )

    def _check_ranges(self) -> None:
        least = {
            "batch_size": 2 if self.train == "both" else 1,  # one pair has no negative
            "evaluation_steps": 1,
            "checkpoint_save_steps": 1,
            "checkpoint_save_total_limit": 0,
            "hard_negatives": 0,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name}: expected at least {bound}, got {getattr(self, name)}")
        shares = self.interpolations
        if not shares or not all(0 < share <= 1 for share in shares):
            raise ValueError(f"interpolations: expected shares in (0, 1], got {shares}")
        if not (self.epochs > 0 and self.rate > 0 and self.pull >= 0):
            raise ValueError(
                f"expected epochs and learning_rate above 0 and a pull of at least 0, got "
                f"{self.epochs}, {self.rate} and {self.pull}"
            )
        if self.lora is not None and self.lora < 1:
            raise ValueError(f"lora: expected a rank of at least 1, or None, got {self.lora}")

    @property
    def rate(self) -> float:
        """The learning rate that is used."""
        return self.learning_rate or (FULL_RATE if self.lora is None else LORA_RATE)
