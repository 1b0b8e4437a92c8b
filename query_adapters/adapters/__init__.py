"""Adapters: learned maps on query vectors, in numpy alone."""

from query_adapters.adapters.base import QueryAdapter
from query_adapters.adapters.kernel import KernelAdapter
from query_adapters.adapters.length import LengthKeepingAdapter
from query_adapters.adapters.linear import LinearAdapter

ADAPTER_KINDS: dict[str, type[QueryAdapter]] = {
    KernelAdapter.kind: KernelAdapter,
    LinearAdapter.kind: LinearAdapter,
}
"""Adapter classes by the name under which they are stored; register your own here."""

__all__ = [
    "ADAPTER_KINDS",
    "KernelAdapter",
    "LengthKeepingAdapter",
    "LinearAdapter",
    "QueryAdapter",
]
