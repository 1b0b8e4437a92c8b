"""The learned retriever over a dataset's own documents, without a store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.evaluate import check_texts
from query_adapters.evaluation.search import exact_search
from query_adapters.fusion.model import FusionModel, RankedDocument
from query_adapters.fusion.storage import SavedFusion, parts_of
from query_adapters.lexical import LexicalIndex
from query_adapters.typing import Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactRetriever:
    """The learned retriever over the documents of a dataset, which are searched exactly.

    Attributes:
        model: The learned retriever, with the exact words of these documents.
        dataset: The embedded dataset.
        texts: Its texts.
    """

    model: FusionModel
    dataset: EmbeddedDataset
    texts: RetrievalDataset

    @classmethod
    def of(
        cls, fusion: FusionModel | SavedFusion, dataset: EmbeddedDataset, texts: RetrievalDataset
    ) -> "ExactRetriever":
        """Return the retriever, with its lexical index brought up to date with the texts.

        Raises:
            InvalidDatasetError: If texts and vectors differ in number.
            TypeError: If `fusion` is neither a FusionModel nor a SavedFusion.
        """
        check_texts(texts, dataset)
        model, _ = parts_of(fusion)
        lexical = lexical_of(texts, model.lexical) if model.head.needs_text else None
        return cls(model=replace(model, lexical=lexical), dataset=dataset, texts=texts)

    def ranked(self, queries: Sequence[int], *, k: int) -> Iterator[list[RankedDocument]]:
        """Yield the scored documents of each query, best first, of which the first k count.

        Args:
            queries: Rows of the queries.
            k: Number of documents that are to be retrieved.
        """
        model, dataset = self.model, self.dataset
        nearest = exact_search(
            model.adapter(dataset.queries[list(queries)]),
            dataset.documents,
            k=max(model.depth, k),
            similarity=model.similarity,
        )
        for query, rows in zip(queries, nearest, strict=True):
            yield self._ranked(query, rows)

    def _ranked(self, query: int, nearest: Rows) -> list[RankedDocument]:
        prepared = self.model.prepared(self._questions[query], self.dataset.queries[query])
        others = (self._row_of[key] for key in prepared.ids if key in self._row_of)
        rows = list(dict.fromkeys([*nearest.tolist(), *others]))
        ids, vectors = [self._ids[row] for row in rows], self.dataset.documents[rows]
        return self.model.ranked(prepared, ids, vectors, texts_of=self._texts_of)

    def _texts_of(self, ids: Sequence[str]) -> list[str]:
        return [self.texts.corpus[key] for key in ids]

    @cached_property
    def _questions(self) -> list[str]:
        return list(self.texts.queries.values())

    @cached_property
    def _ids(self) -> list[str]:
        return list(self.texts.corpus)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self._ids)}


def lexical_of(texts: RetrievalDataset, known: LexicalIndex | None = None) -> LexicalIndex:
    """Return the index of exact words of the dataset's documents.

    Args:
        texts: The dataset.
        known: An index that may hold some of the documents, whose texts are not split again.

    Raises:
        MissingExtraError: If the extra `hybrid` is not installed.
    """
    block = list(texts.corpus), list(texts.corpus.values())
    if known is None:
        return LexicalIndex.build([block])
    deleted = set(known.ids) - texts.corpus.keys()
    if not deleted and not known.outdated(*block):
        return known
    return known.updated([block], deleted=deleted)
