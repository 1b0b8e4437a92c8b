"""Run the SentenceTransformerTrainer: checkpoints, evaluations, the best weights."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim, dot_score
from transformers import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.model_tuning.arguments import Schedule, training_arguments
from query_adapters.model_tuning.evaluator import HeldOutEvaluator, looks
from query_adapters.model_tuning.lora import add_lora, folded
from query_adapters.model_tuning.models import copy_of, ranking_of
from query_adapters.model_tuning.pairs import numbered, pairs, with_negatives
from query_adapters.model_tuning.query_loss import SCALE, FrozenDocumentsLoss
from query_adapters.model_tuning.settings import LossLike, TowerSettings
from query_adapters.typing import Values

CHECKPOINTS, EVALUATIONS = "checkpoints", "eval"


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """The outcome of a run.

    Attributes:
        model: The model with the weights that were best on the held-out questions.
        looks: Scores of the held-out questions at each evaluation, each `(n_queries,)`.
        best_step: Step after which the weights were best.
        loss: Mean training loss over the run.
        is_main_process: Whether this process writes the files.
    """

    model: SentenceTransformer
    looks: list[Values]
    best_step: int
    loss: float
    is_main_process: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A model with the data to train it on.

    Attributes:
        base: The model that training starts from; it is not changed.
        questions: Training questions.
        evaluator: Scores the model on the held-out questions.
        frozen: The training questions embedded by the base with the stored document vectors, if
            only the query tower is trained; None if both are.
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
        task: The model and its data.
        settings: Settings of the training.
        output: Folder of the model; checkpoints and evaluations go into subfolders.
        device: "cpu" to use no other device.
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
        args=training_arguments(
            task.base,
            settings,
            folder,
            allows_duplicates=task.frozen is not None,
            n_steps=n_steps,
            cpu=cpu,
            progress=progress,
        ),
        train_dataset=rows,
        loss=_loss(task, model, settings),
        evaluator=task.evaluator,
        callbacks=[Schedule(settings)],
    )
    trainer.remove_callback(PrinterCallback)  # the progress bar shows the figures, if requested
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


@contextmanager
def _global_seeds_kept() -> Iterator[None]:
    """Restore the process's random state afterwards: the trainer sets its own seed."""
    python, legacy, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.set_rng_state(torch_state)


def _tidy(folder: Path, output: Path, *, keep_checkpoints: bool) -> None:
    """Copy the evaluations to the output folder, and delete checkpoints that are not to be kept."""
    shutil.copytree(folder / EVALUATIONS, output / EVALUATIONS, dirs_exist_ok=True)
    if not keep_checkpoints:
        shutil.rmtree(folder)
