"""Find the registered entry of a class by its name, without importing the class."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


def entry_of(cls: type, entries: Mapping[str, T]) -> T | None:
    """Return the entry of the class, None without one; entries of its parents do not count.

    Args:
        cls: The class.
        entries: Entries by "package:Class"; the class may be defined anywhere in the package.
    """
    return next((entries[name] for name in _names(cls) if name in entries), None)


def inherited_entry_of(cls: type, entries: Mapping[str, T]) -> T | None:
    """Return the entry of the class or of its nearest parent, None without one.

    Args:
        cls: The class.
        entries: As in `entry_of`.
    """
    found = (entry_of(parent, entries) for parent in cls.__mro__)
    return next((entry for entry in found if entry is not None), None)


def _names(cls: type) -> Iterator[str]:
    package = cls.__module__
    while package:
        yield f"{package}:{cls.__name__}"
        package = package.rpartition(".")[0]
