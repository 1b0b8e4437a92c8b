"""What training questions search: the vectors of an index, and documents that are not in it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from query_adapters.data.chunked import over_units
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, embed_dataset, embed_questions
from query_adapters.data.units import Units
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.finetuning.checks import expected_seen_share, warn_of_unknown_documents
from query_adapters.finetuning.probe import ProbeText, embedded_probe
from query_adapters.stores import StoredVectors
from query_adapters.stores.sketch import index_sketch, sketch_of
from query_adapters.typing import Vectors


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """Embeds datasets over the documents that users will search.

    Attributes:
        index: Vectors of the index to be served; None without one.
        embedder: The base model.
        cache_path: File of the cache of embeddings.
        dim: Required length of the vectors; None if it is not known.
        show_progress: Whether to show progress bars.
    """

    index: StoredVectors | None
    embedder: TextEmbedder
    cache_path: Path
    dim: int | None
    show_progress: bool

    def probe(self, text: ProbeText, question: str) -> tuple[str | None, Vectors | None]:
        """Return the text and the vector that identify the model, as in `embedded_probe`."""
        cache = EmbeddingCache(self.cache_path)
        return embedded_probe(text, question, embedder=self.embedder, cache=cache)

    def shares_labels(self, dataset: RetrievalDataset) -> bool:
        """Return whether a document that is relevant to some question is in the index."""
        return self.index is not None and not self.index.labels.keys().isdisjoint(
            dataset.labelled_documents
        )

    def another_index(self, dataset: RetrievalDataset) -> Vectors | None:
        """Return the index's vectors if it holds no document with a question, else None."""
        if self.index is None or self.shares_labels(dataset):
            return None
        return self.index.vectors

    def embedded(self, dataset: RetrievalDataset) -> EmbeddedDataset:
        """Return the dataset over all documents of the index, as users will search them.

        If no document with a question is in the index, it is another index that the adapter will
        serve, and the dataset is searched alone. With units, the index alone is searched.
        """
        if self.index is not None and self.index.units is not None:
            return self._over_units(dataset, self.index, self.index.units)
        embedded, index = self._embed(dataset), self.index
        if index is None:
            return embedded
        warn_of_unknown_documents(dataset, embedded, index)
        if not self.shares_labels(dataset):
            return embedded
        place = np.array([index.row_of.get(key, -1) for key in dataset.corpus])
        new = embedded.documents[place < 0]
        place[place < 0] = len(index.vectors) + np.arange(len(new))
        return replace(
            embedded,
            # no copy of the index if there are no new documents: it may not fit in memory twice
            documents=np.concatenate([index.vectors, new]) if len(new) else index.vectors,
            relevant=tuple(place[rows] for rows in embedded.relevant),
        )

    def ids(self, dataset: RetrievalDataset) -> list[str]:
        """Return the ids of the documents of `embedded`, in the order of its rows."""
        if self.index is None or not self.shares_labels(dataset):
            return list(dataset.corpus)
        if self.index.units is not None:
            return list(self.index.ids)
        known = self.index.row_of
        return [*self.index.ids, *(key for key in dataset.corpus if key not in known)]

    def sketch(self, dataset: RetrievalDataset, embedded: EmbeddedDataset) -> dict[str, object]:
        """Return what tells the index later; without one, the documents of `embedded`."""
        if self.index is not None:
            return sketch_of(self.index)
        return index_sketch(self.ids(dataset), embedded.documents)

    def seen_share(self, dataset: RetrievalDataset) -> float:
        """Return the expected share of future questions about documents with questions."""
        if self.index is None:
            return expected_seen_share(dataset)
        if not self.shares_labels(dataset):
            return 0.0
        return expected_seen_share(dataset, self.index.n_stored or len(self.index.labels))

    def _over_units(
        self, dataset: RetrievalDataset, index: StoredVectors, units: Units
    ) -> EmbeddedDataset:
        queries = embed_questions(
            dataset,
            self.embedder,
            cache=EmbeddingCache(self.cache_path),
            dim=self.dim,
            show_progress=self.show_progress,
        )
        return over_units(dataset, queries, index.vectors, units)

    def _embed(self, dataset: RetrievalDataset) -> EmbeddedDataset:
        stored: dict[str, Vectors] = {}
        if self.index is not None:
            rows = self.index.row_of
            stored = {k: self.index.vectors[rows[k]] for k in dataset.corpus if k in rows}
        return embed_dataset(
            dataset,
            self.embedder,
            cache=EmbeddingCache(self.cache_path),
            stored=stored,
            dim=self.dim,
            show_progress=self.show_progress,
        )
