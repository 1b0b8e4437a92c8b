"""One run of the SentenceTransformerTrainer: checkpoints, evaluations, the best weights."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import BatchSamplers
from sentence_transformers.util import cos_sim, dot_score
from transformers import PrinterCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.model_tuning.evaluator import METRIC, HeldOutEvaluator, looks
from query_adapters.model_tuning.lora import add_lora, folded
from query_adapters.model_tuning.models import (
    DOCUMENT_PROMPTS,
    QUERY_PROMPTS,
    copy_of,
    prompt_of,
    ranking_of,
)
from query_adapters.model_tuning.pairs import numbered, pairs, with_negatives
from query_adapters.model_tuning.query_loss import SCALE, FrozenDocumentsLoss
from query_adapters.model_tuning.settings import LossLike, TowerSettings
from query_adapters.typing import Values

CHECKPOINTS, EVALUATIONS = "checkpoints", "eval"
WARM_UP = 0.1  # of all steps
ROUTES = {"anchor": "query", "positive": "document", "negative": "document"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What a run ended with.

    Attributes:
        model: The model, with the weights that were best on the held-out questions.
        looks: Values of the held-out questions at each evaluation, each `(n_queries,)`.
        best_step: After how many steps the weights were best.
        loss: Mean training loss over the run.
        is_main_process: Whether this process is the one that writes.
    """

    model: SentenceTransformer
    looks: list[Values]
    best_step: int
    loss: float
    is_main_process: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What to train.

    Attributes:
        base: Where training starts; it is not changed.
        questions: Training questions.
        evaluator: Scores the model on the held-out ones.
        frozen: The training questions under the base with the stored document vectors, where
            only the query tower learns; None where both do.
    """

    base: SentenceTransformer
    questions: RetrievalDataset
    evaluator: HeldOutEvaluator
    frozen: EmbeddedDataset | None = None


def train(
    task: Task,
    settings: TowerSettings,
    output: Path,
    *,
    device: str | None = None,
    show_progress: bool = False,
) -> Trained:
    """Return the trained model.

    Args:
        task: What to train.
        settings: How.
        output: Folder of the model: checkpoints and evaluations go into folders within it.
        device: "cpu" to leave other devices alone.
        show_progress: Whether to show a progress bar.
    """
    folder = output / CHECKPOINTS
    if not settings.resume_from_checkpoint:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with _global_seeds_kept():
        trainer = _trainer(task, settings, folder, cpu=device == "cpu", progress=show_progress)
        last: str | None = get_last_checkpoint(str(folder))  # type: ignore[no-untyped-call]
        outcome = trainer.train(resume_from_checkpoint=last)
    model: SentenceTransformer = trainer.model
    trained = Trained(
        model=model if settings.lora is None else folded(task.base, model),
        looks=looks(folder / EVALUATIONS),
        best_step=trainer.state.best_global_step or trainer.state.global_step,
        loss=float(outcome.training_loss),
        is_main_process=bool(trainer.is_world_process_zero()),
    )
    trainer.accelerator.wait_for_everyone()
    if trained.is_main_process:
        _tidy(folder, output, keep_checkpoints=settings.save_checkpoints)
    return trained


def _trainer(
    task: Task, settings: TowerSettings, folder: Path, *, cpu: bool, progress: bool
) -> SentenceTransformerTrainer:
    model = copy_of(task.base)
    if settings.lora is not None:
        add_lora(model, settings.lora)
    rows = _rows(task, settings)
    lengths = [len(part) for part in (rows.values() if isinstance(rows, dict) else [rows])]
    n_steps = ceil(sum(ceil(n / settings.batch_size) for n in lengths) * settings.epochs)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=_arguments(task, settings, folder, n_steps=n_steps, cpu=cpu, progress=progress),
        train_dataset=rows,
        loss=_loss(task, model, settings),
        evaluator=task.evaluator,
        callbacks=[_Schedule(settings)],
    )
    trainer.remove_callback(PrinterCallback)  # who wants to see figures asks for the bar
    return trainer


def _rows(task: Task, settings: TowerSettings) -> Dataset | dict[str, Dataset]:
    if task.frozen is not None:
        return numbered(task.questions)
    rows = pairs(task.questions, use_all_docs=settings.use_all_docs)
    if not settings.hard_negatives:
        return rows
    return with_negatives(rows, task.questions, task.base, settings)


def _loss(task: Task, model: SentenceTransformer, settings: TowerSettings) -> LossLike:
    ranking = ranking_of(model)
    if task.frozen is not None:
        return FrozenDocumentsLoss(
            model,
            task.frozen,
            ranking=ranking,
            pull=settings.pull,
            use_all_docs=settings.use_all_docs,
        )
    if settings.loss is not None:
        return settings.loss
    similarity = cos_sim if ranking == "cosine" else dot_score
    return MultipleNegativesRankingLoss(model, scale=SCALE[ranking], similarity_fct=similarity)


def _arguments(
    task: Task, settings: TowerSettings, folder: Path, *, n_steps: int, cpu: bool, progress: bool
) -> SentenceTransformerTrainingArguments:
    prompts = {
        column: prompt_of(task.base, QUERY_PROMPTS if route == "query" else DOCUMENT_PROMPTS)
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
            BatchSamplers.BATCH_SAMPLER if task.frozen is not None else BatchSamplers.NO_DUPLICATES
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


class _Schedule(TrainerCallback):
    """Evaluates at the very end as well, and writes the checkpoints that were asked for.

    A save that falls on an evaluation comes one step later: there the trainer itself decides,
    by whether the weights are the best so far.
    """

    def __init__(self, settings: TowerSettings) -> None:
        self._every = settings.checkpoint_save_steps if settings.save_checkpoints else None
        self._due = False

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set what the trainer is to do after this step."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = True
        self._due |= self._every is not None and state.global_step % self._every == 0
        if self._due and not control.should_evaluate:
            control.should_save = True
            self._due = False


@contextmanager
def _global_seeds_kept() -> Iterator[None]:
    """Leave the process's random state as it was: the trainer sets it to its seed."""
    python, legacy, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.set_rng_state(torch_state)


def _tidy(folder: Path, output: Path, *, keep_checkpoints: bool) -> None:
    """Put the evaluations where they stay, and the checkpoints away where nobody wants them."""
    shutil.copytree(folder / EVALUATIONS, output / EVALUATIONS, dirs_exist_ok=True)
    if not keep_checkpoints:
        shutil.rmtree(folder)
