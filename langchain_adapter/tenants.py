"""A LangChain embedding model that serves each tenant with an adapter of its own."""

from collections.abc import Callable
from pathlib import Path

from langchain_core.runnables.config import ensure_config
from langchain_core.stores import ByteStore
from pydantic import Field, InstanceOf

from langchain_adapter.embedder import BaseLike, resolve_base
from langchain_adapter.embeddings import AdapterEmbeddings
from query_adapters.adapters.serving import AdapterLike
from query_adapters.deployment import current_tenant as tenant_of_context
from query_adapters.deployment.adapted_model import TenantModel, tenant_adapters
from query_adapters.deployment.tenants import MAX_TENANTS, Source, TenantAdapters

CONFIGURABLE = "tenant"


def current_tenant() -> str | None:
    """Return the tenant of this request; None without one.

    It is the one that `use_tenant` has set, or else `config["configurable"]["tenant"]` of the chain
    or graph that runs.
    """
    tenant = tenant_of_context()
    if tenant is not None:
        return tenant
    found: str | None = ensure_config().get("configurable", {}).get(CONFIGURABLE)
    return found


class TenantAdapterEmbeddings(TenantModel, AdapterEmbeddings):
    """An `AdapterEmbeddings` that finds the adapter of the request's tenant.

    `TenantAdapterEmbeddings(base, "registry://{tenant}@production")`, and in a request
    `chain.invoke(question, {"configurable": {"tenant": "acme"}})`, or
    `with use_tenant("acme"): retriever.invoke(question)`.

    Args:
        base: As in `AdapterEmbeddings`; all tenants have it.
        adapters: A folder or a URI with `{tenant}` in it, or a function that returns a tenant's
            adapter, folder or URI, or None.
        adapter: For requests without a tenant and tenants without an adapter; the base itself if
            None.
        tenant: Returns the tenant of the request; by default, see `current_tenant`.
        max_tenants: Adapters in memory; those that were used longest ago are dropped.
        check_model: As in `AdapterEmbeddings`.
        document_model: As in `AdapterEmbeddings`.
        query_cache: As in `AdapterEmbeddings`.
        refresh_s: As in `AdapterEmbeddings`, for the adapters of all tenants.

    Raises:
        ValueError: If a text has no `{tenant}`, or a number is not above 0.
        QueryAdaptersError: As `AdapterEmbeddings`, about the adapter for all.
    """

    adapters: InstanceOf[TenantAdapters] = Field(  # type: ignore[assignment]
        default=None, exclude=True, frozen=True
    )

    def __init__(
        self,
        base: BaseLike,
        adapters: Source | TenantAdapters,
        adapter: AdapterLike | None = None,
        *,
        tenant: Callable[[], str | None] = current_tenant,
        max_tenants: int = MAX_TENANTS,
        check_model: bool = True,
        document_model: BaseLike | None = None,
        query_cache: ByteStore | None = None,
        refresh_s: float | None = None,
    ) -> None:
        model = resolve_base(base)
        super().__init__(
            model,
            adapter,
            check_model=check_model,
            document_model=document_model,
            query_cache=query_cache,
            refresh_s=refresh_s if isinstance(adapter, str | Path) else None,
        )
        options = {"tenant": tenant, "max_tenants": max_tenants, "refresh_s": refresh_s}
        found = tenant_adapters(adapters, model, check_model=check_model, **options)
        self.__dict__.update(adapters=found, refresh_s=refresh_s)

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of a query, adapted for the tenant of the request."""
        await self.adapters.load()
        return await super().aembed_query(text)
