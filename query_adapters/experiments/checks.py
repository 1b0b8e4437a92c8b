"""Check numbers: outcomes before they are counted, and states before a test goes on."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.files.json_types import is_number, number_of
from query_adapters.typing import Values


def number_in(value: object, low: float, high: float, what: str) -> float:
    """Return the number.

    Args:
        value: A number from `low` to `high`.
        low: The smallest number.
        high: The greatest number.
        what: What it is, for messages.

    Raises:
        TypeError: If it is not a finite number.
        ValueError: If it is out of range.
    """
    found = number_of(value)
    if not low <= found <= high:
        raise ValueError(f"{what}: expected a number from {low:g} to {high:g}, got {found:g}")
    return found


def share_between(value: float, what: str, such_as: float) -> float:
    """Return the number above 0 and below 1.

    Args:
        value: The number.
        what: What it is, for messages.
        such_as: An example, for messages.

    Raises:
        ValueError: If it is another number.
    """
    if not (is_number(value) and 0 < value < 1):
        raise ValueError(f"{what}: expected a number between 0 and 1, got {value!r}; try {such_as}")
    return value


def numbers_in(values: Iterable[float] | ArrayLike, low: float, high: float, what: str) -> Values:
    """Return the values as an array, `(n,)`.

    Args:
        values: Numbers from `low` to `high`.
        low: The smallest number.
        high: The greatest number.
        what: What they are, for messages.

    Raises:
        ValueError: If one is another number, or not a number.
    """
    given = list(values) if isinstance(values, Iterable) else values
    try:
        found = np.asarray(given, dtype=np.float64).ravel()
    except OverflowError as exc:  # an integer beyond floating point
        raise ValueError(f"{what}: expected numbers from {low:g} to {high:g}; {exc}") from exc
    is_wrong = ~((found >= low) & (found <= high))  # also where it is not a number
    if is_wrong.any():
        raise ValueError(
            f"{what}: expected numbers from {low:g} to {high:g}, got {found[is_wrong][0]}; drop it"
        )
    return found
