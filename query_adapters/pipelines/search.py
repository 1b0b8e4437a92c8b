"""Search for stored questions in stored documents, batch by batch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

from query_adapters.errors import DimensionMismatchError
from query_adapters.evaluation.block_search import search_blocks
from query_adapters.pipelines.batches import Batch, vectors_of, with_columns
from query_adapters.pipelines.origin import check_models
from query_adapters.pipelines.parquet import ParquetRows
from query_adapters.pipelines.vectors import ParquetVectors
from query_adapters.typing import Similarity


@dataclass(frozen=True)
class SearchDocuments:
    """Adds the ids of the k most similar documents of each query, best first, by exact search.

    All documents are read once per batch.

    Args:
        documents: Their vectors, or the file or folder of these.
        k: Documents per query.
        similarity: "cosine", "dot", or "euclidean" (nearest first).
        vector_column: Column of the query vectors.
        found_column: Column of the ids.

    Raises:
        ValueError: If k is below 1.
    """

    block_rows: ClassVar[int] = 65_536
    batch_rows: ClassVar[int] = 65_536

    documents: ParquetVectors | str | Path
    _: KW_ONLY
    k: int = 10
    similarity: Similarity = "cosine"
    vector_column: str = "vector"
    found_column: str = "found"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: expected at least 1, got {self.k}")
        object.__setattr__(self, "documents", as_documents(self.documents))

    @property
    def reads(self) -> tuple[str, ...]:
        """The column of query vectors."""
        return (self.vector_column,)

    @property
    def writes(self) -> tuple[str, ...]:
        """The column of ids."""
        return (self.found_column,)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The documents and the search."""
        search = {"documents": as_documents(self.documents).identity, "k": self.k}
        return {"kind": "search", **search, "similarity": self.similarity}

    def check(self, rows: ParquetRows) -> None:
        """Check that queries and documents have vectors of one length and, as far as known, model.

        Raises:
            DimensionMismatchError: If they differ in length.
            InvalidVectorsError: If a column holds no vectors, or those of another model or role.
        """
        documents = as_documents(self.documents)
        check_dims(rows.dim(self.vector_column), documents)
        check_models(rows, self.vector_column, documents.rows, documents.vector_column)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with the ids that were found, `(n_rows, min(k, n_documents))`.

        Raises:
            DimensionMismatchError: If documents are not as long as the queries.
            InvalidVectorsError: If a row holds no vector, or a number is not finite.
        """
        queries, documents = vectors_of(batch, self.vector_column), as_documents(self.documents)
        found, _ = search_blocks(queries, documents, k=self.k, similarity=self.similarity)
        ids = documents.ids_at(found.reshape(-1))
        return with_columns(batch, {self.found_column: in_lists(ids, found.shape[1], batch)})


def as_documents(documents: ParquetVectors | str | Path) -> ParquetVectors:
    """Return the vectors of documents; those of a path are in columns `vector` and `id`."""
    return documents if isinstance(documents, ParquetVectors) else ParquetVectors(documents)


def check_dims(dim: int, documents: ParquetVectors) -> None:
    """Check that documents have vectors of length `dim`.

    Raises:
        DimensionMismatchError: If not.
    """
    if documents.dim != dim:
        raise DimensionMismatchError(
            f"documents in {documents.source}",
            expected=dim,
            actual=documents.dim,
            remedy="embed questions with the model that the documents were embedded with",
        )


def in_lists(items: Any, size: int, batch: Batch) -> Any:
    """Return an Arrow array of items as lists of `size`; in a batch of numpy as a matrix."""
    import pyarrow as pa

    if isinstance(batch, Mapping):
        return items.to_numpy(zero_copy_only=False).reshape(-1, size)
    return pa.FixedSizeListArray.from_arrays(items, size)
