"""Label-free fine-tuning: whiten an index, check if there are labels, save (extra: train)."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, judged_rows
from query_adapters.data.splits import query_groups
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import own_name
from query_adapters.errors import DimensionMismatchError, InvalidDatasetError
from query_adapters.evaluation.metrics import Metric
from query_adapters.finetuning.adapter import CACHE_FILE, library_versions
from query_adapters.finetuning.probe import NEUTRAL_PROBE, ProbeText, embedded_probe
from query_adapters.stores import StoredVectors
from query_adapters.training.verdict import ResultWithVerdict
from query_adapters.training.whitening import EXPONENT, WhiteningResult, whiten
from query_adapters.typing import Guard, Similarity

FULL = 0.5  # the exponent that gives every direction the same variance


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LabelFreeResult(ResultWithVerdict):
    """A saved adapter that was made without labels.

    Attributes:
        verdict: The outcome; its fields are also the result's own (`decision`, `expected_gain`,
            `p_value`, `advice`).
        saved: The adapter with its record.
        whitening: What is known about it.
    """

    saved: SavedAdapter
    whitening: WhiteningResult


@dataclass(frozen=True, kw_only=True)
class LabelFreeFinetuner:
    """Whitens an index, checks and saves; the engines of both integrations run it.

    It embeds one question, and those of `check`; documents are never embedded.

    Args:
        index: Vectors of the index that will be served.
        embedder: The model that the index was built with.
        output: The adapter's folder; the cache of embeddings is in it as well.
        exponent: p of the whitening, from 0 (the base) to 0.5 (full whitening).
        check: Labelled questions about documents of the index; nothing is fitted to them, they
            decide whether the whitening is kept.
        metric: Metric that base and whitening are compared on.
        guard: How sure a gain on `check` must be for the whitening to be kept.
        similarity: What the store ranks by.
        cache_path: File of the cache of embeddings, instead of one in the output folder.
        probe_text: As in `LabelFreeOptions`; `...` for its default.
        show_progress: Whether to show a progress bar.

    Raises:
        InvalidDatasetError: If documents that are relevant to check questions are not in the
            index.
        NotADirectoryError: If the output folder is a file.
        UnknownMetricError: If the metric is unknown.
        ValueError: If exponent, guard or similarity are out of range.
    """

    index: StoredVectors
    embedder: TextEmbedder
    output: Path
    exponent: float = EXPONENT
    check: RetrievalDataset | None = None
    metric: str = "ndcg@10"
    guard: Guard = "strict"
    similarity: Similarity = "cosine"
    cache_path: Path | None = None
    probe_text: ProbeText = ...
    show_progress: bool = False

    def __post_init__(self) -> None:
        self._check_settings()
        if self.output.exists() and not self.output.is_dir():
            raise NotADirectoryError(
                f"expected a folder for the adapter, got the file {self.output}"
            )
        labelled = () if self.check is None else self.check.labelled_documents
        absent = sorted(set(labelled) - set(self.index.labels))
        if absent:
            raise InvalidDatasetError(
                f"check: expected relevant documents that are in the index, got {len(absent)} of "
                f"{len(labelled)} that are not, such as {absent[0]!r}; leave those questions out, "
                "or pass the index that holds them"
            )

    def _check_settings(self) -> None:
        Metric.parse(self.metric)
        if self.guard not in get_args(Guard):
            raise ValueError(f"expected a guard of {get_args(Guard)}, got {self.guard}")
        if self.similarity not in get_args(Similarity):
            raise ValueError(
                f"expected a similarity of {get_args(Similarity)}, got {self.similarity}"
            )
        if not 0 <= self.exponent <= FULL:
            raise ValueError(
                f"expected an exponent from 0 (the base) to {FULL} (full whitening), got "
                f"{self.exponent}"
            )

    def run(self) -> LabelFreeResult:
        """Return the result, saved in the output folder.

        Raises:
            InvalidVectorsError: If vectors of the index or the model are not finite.
            DimensionMismatchError: If the vectors of model and index differ in length.
        """
        texts = [NEUTRAL_PROBE] if self.check is None else list(self.check.queries.values())
        cache = EmbeddingCache(self.cache_path or self.output / CACHE_FILE)
        probe, probe_vector = embedded_probe(
            self.probe_text, texts[0], embedder=self.embedder, cache=cache
        )
        known = cache.embed_queries(self.embedder, [probe or texts[0]])[0]
        if len(known) != self.index.dim:
            raise DimensionMismatchError(
                "vectors of the embedding model",
                expected=self.index.dim,
                actual=len(known),
                remedy="use the embedding model that the index was built with",
            )
        whitening = whiten(
            self.index.vectors,
            exponent=self.exponent,
            check=None if self.check is None else self._embedded(self.check, cache),
            metric=self.metric,
            guard=self.guard,
            similarity=self.similarity,
        )
        record = AdapterRecord(
            base_model=own_name(self.embedder.model_name),
            probe_text=probe,
            training=whitening.to_record()
            | {"similarity": self.similarity, "libraries": library_versions()},
        )
        saved = SavedAdapter(adapter=whitening.adapter, record=record, probe_vector=probe_vector)
        save_adapter(saved, self.output)
        return LabelFreeResult(verdict=whitening.verdict, saved=saved, whitening=whitening)

    def _embedded(self, check: RetrievalDataset, cache: EmbeddingCache) -> EmbeddedDataset:
        """Return the check questions over all documents of the index, as users search them."""
        texts = list(check.queries.values())
        index = self.index
        return EmbeddedDataset(
            cache.embed_queries(self.embedder, texts, show_progress=self.show_progress),
            index.vectors,
            *judged_rows(check, index.labels),
            query_groups(check),
            None if index.units is None else index.units.unit_of,
        )
