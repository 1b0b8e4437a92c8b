"""The dataset as vectors, for training and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded_checks import check_parts, matrix_of
from query_adapters.data.splits import connected, query_groups
from query_adapters.data.units import UnitRows
from query_adapters.data.weights import effective_number, query_weights, relative_weights
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import DimensionMismatchError
from query_adapters.typing import Rows, Values, Vectors


@dataclass(frozen=True, eq=False)
class EmbeddedDataset:
    """Query vectors, document vectors, and the relevant rows of each query.

    Args:
        queries: Shape `(n_queries, dim)`.
        documents: All documents that are searched, `(n_documents, dim)`.
        relevant: For each query, the rows of its relevant documents, at least one.
        grades: For each query, their grades > 0; all 1 if left out.
        query_groups: A group number per query, equal for near-duplicates, which stay in one fold;
            all different if left out.
        units: The unit of each document, `(n_documents,)`, numbered from 0 without gaps, if
            labels are on units that have several vectors (`query_adapters.data.units`). Then
            `relevant` holds numbers of units instead of rows. None if each document is a unit.
        of_two_models: Whether another model embeds the queries than the documents, so that their
            lengths may differ: then an adapter maps every query before it is compared.
        weights: How much each query counts, from 0, `(n_queries,)`; all 1 if left out.

    Raises:
        InvalidVectorsError: If a number is not finite, or rows, units and questions do not match.
        DimensionMismatchError: If questions and documents differ in length.
    """

    queries: Vectors
    documents: Vectors
    relevant: tuple[Rows, ...]
    grades: tuple[Values, ...] = ()
    query_groups: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    units: Rows | None = None
    of_two_models: bool = False
    weights: Values = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "queries", matrix_of(self.queries, "queries"))
        object.__setattr__(self, "documents", matrix_of(self.documents, "documents"))
        relevant = tuple(np.asarray(rows, dtype=np.int64) for rows in self.relevant)
        object.__setattr__(self, "relevant", relevant)
        grades = self.grades or tuple(np.ones(len(rows)) for rows in relevant)
        object.__setattr__(self, "grades", tuple(np.asarray(g, np.float64) for g in grades))
        groups = self.query_groups if len(self.query_groups) else np.arange(len(self.queries))
        object.__setattr__(self, "query_groups", np.asarray(groups, np.int64))
        if self.units is not None:
            object.__setattr__(self, "units", np.asarray(self.units, np.int64))
        weights = self.weights if len(self.weights) else np.ones(len(self.queries))
        object.__setattr__(self, "weights", np.asarray(weights, np.float64))
        check_parts(self)

    @property
    def dim(self) -> int:
        """Length of one query vector."""
        return int(self.queries.shape[1])

    @cached_property
    def relative_weights(self) -> Values:
        """The weights over their mean, `(n_queries,)`; exactly 1 if all queries count alike."""
        return relative_weights(self.weights, len(self.queries))

    @property
    def is_weighted(self) -> bool:
        """Whether queries count differently."""
        return bool(self.weights.min() < self.weights.max())

    @property
    def n_effective(self) -> float | None:
        """How many queries that count alike would tell as much; None if all do."""
        return effective_number(self.weights) if self.is_weighted else None

    @property
    def counted(self) -> "EmbeddedDataset":
        """The dataset without queries of weight 0; itself if there are none."""
        rows = np.flatnonzero(self.weights)
        return self if len(rows) == len(self.queries) else self.select(rows)

    @cached_property
    def n_units(self) -> int:
        """Number of units that labels may be on; by default that of the documents."""
        return len(self.documents) if self.units is None else int(self.units.max()) + 1

    @cached_property
    def labelled(self) -> Rows:
        """The documents (units) that are relevant to a query, ascending."""
        return np.unique(np.concatenate(self.relevant))

    @cached_property
    def labelled_rows(self) -> UnitRows:
        """Rows of the vectors of `labelled`, one each without units."""
        return self.rows_of(self.labelled)

    def rows_of(self, units: Rows) -> UnitRows:
        """Return the rows of the vectors of these units."""
        if self.units is None:
            return UnitRows(units, np.arange(len(units) + 1))
        return UnitRows.of(self.units).select(units)

    @cached_property
    def document_groups(self) -> Rows:
        """A group number per query, equal where a relevant document or the wording is shared."""
        return connected(
            [("query", group), *(("document", row) for row in rows)]
            for group, rows in zip(self.query_groups, self.relevant, strict=True)
        )

    def select(self, queries: Rows) -> "EmbeddedDataset":
        """Return the dataset with these questions (rows) only, over all documents."""
        return replace(
            self,
            queries=self.queries[queries],
            relevant=tuple(self.relevant[query] for query in queries),
            grades=tuple(self.grades[query] for query in queries),
            query_groups=self.query_groups[queries],
            weights=self.weights[queries],
        )

    def over(self, documents: Rows) -> "EmbeddedDataset":
        """Return the dataset over these documents (units): ascending, with all relevant ones."""
        relevant = tuple(np.searchsorted(documents, rows) for rows in self.relevant)
        kept = self.rows_of(documents)
        rows = np.sort(kept.rows)
        units = None if self.units is None else np.searchsorted(documents, self.units[rows])
        return replace(self, documents=self.documents[rows], relevant=relevant, units=units)


def embed_dataset(
    dataset: RetrievalDataset,
    embedder: TextEmbedder,
    *,
    cache: EmbeddingCache | None = None,
    stored: Mapping[str, ArrayLike] | None = None,
    dim: int | None = None,
    show_progress: bool = False,
) -> EmbeddedDataset:
    """Return the dataset's vectors, in the order of `dataset.queries` and `.corpus`.

    Args:
        dataset: The texts.
        embedder: Embeds the texts that are neither stored nor cached; one question first, so that a
            wrong dimension is found before the rest is paid for.
        cache: Cache of finished batches; by default none.
        stored: Vectors of documents by id, from an existing index.
        dim: Required length of the vectors, checked on the first question.
        show_progress: Whether to show a progress bar per role.

    Raises:
        InvalidVectorsError: If a vector is not finite.
        DimensionMismatchError: If the model's vectors are not as long as `dim` says, or as
            the stored ones are.
    """
    cache, stored = cache or EmbeddingCache(), stored or {}
    queries = embed_questions(
        dataset, embedder, cache=cache, dim=dim, stored=stored, show_progress=show_progress
    )
    absent = {key: text for key, text in dataset.corpus.items() if key not in stored}
    fresh = cache.embed_documents(embedder, list(absent.values()), show_progress=show_progress)
    _check_unchanged(queries.shape[1], {"document": fresh})
    vectors = {**stored, **dict(zip(absent, fresh, strict=True))}
    documents = np.array([vectors[key] for key in dataset.corpus], dtype=np.float32)
    row_of = {key: row for row, key in enumerate(dataset.corpus)}
    return EmbeddedDataset(
        queries,
        documents,
        *judged_rows(dataset, row_of),
        query_groups(dataset),
        weights=query_weights(dataset),
    )


def judged_rows(
    dataset: RetrievalDataset, row_of: Mapping[str, int]
) -> tuple[tuple[Rows, ...], tuple[Values, ...]]:
    """Return the relevant rows of each query, and their grades.

    Args:
        dataset: The judgements.
        row_of: The row of each document, or the number of each unit, by id.
    """
    judged = [dataset.qrels[query] for query in dataset.queries]
    return (
        tuple(np.array([row_of[document] for document in grades]) for grades in judged),
        tuple(np.array(list(grades.values())) for grades in judged),
    )


def embed_questions(
    dataset: RetrievalDataset,
    embedder: TextEmbedder,
    *,
    cache: EmbeddingCache,
    dim: int | None = None,
    stored: Mapping[str, ArrayLike] | None = None,
    show_progress: bool = False,
) -> Vectors:
    """Return the questions' vectors, `(n_queries, dim)`; arguments as in `embed_dataset`."""
    texts = list(dataset.queries.values())
    first = cache.embed_queries(embedder, texts[:1])
    _check_dims(first.shape[1], dim, stored or {})
    others = cache.embed_queries(embedder, texts[1:], show_progress=show_progress)
    _check_unchanged(first.shape[1], {"query": others})
    return np.concatenate([first, others]) if len(others) else first


def _check_dims(actual: int, dim: int | None, stored: Mapping[str, ArrayLike]) -> None:
    if dim is not None and dim != actual:
        raise DimensionMismatchError(
            "vectors of the embedding model",
            expected=dim,
            actual=actual,
            remedy="use the model of the index and of the adapter to refine, or correct `dim`",
        )
    for key, vector in stored.items():
        if np.shape(vector) != (actual,):
            raise DimensionMismatchError(
                f"stored vector of document {key!r}",
                expected=actual,
                actual=int(np.size(vector)),
                remedy="use the embedding model that the index was built with",
            )


def _check_unchanged(expected: int, embedded: Mapping[str, Vectors]) -> None:
    for role, vectors in embedded.items():
        if len(vectors) and vectors.shape[1] != expected:
            raise DimensionMismatchError(
                f"{role} vectors",
                expected=expected,
                actual=vectors.shape[1],
                remedy="the model must give one length; after a change, use another cache file",
            )
