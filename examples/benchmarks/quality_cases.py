"""Read and embed the data sets that quality.py uses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from quality_models import Model

from query_adapters import EmbeddedDataset, EmbeddingCache, RetrievalDataset, embed_dataset
from query_adapters.data.formats import read_beir
from query_adapters.finetuning.checks import expected_seen_share
from query_adapters.typing import Vectors

FILES = ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "qrels/test.tsv")


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A training set, a test set, and the served index if it differs from the training index.

    Attributes:
        name: Name of the data set.
        train: Training questions over the documents that selection searches.
        test: Test questions over the documents that are served.
        seen_share: Share of questions about documents with training questions, as the engines
            estimate it.
        train_texts: The training set as texts, in the order of the vectors.
        test_texts: The test set as texts, in the order of the vectors.
        served: Documents of the served index if it is not that of training.
    """

    name: str
    train: EmbeddedDataset
    test: EmbeddedDataset
    seen_share: float
    train_texts: RetrievalDataset
    test_texts: RetrievalDataset
    served: Vectors | None = None


def read_cases(
    folder: Path, model: Model, *, sets: Sequence[str] | None, max_queries: int, cache_path: Path
) -> Iterator[Case]:
    """Yield a case for each data set in the folder, and a transfer case for lyft_uber."""
    cache = EmbeddingCache(cache_path)

    def embedded(dataset: RetrievalDataset) -> EmbeddedDataset:
        return embed_dataset(dataset, model, cache=cache, show_progress=True)

    for path in sorted(folder.iterdir()):
        is_set = all((path / name).is_file() for name in FILES)
        if not is_set or (sets and path.name not in sets):
            continue
        train = sample(read_beir(path, split="train"), max_queries)
        test = read_beir(path, split="test")
        yield Case(
            name=path.name,
            train=embedded(train),
            test=embedded(test),
            seen_share=expected_seen_share(train, len(test.corpus)),
            train_texts=train,
            test_texts=test,
        )
        if path.name == "lyft_uber":
            of_uber, of_lyft = narrowed(test, "uber-"), narrowed(train, "lyft-")
            served = embedded(of_uber)
            yield Case(
                name="lyft, serving uber",
                train=embedded(of_lyft),
                test=served,
                seen_share=0.0,
                train_texts=of_lyft,
                test_texts=of_uber,
                served=served.documents,
            )


def cases_by_model(
    folder: Path,
    models: Mapping[str, Model],
    *,
    sets: Sequence[str] | None,
    max_queries: int,
    cache_path: Path,
) -> Iterator[tuple[str, dict[str, Case]]]:
    """Yield the name of each data set with its case by each model, by the model's name."""
    found = {
        name: {
            case.name: case
            for case in read_cases(
                folder, model, sets=sets, max_queries=max_queries, cache_path=cache_path
            )
            if case.served is None
        }
        for name, model in models.items()
    }
    for of_set in next(iter(found.values())):
        yield of_set, {name: cases[of_set] for name, cases in found.items()}


def sample(dataset: RetrievalDataset, n: int) -> RetrievalDataset:
    """Return the dataset with n random questions, or unchanged if it has at most n."""
    ids = list(dataset.queries)
    if len(ids) <= n:
        return dataset
    rows = np.sort(np.random.default_rng(0).choice(len(ids), n, replace=False))
    return dataset.select([ids[row] for row in rows])


def narrowed(dataset: RetrievalDataset, prefix: str) -> RetrievalDataset:
    corpus = {key: text for key, text in dataset.corpus.items() if key.startswith(prefix)}
    return RetrievalDataset(dataset.queries, corpus, dataset.qrels)
