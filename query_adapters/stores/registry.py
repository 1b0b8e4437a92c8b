"""Finding the reader of a store by its class, without importing any store."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard, TypeVar

from query_adapters.stores.source import Blocks

T = TypeVar("T")


def reader_of(store: object, readers: Mapping[str, T]) -> T | None:
    """Return the reader of the store's class or of its nearest parent, None without one.

    Args:
        store: The store.
        readers: Readers by "package:Class"; the class may lie anywhere in the package.
    """
    names = (name for parent in type(store).__mro__ for name in _names(parent))
    return next((readers[name] for name in names if name in readers), None)


def are_blocks(store: object) -> TypeGuard[Blocks]:
    """Return whether it may be blocks of (ids, vectors) instead of a store."""
    return isinstance(store, Iterator | Sequence) and not isinstance(store, str | bytes)


def _names(cls: type) -> Iterator[str]:
    package = cls.__module__
    while package:
        yield f"{package}:{cls.__name__}"
        package = package.rpartition(".")[0]
