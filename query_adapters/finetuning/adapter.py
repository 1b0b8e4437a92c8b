"""End-to-end fine-tuning: embed, train, validate, save (extra: train)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from query_adapters._version import DISTRIBUTION, version_of
from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, embed_dataset
from query_adapters.data.splits import check_leakage
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import own_name
from query_adapters.evaluation import DEFAULT_METRICS, evaluate_vectors
from query_adapters.evaluation.groups import dataset_groups
from query_adapters.evaluation.pairwise import MetricComparison, compare
from query_adapters.finetuning.checks import (
    expected_seen_share,
    warn_of_unknown_documents,
    warn_of_unrelated_labels,
)
from query_adapters.stores import StoredVectors
from query_adapters.training import AdapterTrainer, TrainingResult, Verdict
from query_adapters.training.verdict import ResultWithVerdict
from query_adapters.typing import Vectors

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
    """

    saved: SavedAdapter
    training: TrainingResult
    validation: Mapping[str, MetricComparison] | None


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
        show_progress: Whether to show progress bars.

    Raises:
        DimensionMismatchError: If `start` does not fit `dim` or the index, or is not square.
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
    show_progress: bool = False

    def __post_init__(self) -> None:
        if self.output.exists() and not self.output.is_dir():
            raise NotADirectoryError(
                f"expected a folder for the adapter, got the file {self.output}"
            )
        if self.val_dataset is not None:
            check_leakage(self.dataset.queries, self.val_dataset.queries)
        if self.start is not None:
            self._check_start(self.start)

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
        embedded = self._searched(self.dataset)
        warn_of_unrelated_labels(embedded)
        training = self._trainer().fit(embedded, served=self._another_index, start=self.start)
        validation = self._validate(training.adapter)
        verdict = training.verdict
        if validation is not None:
            verdict = verdict.after_validation(validation[verdict.metric])
        saved = self._saved(training, verdict, embedded, validation)
        save_adapter(saved, self.output)
        return FinetuneResult(
            verdict=verdict, saved=saved, training=training, validation=validation
        )

    def _embed(self, dataset: RetrievalDataset) -> EmbeddedDataset:
        stored: dict[str, Vectors] = {}
        if self.index is not None:
            rows = self.index.row_of
            stored = {k: self.index.vectors[rows[k]] for k in dataset.corpus if k in rows}
        return embed_dataset(
            dataset,
            self.embedder,
            cache=EmbeddingCache(self.cache_path or self.output / CACHE_FILE),
            stored=stored,
            dim=self._known_dim or (None if self.start is None else self.start.dim_in),
            show_progress=self.show_progress,
        )

    @property
    def _known_dim(self) -> int | None:
        return self.dim or (None if self.index is None else self.index.dim)

    def _shares_labels(self, dataset: RetrievalDataset) -> bool:
        """Whether a document that is relevant to some question is in the index."""
        return self.index is not None and not self.index.row_of.keys().isdisjoint(
            dataset.labelled_documents
        )

    @property
    def _another_index(self) -> Vectors | None:
        """Vectors of the index if it holds no document with a training question, else None."""
        if self.index is None or self._shares_labels(self.dataset):
            return None
        return self.index.vectors

    def _searched(self, dataset: RetrievalDataset) -> EmbeddedDataset:
        """Return the dataset over all documents of the index, as users will search them.

        If no document with a question is in the index, it is another index that the adapter will
        serve, and the dataset is searched alone.
        """
        embedded, index = self._embed(dataset), self.index
        if index is None:
            return embedded
        warn_of_unknown_documents(dataset, embedded, index)
        if not self._shares_labels(dataset):
            return embedded
        place = np.array([index.row_of.get(key, -1) for key in dataset.corpus])
        new = embedded.documents[place < 0]
        place[place < 0] = len(index.vectors) + np.arange(len(new))
        return replace(
            embedded,
            # no copy of the index if there are no new documents: it may not fit in memory twice
            documents=np.concatenate([index.vectors, new]) if len(new) else index.vectors,
            relevant=tuple(place[rows] for rows in embedded.relevant),
        )

    def _trainer(self) -> AdapterTrainer:
        if self.trainer.seen_share is not None:
            return self.trainer
        if self.index is None:
            return replace(self.trainer, seen_share=expected_seen_share(self.dataset))
        if not self._shares_labels(self.dataset):
            return replace(self.trainer, seen_share=0.0)
        n_stored = self.index.n_stored or len(self.index.ids)
        return replace(self.trainer, seen_share=expected_seen_share(self.dataset, n_stored))

    def _validate(self, adapter: QueryAdapter) -> dict[str, MetricComparison] | None:
        if self.val_dataset is None:
            return None
        embedded = self._searched(self.val_dataset)
        metrics = tuple(dict.fromkeys((*DEFAULT_METRICS, self.trainer.metric)))
        similarity = self.trainer.similarity
        base = evaluate_vectors(embedded, metrics=metrics, similarity=similarity)
        adapted = evaluate_vectors(embedded, adapter, metrics=metrics, similarity=similarity)
        return compare(base, adapted, groups=dataset_groups(self.val_dataset))

    def _saved(
        self,
        training: TrainingResult,
        verdict: Verdict,
        embedded: EmbeddedDataset,
        validation: Mapping[str, MetricComparison] | None,
    ) -> SavedAdapter:
        measured = {name: c.difference.__dict__ for name, c in (validation or {}).items()}
        record = AdapterRecord(
            base_model=own_name(self.embedder.model_name),
            probe_text=next(iter(self.dataset.queries.values())),
            training=training.to_record()
            | verdict.to_record()
            | {
                "similarity": self.trainer.similarity,
                "validation": measured,
                "libraries": library_versions(),
            },
        )
        probe = embedded.queries[0]
        return SavedAdapter(adapter=training.adapter, record=record, probe_vector=probe)


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that training depends on, by name."""
    return {name: version_of(name, otherwise="not installed") for name in LIBRARIES}
