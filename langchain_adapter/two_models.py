"""A LangChain embedding model that asks two models for every query."""

import asyncio
from collections.abc import Iterator

from langchain_core.embeddings import Embeddings
from pydantic import BaseModel, ConfigDict, Field

from langchain_adapter.embedder import BaseLike, resolve_base
from query_adapters.embedders.identity import model_name_of
from query_adapters.embedders.two_models import TwoModels, at_once, joined


class TwoModelEmbeddings(TwoModels, BaseModel, Embeddings):
    """Query vectors of two models side by side; document vectors of the first one, the store's.

    The models are asked at the same time. An adapter maps the joined vectors into the store:
    `LinearAdapterEmbeddings(TwoModelEmbeddings(old_model, new_model), "bridge/both")`.

    Args:
        base: The model that the store was filled with. A LlamaIndex embedding model, or a string
            that LlamaIndex resolves to one, is accepted too.
        new: The other model.

    Raises:
        TypeError: If one is neither an embedding model of one of the frameworks nor a string.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    base: Embeddings = Field(exclude=True, frozen=True)
    new: Embeddings = Field(exclude=True, frozen=True)

    def __init__(self, base: BaseLike, new: BaseLike) -> None:
        super().__init__(**{"base": resolve_base(base), "new": resolve_base(new)})

    @property
    def models(self) -> tuple[Embeddings, Embeddings]:
        """The store's model and the other one."""
        return self.base, self.new

    @property
    def model_name(self) -> str:
        """The names of both models."""
        return self.name_of(*self.models)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the store's model's vectors of documents."""
        return self.base.embed_documents(texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the store's model's vectors of documents."""
        return await self.base.aembed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the vectors of a query by both models, side by side."""
        base, new = self.models
        vectors = at_once(lambda: base.embed_query(text), lambda: new.embed_query(text))
        found: list[float] = joined(*vectors).tolist()
        return found

    async def aembed_query(self, text: str) -> list[float]:
        """Return the same as `embed_query`, by the models' asynchronous methods."""
        vectors = await asyncio.gather(*(model.aembed_query(text) for model in self.models))
        found: list[float] = joined(*vectors).tolist()
        return found

    def __repr_args__(self) -> Iterator[tuple[str, str]]:
        for name, model in zip(("base", "new"), self.models, strict=True):
            yield name, f"{type(model).__name__}:{model_name_of(model)}"
