"""A dataset as rows of judgements, and datasets from the clicks of a query log."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import normalise
from query_adapters.errors import InvalidDatasetError
from query_adapters.typing import Texts


def from_clicks(
    rows: Iterable[Sequence[Any] | Mapping[str, Any]] | Any,
    corpus: Texts,
    *,
    min_weight: float = 0.0,
) -> RetrievalDataset:
    """Return the dataset of a query log: rows of (query, document id, weight), any table of them.

    Queries that differ only in case, punctuation and spacing are merged; the first wording is kept.
    Weights of a query and a document are added, and their sum is the grade.

    Args:
        rows: Triples, as from `csv.reader`, or rows with `query`, `document_id` and optionally
            `weight` (1 by default): dicts, a pandas or a Hugging Face table.
        corpus: Document texts by id; numeric ids become strings, here as in the rows.
        min_weight: Pairs whose summed weight is below this are left out: a single click may be
            accidental.

    Raises:
        InvalidDatasetError: If a row cannot be read, a weight is not above 0, a document is not
            in the corpus, or no pair is left.
    """
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, float]] = {}
    for number, row in enumerate(_records(rows), start=1):
        query, document, weight = _click(row, number)
        key = normalise(query)
        queries.setdefault(key, " ".join(query.split()))
        grades = qrels.setdefault(key, {})
        grades[document] = grades.get(document, 0.0) + weight
    kept = {
        query: {document: total for document, total in grades.items() if total >= min_weight}
        for query, grades in qrels.items()
    }
    kept = {query: grades for query, grades in kept.items() if grades}
    texts = {str(document): text for document, text in corpus.items()}
    return RetrievalDataset({query: queries[query] for query in kept}, texts, kept)


def to_rows(dataset: RetrievalDataset) -> list[dict[str, Any]]:
    """Return one row per judgement, as `load_dataset` takes them; unjudged documents are lost."""
    return [
        {
            "query_id": query,
            "query": dataset.queries[query],
            "document_id": document,
            "document": dataset.corpus[document],
            "relevance": grade,
        }
        for query, grades in dataset.qrels.items()
        for document, grade in grades.items()
    ]


def _records(rows: Any) -> Iterable[Mapping[str, Any]]:
    is_pandas = hasattr(rows, "iterrows")  # iterating over a pandas table yields column names
    records: Iterable[Mapping[str, Any]] = rows.to_dict("records") if is_pandas else rows
    return records


def _click(row: Sequence[Any] | Mapping[str, Any], number: int) -> tuple[str, str, float]:
    try:
        if isinstance(row, Mapping):
            query, document, weight = row["query"], row["document_id"], row.get("weight", 1)
        else:
            query, document, weight = row
        if isinstance(query, str) and query.strip() and 0 < float(weight) < math.inf:
            return query, str(document), float(weight)
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise InvalidDatasetError(
        f"row {number}: expected a query, a document id and a weight above 0, got {row!r}; "
        "correct or drop it"
    )
