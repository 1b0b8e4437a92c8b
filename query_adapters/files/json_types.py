"""Check the types of values that JSON from strangers holds."""

from math import isfinite
from typing import Any, TypeGuard

from query_adapters.errors import QueryAdaptersError
from query_adapters.text.shown import quoted


def is_count(value: object) -> TypeGuard[int]:
    """Return whether the value is a whole number from 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_not_newer(
    version: int, newest: int, place: object, *, error: type[QueryAdaptersError]
) -> None:
    """Check that this release knows the format of what lies at a place.

    Raises:
        QueryAdaptersError: The given error, if the format version is above the newest one.
    """
    if version > newest:
        raise error(
            f"{place}: format version {version} is newer than {newest}; upgrade "
            "llama-index-finetune-plugin"
        )


def is_number(value: object) -> TypeGuard[float]:
    """Return whether the value is a finite number, which truth values are not."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # an integer beyond floating point
        return False


def number_of(value: object) -> float:
    """Return the finite number.

    Raises:
        TypeError: If it is something else.
    """
    if is_number(value):
        return float(value)
    raise TypeError(f"expected a finite number, got {quoted(value)}")


def texts_of(value: object) -> tuple[str, ...]:
    """Return the texts of a list, such as ids.

    Raises:
        TypeError: If it is no list, or holds something else.
    """
    texts = list_of(value)
    odd = [text for text in texts if not isinstance(text, str)]
    if odd:
        raise TypeError(f"expected texts, got {quoted(odd[0])}")
    return tuple(texts)


def list_of(value: object) -> list[Any]:
    """Return the list.

    Raises:
        TypeError: If it is something else.
    """
    if isinstance(value, list):
        return value
    raise TypeError(f"expected a list, got {quoted(value)}")
