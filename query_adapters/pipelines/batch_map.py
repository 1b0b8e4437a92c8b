"""The protocol of what runs over batches of rows."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from query_adapters.pipelines.batches import Batch
from query_adapters.pipelines.parquet import ParquetRows


class BatchMap(Protocol):
    """A map of batches, which `map_parquet` and Ray Data's `map_batches` run.

    It reaches the workers of a cluster by pickle, so it loads a model there and not before.
    """

    @property
    def block_rows(self) -> int:
        """Rows of a block by default: what is in one file, and lost if a worker dies."""

    @property
    def batch_rows(self) -> int:
        """Rows of a call, at most; a block may be mapped in several calls."""

    @property
    def reads(self) -> Sequence[str]:
        """Names of the columns that it needs."""

    @property
    def writes(self) -> Sequence[str]:
        """Names of the columns that it adds or replaces."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What determines its results beside the columns, as JSON: equal ones do the same."""

    def check(self, rows: ParquetRows) -> None:
        """Check that it can map the rows, from what the footers of their files say."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with the columns that it writes."""
