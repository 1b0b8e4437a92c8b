"""A LlamaIndex embedding model that applies an adapter to a base model's queries."""

from collections.abc import Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any, Self, TypedDict, Unpack

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, SerializerFunctionWrapHandler
from llama_index.core.callbacks import CallbackManager
from numpy.typing import ArrayLike
from pydantic import InstanceOf, SerializationInfo, model_serializer

from llama_index_finetune_plugin._delegation import QueryDelegation, acquire
from llama_index_finetune_plugin.embedder import BaseLike, resolve_base
from query_adapters.adapters.serving import AdapterLike, chosen, from_arrays
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.deployment.adapted_model import AdaptedModel
from query_adapters.deployment.refreshing import FollowedAdapter, checked_refresh
from query_adapters.embedders.identity import check_name, identity_of, innermost, model_name_of


class Options(TypedDict, total=False):
    """Keyword-only arguments of every adapted embedding model."""

    adapter_path: str | Path | None
    check_model: bool
    document_model: BaseLike | None
    embed_batch_size: int | None
    model_name: str | None
    callback_manager: CallbackManager | None
    num_workers: int | None
    embeddings_cache: Any
    rate_limiter: Any
    refresh_s: float | None


class AdapterEmbedding(AdaptedModel, QueryDelegation, BaseEmbedding):
    """Serves the base's document vectors unchanged and its query vectors through an adapter.

    Search an index that was built with the base, unchanged:
    `index.as_retriever(embed_model=AdapterEmbedding(base, "folder"))`.

    Args:
        base_embed_model: The embedding model that the index was built with, or a string that
            LlamaIndex resolves to it; or a LangChain `Embeddings`.
        adapter: An adapter, a SavedAdapter, an adapter's folder or a `registry://`, `hf://` or
            `mlflow:` URI; None for the base without an adapter.
        adapter_path: The folder instead of `adapter`.
        check_model: Whether to refuse an adapter whose record names another base.
        document_model: The model that embeds documents, by default the base. An adapter of
            `ModelUpgradeEngine`, whose index another model has built, refuses documents without it.
        embed_batch_size: Documents per call; the base's if left out.
        model_name: Name of the adapted model; "Adapter for ..." if left out.
        callback_manager: As in every embedding model.
        num_workers: Asynchronous calls at once; the base's if left out.
        embeddings_cache: As in every embedding model; queries are kept apart from documents.
        rate_limiter: As in every embedding model; the base's own limiter applies as well.
        refresh_s: Seconds between two looks at the folder or URI, by a thread in the background,
            which replaces the adapter if it has changed and fits; None for no look.

    Raises:
        AdapterMismatchError: If the adapter was trained on another model.
        DimensionMismatchError: If the base states another dimension; if it states none, the first
            query raises it.
        AdapterFileError: If the folder does not hold a complete adapter.
    """

    base_embed_model: BaseEmbedding = Field(exclude=True, repr=False, frozen=True)
    check_model: bool = True
    document_model: BaseEmbedding | None = Field(
        default=None, exclude=True, repr=False, frozen=True
    )
    embeddings_cache: Any | None = Field(default=None, exclude=True, repr=False)
    saved_adapter: InstanceOf[SavedAdapter] | None = Field(
        default=None, exclude=True, repr=False, frozen=True
    )
    adapter_path: str | None = Field(default=None, frozen=True)
    refresh_s: float | None = Field(default=None, exclude=True, repr=False, frozen=True)
    followed: InstanceOf[FollowedAdapter] | None = Field(
        default=None, exclude=True, repr=False, frozen=True
    )

    def __init__(
        self,
        base_embed_model: BaseLike,
        adapter: AdapterLike | EllipsisType | None = ...,
        *,
        adapter_path: str | Path | None = None,
        check_model: bool = True,
        document_model: BaseLike | None = None,
        embed_batch_size: int | None = None,
        model_name: str | None = None,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
        embeddings_cache: Any = None,
        rate_limiter: Any = None,
        refresh_s: float | None = None,
    ) -> None:
        given = checked_refresh(chosen(adapter, adapter_path), refresh_s)
        base = resolve_base(base_embed_model)
        batch_size = base.embed_batch_size if embed_batch_size is None else embed_batch_size
        fields: dict[str, Any] = {
            "base_embed_model": base,
            "check_model": check_model,
            "document_model": None if document_model is None else resolve_base(document_model),
            "embed_batch_size": batch_size,
            "model_name": model_name or f"Adapter for {model_name_of(base)}",
            "callback_manager": callback_manager,
            "num_workers": base.num_workers if num_workers is None else num_workers,
            "embeddings_cache": embeddings_cache,
            "rate_limiter": rate_limiter,
            "refresh_s": refresh_s,
        }
        super().__init__(**fields)
        self.adapter = given

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "AdapterEmbedding"

    @property
    def _base(self) -> BaseEmbedding:
        return self.base_embed_model

    def _embed_probe(self, text: str) -> Embedding:
        base: BaseEmbedding = innermost(self.base_embed_model)
        acquire(base, self)
        return base._get_query_embedding(text)

    def to_payload(self) -> dict[str, Any]:
        """Return the description of this model in events, without secrets."""
        base, adapter = self.base_embed_model, self.adapter
        return {
            "class_name": self.class_name(),
            "model_name": self.model_name,
            "embed_batch_size": self.embed_batch_size,
            "base_class": base.class_name(),
            "base_model": model_name_of(base),
            "adapter": None if adapter is None else adapter.fingerprint,
            "dim": None if adapter is None else adapter.dim_out,
        }

    @model_serializer(mode="wrap")
    def custom_model_dump(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Return the fields and what document vectors depend on, without secrets and weights.

        LlamaIndex's ingestion cache uses this as its key. Documents are embedded again for another
        base or another adapter folder, which `from_dict` needs, but not for a new adapter in the
        same folder. Ingest with the base itself, whose key does not depend on adapters.
        """
        base, documents = self.base_embed_model, self.document_model
        fields: dict[str, Any] = handler(self)
        by: dict[str, Any] = {} if self.refresh_s is None else {"refresh_s": self.refresh_s}
        if documents is not None:
            by["document_identity"] = identity_of(documents)
        return (
            fields
            | by
            | {
                "class_name": self.class_name(),
                "base_class": type(base).__name__,
                "base_model": model_name_of(base),
                "base_identity": identity_of(base),
                "dim": self.dim,
                "adapter_path": self.adapter_path,
            }
        )

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
            **kwargs: `adapter`, if it was not read from a folder, and other arguments of the
                constructor, which override the stored ones.

        Raises:
            TypeError: If the base, or an adapter that was given in memory, is missing.
            AdapterMismatchError: If the base is another model than the stored one.
        """
        if base_embed_model is None:
            raise TypeError(
                f"expected base_embed_model={data.get('base_class')}(...), got none: the base is "
                "not stored, because its secrets would be stored with it; pass it to from_dict"
            )
        stored = {name: data[name] for name in Options.__annotations__ if name in data}
        if kwargs.keys() & {"adapter", "weight"}:
            stored.pop("adapter_path", None)
        base, options = resolve_base(base_embed_model), stored | kwargs
        if options.get("check_model", True):
            check_name(model_name_of(base), data.get("base_model"))
        return cls(base, **options)

    def __getstate__(self) -> dict[str, Any]:
        # on a copy, because LlamaIndex deletes fields that cannot be pickled from the object itself
        return super(AdapterEmbedding, self.model_copy()).__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        fields = dict(state["__dict__"])
        kept = {name: fields.pop(name) for name in ("adapter_path", "refresh_s", "followed")}
        type(self).__init__(self, adapter=fields.pop("saved_adapter"), **fields)
        self.__dict__.update(kept)


class LinearAdapterEmbedding(AdapterEmbedding):
    """An `AdapterEmbedding` that also takes a linear adapter as plain arrays.

    It serves whatever `finetune()` saved, a memory included.

    Args:
        base_embed_model: As in `AdapterEmbedding`.
        adapter: As in `AdapterEmbedding`.
        weight: The matrix instead of an adapter, `(dim_out, dim_in)`.
        bias: Its bias, `(dim_out,)`, or None.
        **options: As in `AdapterEmbedding`.
    """

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
