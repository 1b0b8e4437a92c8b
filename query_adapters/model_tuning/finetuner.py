"""End-to-end model tuning: load, train, compare with the base, save."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.data.splits import check_leakage, split_by_document
from query_adapters.embedders import SentenceTransformerEmbedder
from query_adapters.embedders.identity import own_name
from query_adapters.errors import DimensionMismatchError
from query_adapters.model_tuning.decision import Judge, Judgement
from query_adapters.model_tuning.evaluator import HeldOutEvaluator
from query_adapters.model_tuning.folder import check_replaceable, mark_unfinished, save_model
from query_adapters.model_tuning.models import load_model, progress_bars, ranking_of, two_towers
from query_adapters.model_tuning.result import TowerResult
from query_adapters.model_tuning.settings import TowerSettings
from query_adapters.model_tuning.trainer import Task, Trained, train
from query_adapters.stores import StoredVectors

Stored = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class TowerFinetuner:
    """Loads, trains, compares and saves; the engines of both integrations run it.

    Args:
        dataset: Training questions.
        model_id: The base model: an id on the Hub or a folder.
        output: The model's folder, new or of an earlier run; nothing is written elsewhere.
        settings: Settings of the training.
        val_dataset: Held-out questions, on which the weights are chosen and compared with the
            base. By default a part of the training questions, about other documents.
        index: For train="query", vectors of the index to be served.
        device: Device to run on; by default torch's choice.
        trust_remote_code: Whether code that comes with the model may run.
        max_seq_length: Tokens of a text that the model reads; by default its own limit.
        prompts: Prefixes of texts by name ("query", "document"), in addition to the base's own;
            saved with the model.
        show_progress: Whether to show a progress bar.

    Raises:
        LeakageError: If a validation question is a training question.
        FileExistsError: If the output folder holds a model or checkpoints of another origin.
        NotADirectoryError: If the output folder is a file.
        ValueError: If the output folder is the base's, an index is given with train="both", or
            the index has units.
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
                "choose a new one"
            )
        check_replaceable(self.output)
        if self.index is not None and self.settings.train == "both":
            raise ValueError(
                "index: expected none with train='both', which changes document vectors too; "
                "leave it out, or use train='query'"
            )
        if self.index is not None and self.index.units is not None:
            raise ValueError(
                "index: expected labels on its documents, got units; a model is tuned on pairs of "
                "a question and the text that answers it: give labels on chunks, or train an "
                "adapter with units"
            )
        if self.device is not None and ":" in self.device:
            raise ValueError(
                f"device: expected a kind such as 'cpu' or 'cuda', got {self.device!r}; select "
                "one of several with CUDA_VISIBLE_DEVICES"
            )
        if self.val_dataset is not None:
            check_leakage(self.dataset.queries, self.val_dataset.queries)

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
                verdict=judgement.verdict,
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
        mark_unfinished(self.output)
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
            two_towers(base, base)  # raises before the training, not after it
        return base

    def _stored(self, base: SentenceTransformer, *datasets: RetrievalDataset) -> Stored:
        """Return the vectors of all documents by id; empty if the model will embed them anew."""
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
        settings = {"base_model": own_name(self.model_id), "train": self.settings.train}
        save_model(model, self.output, record=settings | result.to_record())
