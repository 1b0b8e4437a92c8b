"""A LlamaIndex embedding model that serves each tenant with an adapter of its own."""

from collections.abc import Callable
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Unpack

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.bridge.pydantic import Field
from pydantic import InstanceOf

from llama_index_finetune_plugin._delegation import QueryDelegation
from llama_index_finetune_plugin.embedder import BaseLike, resolve_base
from llama_index_finetune_plugin.embedding import AdapterEmbedding, Options
from query_adapters.adapters.serving import AdapterLike, chosen
from query_adapters.deployment.adapted_model import TenantModel, tenant_adapters
from query_adapters.deployment.current_tenant import current_tenant
from query_adapters.deployment.tenants import MAX_TENANTS, Source, TenantAdapters


class _AsyncQueries(QueryDelegation):
    """Loads an adapter that is not in memory outside the event loop."""

    if TYPE_CHECKING:
        adapters: TenantAdapters

    async def aget_query_embedding(self, query: str) -> Embedding:
        """Return the vector of a query, adapted for the tenant of the request."""
        await self.adapters.load()
        return await super().aget_query_embedding(query)

    async def _aget_query_embedding(self, query: str) -> Embedding:
        await self.adapters.load()
        return await super()._aget_query_embedding(query)


class TenantAdapterEmbedding(_AsyncQueries, TenantModel, AdapterEmbedding):
    """An `AdapterEmbedding` that finds the adapter of the request's tenant.

    `TenantAdapterEmbedding(base, "registry://{tenant}@production")`, and in a request
    `with use_tenant("acme"): retriever.retrieve(question)`.

    Args:
        base_embed_model: As in `AdapterEmbedding`; all tenants have it.
        adapters: A folder or a URI with `{tenant}` in it, or a function that returns a tenant's
            adapter, folder or URI, or None.
        adapter: For requests without a tenant and tenants without an adapter; the base itself if
            left out.
        tenant: Returns the tenant of the request; by default, the one that `use_tenant` has set.
        max_tenants: Adapters in memory; those that were used longest ago are dropped.
        **options: As in `AdapterEmbedding`; `refresh_s` holds for the adapters of all tenants.

    Raises:
        ValueError: If a text has no `{tenant}`, or a number is not above 0.
        QueryAdaptersError: As `AdapterEmbedding`, about the adapter for all.
    """

    adapters: InstanceOf[TenantAdapters] = Field(  # type: ignore[assignment]
        default=None, exclude=True, repr=False, frozen=True
    )

    def __init__(
        self,
        base_embed_model: BaseLike,
        adapters: Source | TenantAdapters,
        adapter: AdapterLike | EllipsisType | None = ...,
        *,
        tenant: Callable[[], str | None] = current_tenant,
        max_tenants: int = MAX_TENANTS,
        **options: Unpack[Options],
    ) -> None:
        base, seconds = resolve_base(base_embed_model), options.pop("refresh_s", None)
        path = options.pop("adapter_path", None)
        shared = None if adapter is ... and path is None else chosen(adapter, path)
        looked_at = seconds if isinstance(shared, str | Path) else None
        of_all: dict[str, Any] = {**options, "refresh_s": looked_at}
        AdapterEmbedding.__init__(self, base, shared, **of_all)
        found = tenant_adapters(
            adapters,
            base,
            check_model=self.check_model,
            tenant=tenant,
            max_tenants=max_tenants,
            refresh_s=seconds,
        )
        self.__dict__.update(adapters=found, refresh_s=seconds)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "TenantAdapterEmbedding"
