"""An embedding model with prefixes before its texts and, if asked for, shortened vectors."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.arrays import unit
from query_adapters.embedders.batching import check_at_least_one
from query_adapters.embedders.identity import dim_of, identity_from, identity_of, innermost
from query_adapters.embedders.prefixes import Prefixes, preset_of
from query_adapters.embedders.protocol import TextEmbedder
from query_adapters.errors import DimensionMismatchError
from query_adapters.typing import Vectors

logger = logging.getLogger(__name__)


class PreparedEmbedder:
    """A `TextEmbedder` that puts a prefix before each text, by its role, and may cut the vectors.

    Args:
        embedder: The model, which adds no prefix of its own.
        query_prefix: What stands before queries.
        document_prefix: What stands before documents.
        dimensions: Keep so many numbers of each vector, scaled to length 1 again, for models that
            were trained for it; None for all.

    Raises:
        ValueError: If `dimensions` is below 1.
    """

    def __init__(
        self,
        embedder: TextEmbedder,
        *,
        query_prefix: str = "",
        document_prefix: str = "",
        dimensions: int | None = None,
    ) -> None:
        check_at_least_one(dimensions=dimensions)
        self.unprefixed = embedder
        self.prefixes = Prefixes(query=query_prefix, document=document_prefix)
        self.dimensions = dimensions

    @property
    def identity(self) -> str:
        """Identifier of the vectors: the model's, with prefixes and length."""
        return prepared_identity(self.unprefixed.identity, self.prefixes, self.dimensions)

    @property
    def model_name(self) -> str:
        """The model's name."""
        return self.unprefixed.model_name

    @property
    def batch_size(self) -> int:
        """Texts per call, as the model prefers."""
        return self.unprefixed.batch_size

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None if the model does not state it."""
        return self.dimensions or dim_of(self.unprefixed)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of queries, `(len(texts), dim)`.

        Raises:
            DimensionMismatchError: If the model's vectors are shorter than `dimensions`.
        """
        prefixed = with_prefix(self.prefixes.query, texts)
        return shortened_to(self.dimensions, self.unprefixed.embed_queries(prefixed))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents; otherwise as `embed_queries`."""
        prefixed = with_prefix(self.prefixes.document, texts)
        return shortened_to(self.dimensions, self.unprefixed.embed_documents(prefixed))


def with_prefix(prefix: str, texts: Sequence[str]) -> list[str]:
    """Return the texts with the prefix before each."""
    return [prefix + text for text in texts]


def shortened_to(dimensions: int | None, vectors: ArrayLike) -> Vectors:
    """Return the first numbers of each vector, at length 1; vectors as they are for None.

    Args:
        dimensions: How many to keep.
        vectors: One vector, `(dim,)`, or several, `(n, dim)`; none at all stay as they are.

    Raises:
        DimensionMismatchError: If the vectors are shorter.
    """
    given: Vectors = np.asarray(vectors, dtype=np.float32)
    if dimensions is None or not given.size:
        return given
    if given.shape[-1] < dimensions:
        raise DimensionMismatchError(
            "vectors of the embedding model, to be shortened",
            expected=dimensions,
            actual=given.shape[-1],
            remedy="leave `dimensions` out, or give a smaller number",
        )
    return unit(given[..., :dimensions])


def prepared_identity(identity: str, prefixes: Prefixes, dimensions: int | None) -> str:
    """Return the identity of a model with prefixes and length; the model's own without any."""
    if prefixes == Prefixes() and dimensions is None:
        return identity
    return identity_from("prepared", identity, {**vars(prefixes), "dimensions": dimensions})


