"""What embedding models around another one share."""

from collections.abc import Iterator
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import BaseModel, ConfigDict, Field

from langchain_adapter.embedder import BaseLike, LangChainEmbedder, resolve_base
from query_adapters.embedders.identity import model_name_of


class WrappingEmbeddings(BaseModel, Embeddings):
    """An embedding model around another one, with further fields.

    Args:
        base: The embedding model that it wraps.
        **own: Values of its own fields.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    base: Embeddings = Field(exclude=True, frozen=True)

    def __init__(self, base: BaseLike, **own: Any) -> None:
        fields: dict[str, Any] = {"base": resolve_base(base), **own}
        super().__init__(**fields)

    @property
    def model_name(self) -> str:
        """The base's."""
        return model_name_of(self.base)

    @property
    def chunk_size(self) -> int:
        """Texts per call, as the base prefers."""
        return LangChainEmbedder(self.base).batch_size

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield "base", f"{type(self.base).__name__}:{model_name_of(self.base)}"
