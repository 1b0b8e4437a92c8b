"""Apply an adapter to stored query vectors, batch by batch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from query_adapters.adapters.serving import AdapterLike, read
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.pipelines.batches import Batch, vectors_of, with_columns
from query_adapters.pipelines.origin import check_adapter
from query_adapters.pipelines.parquet import ParquetRows


@dataclass(frozen=True)
class AdaptVectors:
    """Applies an adapter to a column of query vectors.

    Args:
        adapter: The adapter or its folder, which is read at once, so workers need not have it.
        vector_column: Column of the base model's vectors of queries.
        adapted_column: Column of the adapted vectors; None to replace those of the base model.

    Raises:
        AdapterFileError: If the folder does not hold an adapter.
    """

    block_rows: ClassVar[int] = 262_144
    batch_rows: ClassVar[int] = 16_384

    adapter: AdapterLike
    _: KW_ONLY
    vector_column: str = "vector"
    adapted_column: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "adapter", as_saved(self.adapter))

    @property
    def reads(self) -> tuple[str, ...]:
        """The column of the base model's vectors."""
        return (self.vector_column,)

    @property
    def writes(self) -> tuple[str, ...]:
        """The column of the adapted vectors."""
        return (self.adapted_column or self.vector_column,)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The adapter."""
        return {"kind": "adapt", "adapter": as_saved(self.adapter).adapter.fingerprint}

    def check(self, rows: ParquetRows) -> None:
        """Check that the vectors are what the adapter maps, as far as files tell.

        Raises:
            AdapterMismatchError: If they are of another model than the adapter was trained on.
            DimensionMismatchError: If they have another length, or several.
            InvalidVectorsError: If the column holds no vectors, adapted ones, or documents'.
        """
        check_adapter(as_saved(self.adapter), rows, self.vector_column)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with the adapted vectors.

        Raises:
            DimensionMismatchError: If vectors differ in length, or the adapter maps others.
            InvalidVectorsError: If a row holds no vector, or a number is not finite.
        """
        vectors = vectors_of(batch, self.vector_column)
        return with_columns(batch, {self.writes[0]: as_saved(self.adapter).adapter(vectors)})


def as_saved(adapter: AdapterLike) -> SavedAdapter:
    """Return the adapter with its record, read from its folder if need be.

    Raises:
        AdapterFileError: If the folder does not hold an adapter.
        TypeError: If it is no adapter.
    """
    saved = read(adapter)
    if saved is None:
        raise TypeError("expected an adapter or the path of its folder, got None")
    return saved
