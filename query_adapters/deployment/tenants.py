"""One adapter a tenant: found for each request, kept in memory while it is used.

A request that finds its tenant's adapter in memory takes no lock. A tenant that is not in memory is
loaded once, however many requests wait for it.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import SystemRandom
from threading import Lock
from time import monotonic
from typing import Any

from query_adapters.adapters.serving import AdapterLike, check_fits, read
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.deployment.current_tenant import current_tenant
from query_adapters.deployment.refreshing import (
    KnownAdapter,
    Started,
    Wanted,
    checked_seconds,
    pause,
    said,
)
from query_adapters.deployment.single_flight import SingleFlight
from query_adapters.processes.forks import PerProcess
from query_adapters.processes.threads import in_thread
from query_adapters.remote.ids import NAME
from query_adapters.remote.removed import AliasRemovedError
from query_adapters.text.shown import quoted

Source = str | Callable[[str], AdapterLike | None]
"""A folder or a URI with `{tenant}` in it, or what returns a tenant's adapter, None without one."""

logger = logging.getLogger(__name__)
PLACE = "{tenant}"
MAX_TENANTS = 256
RETRY_S = 30.0  # seconds until a tenant without an adapter, or whose load failed, is tried again
MANY_FAILURES = 3  # in a row: the store is down, and looking at all others would take long
WITHOUT = KnownAdapter(None, None)
_random = SystemRandom()


