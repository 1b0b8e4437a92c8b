"""An embedding model of this package in LlamaIndex, by name or as an object."""

import asyncio
from functools import partial
from typing import Any, Self

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, SerializerFunctionWrapHandler
from llama_index.core.callbacks import CallbackManager
from pydantic import SerializationInfo, model_serializer

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.prepared import NamedModel
from query_adapters.embedders.resolve import resolved

MOST_AT_ONCE = 2048  # LlamaIndex's limit


class NamedEmbedding(NamedModel, BaseEmbedding):
    """A model that `resolve_embedder` knows, such as "voyage/voyage-4", as a LlamaIndex model.

    Queries and documents are embedded in their roles and in batches, with the provider's limits,
    retries and the checks of every answer. Asynchronous methods run in a thread.

    Args:
        model: The model's name, as in `resolve_embedder`, or a `TextEmbedder`.
        embed_batch_size: Documents per call; the model's own if left out.
        callback_manager: As in every embedding model.
        num_workers: As in every embedding model.
        **options: Options of the model, such as `query_prefix` or `dimensions`, for a name.

    Raises:
        UnknownModelError: If the provider or the model is unknown.
        MissingExtraError: If the provider's SDK is not installed.
        MissingKeyError: If the environment holds no key for the provider.
        TypeError: If there are options beside an object.
    """

    embedder: Any = Field(exclude=True, repr=False, frozen=True)
    made_from: Any = Field(exclude=True, repr=False, frozen=True)

    def __init__(
        self,
        model: str | TextEmbedder,
        *,
        embed_batch_size: int | None = None,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
        **options: Any,
    ) -> None:
        embedder = resolved(model, options)
        fields: dict[str, Any] = {
            "embedder": embedder,
            "made_from": (model, options),
            "model_name": embedder.model_name,
            "embed_batch_size": embed_batch_size or min(embedder.batch_size, MOST_AT_ONCE),
            "callback_manager": callback_manager,
            "num_workers": num_workers,
        }
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is reported."""
        return "NamedEmbedding"

    def to_payload(self) -> dict[str, Any]:
        """Return the description of this model in events, without secrets."""
        return {
            "class_name": self.class_name(),
            "model_name": self.model_name,
            "embed_batch_size": self.embed_batch_size,
        }

    @model_serializer(mode="wrap")
    def custom_model_dump(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Return the fields and the identity of the vectors, without secrets.

        LlamaIndex's ingestion cache uses this as its key.
        """
        return {**handler(self), "class_name": self.class_name(), "identity": self.identity}

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes it: by the name again, or around the object."""
        model, options = self.made_from
        own = {name: getattr(self, name) for name in ("embed_batch_size", "num_workers")}
        return partial(type(self), model, **own, **options), ()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy over the same model, whose connections cannot be copied."""
        return self.model_copy()

    def _get_query_embedding(self, query: str) -> Embedding:
        return self.embed_queries([query])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = self.embedder.embed_documents(texts).tolist()
        return vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
