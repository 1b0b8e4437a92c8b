"""The learned retriever over a dataset's own documents, without a store."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation.evaluate import check_texts
from query_adapters.evaluation.search import exact_search
from query_adapters.fusion.model import FusionModel, RankedDocument
from query_adapters.fusion.storage import SavedFusion, parts_of
from query_adapters.lexical import LexicalIndex
from query_adapters.typing import Rows, Texts


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactRetriever:
    """The learned retriever over the documents of a dataset, which are searched exactly.

    Attributes:
        model: The learned retriever, with the exact words of these documents.
        dataset: The embedded dataset.
        texts: Its texts.
        documents: Texts of the documents by id: the dataset's corpus, or with units their chunks.
    """

    model: FusionModel
    dataset: EmbeddedDataset
    texts: RetrievalDataset
    documents: Texts

    @classmethod
    def of(
        cls,
        fusion: FusionModel | SavedFusion,
        dataset: EmbeddedDataset,
        texts: RetrievalDataset,
        chunks: Texts | None = None,
    ) -> "ExactRetriever":
        """Return the retriever, with its lexical index brought up to date with the texts.

        Raises:
            InvalidDatasetError: If texts and vectors differ in number.
            TypeError: If `fusion` is neither a FusionModel nor a SavedFusion.
        """
        documents = searched_texts(dataset, texts, chunks)
        model, _ = parts_of(fusion)
        lexical = lexical_of(documents, model.lexical) if model.head.needs_text else None
        return cls(
            model=replace(model, lexical=lexical), dataset=dataset, texts=texts, documents=documents
        )

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
        return [self.documents[key] for key in ids]

    def each_unit(self, ranked: Iterable[RankedDocument]) -> dict[str, RankedDocument]:
        """Return the best document of each unit by the unit's id; without units, all of them."""
        best: dict[str, RankedDocument] = {}
        for one in ranked:
            best.setdefault(self._unit_ids[one.id], one)
        return best

    @cached_property
    def _unit_ids(self) -> dict[str, str]:
        return unit_ids(self.dataset, self.texts, self._ids)

    @cached_property
    def _questions(self) -> list[str]:
        return list(self.texts.queries.values())

    @cached_property
    def _ids(self) -> list[str]:
        return list(self.documents)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self._ids)}


def searched_texts(
    dataset: EmbeddedDataset, texts: RetrievalDataset, chunks: Texts | None
) -> Texts:
    """Return the texts of the documents that are searched, by id.

    Args:
        dataset: The embedded dataset.
        texts: Its texts.
        chunks: With units, the texts of the documents that units consist of.

    Raises:
        InvalidDatasetError: If texts and vectors differ in number.
    """
    check_texts(texts, dataset)
    documents = texts.corpus if chunks is None else chunks
    if len(documents) != len(dataset.documents):
        raise InvalidDatasetError(
            f"expected the texts of {len(dataset.documents)} vectors, got {len(documents)}; pass "
            "the dataset that was embedded, and with units `chunks`, the texts of their vectors"
        )
    return documents


def unit_ids(
    dataset: EmbeddedDataset, texts: RetrievalDataset, ids: Sequence[str]
) -> dict[str, str]:
    """Return the id of each document's unit, which is its own without units."""
    if dataset.units is None:
        return {key: key for key in ids}
    units = list(texts.corpus)
    return {key: units[unit] for key, unit in zip(ids, dataset.units.tolist(), strict=True)}


def lexical_of(texts: Texts, known: LexicalIndex | None = None) -> LexicalIndex:
    """Return the index of exact words of documents.

    Args:
        texts: Their texts by id.
        known: An index that may hold some of the documents, whose texts are not split again.

    Raises:
        MissingExtraError: If the extra `hybrid` is not installed.
    """
    block = list(texts), list(texts.values())
    if known is None:
        return LexicalIndex.build([block])
    deleted = set(known.ids) - texts.keys()
    if not deleted and not known.outdated(*block):
        return known
    return known.updated([block], deleted=deleted)
