"""Split datasets into training and held-out questions, and into folds."""

import re
from collections.abc import Hashable, Iterable, Mapping
from heapq import heapreplace

import numpy as np

from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.errors import InvalidDatasetError, LeakageError
from query_adapters.typing import Rows

NOT_A_WORD = re.compile(r"(?:(?![+#])[\W_])+")  # C++ and C# are different words


def normalise(text: str) -> str:
    """Return the text without case, punctuation and spacing; equal for near-duplicates.

    Example:
        >>> normalise("  How far is it?") == normalise("how FAR is it")
        True
    """
    return NOT_A_WORD.sub(" ", text.casefold()).strip() or text.strip()


def split_by_query(
    dataset: RetrievalDataset | QADataset, *, held_out: float = 0.3, seed: int = 0
) -> tuple[RetrievalDataset, RetrievalDataset]:
    """Return (training, held-out) datasets of different questions about the same documents.

    Args:
        dataset: The dataset, such as an EmbeddingQAFinetuneDataset; both parts keep the whole
            corpus.
        held_out: Share of the questions to hold out, 0 < held_out < 1; approximate, because
            near-duplicates stay in one part.
        seed: Seed of the shuffle.

    Raises:
        ValueError: If the share is out of range.
        InvalidDatasetError: If one part would be empty.
        TypeError: If it is not a dataset.
    """
    dataset = to_retrieval_dataset(dataset)
    return _split(dataset, query_groups(dataset), held_out, seed)


def split_by_document(
    dataset: RetrievalDataset | QADataset,
    *,
    held_out: float = 0.3,
    seed: int = 0,
    sources: Mapping[str, str] | None = None,
) -> tuple[RetrievalDataset, RetrievalDataset]:
    """Return (training, held-out) datasets with no relevant document in common.

    Other arguments and errors are those of `split_by_query`.

    Args:
        dataset: The dataset; both parts keep the whole corpus.
        held_out: Share of the questions to hold out.
        seed: Seed of the shuffle.
        sources: Source of each document, such as its file, by document id: chunks of one source
            stay in one part. A document without a source is its own source.
    """
    dataset = to_retrieval_dataset(dataset)
    return _split(dataset, document_groups(dataset, sources=sources), held_out, seed)


def counted_questions(dataset: RetrievalDataset) -> RetrievalDataset:
    """Return the dataset without questions of weight 0; itself if there are none."""
    counted = [query for query in dataset.queries if dataset.weights.get(query, 1.0) > 0]
    return dataset if len(counted) == len(dataset.queries) else dataset.select(counted)


def query_groups(dataset: RetrievalDataset) -> Rows:
    """Return a group number per question, equal for near-duplicates, `(n_queries,)`."""
    return connected([[normalise(text)] for text in dataset.queries.values()])


def document_groups(dataset: RetrievalDataset, *, sources: Mapping[str, str] | None = None) -> Rows:
    """Return a group number per question, equal where a document or the wording is shared.

    Documents of one source count as one document.
    """
    source = {document: ("source", name) for document, name in (sources or {}).items()}
    return connected(
        [
            ("query", normalise(text)),
            *(source.get(d, ("document", d)) for d in dataset.qrels[query]),
        ]
        for query, text in dataset.queries.items()
    )


def folds(groups: Rows, *, n_folds: int, seed: int) -> Rows:
    """Return a fold number per query, `(n_queries,)`; groups stay in one fold, of similar sizes.

    Groups are shuffled, then assigned to the smallest fold, largest group first.

    Raises:
        ValueError: If there are fewer groups than folds.
    """
    labels, sizes = np.unique(groups, return_counts=True)
    if len(labels) < n_folds:
        raise ValueError(
            f"expected at least {n_folds} groups of questions for {n_folds} folds, "
            f"got {len(labels)}; add questions about more documents, or reduce the number of folds"
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of = np.empty(len(labels), dtype=np.int64)
    smallest = [(0, fold) for fold in range(n_folds)]  # a heap of sizes; ties by number
    for label, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        filled, fold = smallest[0]
        fold_of[label] = fold
        heapreplace(smallest, (filled + size, fold))
    return fold_of[np.searchsorted(labels, groups)]


def check_leakage(training: Mapping[str, str], validation: Mapping[str, str]) -> None:
    """Check that no question is in both sets, compared without case and punctuation.

    Args:
        training: Question texts by id.
        validation: Question texts by id.

    Raises:
        LeakageError: If a question is in both sets.
    """
    known = {normalise(text) for text in training.values()}
    leaked = [query for query, text in validation.items() if normalise(text) in known]
    if leaked:
        raise LeakageError(
            f"{len(leaked)} of {len(validation)} validation questions are training questions "
            f"too, for example {validation[leaked[0]]!r} ({leaked[0]}); expected none, "
            "split the questions with query_adapters.data.split_by_query or split_by_document"
        )


def _split(
    dataset: RetrievalDataset, groups: Rows, held_out: float, seed: int
) -> tuple[RetrievalDataset, RetrievalDataset]:
    if not 0 < held_out < 1:
        raise ValueError(f"held_out: expected a share between 0 and 1, got {held_out}")
    order = np.random.default_rng(seed).permutation(groups.max() + 1)
    sizes = np.bincount(groups)[order]
    before = np.cumsum(sizes) - sizes
    chosen = order[before + sizes / 2 < held_out * len(groups)]
    apart = np.isin(groups, chosen)
    if apart.all() or not apart.any():
        raise InvalidDatasetError(
            f"cannot hold out {held_out:.0%} of {len(groups)} questions: they form "
            f"{len(order)} groups of near-duplicates or shared documents; bring more"
        )
    ids = np.array(list(dataset.queries), dtype=object)
    return dataset.select(ids[~apart]), dataset.select(ids[apart])


def connected(keys: Iterable[Iterable[Hashable]]) -> Rows:
    """Return a group number per item, equal for items joined by a chain of shared keys."""
    keys = list(keys)
    parent = list(range(len(keys)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    first_with: dict[Hashable, int] = {}
    for item, item_keys in enumerate(keys):
        for key in item_keys:
            parent[root(item)] = root(first_with.setdefault(key, item))
    return np.unique([root(item) for item in range(len(keys))], return_inverse=True)[1]
