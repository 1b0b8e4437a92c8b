"""A LlamaIndex embedding model that asks two models for every query."""

import asyncio
from collections.abc import Mapping
from typing import Any, Self

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, SerializerFunctionWrapHandler
from llama_index.core.callbacks import CallbackManager
from pydantic import SerializationInfo, model_serializer

from llama_index_finetune_plugin._delegation import DocumentDelegation, aquery_vector, query_vector
from llama_index_finetune_plugin.embedder import BaseLike, resolve_base
from query_adapters.embedders.identity import check_name, model_name_of
from query_adapters.embedders.two_models import TwoModels, at_once, joined

STATE = ("base_embed_model", "new_embed_model", "callback_manager")


class TwoModelEmbedding(TwoModels, DocumentDelegation, BaseEmbedding):
    """Query vectors of two models side by side; document vectors of the first one, the index's.

    The models are asked at the same time. An adapter maps the joined vectors into the index:
    `LinearAdapterEmbedding(TwoModelEmbedding(old_model, new_model), "bridge/both")`.

    Args:
        base_embed_model: The model that the index was built with, or a string that LlamaIndex
            resolves to it; or a LangChain `Embeddings`.
        new_embed_model: The other model.
        callback_manager: As in every embedding model.

    Raises:
        TypeError: If one is neither an embedding model of one of the frameworks nor a string.
    """

    base_embed_model: BaseEmbedding = Field(exclude=True, repr=False, frozen=True)
    new_embed_model: BaseEmbedding = Field(exclude=True, repr=False, frozen=True)
    embeddings_cache: Any | None = Field(default=None, exclude=True, repr=False, frozen=True)

    def __init__(
        self,
        base_embed_model: BaseLike,
        new_embed_model: BaseLike,
        *,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        base, new = resolve_base(base_embed_model), resolve_base(new_embed_model)
        fields: dict[str, Any] = {
            "base_embed_model": base,
            "new_embed_model": new,
            "embed_batch_size": base.embed_batch_size,
            "model_name": self.name_of(base, new),
            "callback_manager": callback_manager,
            "num_workers": base.num_workers,
        }
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "TwoModelEmbedding"

    @property
    def models(self) -> tuple[BaseEmbedding, BaseEmbedding]:
        """The index's model and the other one."""
        return self.base_embed_model, self.new_embed_model

    def _get_query_embedding(self, query: str) -> Embedding:
        base, new = self.models
        vectors = at_once(
            lambda: query_vector(base, query, wrapper=base),
            lambda: query_vector(new, query, wrapper=new),
        )
        found: Embedding = joined(*vectors).tolist()
        return found

    async def _aget_query_embedding(self, query: str) -> Embedding:
        vectors = await asyncio.gather(
            *(aquery_vector(model, query, wrapper=model) for model in self.models)
        )
        found: Embedding = joined(*vectors).tolist()
        return found

    @model_serializer(mode="wrap")
    def custom_model_dump(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Return the fields and what identifies both models, without secrets."""
        fields: dict[str, Any] = handler(self)
        return fields | {"class_name": self.class_name(), "base_identity": self.identity}

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        base_embed_model: BaseLike | None = None,
        new_embed_model: BaseLike | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return the model that `to_dict` described, over the given models.

        Args:
            data: What `to_dict` returned.
            base_embed_model: The index's model; models are not stored, because their secrets would
                be stored with them.
            new_embed_model: The other model.
            **kwargs: Arguments of the constructor.

        Raises:
            TypeError: If a model is missing.
            AdapterMismatchError: If they are other models than the stored ones.
        """
        if base_embed_model is None or new_embed_model is None:
            raise TypeError(
                "expected base_embed_model=... and new_embed_model=..., got one or none: models "
                "are not stored, because their secrets would be stored with them"
            )
        model = cls(base_embed_model, new_embed_model, **kwargs)
        check_name(model_name_of(model), data.get("model_name"))
        return model

    def __getstate__(self) -> dict[str, Any]:
        # on a copy, because LlamaIndex deletes fields that cannot be pickled from the object itself
        return super(TwoModelEmbedding, self.model_copy()).__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        fields = state["__dict__"]
        type(self).__init__(self, **{name: fields[name] for name in STATE if name in fields})
