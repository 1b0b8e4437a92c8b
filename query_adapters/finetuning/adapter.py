"""End-to-end fine-tuning: embed, train, validate, save (extra: train)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from query_adapters._version import DISTRIBUTION, version_of
from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.splits import check_leakage
from query_adapters.data.units import Units
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.identity import own_name
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation import DEFAULT_METRICS, evaluate_vectors
from query_adapters.evaluation.groups import dataset_groups
from query_adapters.evaluation.pairwise import MetricComparison, compare
from query_adapters.finetuning.checks import warn_of_unrelated_labels
from query_adapters.finetuning.hybrid import (
    WITHOUT_TEXTS,
    SearchedQuestions,
    all_texts,
    fusion_of,
    lexical_index,
    trained_fusion,
)
from query_adapters.finetuning.probe import ProbeText
from query_adapters.finetuning.search_space import SearchSpace
from query_adapters.fusion.storage import save_fusion
from query_adapters.fusion.training import FusionTraining
from query_adapters.lexical import LexicalIndex
from query_adapters.lexical.collecting import TextBlocks
from query_adapters.stores import StoredVectors
from query_adapters.stores.unit_labels import check_labels
from query_adapters.training import AdapterTrainer, TrainingResult, Verdict
from query_adapters.training.verdict import ResultWithVerdict

CACHE_FILE = "embeddings.sqlite"
LIBRARIES = (DISTRIBUTION, "numpy", "scipy")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FinetuneResult(ResultWithVerdict):
    """A saved adapter, how it was trained, and its gain on validation questions.

    Attributes:
        verdict: The outcome of training and, with a validation set, of validation; its fields
            are also the result's own (`decision`, `expected_gain`, `p_value`, `advice`).
        saved: The adapter with its record.
        training: The candidates with their out-of-fold scores, and the verdict of training alone.
        validation: Base against adapter on the validation set, by metric; None without one.
        fusion: The scoring head of the learned retriever with its own verdict; None without
            `hybrid`.
    """

    saved: SavedAdapter
    training: TrainingResult
    validation: Mapping[str, MetricComparison] | None
    fusion: FusionTraining | None = None

    def __str__(self) -> str:
        own = str(self.verdict)
        return own if self.fusion is None else f"{own}\n\nLearned retriever: {self.fusion}"


@dataclass(frozen=True, kw_only=True)
class AdapterFinetuner:
    """Embeds, trains, validates and saves; the engines of both integrations run it.

    Args:
        dataset: Training questions.
        embedder: The base model.
        output: The adapter's folder; the cache of embeddings is in it as well.
        trainer: Settings of training. If they leave `seen_share` out and an index is given, it is
            estimated from the dataset and the index (`expected_seen_share`).
        val_dataset: Questions that only measure the result; nothing is chosen on them.
        index: Vectors of the index to be served. They replace embeddings of the documents that
            are in it, and their spectrum shapes the prior.
        start: An adapter to refine.
        dim: Expected length of the vectors.
        cache_path: File of the cache of embeddings, instead of one in the output folder.
        hybrid: Whether to learn a scoring head as well.
        texts: Blocks of (ids, texts) of the index's documents for it; the dataset's documents are
            added. None for the dataset's alone.
        probe_text: As in `RunOptions`; `...` for a training question.
        show_progress: Whether to show progress bars.

    Raises:
        DimensionMismatchError: If `start` does not fit `dim` or the index, or is not square.
        InvalidDatasetError: If the index has units, and labels name others, or `hybrid` has no
            texts.
        LeakageError: If a validation question is a training question.
        NotADirectoryError: If the output folder is a file.
    """

    dataset: RetrievalDataset
    embedder: TextEmbedder
    output: Path
    trainer: AdapterTrainer
    val_dataset: RetrievalDataset | None = None
    index: StoredVectors | None = None
    start: RefinableAdapter | None = None
    dim: int | None = None
    cache_path: Path | None = None
    hybrid: bool = False
    texts: TextBlocks | None = None
    probe_text: ProbeText = ...
    show_progress: bool = False

    def __post_init__(self) -> None:
        if self.output.exists() and not self.output.is_dir():
            raise NotADirectoryError(
                f"expected a folder for the adapter, got the file {self.output}"
            )
        if self.val_dataset is not None:
            check_leakage(self.dataset.queries, self.val_dataset.queries)
        if self.index is not None and self._units is not None:
            self._check_units(self.index)
        if self.start is not None:
            self._check_start(self.start)

    def _check_units(self, index: StoredVectors) -> None:
        if self.hybrid and self.texts is None:
            raise InvalidDatasetError(WITHOUT_TEXTS)
        for dataset in filter(None, (self.dataset, self.val_dataset)):
            check_labels(dataset.labelled_documents, index.unit_of, name="index")

    def _check_start(self, start: RefinableAdapter) -> None:
        if self._known_dim is not None:
            start.check_dim(self._known_dim)
        start.check_square()

    def run(self) -> FinetuneResult:
        """Return the result, saved in the output folder.

        Raises:
            InvalidVectorsError: If the model gives vectors that are not finite.
            DimensionMismatchError: If model, index, `dim` and `start` do not agree.
        """
        lexical = self._lexical() if self.hybrid else None  # a missing text costs nothing yet
        embedded = self._space.embedded(self.dataset)
        warn_of_unrelated_labels(embedded)
        trainer = self._trainer()
        training = trainer.fit(
            embedded, served=self._space.another_index(self.dataset), start=self.start
        )
        validation = self._validate(training.adapter)
        verdict = training.verdict
        if validation is not None:
            verdict = verdict.after_validation(validation[verdict.metric])
        sketch = self._space.sketch(self.dataset, embedded)
        saved = self._saved(training, verdict, validation, sketch)
        save_adapter(saved, self.output)
        result = FinetuneResult(
            verdict=verdict, saved=saved, training=training, validation=validation
        )
        return result if lexical is None else self._with_fusion(result, embedded, lexical, trainer)

    def _with_fusion(
        self,
        result: FinetuneResult,
        embedded: EmbeddedDataset,
        lexical: LexicalIndex,
        trainer: AdapterTrainer,
    ) -> FinetuneResult:
        """Return the result with a scoring head, saved; the adapter is saved already."""
        searched = SearchedQuestions(
            embedded=embedded,
            questions=list(self.dataset.queries.values()),
            ids=self._space.ids(self.dataset),
        )
        head = trained_fusion(searched, result.training, lexical, trainer=trainer, start=self.start)
        record = result.saved.record
        training = {**record.training, "retriever": head.to_record()}
        saved = replace(result.saved, record=replace(record, training=training))
        save_fusion(fusion_of(searched, head, saved, lexical, trainer=trainer), self.output)
        return replace(result, saved=saved, fusion=head)

    def _lexical(self) -> LexicalIndex:
        """Return the exact words of the index's documents and, without units, of the dataset's."""
        own = self.dataset.corpus if self._units is None else {}
        return lexical_index(all_texts(self.texts or (), own), show_progress=self.show_progress)

    @property
    def _units(self) -> Units | None:
        return None if self.index is None else self.index.units

    @property
    def _known_dim(self) -> int | None:
        return self.dim or (None if self.index is None else self.index.dim)

    @cached_property
    def _space(self) -> SearchSpace:
        return SearchSpace(
            index=self.index,
            embedder=self.embedder,
            cache_path=self.cache_path or self.output / CACHE_FILE,
            dim=self._known_dim or (None if self.start is None else self.start.dim_in),
            show_progress=self.show_progress,
        )

    def _trainer(self) -> AdapterTrainer:
        if self.trainer.seen_share is not None:
            return self.trainer
        return replace(self.trainer, seen_share=self._space.seen_share(self.dataset))

    def _validate(self, adapter: QueryAdapter) -> dict[str, MetricComparison] | None:
        if self.val_dataset is None:
            return None
        embedded = self._space.embedded(self.val_dataset)
        metrics = tuple(dict.fromkeys((*DEFAULT_METRICS, self.trainer.metric)))
        similarity = self.trainer.similarity
        base = evaluate_vectors(embedded, metrics=metrics, similarity=similarity)
        adapted = evaluate_vectors(embedded, adapter, metrics=metrics, similarity=similarity)
        return compare(base, adapted, groups=dataset_groups(self.val_dataset))

    def _saved(
        self,
        training: TrainingResult,
        verdict: Verdict,
        validation: Mapping[str, MetricComparison] | None,
        sketch: Mapping[str, object],
    ) -> SavedAdapter:
        question = next(iter(self.dataset.queries.values()))
        probe, probe_vector = self._space.probe(self.probe_text, question)
        measured = {name: c.difference.__dict__ for name, c in (validation or {}).items()}
        record = AdapterRecord(
            base_model=own_name(self.embedder.model_name),
            probe_text=probe,
            training=training.to_record()
            | verdict.to_record()
            | {
                "similarity": self.trainer.similarity,
                "validation": measured,
                "index": sketch,
                "libraries": library_versions(),
            }
            | ({} if self._units is None else {"units": self._units.to_record()}),
        )
        return SavedAdapter(adapter=training.adapter, record=record, probe_vector=probe_vector)


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that training depends on, by name."""
    return {name: version_of(name, otherwise="not installed") for name in LIBRARIES}
