"""The tenant of a request, in a context variable, which threads and tasks do not share."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_tenant: ContextVar[str | None] = ContextVar("query_adapters_tenant", default=None)


def current_tenant() -> str | None:
    """Return the tenant of this request, as `use_tenant` has set it; None outside."""
    return _tenant.get()


@contextmanager
def use_tenant(tenant: str | None) -> Iterator[None]:
    """Set the tenant of what runs in the `with` block, tasks that it starts included.

    A thread that is started there has no tenant, unless it runs in a copy of the context, as
    `asyncio.to_thread` and both frameworks' own threads do.

    Example:
        >>> with use_tenant("acme"):
        ...     current_tenant()
        'acme'
    """
    token = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(token)
