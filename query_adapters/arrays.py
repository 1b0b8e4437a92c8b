"""Convert external arrays to validated float32 matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from query_adapters.errors import InvalidVectorsError
from query_adapters.typing import Vectors

ONE_EACH = "the embedding model must give one vector a text"


def as_matrix(embeddings: Sequence[Sequence[float]] | Vectors, n_texts: int) -> Vectors:
    """Return a model's list of embeddings as `(n_texts, dim)`; `(0, 0)` for no texts.

    Raises:
        InvalidVectorsError: If they are not finite numbers, or differ in number or length.
    """
    n_given = _length(embeddings)
    if n_given is None:
        came = type(embeddings).__name__
        raise InvalidVectorsError(f"expected a list of {n_texts} vectors, got {came}; {ONE_EACH}")
    lengths = {_length(row) for row in embeddings}
    if n_given != n_texts or len(lengths) > 1 or not lengths.isdisjoint({0, None}):
        shown = ", ".join(sorted(map(str, lengths)))
        raise InvalidVectorsError(
            f"expected {n_texts} vectors of one length, got {n_given} of lengths [{shown}]; "
            f"{ONE_EACH}"
        )
    matrix = as_numbers(embeddings, "vectors of the embedding model")
    if n_texts == 0:
        return matrix.reshape(0, 0)
    if matrix.ndim != 2:
        raise InvalidVectorsError(f"expected lists of numbers, got nested ones; {ONE_EACH}")
    check_finite(matrix, "vectors of the embedding model")
    return matrix


def as_numbers(given: ArrayLike, what: str) -> Vectors:
    """Return a model's numbers as float32, in their shape; one too large becomes infinite.

    Raises:
        InvalidVectorsError: If they are not numbers, such as strings, booleans or None, or if
            their rows differ in length.
    """
    try:
        array: NDArray[Any] = np.asarray(given)
    except ValueError as exc:
        raise InvalidVectorsError(
            f"{what}: expected vectors of one length, got others ({exc}); {ONE_EACH}"
        ) from exc
    if array.size and (array.dtype.kind not in "fiu" or _holds_booleans(given)):
        raise InvalidVectorsError(
            f"{what}: expected numbers, got {_kinds(given)}; check the embedding model"
        )
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def check_finite(matrix: Vectors, what: str) -> None:
    """Check that no row holds a NaN or an infinity.

    Raises:
        InvalidVectorsError: If a row does.
    """
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        raise InvalidVectorsError(
            f"{what}: expected finite numbers, got NaN or infinity in row {int(finite.argmin())}; "
            "check the text of that row and the embedding model"
        )


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors scaled to length 1, shape `(..., dim)`; zero vectors stay zero."""
    norms: Vectors = np.linalg.norm(vectors, axis=-1, keepdims=True)
    norms[norms == 0] = 1
    return vectors / norms


def _length(row: Any) -> int | None:
    """Return the length of a vector; None if it is none."""
    if isinstance(row, str | bytes | Mapping):
        return None
    try:
        return len(row)
    except TypeError:
        return None


def _holds_booleans(given: Any) -> bool:
    """Return whether a list of lists holds booleans, which numpy would take for numbers."""
    rows = () if isinstance(given, np.ndarray) else given
    return any(bool in set(map(type, row)) for row in rows if isinstance(row, list | tuple))


def _kinds(given: Any) -> str:
    """Return the names of the types that stand in place of numbers."""
    rows = given if isinstance(given, list | tuple) else [given]
    items = (item for row in rows for item in (row if isinstance(row, list | tuple) else [row]))
    names = {type(item).__name__ for item in items} - {"int", "float"}
    return ", ".join(sorted(names)) or "numbers that are too large"
