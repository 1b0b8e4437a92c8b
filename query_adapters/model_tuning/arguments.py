"""Arguments and callback of the SentenceTransformerTrainer."""

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.training_args import BatchSamplers
from transformers import TrainerCallback

from query_adapters.model_tuning.evaluator import METRIC
from query_adapters.model_tuning.models import DOCUMENT_PROMPTS, QUERY_PROMPTS, prompt_of
from query_adapters.model_tuning.settings import TowerSettings

WARM_UP = 0.1  # of all steps
ROUTES = {"anchor": "query", "positive": "document", "negative": "document"}


def training_arguments(
    base: SentenceTransformer,
    settings: TowerSettings,
    folder: Path,
    *,
    allows_duplicates: bool,
    n_steps: int,
    cpu: bool,
    progress: bool,
) -> SentenceTransformerTrainingArguments:
    """Return the arguments of the trainer; `settings.training_args` override all others.

    Args:
        base: The base model, whose prompts are put before the texts.
        settings: Settings of the training.
        folder: Folder of the checkpoints.
        allows_duplicates: Whether a batch may hold a text twice.
        n_steps: Steps of the whole run.
        cpu: Whether to leave other devices alone.
        progress: Whether to show a progress bar.
    """
    prompts = {
        column: prompt_of(base, QUERY_PROMPTS if route == "query" else DOCUMENT_PROMPTS)
        for column, route in ROUTES.items()
    }
    arguments: dict[str, Any] = {
        "output_dir": str(folder),
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "learning_rate": settings.rate,
        "warmup_steps": round(WARM_UP * n_steps),
        "batch_sampler": (
            BatchSamplers.BATCH_SAMPLER if allows_duplicates else BatchSamplers.NO_DUPLICATES
        ),
        "prompts": prompts if any(prompts.values()) else None,
        "router_mapping": ROUTES,
        "eval_strategy": "steps",
        "eval_steps": settings.evaluation_steps,
        "save_strategy": "best",
        "save_total_limit": (settings.checkpoint_save_total_limit or None)
        if settings.save_checkpoints
        else 1,
        "save_only_model": not settings.save_checkpoints,
        "load_best_model_at_end": True,
        "metric_for_best_model": f"eval_{METRIC}",
        "greater_is_better": True,
        "logging_steps": settings.evaluation_steps,
        "report_to": "none",
        "use_cpu": cpu,
        "disable_tqdm": not progress,
        "dataloader_pin_memory": not cpu and torch.cuda.is_available(),
        "seed": settings.seed,
    }
    return SentenceTransformerTrainingArguments(**{**arguments, **settings.training_args})


class Schedule(TrainerCallback):
    """Evaluates after the last step too, and writes the requested checkpoints.

    A checkpoint that is due at an evaluation is written one step later: at an evaluation the
    trainer itself decides about saving, by whether the weights are the best so far.

    Args:
        settings: Settings of the training.
    """

    def __init__(self, settings: TowerSettings) -> None:
        self._every = settings.checkpoint_save_steps if settings.save_checkpoints else None
        self._due = False

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the trainer to evaluate or save after this step."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = True
        self._due |= self._every is not None and state.global_step % self._every == 0
        if self._due and not control.should_evaluate:
            control.should_save = True
            self._due = False
