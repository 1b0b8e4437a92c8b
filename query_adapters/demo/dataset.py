"""The demo's dataset: standard-library docstrings as documents, with our own questions."""

import json
from pathlib import Path

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.demo.corpus import read_corpus

QUESTIONS = Path(__file__).parent / "questions.jsonl"


def read_dataset(*, n_queries: int | None = None) -> RetrievalDataset:
    """Return the dataset, without functions that this Python lacks.

    Args:
        n_queries: Number of questions to keep, with their documents and as many others; by default
            all.
    """
    corpus = read_corpus()
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    judged = {
        f"q{number}": (row["query"], [name for name in row["relevant"] if name in corpus])
        for number, row in enumerate(rows)
    }
    kept = {key: value for key, value in judged.items() if value[1]}
    if n_queries is not None:
        kept = dict(list(kept.items())[:n_queries])
        corpus = _smaller(corpus, {name for _, names in kept.values() for name in names})
    return RetrievalDataset.from_relevant_docs(
        {key: text for key, (text, _) in kept.items()},
        corpus,
        {key: names for key, (_, names) in kept.items()},
    )


def _smaller(corpus: dict[str, str], labelled: set[str]) -> dict[str, str]:
    others = [name for name in corpus if name not in labelled][: len(labelled)]
    return {name: text for name, text in corpus.items() if name in labelled.union(others)}
