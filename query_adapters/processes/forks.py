"""Values that a forked process must not share with its parent."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that is made once, and anew in a forked process on its first use there.

    Connections and event loops of a parent do not work in its children: answers would arrive in
    the wrong process. The parent's value is kept without being used, because closing it could end
    what the parent still uses.

    Args:
        make: Makes the value; called at once.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values = {ancestors(): make()}

    def get(self) -> T:
        """Return the value of this process."""
        depth = ancestors()
        if depth not in self._values:
            self._values[depth] = self._make()
        return self._values[depth]


def ancestors() -> int:
    """Return the number of forks that lead to this process; unlike its id, it is not reused."""
    return len(_forks)


_forks: list[None] = []
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=lambda: _forks.append(None))
