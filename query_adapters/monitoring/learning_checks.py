"""Checks of what could be learned: whether questions have drifted, and what a refit would bring."""

from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from query_adapters._extras import require_extra
from query_adapters.adapters import KernelAdapter
from query_adapters.adapters.kernel import TINY
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.arrays import unit
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.batching import stacked
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import (
    DimensionMismatchError,
    InvalidVectorsError,
    QueryAdaptersError,
)
from query_adapters.feedback.dataset import PositionBias, dataset_from_feedback
from query_adapters.feedback.records import ShownList
from query_adapters.fusion.storage import has_fusion, read_without_words
from query_adapters.monitoring.diagnosis import Check
from query_adapters.monitoring.drift import LEAST_QUESTIONS, question_drift
from query_adapters.stores import StoredVectors
from query_adapters.typing import Texts, Vectors


def question_check(
    folder: Path,
    saved: SavedAdapter,
    lists: Sequence[ShownList],
    *,
    embedder: TextEmbedder | None,
    training: RetrievalDataset | None,
    cache: EmbeddingCache,
) -> Check:
    """Return whether live questions are still like the training questions."""
    asked = list({one.key: one for one in lists}.values())
    training = None if embedder is None else training  # nothing else makes their vectors
    try:
        live = _live_vectors(asked, embedder, cache)
    except InvalidVectorsError:
        return Check(
            name="questions",
            status="failed",
            seen="vectors of questions, in the log and by the model, differ in length",
            advice="look at fewer of the newest lists, those that one model has served",
        )
    if live is None:
        return _skipped("the log holds no vectors of questions, and no model was given")
    known, seen = _known_questions(folder, saved, embedder, training, cache)
    if known is None:
        return _skipped(
            "the adapter has no memory of its training questions; give them, and the model"
        )
    if min(len(known), len(live)) < LEAST_QUESTIONS:
        return _skipped(f"{len(live)} questions in the log, {len(known)} in training: too few")
    memory = saved.adapter
    if training is None and isinstance(memory, KernelAdapter):  # landmarks are centred
        live = _centred(live, memory.centre)
    answers = [[e.document for e in one.events if e.document is not None] for one in asked]
    answered = seen and any(answers)
    try:
        drift = question_drift(
            known, live, answers=answers if answered else None, seen=seen if answered else ()
        )
    except (InvalidVectorsError, DimensionMismatchError) as error:
        return Check(name="questions", status="failed", seen=str(error))
    return Check(
        name="questions",
        status="warning" if drift.has_drifted else "ok",
        seen=drift.facts,
        advice="label some of the new ones, and train again" if drift.has_drifted else "",
    )


def refit_check(
    folder: Path,
    lists: Sequence[ShownList],
    *,
    embedder: TextEmbedder | None,
    index: StoredVectors | None,
    texts: Texts,
    propensities: PositionBias,
    cache: EmbeddingCache,
) -> Check:
    """Return what a refit on the log would gain over the serving adapter; nothing is saved."""
    if embedder is None or index is None:
        missing = "model" if embedder is None else "vectors of the index"
        return Check(name="refit", status="skipped", seen=f"no {missing} given")
    require_extra("train")
    from query_adapters.feedback.refitting import refit

    try:
        found = dataset_from_feedback(
            lists,
            {key: texts.get(key, key) for key in index.labels},
            propensities=propensities,
            skip_strangers=True,
        )
        with TemporaryDirectory() as output:
            result = refit(
                found,
                embedder,
                serving=folder,
                model_output_path=output,
                index=index,
                cache_path=cache.path or Path(output) / "vectors.sqlite",
            )
    except QueryAdaptersError as error:  # such as too few labels, or an adapter of another model
        return Check(name="refit", status="skipped", seen=str(error))
    gain = dict(result.verdict.details)["Over the serving adapter"]
    p_value = result.verdict.p_value
    seen = f"{gain}; p = {p_value:.3f}, trained on {result.n_trained:,} questions"
    if result.decision == "adapter":
        return Check(name="refit", status="warning", seen=seen, advice="refit and deploy")
    return Check(name="refit", status="ok", seen=f"{seen}: no gain over what serves is shown")


def _skipped(why: str) -> Check:
    return Check(name="questions", status="skipped", seen=why)


def _live_vectors(
    asked: Sequence[ShownList], embedder: TextEmbedder | None, cache: EmbeddingCache
) -> Vectors | None:
    """Return the base model's vectors of the questions; None without vectors and a model.

    Raises:
        InvalidVectorsError: If they differ in length, as those of two models.
    """
    parts = [one.vector[None] for one in asked if one.vector is not None]
    texts = [one.question for one in asked if one.vector is None and one.question]
    if texts and embedder is not None:
        parts.append(cache.embed_queries(embedder, texts))
    return stacked(parts) if parts else None


def _known_questions(
    folder: Path,
    saved: SavedAdapter,
    embedder: TextEmbedder | None,
    training: RetrievalDataset | None,
    cache: EmbeddingCache,
) -> tuple[Vectors | None, Collection[str]]:
    """Return vectors of the training questions, and the ids of their answers if they are known."""
    if training is not None and embedder is not None:
        texts = list(training.queries.values())
        return cache.embed_queries(embedder, texts), training.labelled_documents
    if isinstance(saved.adapter, KernelAdapter):
        return saved.adapter.landmarks, ()
    if has_fusion(saved):
        model = read_without_words(folder).model
        return model.queries, {key for keys in model.answers for key in keys}
    return None, ()


def _centred(vectors: Vectors, centre: Vectors | None) -> Vectors:
    """Return the questions as a memory compares them, before they are scaled to length 1."""
    units = unit(vectors)
    if centre is None or centre.shape != units.shape[1:]:
        return units
    centred = units - centre
    return np.where(np.linalg.norm(centred, axis=1, keepdims=True) > TINY, centred, 0)
