"""Adapters in production: a registry of versions, refreshing while serving, one a tenant."""

from query_adapters.deployment.current_tenant import current_tenant, use_tenant
from query_adapters.deployment.registry import AdapterRegistry
from query_adapters.deployment.tenants import TenantAdapters
from query_adapters.remote.records import AdapterVersion, Move
from query_adapters.remote.sweeping import Sweep

__all__ = [
    "AdapterRegistry",
    "AdapterVersion",
    "Move",
    "Sweep",
    "TenantAdapters",
    "current_tenant",
    "use_tenant",
]
