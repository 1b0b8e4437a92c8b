"""Fit the bridge, learn on top of it, compare and save (extra: train)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from query_adapters.adapters.storage import save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.known_models import price_of
from query_adapters.embedders.roles import missing_prefix
from query_adapters.finetuning.adapter import CACHE_FILE, library_versions
from query_adapters.finetuning.checks import expected_seen_share
from query_adapters.finetuning.probe import ProbeText
from query_adapters.stores import StoredVectors
from query_adapters.training import AdapterTrainer
from query_adapters.typing import Rows, Values
from query_adapters.upgrade.asking import QuestionCost
from query_adapters.upgrade.bridge import Bridge, fit_bridge
from query_adapters.upgrade.candidates import AGAIN, Scores
from query_adapters.upgrade.decision import Choice, decide
from query_adapters.upgrade.learning import Learned
from query_adapters.upgrade.migration.sample import MigrationSample
from query_adapters.upgrade.models import Models
from query_adapters.upgrade.plan import Prices, UpgradePlan
from query_adapters.upgrade.questions import AskedQuestions
from query_adapters.upgrade.reembedding import Reembedding
from query_adapters.upgrade.result import UpgradeResult
from query_adapters.upgrade.texts import Sampled

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
        prices: Prices of the models.
        max_loss: Loss of the metric that is accepted to replace the old model by the new one.
        output: The folder of the new model's adapter; those of the old one and of both are in its
            folders "old" and "both", the cache of embeddings is in it as well.
        cache_path: File of the cache of embeddings, instead of one in the output folder.
        probe_text: As in `RunOptions`; `...` for a question, else a stored text.
        show_progress: Whether to show progress bars.

    Raises:
        ValueError: If `max_loss` is out of range.
    """

    index: StoredVectors
    texts: Mapping[str, str]
    new: TextEmbedder
    old: TextEmbedder | None
    questions: RetrievalDataset | None
    trainer: AdapterTrainer
    prices: Prices
    max_loss: float
    output: Path
    cache_path: Path | None
    show_progress: bool
    probe_text: ProbeText = ...

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss < 1:
            raise ValueError(f"max_loss: expected 0 or more, below 1, got {self.max_loss}")

    @property
    def plan(self) -> UpgradePlan:
        """What a run embeds, and its cost."""
        return UpgradePlan.of(
            self.new.model_name,
            list(self.texts.values()),
            list(self.questions.queries.values()) if self.questions else [],
            n_stored=self.index.n_stored or len(self.index.ids),
            price_per_million=self.prices.new,
        )

    def run(self) -> UpgradeResult:
        """Return the result, saved in the output folder.

        Raises:
            AdapterMismatchError: If the bridge does not find held-out texts.
            InvalidVectorsError: If there are fewer than 40 different texts, or vectors are not
                finite.
        """
        logger.info("%s", self.plan)
        sampled = self._sampled()
        note = missing_prefix(self.new, list(sampled.texts), sampled.vectors)
        if note is not None:
            logger.warning("%s", note)
        bridge = self._bridge(sampled)
        result = self._unchecked(bridge, note)
        if self._asked is not None:
            result = self._compared(result, self._asked, sampled)
        result = self._recorded(result, self._migration(sampled))
        for models, saved in result.adapters.items():
            save_adapter(saved, self.output if models == "new" else self.output / models)
        logger.info("%s", result.advice)
        return result

    @cached_property
    def _cache(self) -> EmbeddingCache:
        return EmbeddingCache(self.cache_path or self.output / CACHE_FILE)

    @cached_property
    def _models(self) -> Models:
        return Models(
            new=self.new,
            old=self.old,
            cache=self._cache,
            probe_text=self.probe_text,
            show_progress=self.show_progress,
        )

    @cached_property
    def _asked(self) -> AskedQuestions | None:
        if self.questions is None:
            return None
        return AskedQuestions(questions=self.questions, index=self.index, models=self._models)

    def _sampled(self) -> Sampled:
        texts = tuple(self.texts.values())
        vectors = self._cache.embed_documents(self.new, texts, show_progress=self.show_progress)
        return Sampled(ids=tuple(self.texts), texts=texts, vectors=vectors)

    def _bridge(self, sampled: Sampled) -> Bridge:
        """Return the bridge on texts that differ: of equal ones, one could find another."""
        once = sampled.once
        return fit_bridge(
            sampled.vectors[once],
            self.index.vectors[self._rows(sampled)[once]],
            similarity=self.trainer.similarity,
            seed=self.trainer.seed,
        )

    def _rows(self, sampled: Sampled) -> Rows:
        return np.array([self.index.row_of[key] for key in sampled.ids])

    def _unchecked(self, bridge: Bridge, note: str | None) -> UpgradeResult:
        first = (self._asked.texts if self._asked else list(self.texts.values()))[0]
        return UpgradeResult(
            choice=Choice(decision="bridge", until_then="bridge", p_value=None),
            metric=self.trainer.metric,
            means={},
            differences={},
            n_questions=0,
            bridge=bridge,
            trainings={},
            costs=(),
            plan=self.plan,
            note=note,
            adapters=self._models.without_labels(bridge.adapter, first),
        )

    def _compared(
        self, result: UpgradeResult, asked: AskedQuestions, sampled: Sampled
    ) -> UpgradeResult:
        """Return the result with what was learned and compared on labelled questions."""
        trainer = self._trainer(asked.questions)
        learned = {
            models: Learned.of(models, dataset, start, trainer)
            for models, (dataset, start) in asked.ways(result.bridge.adapter).items()
        }
        found = {name: row for one in learned.values() for name, row in one.scores()}
        first = next(iter(found))
        found |= self._again(learned["new"].asked, sampled)
        scores = Scores.of(found, learned["new"].asked)
        served = {models: one.served for models, one in learned.items()}
        return replace(
            result,
            choice=decide(scores, served, trainer.guard, max_loss=self.max_loss),
            means=scores.means(),
            differences={n: scores.difference(n, first) for n in found if n != first},
            n_questions=len(asked.texts),
            trainings={models: one.training for models, one in learned.items()},
            costs=self._costs(asked.texts),
            adapters={
                models: self._models.saved(
                    models,
                    one.training.adapter,
                    asked.texts[0],
                    one.training.to_record() | self._origin,
                )
                for models, one in learned.items()
            },
        )

    def _again(self, asked: EmbeddedDataset, sampled: Sampled) -> dict[str, Values]:
        """Return the estimate of embedding again; none if a labelled text could not be read."""
        rows = self._rows(sampled)
        if not set(asked.labelled.tolist()) <= set(rows.tolist()):
            return {}
        order = np.argsort(rows)
        again = Reembedding(
            rows=rows[order],
            vectors=sampled.vectors[order],
            metric=self.trainer.metric,
            similarity=self.trainer.similarity,
            seed=self.trainer.seed,
        )
        return {AGAIN: again.estimate(asked)}

    def _costs(self, texts: list[str]) -> tuple[QuestionCost, ...]:
        """Return what a question costs by the new model and, to compare, by the old one."""
        if self.old is None:
            return ()
        prices = ((self.new, self.prices.new), (self.old, self.prices.old))
        return tuple(
            QuestionCost.of(model, texts, price_of(model.model_name) if price is None else price)
            for model, price in prices
        )

    def _trainer(self, questions: RetrievalDataset) -> AdapterTrainer:
        if self.trainer.seen_share is not None:
            return self.trainer
        share = expected_seen_share(questions, self.index.n_stored or len(self.index.ids))
        return replace(self.trainer, seen_share=share)

    def _migration(self, sampled: Sampled) -> MigrationSample:
        return MigrationSample.of(
            sampled.ids,
            sampled.vectors,
            self.index.vectors[self._rows(sampled)],
            questions=self.questions,
            seed=self.trainer.seed,
        )

    def _recorded(self, result: UpgradeResult, sample: MigrationSample) -> UpgradeResult:
        """Return the result with its record and the sample in the new model's adapter."""
        record = replace(result.saved.record, training=result.to_record() | self._origin)
        saved = sample.saved_with(replace(result.saved, record=record))
        return replace(result, adapters={**result.adapters, "new": saved})

    @property
    def _origin(self) -> dict[str, Any]:
        return {"similarity": self.trainer.similarity, "libraries": library_versions()}
