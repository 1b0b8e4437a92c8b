"""The adapter of an embedding class: the behaviour that both integrations share."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.serving import (
    AdapterLike,
    adapted_identity,
    check_documents,
    check_fits,
    check_probe,
    probe_of,
    read,
)
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.deployment.refreshing import FollowedAdapter, Wanted
from query_adapters.deployment.tenants import Source, TenantAdapters
from query_adapters.embedders.identity import dim_of, model_name_of


class AdaptedModel:
    """Mixin of an embedding class that serves a base model with an adapter on its queries.

    The embedding class is a pydantic model with the fields `check_model`, `saved_adapter`,
    `adapter_path`, `document_model`, `refresh_s` and `followed`; it implements `_base` and
    `_embed_probe`.
    """

    if TYPE_CHECKING:  # pydantic would read these as fields of the mixin
        check_model: bool
        saved_adapter: SavedAdapter | None
        document_model: Any
        refresh_s: float | None
        followed: FollowedAdapter | None

    @property
    @abstractmethod
    def _base(self) -> Any:
        """The base embedding model."""

    @abstractmethod
    def _embed_probe(self, text: str) -> Sequence[float]:
        """Return the base's vector of a query, `(dim,)`, bypassing every cache."""

    @property
    def _document_base(self) -> Any:
        """The model that embeds documents: `document_model`, or the base.

        Raises:
            AdapterMismatchError: If it is the base, and the index was built by another model.
        """
        if self.document_model is not None:
            return self.document_model
        check_documents(self._saved, model_name=model_name_of(self._base))
        return self._base

    @property
    def adapter(self) -> QueryAdapter | None:
        """The adapter in use; None for the base without an adapter.

        Assign an adapter, a folder, a SavedAdapter or None to replace it. The new adapter is
        checked first and replaces the old one in one step: a query that runs in another thread
        uses either the old map or the new one. With `refresh_s`, the folder or URI that was
        assigned last is looked at again; an adapter or None ends that.
        """
        saved = self._saved
        return None if saved is None else saved.adapter

    @adapter.setter
    def adapter(self, adapter: AdapterLike | None) -> None:
        saved = read(adapter)
        if saved is not None:
            check_fits(saved, **self._wanted)
        path = str(adapter) if isinstance(adapter, str | Path) else None
        followed = None
        if path is not None and saved is not None and self.refresh_s is not None:
            followed = FollowedAdapter(path, saved, self.refresh_s, self._wanted)
        self.__dict__.update(saved_adapter=saved, adapter_path=path, followed=followed)

    @property
    def _saved(self) -> SavedAdapter | None:
        """The adapter in use with its record."""
        followed = self.followed
        return self.saved_adapter if followed is None else followed.saved

    @property
    def _wanted(self) -> Wanted:
        """What an adapter must fit."""
        return wanted_by(self._base, check_model=self.check_model)

    @property
    def dim(self) -> int | None:
        """Length of the query vectors; None if neither the adapter nor the base states it."""
        adapter = self.adapter
        return dim_of(self._base) if adapter is None else adapter.dim_out

    @property
    def identity(self) -> str:
        """Identifier of these query vectors; the base's identity where nothing changes them."""
        return adapted_identity(self._base, self.adapter)

    def verify(self) -> None:
        """Check that the base embeds the adapter's probe query as it did in training.

        Embeds one query, bypassing every cache.

        Raises:
            AdapterMismatchError: If the vector differs, or the adapter has no probe query.
            DimensionMismatchError: If the vector's length differs.
        """
        text, expected = probe_of(self._saved)
        check_probe(self._embed_probe(text), expected, model_name=model_name_of(self._base))


class TenantModel(AdaptedModel):
    """Mixin of an embedding class that serves each request with the adapter of its tenant.

    A request without a tenant, and one whose tenant has no adapter, is served with `adapter`. The
    embedding class has the field `adapters` as well.
    """

    if TYPE_CHECKING:
        adapters: TenantAdapters

    @property
    def _saved(self) -> SavedAdapter | None:
        found = self.adapters.current()
        return super()._saved if found is None else found


def tenant_adapters(
    source: Source | TenantAdapters, base: Any, *, check_model: bool, **options: Any
) -> TenantAdapters:
    """Return the adapters of tenants for a base model.

    Args:
        source: As in `TenantAdapters`; its result is returned as it is.
        base: The base embedding model.
        check_model: Whether to refuse an adapter whose record names another base.
        **options: As in `TenantAdapters`.
    """
    if isinstance(source, TenantAdapters):
        return source
    return TenantAdapters(source, wanted=wanted_by(base, check_model=check_model), **options)


def wanted_by(base: Any, *, check_model: bool) -> Wanted:
    """Return what an adapter of the base model must fit."""
    return {"model_name": model_name_of(base) if check_model else None, "dim": dim_of(base)}
