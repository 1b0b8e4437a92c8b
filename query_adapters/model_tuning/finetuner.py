"""The whole way from texts to a saved model, tuned where that is shown to help."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.data.splits import check_leakage, split_by_document
from query_adapters.embedders import SentenceTransformerEmbedder
from query_adapters.errors import DimensionMismatchError
from query_adapters.model_tuning.decision import Judge, Judgement
from query_adapters.model_tuning.evaluator import HeldOutEvaluator
from query_adapters.model_tuning.models import load_model, progress_bars, ranking_of, two_towers
from query_adapters.model_tuning.settings import TowerSettings
from query_adapters.model_tuning.trainer import Task, Trained, train
from query_adapters.stores import StoredVectors

RECORD = "finetuning.json"
MARK = ".unfinished-finetuning"  # on a folder of ours that has no record yet
WRITTEN = ("checkpoints", "README.md", "modules.json", "config.json", "model.safetensors")
Stored = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, eq=False)
class TowerResult:
    """A saved model and what it is worth.

    Attributes:
        folder: Where it is.
        judgement: Base against tuned on the held-out questions, with the verdict.
        n_training: Questions it was trained on.
        n_held_out: Questions that it was chosen and judged on.
        best_step: After how many steps the weights were best.
        training_loss: Mean over the run.
        elapsed_seconds: Wall time of all of it.
    """

    folder: Path
    judgement: Judgement
    n_training: int
    n_held_out: int
    best_step: int
    training_loss: float
    elapsed_seconds: float

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        return self.judgement.verdict

    def to_record(self) -> dict[str, Any]:
        """Return everything but the model, as JSON can hold it."""
        return self.judgement.to_record() | {
            "n_training": self.n_training,
            "n_held_out": self.n_held_out,
            "best_step": self.best_step,
            "training_loss": self.training_loss,
            "elapsed_seconds": round(self.elapsed_seconds, 1),
        }


@dataclass(frozen=True, kw_only=True)
class TowerFinetuner:
    """Loads, trains, measures and saves; the door of each framework puts its own nouns on it.

    Args:
        dataset: Training questions.
        model_id: The base: a hub name or a folder.
        output: The model's folder, new or of an earlier run; nothing is written elsewhere.
        settings: How to train.
        val_dataset: Held-out questions: they choose the weights and judge them. By default a
            part of the training questions, about other documents.
        index: For train="query", vectors of the index to be served.
        device: Where to run; by default where torch likes best.
        trust_remote_code: Whether code that comes with the model may run.
        max_seq_length: Tokens of a text that the model reads; by default its own limit.
        prompts: What is put before a text, by name ("query", "document"), besides the base's
            own; saved with the model.
        show_progress: Whether to show a progress bar.

    Raises:
        LeakageError: If a validation question is a training question.
        FileExistsError: If the output folder holds a model or checkpoints of somebody else.
        NotADirectoryError: If the output folder is a file.
        ValueError: If the output folder is the base's, or an index is given in vain.
    """

    dataset: RetrievalDataset
    model_id: str
    output: Path
    settings: TowerSettings
    val_dataset: RetrievalDataset | None = None
    index: StoredVectors | None = None
    device: str | None = None
    trust_remote_code: bool = False
    max_seq_length: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    show_progress: bool = False

    def __post_init__(self) -> None:
        if self.output.exists() and not self.output.is_dir():
            raise NotADirectoryError(f"expected a folder for the model, got the file {self.output}")
        if Path(self.model_id).is_dir() and self.output.resolve() == Path(self.model_id).resolve():
            raise ValueError(
                f"model_output_path: expected another folder than the base's, {self.model_id}; "
                "name a new one"
            )
        self._check_ours()
        if self.index is not None and self.settings.train == "both":
            raise ValueError(
                "index: expected none with train='both', which makes its vectors out of date; "
                "leave it out, or train='query'"
            )
        if self.device is not None and ":" in self.device:
            raise ValueError(
                f"device: expected a kind such as 'cpu' or 'cuda', got {self.device!r}; choose "
                "among several by CUDA_VISIBLE_DEVICES"
            )
        if self.val_dataset is not None:
            check_leakage(self.dataset.queries, self.val_dataset.queries)

    def _check_ours(self) -> None:
        """Raise FileExistsError if a file of somebody else would be replaced or removed."""
        if any((self.output / mark).is_file() for mark in (RECORD, MARK)):
            return
        others = [name for name in WRITTEN if (self.output / name).exists()]
        if others:
            raise FileExistsError(
                f"model_output_path: {self.output} holds {', '.join(others)}, which no earlier run "
                "has written and this one would replace; name a new folder"
            )

    def run(self) -> TowerResult:
        """Return the result, saved in the output folder.

        Raises:
            AdapterMismatchError: If the model ranks by neither cosine nor dot, or for
                train="query" has routes already.
            DimensionMismatchError: If the index's vectors are of another length.
            InvalidDatasetError: If there are too few questions to hold any out.
        """
        started = perf_counter()
        training, held_out = self._split()
        with progress_bars(self.show_progress):
            base = self._load_base()
            stored = self._stored(base, training, held_out)
            task = self._task(base, training, held_out, stored)
            trained = self._train(task)
            judgement = self._judge(base, trained, Judge(held_out=held_out, stored=stored))
            result = TowerResult(
                folder=self.output,
                judgement=judgement,
                n_training=len(training.queries),
                n_held_out=len(held_out.queries),
                best_step=trained.best_step,
                training_loss=trained.loss,
                elapsed_seconds=perf_counter() - started,
            )
            self._save(result, base, trained)
        return result

    def _train(self, task: Task) -> Trained:
        self.output.mkdir(parents=True, exist_ok=True)
        (self.output / MARK).touch()
        return train(
            task,
            self.settings,
            self.output,
            device=self.device,
            show_progress=self.show_progress,
        )

    def _judge(self, base: SentenceTransformer, trained: Trained, judge: Judge) -> Judgement:
        return judge.judge(
            base,
            trained.model,
            interpolations=self.settings.interpolations,
            looks=trained.looks,
            keep_base_if_worse=self.settings.keep_base_if_worse,
        )

    def _split(self) -> tuple[RetrievalDataset, RetrievalDataset]:
        if self.val_dataset is not None:
            return self.dataset, self.val_dataset
        settings = self.settings
        return split_by_document(self.dataset, held_out=settings.held_out, seed=settings.seed)

    def _load_base(self) -> SentenceTransformer:
        base = load_model(
            self.model_id, device=self.device, trust_remote_code=self.trust_remote_code
        )
        if self.max_seq_length is not None:
            base.max_seq_length = self.max_seq_length
        base.model_card_data.generate_widget_examples = False  # they take time
        base.prompts = {**base.prompts, **self.prompts}
        ranking_of(base)
        if self.settings.train == "query":
            two_towers(base, base)  # refused here, not after the training
        return base

    def _stored(self, base: SentenceTransformer, *datasets: RetrievalDataset) -> Stored:
        """Return the vectors of all documents by id where they are to stay as they are."""
        if self.settings.train == "both":
            return {}
        texts = {key: text for dataset in datasets for key, text in dataset.corpus.items()}
        stored: Stored = {}
        if self.index is not None:
            rows = zip(self.index.ids, self.index.vectors, strict=True)
            stored = {key: vector for key, vector in rows if key in texts}
            self._check_dim(base, self.index.dim)
        absent = {key: text for key, text in texts.items() if key not in stored}
        fresh = self._embedder(base).embed_documents(list(absent.values()))
        return {**stored, **dict(zip(absent, fresh, strict=True))}

    def _check_dim(self, base: SentenceTransformer, dim: int) -> None:
        expected = base.get_embedding_dimension()
        if expected is not None and expected != dim:
            raise DimensionMismatchError(
                "index", expected=expected, actual=dim, remedy="fine-tune the model that made it"
            )

    def _embedder(self, model: SentenceTransformer) -> SentenceTransformerEmbedder:
        return SentenceTransformerEmbedder.from_model(model, model_name=self.model_id)

    def _task(
        self,
        base: SentenceTransformer,
        training: RetrievalDataset,
        held_out: RetrievalDataset,
        stored: Mapping[str, NDArray[np.float32]],
    ) -> Task:
        if self.settings.train == "both":
            return Task(base=base, questions=training, evaluator=HeldOutEvaluator(held_out))
        documents = np.array([stored[key] for key in held_out.corpus])
        return Task(
            base=base,
            questions=training,
            evaluator=HeldOutEvaluator(held_out, documents=documents),
            frozen=embed_dataset(training, self._embedder(base), stored=stored),
        )

    def _save(self, result: TowerResult, base: SentenceTransformer, trained: Trained) -> None:
        if not trained.is_main_process:
            return
        model = result.judgement.model
        if self.settings.train == "query" and result.judgement.is_tuned:
            model = two_towers(model, base)
        record = {"base_model": self.model_id, "train": self.settings.train, **result.to_record()}
        unfinished = self.output / ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        model.save_pretrained(str(unfinished))
        (unfinished / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        for path in unfinished.iterdir():
            target = self.output / path.name
            if target.is_dir():
                shutil.rmtree(target)
            path.replace(target)
        unfinished.rmdir()
        (self.output / MARK).unlink(missing_ok=True)
