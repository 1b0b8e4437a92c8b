"""Indexes that keep documents as 8-bit whole numbers or as bits, read as what is searched."""

from abc import abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from query_adapters.arrays import unit
from query_adapters.embedders.identity import identity_from, identity_of
from query_adapters.errors import InvalidVectorsError
from query_adapters.stores.source import RawBlock, VectorSource
from query_adapters.typing import Similarity, Vectors

Precision = Literal["int8", "uint8", "binary", "ubinary"]
LOWEST = {"int8": -128, "uint8": 0, "binary": -128, "ubinary": 0}
LEVELS = 255  # steps between the lowest and the highest of 8 bits
BITS = 8
MOST_OUTSIDE = 0.5  # of a vector's numbers; a query may leave the ranges of documents in some


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredForm:
    """How an index keeps vectors, in the terms of sentence-transformers, Cohere and Voyage.

    Attributes:
        precision: "int8" or "uint8", a whole number for each number; "binary" or "ubinary", its
            sign as one bit, eight to an int8 or a uint8.
        low: For whole numbers, the lowest value of each number, `(dim,)`, where the range of each
            was divided into 255 steps (`quantize_embeddings` of sentence-transformers). None where
            one scale holds for a vector, as with Cohere and Voyage.
        high: The highest value of each number, `(dim,)`; None as `low`.

    Raises:
        ValueError: If the precision is unknown, or one end of the ranges is missing or not below
            the other.
    """

    precision: Precision
    low: Vectors | None = None
    high: Vectors | None = None

    def __post_init__(self) -> None:
        if self.precision not in LOWEST:
            raise ValueError(f"precision: expected {', '.join(LOWEST)}, got {self.precision!r}")
        if self.low is None and self.high is None:
            return
        if self.low is None or self.high is None:
            raise ValueError("low, high: expected both ends of the ranges or none, got one")
        if self.is_binary or not np.all(self.low < self.high):
            raise ValueError("low, high: expected ranges of whole numbers, low below high")

    @classmethod
    def calibrated(cls, vectors: Vectors, precision: Precision = "int8") -> "StoredForm":
        """Return the form with the ranges of these vectors, as sentence-transformers calibrates."""
        return cls(precision=precision, low=vectors.min(axis=0), high=vectors.max(axis=0))

    @property
    def is_binary(self) -> bool:
        """Whether a number is one bit."""
        return self.precision in ("binary", "ubinary")

    def stored(self, vectors: ArrayLike) -> NDArray[np.int8 | np.uint8]:
        """Return vectors as the index expects them, documents and queries alike.

        Args:
            vectors: One vector, `(dim,)`, or several, `(n, dim)`.

        Returns:
            Whole numbers in the same shape, or bytes of bits, `(..., dim / 8)`.
        """
        given: Vectors = np.asarray(vectors, dtype=np.float32)
        if self.is_binary:
            numbers = np.packbits(given > 0, axis=-1).astype(np.int16) + LOWEST[self.precision]
        else:
            numbers = np.round(self._levels(given)).clip(0, LEVELS) + LOWEST[self.precision]
        kind = np.int8 if LOWEST[self.precision] else np.uint8
        found: NDArray[np.int8 | np.uint8] = numbers.astype(kind)
        return found

    def restored(self, rows: Sequence[Any] | ArrayLike) -> Vectors:
        """Return what the index searches, as vectors: −1 and 1 for bits, else the numbers meant.

        Args:
            rows: Rows as the index keeps them, numbers or bytes.

        Raises:
            InvalidVectorsError: If they are not whole numbers in the range of the precision.
        """
        numbers = _numbers(rows)
        lowest = LOWEST[self.precision]
        whole = numbers - lowest
        if not np.array_equal(whole, np.round(whole).clip(0, LEVELS)):
            raise InvalidVectorsError(
                f"stored vectors: expected whole numbers from {lowest} to {lowest + LEVELS}, as "
                f"{self.precision} has, got others; give the index's own stored_form, or none"
            )
        if self.is_binary:
            bits = np.unpackbits(whole.astype(np.uint8), axis=-1)
            return 2 * bits.astype(np.float32) - 1
        if self.low is None or self.high is None:
            middle = -LOWEST["int8"]
            return (whole - middle).astype(np.float32)
        return (self.low + whole * (self.high - self.low) / LEVELS).astype(np.float32)

    def _levels(self, vectors: Vectors) -> Vectors:
        """Return the numbers as steps from 0 to 255, not rounded."""
        if self.low is None or self.high is None:
            middle = -LOWEST["int8"]
            largest = np.abs(vectors).max(axis=-1, keepdims=True)
            scale = np.where(largest > 0, largest, 1).astype(np.float32)
            scaled: Vectors = vectors / scale * (middle - 1) + middle
            return scaled
        steps: Vectors = (vectors - self.low) / (self.high - self.low) * LEVELS
        return steps