class TenantAdapters:
    """The adapters of tenants; those that were used last are in memory.

    Args:
        source: A folder or a URI with `{tenant}` in it, such as `registry://{tenant}@production`,
            or a function that returns a tenant's adapter, folder or URI, or None.
        tenant: Returns the tenant of the request; None for no tenant.
        max_tenants: Adapters in memory.
        refresh_s: Seconds between two looks at the folders and URIs of the adapters in memory, by a
            thread in the background; None for no look.
        wanted: What each adapter must fit.

    Raises:
        ValueError: If a text has no `{tenant}`, or a number is not above 0.
    """

    def __init__(
        self,
        source: Source,
        *,
        tenant: Callable[[], str | None] = current_tenant,
        max_tenants: int = MAX_TENANTS,
        refresh_s: float | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        if isinstance(source, str) and PLACE not in source:
            raise ValueError(f"adapters: expected {PLACE} in the folder or URI, got {source!r}")
        if max_tenants < 1:
            raise ValueError(f"max_tenants: expected a number from 1, got {max_tenants}")
        self.source, self.tenant, self.max_tenants = source, tenant, max_tenants
        self.refresh_s = checked_seconds(refresh_s)
        self.wanted: Wanted = wanted or {"model_name": None, "dim": None}
        self._loaded: OrderedDict[str, KnownAdapter] = OrderedDict()
        self._without: OrderedDict[str, float] = OrderedDict()  # and when to try again
        self._flights: SingleFlight[KnownAdapter] = SingleFlight()
        self._keeping = PerProcess(Lock)
        self._started = Started()
        self._failing: set[str] = set()
        self._failures = self._forgotten = 0

    def __reduce__(self) -> tuple[Any, ...]:
        again = partial(
            type(self),
            self.source,
            tenant=self.tenant,
            max_tenants=self.max_tenants,
            refresh_s=self.refresh_s,
            wanted=self.wanted,
        )
        return again, ()

    def current(self) -> SavedAdapter | None:
        """Return the adapter of this request's tenant; None without one.

        Raises:
            TypeError: If the tenant is no text.
            ValueError: If the tenant cannot be part of a path or a URI, and the source is one.
        """
        tenant = self.tenant()
        return None if tenant is None else self.of(tenant)

    async def load(self) -> None:
        """Load the adapter of this request's tenant, so that `current` need not wait for it."""
        tenant = self.tenant()
        if tenant is not None and self._known(tenant) is None:
            await in_thread(self.of, tenant)

    def of(self, tenant: str) -> SavedAdapter | None:
        """Return the adapter of a tenant; None without one. Errors as in `current`."""
        try:
            known = self._loaded[tenant]
            self._loaded.move_to_end(tenant)
        except KeyError:  # not there, or removed by another thread
            known = self._flights.do(
                checked_tenant(tenant), lambda: self._known(tenant), lambda: self._load(tenant)
            )
        if self.refresh_s is not None and not self._started:
            self._started.start(self)
        return known.newest

    def forget(self, tenant: str | None = None) -> None:
        """Load a tenant's adapter anew for requests from now on; without a name, every tenant's."""
        self._flights.forget(tenant)
        with self._keeping.get():
            self._forgotten += 1  # a load that is under way keeps nothing
            for known in (self._loaded, self._without):
                if tenant is None:
                    known.clear()
                else:
                    known.pop(tenant, None)

    def look(self) -> float:
        """Look at the locations of the adapters in memory; return the seconds to wait."""
        entries = list(self._loaded.items())
        _random.shuffle(entries)
        failed = 0
        for tenant, known in entries:
            failed = 0 if self._looks(tenant, known) else failed + 1
            if failed == MANY_FAILURES:
                break
        self._failures = self._failures + 1 if failed else 0
        return pause(self.refresh_s or RETRY_S, self._failures)

    def _looks(self, tenant: str, known: KnownAdapter) -> bool:
        """Look at the location of one adapter, and return whether that was possible."""
        try:
            known.look(self.wanted)
        except AliasRemovedError:
            self._removed(tenant, known)
        except Exception as error:  # of any store; the adapter in memory stays
            self._failed(tenant, error)
            return False
        self._failing.discard(tenant)
        return True

    def _removed(self, tenant: str, known: KnownAdapter) -> None:
        """Serve the tenant as one without an adapter, unless it was loaded anew meanwhile."""
        logger.info("adapter of the tenant %s: its alias was removed", quoted(tenant))
        with self._keeping.get():
            if self._loaded.get(tenant) is known:
                del self._loaded[tenant]
                self._keep(tenant, WITHOUT)

    def _known(self, tenant: str) -> KnownAdapter | None:
        """Return what is in memory, also if it is that the tenant has no adapter."""
        if self._without.get(tenant, 0.0) > monotonic():
            return WITHOUT
        return self._loaded.get(tenant)

    def _load(self, tenant: str) -> KnownAdapter:
        location, forgotten = self._location(tenant), self._forgotten
        try:
            given = location if isinstance(self.source, str) else self.source(tenant)
            saved = read(given)
            if saved is not None:
                check_fits(saved, **self.wanted)
        except FileNotFoundError:
            given = saved = None
        except Exception as error:  # of any store or function; the request is served without
            self._failed(tenant, error)
            given = saved = None
        else:
            self._failing.discard(tenant)
        known = KnownAdapter(given if isinstance(given, str | Path) else None, saved)
        with self._keeping.get():
            if forgotten == self._forgotten:  # else this may be what was there before a change
                self._keep(tenant, known)
        return known

    def _keep(self, tenant: str, known: KnownAdapter) -> None:
        if known.newest is None:
            _put(self._without, tenant, monotonic() + RETRY_S, self.max_tenants)
        else:
            _put(self._loaded, tenant, known, self.max_tenants)

    def _location(self, tenant: str) -> str | None:
        """Return the folder or the URI of a tenant; None if a function knows it."""
        if not isinstance(self.source, str):
            return None
        if not NAME.fullmatch(tenant):
            raise ValueError(
                "tenant: expected lower-case letters, digits, '.', '_' and '-', at most 100, as a "
                f"part of {self.source}, got {quoted(tenant)}; rename it, or pass a function"
            )
        return self.source.replace(PLACE, tenant)

    def _failed(self, tenant: str, error: Exception) -> None:
        """Say that an adapter cannot be read, once until every adapter can be read again."""
        if not self._failing:
            logger.warning(
                "adapter of the tenant %s: %s; what is in memory keeps serving, a tenant that is "
                "not gets the adapter for all, and this is tried again",
                quoted(tenant),
                said(error),
            )
        if len(self._failing) < self.max_tenants:
            self._failing.add(tenant)


def checked_tenant(tenant: object) -> str:
    """Return the tenant.

    Raises:
        TypeError: If it is no text.
    """
    if isinstance(tenant, str):
        return tenant
    raise TypeError(f"tenant: expected a text or None, got {type(tenant).__name__}")


def _put(entries: OrderedDict[str, Any], tenant: str, entry: Any, size: int) -> None:
    """Add the entry, and drop those that were used longest ago."""
    entries[tenant] = entry
    while len(entries) > size:
        try:
            entries.popitem(last=False)
        except KeyError:  # another thread was faster
            return
