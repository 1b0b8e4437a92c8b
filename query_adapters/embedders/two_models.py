"""Query vectors of two embedding models side by side, as one vector."""

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.arrays import unit
from query_adapters.embedders.identity import (
    dim_of,
    identity_of,
    innermost,
    model_name_of,
    own_name,
)
from query_adapters.typing import Vectors

One = TypeVar("One")
Other = TypeVar("Other")
Served = Literal["new", "old", "both"]
"""The models that embed questions: the new one, the old one, or both side by side."""


def joined(first: ArrayLike, second: ArrayLike) -> Vectors:
    """Return `(q₁, ‖q₁‖ q₂ / ‖q₂‖) / √2`, as long (Euclidean norm) as the first vector.

    Both models count alike, whatever the lengths of their vectors.

    Args:
        first: Vectors of one model, `(dim_1,)` or `(n_queries, dim_1)`.
        second: Vectors of the same queries by the other, `(dim_2,)` or `(n_queries, dim_2)`.

    Returns:
        Shape `(dim_1 + dim_2,)` or `(n_queries, dim_1 + dim_2)`.
    """
    one, other = (np.asarray(part, dtype=np.float32) for part in (first, second))
    lengths = np.linalg.norm(one, axis=-1, keepdims=True)
    both: Vectors = np.concatenate([one, lengths * unit(other)], axis=-1)
    return both / np.float32(np.sqrt(2))


class TwoModels:
    """Mixin of an embedding class that asks two models: what both integrations share."""

    @property
    @abstractmethod
    def models(self) -> tuple[Any, Any]:
        """The index's model and the other one."""

    @staticmethod
    def name_of(first: Any, second: Any) -> str:
        """Return the name of both models together."""
        return joined_name(model_name_of(first), model_name_of(second))

    @property
    def identity(self) -> str:
        """Identifier of the joined query vectors."""
        return " and ".join(map(identity_of, self.models))

    @property
    def dim(self) -> int | None:
        """Length of the joined vectors; None if one of the models does not state its own."""
        one, other = map(dim_of, self.models)
        return None if one is None or other is None else one + other

    @property
    def underlying_embeddings(self) -> Any:
        """The same over the models without their caches; None if none has a cache."""
        inner = [innermost(model) for model in self.models]
        is_cached = any(one is not model for one, model in zip(inner, self.models, strict=True))
        return type(self)(*inner) if is_cached else None


def joined_name(first: str, second: str) -> str:
    """Return a name for two models, without folders and owners.

    Example:
        >>> joined_name("sentence-transformers/all-MiniLM-L6-v2", "text-embedding-3-small")
        'all-MiniLM-L6-v2 and text-embedding-3-small'
    """
    return " and ".join(PurePosixPath(own_name(name)).name for name in (first, second))


def at_once(first: Callable[[], One], second: Callable[[], Other]) -> tuple[One, Other]:
    """Return what both functions return; the second one runs in a thread beside the first."""
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(copy_context().run, second)
        return first(), other.result()