def with_prefixes(
    model: TextEmbedder, *, query_prefix: str | None = None, document_prefix: str | None = None
) -> TextEmbedder:
    """Return the model with these prefixes; in place of None, with those of its family.

    A family's prefixes are logged. They are left out for a model that tells the roles apart itself
    (`separates_roles`), by a parameter or by prompts of its own, and for one that does not state
    it.

    Args:
        model: The model.
        query_prefix: Before queries; "" for none.
        document_prefix: Before documents; "" for none.
    """
    known = _family_prefixes(model, said=None in (query_prefix, document_prefix))
    query = known.query if query_prefix is None else query_prefix
    document = known.document if document_prefix is None else document_prefix
    if not query and not document:
        return model
    return PreparedEmbedder(model, query_prefix=query, document_prefix=document)


def _family_prefixes(model: Any, *, said: bool) -> Prefixes:
    preset = None if getattr(model, "separates_roles", True) else preset_of(model.model_name)
    if preset is None:
        return Prefixes()
    if said:
        logger.info(
            "%s is a model of the family %s: by default %r before queries, %r before documents",
            model.model_name, preset.family, preset.prefixes.query, preset.prefixes.document,
        )  # fmt: skip
    return preset.prefixes


class PreparedModel:
    """Mixin of a framework's embedding class that wraps a model: what it adds to it.

    The class has the fields `query_prefix`, `document_prefix` and `dimensions`, and implements
    `unprefixed`.
    """

    if TYPE_CHECKING:  # pydantic would read these as fields of the mixin
        query_prefix: str
        document_prefix: str
        dimensions: int | None

    @property
    @abstractmethod
    def unprefixed(self) -> Any:
        """The model without prefixes."""

    @property
    def prefixes(self) -> Prefixes:
        """What stands before queries and documents."""
        return Prefixes(query=self.query_prefix, document=self.document_prefix)

    @property
    def identity(self) -> str:
        """Identifier of the vectors: the model's, with prefixes and length."""
        return prepared_identity(identity_of(self.unprefixed), self.prefixes, self.dimensions)

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None if the model does not state it."""
        return self.dimensions or dim_of(self.unprefixed)

    def _cut(self, vectors: list[list[float]]) -> list[list[float]]:
        if self.dimensions is None:
            return vectors
        short: list[list[float]] = shortened_to(self.dimensions, vectors).tolist()
        return short


class NamedModel:
    """Mixin of a framework's embedding class that wraps a `TextEmbedder`, its `embedder`."""

    if TYPE_CHECKING:
        embedder: Any

    @property
    def prefixes(self) -> Prefixes:
        """What stands before queries and documents."""
        return prefixes_of(self.embedder)

    @property
    def unprefixed(self) -> TextEmbedder:
        """The model without the prefixes."""
        found: TextEmbedder = getattr(self.embedder, "unprefixed", self.embedder)
        return found

    @property
    def identity(self) -> str:
        """The model's."""
        identity: str = self.embedder.identity
        return identity

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None if the model does not state it."""
        return dim_of(self.embedder)

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of queries, embedded in batches."""
        vectors: list[list[float]] = self.embedder.embed_queries(texts).tolist()
        return vectors


def prefixes_of(embedder: Any) -> Prefixes:
    """Return what a model puts before texts, if it is known to; none otherwise.

    Args:
        embedder: The model, or an integration's `TextEmbedder` around it.
    """
    found: Prefixes = getattr(_within(embedder), "prefixes", Prefixes())
    return found


def without_prefixes(embedder: TextEmbedder) -> TextEmbedder:
    """Return the model without the prefixes that it is known to have; itself without any."""
    within = _within(embedder)
    inner: Any = getattr(within, "unprefixed", None)
    if inner is None:
        return embedder
    bare: TextEmbedder = inner if within is embedder else type(embedder)(inner)  # type: ignore[call-arg]
    return bare


def _within(embedder: Any) -> Any:
    """Return the model within an integration's `TextEmbedder` and a cache; another one itself."""
    found = (getattr(embedder, name, None) for name in ("embed_model", "embeddings"))
    return innermost(next((model for model in found if model is not None), embedder))