@dataclass(frozen=True)
class RestoredSource:
    """A store whose vectors are read as what is searched.

    Args:
        inner: The store.
        form: How it keeps vectors.
    """

    inner: VectorSource
    form: StoredForm

    @property
    def similarity(self) -> Similarity | None:
        """What the store ranks by; "cosine" for bits, which it is when they are −1 and 1."""
        return "cosine" if self.form.is_binary else self.inner.similarity

    def count(self) -> int | None:
        """Return the number of stored vectors; None if it is known only after reading."""
        return self.inner.count()

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield blocks of rows, as every `VectorSource` does."""
        for keys, rows in self.inner.read(ids, batch_size):
            yield keys, self.form.restored(rows) if len(keys) else rows

    def as_stored(self, vectors: Vectors) -> Vectors:
        """Return vectors as they come back from the store, to be compared by cosine.

        Those of a form with ranges are returned as they are: ranges hold for one length of vectors,
        and rounding to them hardly changes a cosine.
        """
        if self.form.low is not None:
            return vectors
        return self.form.restored(self.form.stored(unit(vectors)))


class EncodedModel:
    """Mixin of a framework's embedding class that gives vectors the form of an index.

    The class has the field `stored_form` and implements `_inner`.
    """

    if TYPE_CHECKING:  # pydantic would read it as a field of the mixin
        stored_form: StoredForm

    @property
    @abstractmethod
    def _inner(self) -> Any:
        """The model whose vectors are encoded."""

    @property
    def identity(self) -> str:
        """Identifier of the vectors: the model's, with the form."""
        return identity_from("stored", identity_of(self._inner), vars(self.stored_form))

    def _encoded(self, vectors: ArrayLike) -> list[list[float]]:
        """Return vectors in the form of the index.

        Raises:
            InvalidVectorsError: If most numbers of a vector lie outside of the calibrated ranges,
                where each would become the same lowest or highest whole number.
        """
        form = self.stored_form
        if form.low is not None and form.high is not None:
            given: Vectors = np.asarray(vectors, dtype=np.float32)
            outside = ((given < form.low) | (given > form.high)).mean(axis=-1)
            if outside.max(initial=0.0) > MOST_OUTSIDE:
                raise InvalidVectorsError(
                    f"stored_form: expected vectors in the calibrated ranges, got one with "
                    f"{outside.max():.0%} of its numbers outside; use the model of the index, and "
                    "normalize its vectors if those of the ranges were normalized"
                )
        found: list[list[float]] = form.stored(vectors).tolist()
        return found


def _numbers(rows: Sequence[Any] | ArrayLike) -> NDArray[np.float64]:
    """Return the rows as numbers, `(n, dim)`; bytes are read as such.

    Raises:
        InvalidVectorsError: If they are no numbers, or differ in length.
    """
    given: Any = rows
    if isinstance(rows, Sequence) and all(isinstance(row, bytes) for row in rows):
        given = [np.frombuffer(row, dtype=np.uint8) for row in given]
    try:
        numbers: NDArray[np.float64] = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise InvalidVectorsError(
            f"stored vectors: expected rows of whole numbers of one length, or bytes, got others "
            f"({exc}); embed those documents again"
        ) from exc
    return numbers
