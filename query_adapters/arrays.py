"""Convert external arrays to validated float32 matrices."""

from collections.abc import Sequence

import numpy as np

from query_adapters.errors import InvalidVectorsError
from query_adapters.typing import Vectors


def as_matrix(embeddings: Sequence[Sequence[float]], n_texts: int) -> Vectors:
    """Return a model's list of embeddings as `(n_texts, dim)`; `(0, 0)` for no texts.

    Raises:
        InvalidVectorsError: If they are not finite, or differ in number or length.
    """
    lengths = {len(embedding) for embedding in embeddings}
    if len(embeddings) != n_texts or len(lengths) > 1 or 0 in lengths:
        raise InvalidVectorsError(
            f"expected {n_texts} vectors of one length, got {len(embeddings)} of lengths "
            f"{sorted(lengths)}; the embedding model must give one vector a text"
        )
    matrix = np.array(embeddings, dtype=np.float32).reshape(n_texts, -1 if n_texts else 0)
    check_finite(matrix, "vectors of the embedding model")
    return matrix


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
