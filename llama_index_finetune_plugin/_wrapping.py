"""What embedding models around another one share: how they are stored, copied and read back."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, SerializerFunctionWrapHandler
from llama_index.core.callbacks import CallbackManager
from pydantic import SerializationInfo, model_serializer

from llama_index_finetune_plugin._delegation import DocumentDelegation
from llama_index_finetune_plugin.embedder import BaseLike, resolve_base
from query_adapters.embedders.identity import check_name, identity_of, model_name_of

COMMON = ("embed_batch_size", "num_workers")


class WrappingEmbedding(DocumentDelegation, BaseEmbedding):
    """An embedding model around another one, with fields of its own named in `own_fields`.

    Args:
        base_embed_model: The embedding model that it wraps.
        embed_batch_size: Documents per call; the base's if left out.
        callback_manager: As in every embedding model.
        num_workers: Asynchronous calls at once; the base's if left out.
        **own: Values of its own fields.
    """

    own_fields: ClassVar[tuple[str, ...]] = ()

    base_embed_model: BaseEmbedding = Field(exclude=True, repr=False, frozen=True)
    embeddings_cache: Any | None = Field(default=None, exclude=True, repr=False, frozen=True)

    def __init__(
        self,
        base_embed_model: BaseLike,
        *,
        embed_batch_size: int | None = None,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
        **own: Any,
    ) -> None:
        base = resolve_base(base_embed_model)
        fields: dict[str, Any] = {
            "base_embed_model": base,
            "embed_batch_size": base.embed_batch_size
            if embed_batch_size is None
            else embed_batch_size,
            "model_name": model_name_of(base),
            "callback_manager": callback_manager,
            "num_workers": base.num_workers if num_workers is None else num_workers,
        }
        super().__init__(**fields, **own)

    @model_serializer(mode="wrap")
    def custom_model_dump(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Return the fields and the base's identity, without secrets.

        LlamaIndex's ingestion cache uses this as its key.
        """
        base = self.base_embed_model
        fields: dict[str, Any] = handler(self)
        return fields | {
            "class_name": self.class_name(),
            "base_model": model_name_of(base),
            "base_identity": identity_of(base),
        }

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        base_embed_model: BaseLike | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return the model that `to_dict` described, over the given base.

        Args:
            data: What `to_dict` returned.
            base_embed_model: The base; it is not stored, because its secrets would be stored with
                it.
            **kwargs: Arguments of the constructor, which override the stored ones.

        Raises:
            TypeError: If the base is missing.
            AdapterMismatchError: If the base is another model than the stored one.
        """
        if base_embed_model is None:
            raise TypeError(
                "expected base_embed_model=..., got none: the base is not stored, because its "
                "secrets would be stored with it; pass it to from_dict"
            )
        base = resolve_base(base_embed_model)
        check_name(model_name_of(base), data.get("base_model"))
        stored = {name: data[name] for name in (*cls.own_fields, *COMMON) if name in data}
        return cls(base, **(stored | kwargs))

    def __getstate__(self) -> dict[str, Any]:
        # on a copy, because LlamaIndex deletes fields that cannot be pickled from the object itself
        return super(WrappingEmbedding, self.model_copy()).__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        fields = state["__dict__"]
        kept = (*self.own_fields, *COMMON, "base_embed_model", "callback_manager")
        type(self).__init__(self, **{name: fields[name] for name in kept if name in fields})
