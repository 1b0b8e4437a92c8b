"""Read and embed the data sets that quality.py uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from query_adapters import EmbeddedDataset, EmbeddingCache, RetrievalDataset, embed_dataset
from query_adapters.data.formats import read_beir
from query_adapters.demo import packaged_model
from query_adapters.typing import Vectors

FILES = ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "qrels/test.tsv")


class PackagedModel:
    """The packaged model as a TextEmbedder: 256 tokens, unit vectors, the same for both roles."""

    model_name = "all-MiniLM-L6-v2"
    identity = "all-MiniLM-L6-v2, 256 tokens, normalised"
    batch_size = 64

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(packaged_model(), device="cpu")
        model.max_seq_length = 256
        return model

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._model.encode(
            list(texts),
            batch_size=self.batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )

    embed_documents = embed_queries


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A training set, a test set, and the served index if it differs from the training index."""

    name: str
    train: EmbeddedDataset
    test: EmbeddedDataset
    served: Vectors | None = None

    @property
    def seen_share(self) -> float:
        is_transfer = self.served is not None
        return 0.0 if is_transfer else len(self.train.labelled) / len(self.train.documents)


def read_cases(
    folder: Path, *, sets: Sequence[str] | None, max_queries: int, cache_path: Path
) -> Iterator[Case]:
    """Yield a case for each data set in the folder, and a transfer case for lyft_uber."""
    model, cache = PackagedModel(), EmbeddingCache(cache_path)

    def embedded(dataset: RetrievalDataset) -> EmbeddedDataset:
        return embed_dataset(dataset, model, cache=cache, show_progress=True)

    for path in sorted(folder.iterdir()):
        is_set = all((path / name).is_file() for name in FILES)
        if not is_set or (sets and path.name not in sets):
            continue
        train = sample(read_beir(path, split="train"), max_queries)
        test = read_beir(path, split="test")
        yield Case(name=path.name, train=embedded(train), test=embedded(test))
        if path.name == "lyft_uber":
            served = embedded(narrowed(test, "uber-"))
            trained = embedded(narrowed(train, "lyft-"))
            yield Case(
                name="lyft, serving uber", train=trained, test=served, served=served.documents
            )


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
