"""Train again from the adapter that serves now, on old and new feedback (extra: train)."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Unpack

from query_adapters.adapters.storage import read_adapter
from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.data.splits import normalise, split_by_query
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback.refit_check import RefitCheck, RefitResult
from query_adapters.feedback.result import FeedbackDataset
from query_adapters.finetuning.adapter import CACHE_FILE
from query_adapters.finetuning.engine import AdapterFinetuneEngine, start_of
from query_adapters.finetuning.options import TrainerOptions
from query_adapters.finetuning.probe import NEUTRAL_PROBE
from query_adapters.finetuning.search_space import SearchSpace
from query_adapters.stores.reader import Index, gathered
from query_adapters.text.shown import quoted

FEWEST = 20  # new questions to compare on; fewer say little about a mean


def refit(
    feedback: FeedbackDataset | RetrievalDataset | QADataset,
    embedder: TextEmbedder,
    *,
    serving: str | Path,
    model_output_path: str | Path,
    old: RetrievalDataset | QADataset | None = None,
    old_weight: float = 0.5,
    index: Index | None = None,
    held_out: float = 0.3,
    warm_start: bool = True,
    cache_path: str | Path | None = None,
    **training: Unpack[TrainerOptions],
) -> RefitResult:
    """Return an adapter trained on old and new questions, if it beats the one that serves.

    Some new questions are held out. The new adapter is saved if it ranks them better than the
    serving adapter, and better than the base model: under the strict guard by more than chance
    explains (p <= 0.05 over the serving one), under "expected" on average, and always with "off".
    Otherwise nothing is saved. Questions of `old` are never held out: the serving adapter may
    have been trained on them, and would look better than it is.

    Args:
        feedback: Questions with labels, as of `dataset_from_feedback`.
        embedder: The base model.
        serving: Folder of the adapter that serves now; it may be the same as the next one.
        model_output_path: Folder of the new adapter.
        old: Questions that the serving adapter was trained on; None without any.
        old_weight: What a grade in `old` counts, above 0, at most 1, against the new one of the
            same question. To let old feedback fade by its age, see `half_life_days` of
            `dataset_from_feedback`.
        index: Vectors of the index that is served, as in `AdapterFinetuneEngine`.
        held_out: Share of the new questions to compare on, above 0, below 1.
        warm_start: Whether training starts from the serving adapter, whose memory stays as it is,
            or from the base, which learns a new memory.
        cache_path: As in `RunOptions`.
        **training: As in `TrainerOptions`.

    Raises:
        AdapterFileError: If `serving` does not hold a complete adapter.
        AdapterMismatchError: If it was trained on another model.
        InvalidDatasetError: If fewer than 20 new questions can be held out.
        ValueError: If an argument is out of range.
    """
    if not 0 < old_weight <= 1:
        raise ValueError(f"old_weight: expected above 0, at most 1, got {old_weight}")
    served = read_adapter(serving)
    start = start_of(served, model_name=embedder.model_name)
    model, hides_texts = embedder, False
    if isinstance(feedback, FeedbackDataset):
        model, hides_texts = feedback.embedder(embedder), bool(feedback.vectors)
        feedback = feedback.dataset
    known = None if old is None else to_retrieval_dataset(old)
    new, check = _parts(to_retrieval_dataset(feedback), known, held_out, training.get("seed", 0))
    dataset = new if known is None else merged_datasets(known, new, old_weight=old_weight)
    output = Path(model_output_path)
    cache = output / CACHE_FILE if cache_path is None else Path(cache_path)
    stored = None if index is None else gathered(index)
    guard = training.get("guard", "strict")
    training["guard"] = "off"  # the held-out questions decide
    with TemporaryDirectory() as folder:
        engine = AdapterFinetuneEngine(
            dataset,
            model,
            model_output_path=folder,
            adapter_model=start if warm_start else None,
            index=stored,
            cache_path=cache,
            probe_text=NEUTRAL_PROBE if hides_texts else ...,
            **training,
        )
        engine.finetune()
    space = SearchSpace(
        index=stored, embedder=model, cache_path=cache, dim=None, show_progress=False
    )
    comparison = RefitCheck(
        dataset=check,
        embedded=space.embedded(check),
        metric=engine.result.metric,
        similarity=training.get("similarity") or getattr(stored, "similarity", None) or "cosine",
        guard=guard,
        seed=training.get("seed", 0),
    )
    return comparison.result(engine.result.saved, served, output=output, trained=dataset)


def merged_datasets(
    old: RetrievalDataset, new: RetrievalDataset, *, old_weight: float = 0.5
) -> RetrievalDataset:
    """Return both datasets as one; grades of a question in both are added, old ones weighted.

    A question in both has its new weight. Questions are equal if they differ in case, punctuation
    and spacing alone; the new wording is kept.

    Raises:
        InvalidDatasetError: If a document has two texts.
    """
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, float]] = {}
    for dataset, weight in ((old, old_weight), (new, 1.0)):
        for query, text in dataset.queries.items():
            key = normalise(text)
            queries[key] = text
            grades = qrels.setdefault(key, {})
            for document, grade in dataset.qrels[query].items():
                grades[document] = grades.get(document, 0.0) + weight * grade
    both = old.corpus.keys() & new.corpus.keys()
    if odd := [key for key in both if old.corpus[key] != new.corpus[key]]:
        raise InvalidDatasetError(
            f"{len(odd)} documents with another text in the old dataset than in the "
            f"new one, such as {quoted(odd[0])}; expected one text each: give both datasets the "
            "texts of the index that is served"
        )
    weights = {
        normalise(dataset.queries[query]): weight
        for dataset in (old, new)
        for query, weight in dataset.weights.items()
    }
    return RetrievalDataset(queries, {**old.corpus, **new.corpus}, qrels, weights)


def _parts(
    dataset: RetrievalDataset, old: RetrievalDataset | None, held_out: float, seed: int
) -> tuple[RetrievalDataset, RetrievalDataset]:
    """Return the questions to train on, and new ones to compare on."""
    known = set() if old is None else {normalise(text) for text in old.queries.values()}
    new = [q for q, text in dataset.queries.items() if normalise(text) not in known]
    if len(new) * held_out < FEWEST:
        raise InvalidDatasetError(
            f"{len(new)} new questions: expected at least {FEWEST / held_out:.0f}, of which "
            f"{held_out:.0%} are held out to compare on; wait for more feedback"
        )
    _, check = split_by_query(dataset.select(new), held_out=held_out, seed=seed)
    return dataset.select(q for q in dataset.queries if q not in check.queries), check
