"""One call for embeddings: what is known, what is missing, and what a batch adds."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.arrays import check_finite
from query_adapters.embedders.vector_file import StoredRows
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError, QueryAdaptersWarning
from query_adapters.typing import Vectors

Role = Literal["query", "document"]


class Call:
    """The texts of one call, each embedded once.

    Args:
        keys: Key of each text.
        texts: The texts.
        known: Stored vectors by key, of one length.
        role: Role of the texts, for messages.
        size: Texts per batch.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        texts: Sequence[str],
        known: Mapping[bytes, Vectors],
        *,
        role: Role,
        size: int,
    ) -> None:
        self._keys, self._role, self._size = keys, role, size
        self._texts = dict(zip(keys, texts, strict=True))
        self._known = dict(known)
        self._is_confirmed = False
        self._fresh: dict[bytes, Vectors] = {}
        self.missing = {key: t for key, t in self._texts.items() if key not in self._known}
        self.dim = next((len(vector) for vector in self._known.values()), None)

    @property
    def finished(self) -> str:
        """How many texts have a vector, for messages."""
        return f"{len(self._known)} of {len(self._texts)} {self._role}"

    def batches(self) -> Iterator[dict[bytes, str]]:
        """Yield batches of missing texts until none is left; each is to be finished."""
        while self.missing:
            yield dict(islice(self.missing.items(), self._size))

    def accepted(self, batch: Mapping[bytes, str], given: ArrayLike) -> dict[bytes, Vectors]:
        """Return the vectors of a batch by key, if they fit those before them.

        Stored vectors of another length than the model's first ones are of no use: their texts
        become missing.

        Raises:
            InvalidVectorsError: If they are not one finite vector a text.
            DimensionMismatchError: If the model returned another length before, in this call.
        """
        vectors = _checked(given, len(batch), self._role)
        dim = vectors.shape[1]
        if dim != self.dim:
            self._change_dim(dim)
        self._is_confirmed = True
        self._fresh = dict(zip(batch, vectors, strict=True))
        return self._fresh

    def finish(self, batch: Mapping[bytes, str]) -> None:
        """Note that the accepted vectors of the batch are kept."""
        self._known |= self._fresh
        for key in batch:
            del self.missing[key]

    def stacked(self) -> Vectors:
        """Return the vectors in the order of the texts, `(len(texts), dim)`."""
        vectors = [self._known[key] for key in self._keys]
        return np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)

    def _change_dim(self, dim: int) -> None:
        if self._is_confirmed and self.dim is not None:
            raise DimensionMismatchError(
                f"{self._role} vectors of one model",
                expected=self.dim,
                actual=dim,
                remedy="the model changed under the same name: use another cache file",
            )
        if self._known:
            _warn(f"{len(self._known)} stored {self._role} vectors have {self.dim} dimensions, and "
                  f"the model's have {dim}")  # fmt: skip
        self.missing |= {key: self._texts[key] for key in self._known}
        self._known, self.dim = {}, dim


def usable(rows: StoredRows, path: Path | None) -> dict[bytes, Vectors]:
    """Return the vectors of the most frequent length; a warning counts the others."""
    lengths = Counter(map(len, rows.vectors.values()))
    dim = max(lengths, key=lengths.__getitem__, default=0)
    found = {key: vector for key, vector in rows.vectors.items() if len(vector) == dim}
    n_bad = rows.n_damaged + len(rows.vectors) - len(found)
    if n_bad:
        _warn(f"{path}: {n_bad} stored vectors are damaged or of another length than the others")
    return found


def _warn(reason: str) -> None:
    warnings.warn(f"{reason}; their texts are embedded again", QueryAdaptersWarning, stacklevel=5)


def _checked(given: ArrayLike, n_texts: int, role: Role) -> Vectors:
    vectors = np.asarray(given, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != n_texts or vectors.shape[1] == 0:
        raise InvalidVectorsError(
            f"{role} vectors: expected shape ({n_texts}, dim), got {vectors.shape}; "
            "the embedding model must give one vector a text"
        )
    check_finite(vectors, f"{role} vectors of the batch")
    return vectors
