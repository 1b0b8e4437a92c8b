"""Fit the bridge, learn on top of it, compare and save (extra: train)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, judged_rows
from query_adapters.data.splits import query_groups
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import own_name
from query_adapters.finetuning.adapter import CACHE_FILE, library_versions
from query_adapters.finetuning.checks import expected_seen_share
from query_adapters.finetuning.probe import ProbeText, embedded_probe
from query_adapters.stores import StoredVectors
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.typing import Rows, Values, Vectors
from query_adapters.upgrade.bridge import Bridge, fit_bridge
from query_adapters.upgrade.candidates import (
    AGAIN,
    BRIDGE,
    LABELS,
    OLD,
    Reembedding,
    Scores,
    scores_of,
)
from query_adapters.upgrade.plan import UpgradePlan
from query_adapters.upgrade.result import UpgradeResult, decide
from query_adapters.upgrade.roles import missing_prefix

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelUpgrader:
    """Fits, trains, compares and saves; the engines of both integrations run it.

    Args:
        index: Stored vectors, among them all documents that are relevant to a question.
        texts: Texts of some of the documents by id; they are embedded with the new model.
        new: The new model.
        old: The model that built the index; None if it cannot be called any more.
        questions: Labelled questions; None without any.
        trainer: Settings of the training on the labels.
        price_per_million_tokens: Price of the new model; None if unknown.
        output: The adapter's folder; the cache of embeddings is in it as well.
        cache_path: File of the cache of embeddings, instead of one in the output folder.
        probe_text: As in `RunOptions`; `...` for a question, else a stored text.
        show_progress: Whether to show progress bars.
    """

    index: StoredVectors
    texts: Mapping[str, str]
    new: TextEmbedder
    old: TextEmbedder | None
    questions: RetrievalDataset | None
    trainer: AdapterTrainer
    price_per_million_tokens: float | None
    output: Path
    cache_path: Path | None
    show_progress: bool
    probe_text: ProbeText = ...

    @property
    def plan(self) -> UpgradePlan:
        """What a run embeds, and its cost."""
        return UpgradePlan.of(
            self.new.model_name,
            list(self.texts.values()),
            list(self.questions.queries.values()) if self.questions else [],
            n_stored=self.index.n_stored or len(self.index.ids),
            price_per_million=self.price_per_million_tokens,
        )

    def run(self) -> UpgradeResult:
        """Return the result, saved in the output folder.

        Raises:
            AdapterMismatchError: If the bridge does not find held-out texts.
            InvalidVectorsError: If there are fewer than 40 different texts, or vectors are not
                finite.
        """
        logger.info("%s", self.plan)
        texts = list(self.texts.values())
        vectors = self._cache.embed_documents(self.new, texts, show_progress=self.show_progress)
        note = missing_prefix(self.new, texts, vectors)
        if note is not None:
            logger.warning("%s", note)
        bridge = self._bridge(texts, vectors)
        result = self._unchecked(bridge, note)
        if self.questions is not None:
            result = self._compared(result, self.questions, vectors)
        record = replace(
            result.saved.record,
            training=result.to_record()
            | {"similarity": self.trainer.similarity, "libraries": library_versions()},
        )
        result = replace(result, saved=replace(result.saved, record=record))
        save_adapter(result.saved, self.output)
        logger.info("%s", result.advice)
        return result

    @cached_property
    def _cache(self) -> EmbeddingCache:
        return EmbeddingCache(self.cache_path or self.output / CACHE_FILE)

    @cached_property
    def _rows(self) -> Rows:
        """Rows of the index that have a text, `(n_texts,)`."""
        return np.array([self.index.row_of[key] for key in self.texts])

    def _bridge(self, texts: list[str], vectors: Vectors) -> Bridge:
        """Return the bridge on texts that differ: of equal ones, one could find another."""
        once = list({text: place for place, text in enumerate(texts)}.values())
        return fit_bridge(
            vectors[once],
            self.index.vectors[self._rows[once]],
            similarity=self.trainer.similarity,
            seed=self.trainer.seed,
        )

    def _unchecked(self, bridge: Bridge, note: str | None) -> UpgradeResult:
        asked = self.questions.queries.values() if self.questions else self.texts.values()
        probe, probe_vector = embedded_probe(
            self.probe_text, next(iter(asked)), embedder=self.new, cache=self._cache
        )
        return UpgradeResult(
            decision="bridge",
            metric=self.trainer.metric,
            means={},
            differences={},
            p_value=None,
            n_questions=0,
            bridge=bridge,
            training=None,
            plan=self.plan,
            note=note,
            saved=SavedAdapter(
                adapter=bridge.adapter,
                record=AdapterRecord(base_model=own_name(self.new.model_name), probe_text=probe),
                probe_vector=probe_vector,
            ),
        )

    def _compared(
        self, result: UpgradeResult, questions: RetrievalDataset, vectors: Vectors
    ) -> UpgradeResult:
        """Return the result with what was learned and compared on labelled questions."""
        asked = self._embedded(questions, self.new, of_two_models=True)
        trainer = self._trainer(questions)
        training = trainer.fit(asked, start=result.bridge.adapter)
        found = self._scores(asked, questions, vectors, result.bridge, training)
        scores = Scores.of(found, asked)
        served = LABELS if training.chosen is not None else BRIDGE
        first = next(iter(found))
        return replace(
            result,
            decision=decide(scores, served, trainer.guard),
            means=scores.means(),
            differences={name: scores.difference(name, first) for name in list(found)[1:]},
            p_value=scores.p_value(served, OLD) if OLD in found else None,
            n_questions=len(questions.queries),
            training=training,
            saved=replace(result.saved, adapter=training.adapter),
        )

    def _scores(
        self,
        asked: EmbeddedDataset,
        questions: RetrievalDataset,
        vectors: Vectors,
        bridge: Bridge,
        training: TrainingResult,
    ) -> dict[str, Values]:
        """Return the scores of every candidate, what serves the index today first."""
        found: dict[str, Values] = {}
        today: tuple[EmbeddedDataset, QueryAdapter | None] = asked, bridge.adapter
        if self.old is not None:
            today = self._embedded(questions, self.old), None
            found[OLD] = self._scored(*today)
        found[BRIDGE] = self._scored(asked, bridge.adapter)
        if training.evidence is not None:
            found[LABELS] = found[BRIDGE] + training.evidence.per_question
        if set(asked.labelled.tolist()) <= set(self._rows.tolist()):
            order = np.argsort(self._rows)
            again = Reembedding(
                rows=self._rows[order],
                vectors=vectors[order],
                metric=self.trainer.metric,
                similarity=self.trainer.similarity,
            )
            found[AGAIN] = again.estimate(asked, *today, next(iter(found.values())))
        return found

    def _scored(self, dataset: EmbeddedDataset, adapter: QueryAdapter | None) -> Values:
        return scores_of(dataset, adapter, self.trainer.metric, self.trainer.similarity)

    def _embedded(
        self, questions: RetrievalDataset, model: TextEmbedder, **options: Any
    ) -> EmbeddedDataset:
        """Return the questions by the model over the index."""
        texts = list(questions.queries.values())
        queries = self._cache.embed_queries(model, texts, show_progress=self.show_progress)
        return EmbeddedDataset(
            queries,
            self.index.vectors,
            *judged_rows(questions, self.index.row_of),
            query_groups(questions),
            **options,
        )

    def _trainer(self, questions: RetrievalDataset) -> AdapterTrainer:
        if self.trainer.seen_share is not None:
            return self.trainer
        share = expected_seen_share(questions, self.index.n_stored or len(self.index.ids))
        return replace(self.trainer, seen_share=share)
