"""A base embedding model with an adapter on its queries, as LlamaIndex calls one."""

from collections.abc import Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any, ClassVar, Self, TypedDict, Unpack

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, SerializerFunctionWrapHandler
from llama_index.core.callbacks import CallbackManager
from numpy.typing import ArrayLike
from pydantic import InstanceOf, SerializationInfo, model_serializer

from llama_index_finetune_plugin._delegation import QueryDelegation, acquire
from llama_index_finetune_plugin.embedder import BaseLike, resolve_base
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.adapted_model import AdaptedModel
from query_adapters.adapters.serving import AdapterLike, chosen, from_arrays
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.embedders.identity import check_name, identity_of, model_name_of


class Options(TypedDict, total=False):
    """The keyword-only arguments that every adapted embedding model takes."""

    adapter_path: str | Path | None
    check_model: bool
    embed_batch_size: int | None
    model_name: str | None
    callback_manager: CallbackManager | None
    num_workers: int | None
    embeddings_cache: Any
    rate_limiter: Any


class AdapterEmbedding(AdaptedModel, QueryDelegation, BaseEmbedding):
    """The base's document vectors, bit for bit, and its query vectors through an adapter.

    An index built with the base is searched as it is:
    `index.as_retriever(embed_model=AdapterEmbedding(base, "folder"))`.

    Args:
        base_embed_model: The embedding model that the index was built with, or a string that
            LlamaIndex resolves to it; a LangChain `Embeddings` does as well.
        adapter: The adapter, with or without its record, or its folder; None for the base as
            it is.
        adapter_path: The folder instead of `adapter`.
        check_model: Whether the adapter's record must name this base.
        embed_batch_size: Documents per call; the base's if left out.
        model_name: Name of the adapted model; "Adapter for ..." if left out.
        callback_manager: As in every embedding model.
        num_workers: Asynchronous calls at once; the base's if left out.
        embeddings_cache: As in every embedding model, but queries keep to themselves there.
        rate_limiter: As in every embedding model; the base's own is honoured besides.

    Raises:
        AdapterMismatchError: If the adapter was trained on another model.
        DimensionMismatchError: If the base tells its dimension and it is another one; where it
            does not, the first query finds out.
        AdapterFileError: If the folder does not hold a whole adapter.
    """

    base_embed_model: BaseEmbedding = Field(exclude=True, repr=False, frozen=True)
    check_model: bool = True
    embeddings_cache: Any | None = Field(default=None, exclude=True, repr=False)
    saved_adapter: InstanceOf[SavedAdapter] | None = Field(
        default=None, exclude=True, repr=False, frozen=True
    )
    adapter_path: str | None = Field(default=None, frozen=True)

    def __init__(
        self,
        base_embed_model: BaseLike,
        adapter: AdapterLike | EllipsisType | None = ...,
        *,
        adapter_path: str | Path | None = None,
        check_model: bool = True,
        embed_batch_size: int | None = None,
        model_name: str | None = None,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
        embeddings_cache: Any = None,
        rate_limiter: Any = None,
    ) -> None:
        base = resolve_base(base_embed_model)
        batch_size = base.embed_batch_size if embed_batch_size is None else embed_batch_size
        fields: dict[str, Any] = {
            "base_embed_model": base,
            "check_model": check_model,
            "embed_batch_size": batch_size,
            "model_name": model_name or f"Adapter for {model_name_of(base)}",
            "callback_manager": callback_manager,
            "num_workers": base.num_workers if num_workers is None else num_workers,
            "embeddings_cache": embeddings_cache,
            "rate_limiter": rate_limiter,
        }
        super().__init__(**fields)
        self.adapter = chosen(adapter, adapter_path)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "AdapterEmbedding"

    @property
    def _base(self) -> BaseEmbedding:
        return self.base_embed_model

    def _embed_probe(self, text: str) -> Embedding:
        acquire(self.base_embed_model, self)
        return self.base_embed_model._get_query_embedding(text)

    def to_payload(self) -> dict[str, Any]:
        """Return what events tell of this model; no secrets."""
        base, adapter = self.base_embed_model, self.adapter
        return {
            "class_name": self.class_name(),
            "model_name": self.model_name,
            "embed_batch_size": self.embed_batch_size,
            "base_class": base.class_name(),
            "base_model": base.model_name,
            "adapter": None if adapter is None else adapter.fingerprint,
            "dim": None if adapter is None else adapter.dim_out,
        }

    @model_serializer(mode="wrap")
    def custom_model_dump(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Return the fields and what document vectors depend on; no secrets, no weights.

        LlamaIndex's ingestion cache takes this as its key: another base embeds the documents
        again, another training of the adapter in the same folder does not, but another folder
        does, as `from_dict` needs it. Ingest with the base itself, whose key knows no adapter.
        """
        base = self.base_embed_model
        fields: dict[str, Any] = handler(self)
        return fields | {
            "class_name": self.class_name(),
            "base_class": type(base).__name__,
            "base_model": model_name_of(base),
            "base_identity": identity_of(base),
            "dim": self.dim,
            "adapter_path": self.adapter_path,
        }

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        base_embed_model: BaseLike | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return the model that `to_dict` described, on the base that is given to it.

        Args:
            data: What `to_dict` returned.
            base_embed_model: The base, which is not stored, as its secrets would be with it.
            **kwargs: `adapter`, if it was not read from a folder, and any other argument of the
                constructor that shall replace what is stored.

        Raises:
            TypeError: If the base is missing, or an adapter that was given in memory.
            AdapterMismatchError: If the base is another model than the stored one.
        """
        if base_embed_model is None:
            raise TypeError(
                f"expected base_embed_model={data.get('base_class')}(...), got none: a base is not "
                "stored, as its secrets would be with it; pass it to from_dict"
            )
        stored = {name: data[name] for name in Options.__annotations__ if name in data}
        if kwargs.keys() & {"adapter", "weight"}:
            stored.pop("adapter_path", None)
        base, options = resolve_base(base_embed_model), stored | kwargs
        if options.get("check_model", True):
            check_name(model_name_of(base), data.get("base_model"))
        return cls(base, **options)

    def __getstate__(self) -> dict[str, Any]:
        # of a copy, because LlamaIndex deletes what cannot be pickled from the very object
        return super(AdapterEmbedding, self.model_copy()).__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        fields = dict(state["__dict__"])
        saved, path = fields.pop("saved_adapter"), fields.pop("adapter_path")
        type(self).__init__(self, adapter=saved, **fields)
        self.__dict__.update(adapter_path=path)


class LinearAdapterEmbedding(AdapterEmbedding):
    """An `AdapterEmbedding` for linear adapters only, also from plain arrays.

    Args:
        base_embed_model: As in `AdapterEmbedding`.
        adapter: As in `AdapterEmbedding`.
        weight: The matrix instead of an adapter, `(dim_out, dim_in)`.
        bias: Its bias, `(dim_out,)`, or None.
        **options: As in `AdapterEmbedding`.
    """

    adapter_kind: ClassVar[str | None] = LinearAdapter.kind

    def __init__(
        self,
        base_embed_model: BaseLike,
        adapter: AdapterLike | EllipsisType | None = ...,
        *,
        weight: ArrayLike | None = None,
        bias: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(base_embed_model, from_arrays(adapter, weight, bias), **options)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "LinearAdapterEmbedding"
