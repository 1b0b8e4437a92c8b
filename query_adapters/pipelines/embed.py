"""Embed texts, batch by batch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, get_args

from query_adapters.embedders import TextEmbedder, resolve_embedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.call import Role
from query_adapters.embedders.identity import own_name
from query_adapters.pipelines.batches import Batch, texts_of, with_columns
from query_adapters.pipelines.parquet import ParquetRows
from query_adapters.typing import Vectors


@dataclass(frozen=True)
class EmbedTexts:
    """Adds the vectors of a column of texts, in the role of queries or of documents.

    The model is loaded where batches are embedded, once per worker.

    Args:
        model: A model's name for `resolve_embedder`, such as "openai:text-embedding-3-small", or a
            model, which is copied to each worker.
        role: "query" or "document".
        text_column: Column of the texts.
        vector_column: Column of the vectors, lists of float32 of one length.
        cache_path: SQLite file of an `EmbeddingCache`, on a disk of the machine that embeds.

    Raises:
        ValueError: If the role is unknown.
    """

    block_rows: ClassVar[int] = 8_192
    batch_rows: ClassVar[int] = 8_192

    model: TextEmbedder | str
    _: KW_ONLY
    role: Role
    text_column: str = "text"
    vector_column: str = "vector"
    cache_path: str | Path | None = None

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise ValueError(f"role: expected 'query' or 'document', got {self.role!r}")

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a worker loads a named model itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def reads(self) -> tuple[str, ...]:
        """The column of texts."""
        return (self.text_column,)

    @property
    def writes(self) -> tuple[str, ...]:
        """The column of vectors."""
        return (self.vector_column,)

    @cached_property
    def embedder(self) -> TextEmbedder:
        """The model, loaded on first use."""
        return resolve_embedder(self.model) if isinstance(self.model, str) else self.model

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The model and its role."""
        model = self.embedder
        names = {"model": model.identity, "model_name": own_name(model.model_name)}
        return {"kind": "embed", **names, "role": self.role}

    def check(self, rows: ParquetRows) -> None:
        """Accept any column; whether it holds texts shows when it is read."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with the vectors of its texts.

        Raises:
            InvalidDatasetError: If a row holds no text.
            InvalidVectorsError: If the model does not give one finite vector per text.
        """
        vectors = self._embedded(texts_of(batch, self.text_column))
        return with_columns(batch, {self.vector_column: vectors})

    def _embedded(self, texts: list[str]) -> Vectors:
        cache = EmbeddingCache(self.cache_path)
        embed = cache.embed_queries if self.role == "query" else cache.embed_documents
        return embed(self.embedder, texts)
