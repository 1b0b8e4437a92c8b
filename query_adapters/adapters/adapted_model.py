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
from query_adapters.embedders.identity import dim_of, model_name_of


class AdaptedModel:
    """Mixin of an embedding class that serves a base model with an adapter on its queries.

    The embedding class is a pydantic model with the fields `check_model`, `saved_adapter`,
    `adapter_path` and `document_model`; it implements `_base` and `_embed_probe`.
    """

    if TYPE_CHECKING:  # pydantic would read these as fields of the mixin
        check_model: bool
        saved_adapter: SavedAdapter | None
        document_model: Any

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
        check_documents(self.saved_adapter, model_name=model_name_of(self._base))
        return self._base

    @property
    def adapter(self) -> QueryAdapter | None:
        """The adapter in use; None for the base without an adapter.

        Assign an adapter, a folder, a SavedAdapter or None to replace it. The new adapter is
        checked first and replaces the old one in one step: a query that runs in another thread
        uses either the old map or the new one.
        """
        saved = self.saved_adapter
        return None if saved is None else saved.adapter

    @adapter.setter
    def adapter(self, adapter: AdapterLike | None) -> None:
        saved = read(adapter)
        if saved is not None:
            name = model_name_of(self._base) if self.check_model else None
            check_fits(saved, model_name=name, dim=dim_of(self._base))
        path = str(adapter) if isinstance(adapter, str | Path) else None
        self.__dict__.update(saved_adapter=saved, adapter_path=path)

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
        text, expected = probe_of(self.saved_adapter)
        check_probe(self._embed_probe(text), expected, model_name=model_name_of(self._base))
