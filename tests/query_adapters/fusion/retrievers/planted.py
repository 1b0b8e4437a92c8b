"""Results of retrievers that find the answers of different questions."""

from collections.abc import Sequence

import numpy as np

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.fusion.retrievers.lists import RetrievedList
from query_adapters.fusion.retrievers.questions import AskedQuestions


def dataset_of(answers: Sequence[str], corpus: Sequence[str]) -> RetrievalDataset:
    """Return one question per answer."""
    queries = {f"q{n}": f"question number {n}" for n in range(len(answers))}
    qrels = {query: {key: 1.0} for query, key in zip(queries, answers, strict=True)}
    return RetrievalDataset(queries, dict.fromkeys(corpus, "text"), qrels)


def planted(
    n: int = 60, *, seed: int = 0, with_scores: bool = True, is_shuffled: bool = False
) -> AskedQuestions:
    """Return questions whose answers "words" finds better than "dense"; "noise" finds nothing.

    With shuffled labels, no retriever finds an answer but by chance.
    """
    rng = np.random.default_rng(seed)
    corpus = [f"d{number}" for number in range(n)]
    dealt = rng.permutation(n) if is_shuffled else np.arange(n)
    means = {"dense": 1.0, "words": 2.0, "noise": 0.0}
    lists = []
    for mean in means.values():
        scores = rng.normal(size=(n, n)) + mean * np.eye(n)
        best = np.argsort(-scores, axis=1)[:, :20]
        lists.append(
            [
                RetrievedList(
                    [corpus[column] for column in columns],
                    row[columns].tolist() if with_scores else None,
                )
                for row, columns in zip(scores, best, strict=True)
            ]
        )
    dataset = dataset_of([corpus[row] for row in dealt], corpus)
    return AskedQuestions(dataset=dataset, names=tuple(means), lists=lists)
