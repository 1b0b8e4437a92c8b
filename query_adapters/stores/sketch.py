"""A few lines that tell later whether an index is still the one that an adapter was trained on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.errors import AdapterFileError
from query_adapters.files.json_types import is_count
from query_adapters.stores.stored import StoredVectors
from query_adapters.text.shown import quoted
from query_adapters.typing import Vectors

SAMPLE = 16  # documents
MOST_SIGNS = 512  # of a vector
SAME = 0.95  # share of equal signs: rounding to 8 bits keeps more, an edited text fewer


@dataclass(frozen=True, kw_only=True)
class SketchComparison:
    """An index beside the sketch of another one.

    Attributes:
        n_then: Number of vectors in the sketched index.
        n_now: Number of vectors in the index.
        dim_then: Length of the sketched vectors.
        dim_now: Length of the vectors.
        n_sampled: Documents in the sketch.
        n_found: How many of them the index holds.
        n_changed: How many of these have another vector now.
    """

    n_then: int
    n_now: int
    dim_then: int
    dim_now: int
    n_sampled: int
    n_found: int
    n_changed: int


def index_sketch(
    ids: Sequence[str], vectors: Vectors, *, n_stored: int | None = None
) -> dict[str, object]:
    """Return size and length of an index, and signs of the vectors of 16 documents, as JSON.

    Documents are named by a hash of their id. The share of equal signs of two vectors is
    `1 - angle / π` on average, so vectors that were rounded are recognised.

    Args:
        ids: Ids of the documents.
        vectors: Their vectors, `(len(ids), dim)`.
        n_stored: Number of vectors in the index, if these are a sample.

    Source: Charikar, Similarity Estimation Techniques from Rounding Algorithms (2002), section 3.
    """
    rows = np.unique(np.linspace(0, len(ids) - 1, min(SAMPLE, len(ids))).astype(int))
    return {
        "vectors": n_stored or len(ids),
        "dim": int(vectors.shape[1]),
        "sample": {_name(ids[row]): _signs(vectors[row]).hex() for row in rows},
    }


def sketch_of(index: StoredVectors) -> dict[str, object]:
    """Return the sketch of an index."""
    return index_sketch(index.ids, index.vectors, n_stored=_size(index))


def compared_with_sketch(sketch: object, index: StoredVectors) -> SketchComparison:
    """Return how an index compares with the sketch of the one in training.

    Raises:
        AdapterFileError: If the sketch is not one that `index_sketch` returns.
    """
    n_then, dim_then, sample = _checked(sketch)
    names = {_name(key): row for row, key in enumerate(index.ids)}
    found = [(signs, names[name]) for name, signs in sample.items() if name in names]
    same_dim = dim_then == index.dim
    n_changed = sum(
        not same_dim or _agreement(signs, _signs(index.vectors[row])) < SAME for signs, row in found
    )
    return SketchComparison(
        n_then=n_then,
        n_now=_size(index),
        dim_then=dim_then,
        dim_now=index.dim,
        n_sampled=len(sample),
        n_found=len(found),
        n_changed=n_changed,
    )


def _checked(sketch: object) -> tuple[int, int, dict[str, bytes]]:
    try:
        if not isinstance(sketch, Mapping):
            raise TypeError("no object")
        n_then, dim, sample = sketch["vectors"], sketch["dim"], sketch["sample"]
        if not (is_count(n_then) and is_count(dim)):
            raise TypeError("no whole numbers")
        return n_then, dim, {str(name): bytes.fromhex(signs) for name, signs in sample.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AdapterFileError(
            "training record, index: expected vectors, dim and a sample of signs, got "
            f"{quoted(sketch)}; save the adapter again"
        ) from error


def _size(index: StoredVectors) -> int:
    """Return the number of vectors; with units, that of units is stored."""
    return (index.n_stored if index.units is None else None) or len(index.ids)


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _signs(vector: Vectors) -> bytes:
    return np.packbits(np.asarray(vector[:MOST_SIGNS]) > 0).tobytes()


def _agreement(one: bytes, other: bytes) -> float:
    """Return the share of equal bits; those that fill the last byte are equal."""
    if len(one) != len(other) or not one:
        return 0.0
    bits = np.frombuffer(one, np.uint8) ^ np.frombuffer(other, np.uint8)
    return 1 - float(np.unpackbits(bits).mean())
