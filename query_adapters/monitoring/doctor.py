"""Look at what serves and at its log, and say what needs doing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from heapq import nlargest
from pathlib import Path
from typing import Any

from query_adapters.adapters.storage import SavedAdapter, read_adapter
from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import MissingExtraError
from query_adapters.feedback.dataset import Feedback, PositionBias
from query_adapters.feedback.log import FeedbackLog
from query_adapters.feedback.reading import FeedbackRecords
from query_adapters.monitoring.diagnosis import Check, Diagnosis
from query_adapters.monitoring.learning_checks import question_check, refit_check
from query_adapters.monitoring.serving_checks import (
    adapter_check,
    index_check,
    lexical_check,
    log_check,
    model_check,
)
from query_adapters.remote.locations import local_folder
from query_adapters.stores import StoredVectors
from query_adapters.stores.reader import Index, gathered
from query_adapters.typing import Texts

RECENT = 2_000  # lists


def diagnose(
    adapter: str | Path,
    feedback: Feedback,
    *,
    embedder: TextEmbedder | None = None,
    index: Index | None = None,
    texts: Texts | None = None,
    training: RetrievalDataset | QADataset | None = None,
    propensities: PositionBias = None,
    measure_refit: bool = True,
    recent: int = RECENT,
    cache_path: str | Path | None = None,
) -> Diagnosis:
    """Return whether model, index and questions are still those that an adapter was trained on.

    The checks are "log", "adapter" (is it the one that ranks), "model" (by the probe question),
    "index" (a sample of its vectors), "questions" (`question_drift`), "words" (a stale lexical
    index) and "refit" (what training again on the log would gain over the serving adapter, on held
    out questions). A check that lacks what it needs is skipped, and says so. Nothing is changed.

    Args:
        adapter: The adapter's folder, or a `registry://`, `hf://` or `mlflow:` URI.
        feedback: A log, what was read from one or from spans, or shown lists.
        embedder: The base model; without it, only what the log holds vectors for is compared.
        index: Vectors of the index that is served.
        texts: Its documents' texts by id.
        training: The training questions, for an adapter without a memory; their vectors are made
            by `embedder`.
        propensities: As in `dataset_from_feedback`, for the refit.
        measure_refit: Whether to train again; it takes seconds to minutes.
        recent: The newest lists that are looked at, at least 1; the refit uses all.
        cache_path: File of the cache of embeddings; in memory without one.

    Raises:
        FileNotFoundError: If there is no such adapter or log.
        AdapterFileError: If the folder does not hold a complete adapter.
        ValueError: If `recent` is below 1.
        QueryAdaptersError: If the model cannot be asked.
    """
    if recent < 1:
        raise ValueError(f"recent: expected at least 1, got {recent}")
    folder = local_folder(adapter)
    saved = read_adapter(folder)
    records = _records(feedback)
    newest = nlargest(recent, enumerate(records.lists), key=lambda pair: (pair[1].time, pair[0]))
    lists = [one for _, one in sorted(newest, key=lambda pair: pair[0])]
    stored = None if index is None else _ranked_by(gathered(index), saved)
    known, cache = texts or {}, EmbeddingCache(cache_path)
    questions = None if training is None else to_retrieval_dataset(training)

    model = model_check(saved, embedder)
    own = index_check(saved, stored, lists, texts=known, embedder=embedder)
    asked: dict[str, Any] = {"embedder": embedder, "cache": cache}
    later: dict[str, Callable[[], Check]] = {
        "questions": lambda: question_check(folder, saved, lists, training=questions, **asked),
        "words": lambda: lexical_check(folder, saved, stored, known),
    }
    if measure_refit:
        given: dict[str, Any] = {"index": stored, "texts": known, "propensities": propensities}
        later["refit"] = lambda: refit_check(folder, records.lists, **given, **asked)
    wrong = [check.name for check in (model, own) if check.status == "failed"]
    return Diagnosis(
        checks=(
            log_check(records),
            adapter_check(saved, lists),
            model,
            own,
            *(_made(name, check, wrong) for name, check in later.items()),
        )
    )


def _made(name: str, check: Callable[[], Check], wrong: Sequence[str]) -> Check:
    """Return the check; it is skipped where it would compare with what is wrong."""
    if wrong and name != "words":
        seen = f"{' and '.join(wrong)} must be right first"
        return Check(name=name, status="skipped", seen=seen)
    try:
        return check()
    except MissingExtraError as error:
        return Check(name=name, status="skipped", seen=str(error))


def _ranked_by(index: StoredVectors, saved: SavedAdapter) -> StoredVectors:
    """Return the index with what it ranked by in training, if it does not say it itself."""
    known = index.similarity or saved.record.training.get("similarity")
    return replace(index, similarity=known)


def _records(feedback: Feedback) -> FeedbackRecords:
    found = feedback.read() if isinstance(feedback, FeedbackLog) else feedback
    return found if isinstance(found, FeedbackRecords) else FeedbackRecords(lists=tuple(found))
