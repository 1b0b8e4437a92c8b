"""Resolve, validate and apply an adapter at serving time."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.adapters.storage import SavedAdapter, read_adapter
from query_adapters.embedders.identity import check_name, identity_of
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidVectorsError,
)
from query_adapters.typing import Vectors

AdapterLike = QueryAdapter | SavedAdapter | str | Path
PROBE_SIMILARITY = 0.999


def chosen(
    adapter: AdapterLike | EllipsisType | None, adapter_path: str | Path | None
) -> AdapterLike | None:
    """Return the one that was given; `...` means that `adapter` was left out.

    Raises:
        TypeError: If both were given, or neither.
    """
    if (adapter is ...) == (adapter_path is None):
        given = "neither" if adapter is ... else "both"
        raise TypeError(
            f"expected adapter or adapter_path, got {given}; pass one (adapter=None for the base "
            "as it is); an adapter given in memory is not stored, pass it to from_dict too"
        )
    return adapter_path if isinstance(adapter, EllipsisType) else adapter


def from_arrays(
    adapter: AdapterLike | EllipsisType | None, weight: ArrayLike | None, bias: ArrayLike | None
) -> AdapterLike | EllipsisType | None:
    """Return the linear adapter of the arrays, or `adapter` if there are none.

    Raises:
        TypeError: If both adapter and weight were given, or a bias without a weight.
    """
    if weight is None and bias is not None:
        raise TypeError("expected a weight to go with the bias, got none; pass weight=")
    if weight is None:
        return adapter
    if adapter is not ...:
        raise TypeError("expected an adapter or a weight, got both; leave one out")
    return LinearAdapter(weight, bias)


def read(adapter: AdapterLike | None) -> SavedAdapter | None:
    """Return the adapter with its record, which is empty if it has none.

    Raises:
        TypeError: If it has none of the types of `AdapterLike`.
    """
    if isinstance(adapter, str | Path):
        return read_adapter(adapter)
    if isinstance(adapter, QueryAdapter):
        return SavedAdapter(adapter=adapter)
    if adapter is None or isinstance(adapter, SavedAdapter):
        return adapter
    raise TypeError(
        "expected an adapter, a SavedAdapter, the path of a folder or None, got "
        f"{type(adapter).__name__}"
    )


def check_fits(saved: SavedAdapter, *, model_name: str | None, dim: int | None) -> None:
    """Check the adapter's base model and dimension, as far as they are known.

    Args:
        saved: The adapter with its record.
        model_name: The model's name; None to skip its check.
        dim: Length of the model's vectors; None if unknown.

    Raises:
        AdapterMismatchError: If its model differs.
        DimensionMismatchError: If its dimension differs.
    """
    if model_name is not None:
        check_name(model_name, saved.record.base_model)
    if dim is not None:
        saved.adapter.check_dim(dim)


def probe_of(saved: SavedAdapter | None) -> tuple[str, Vectors]:
    """Return the adapter's probe question and its vector in training.

    Raises:
        AdapterMismatchError: If it has none, so that the base cannot be verified.
    """
    if saved is None or saved.record.probe_text is None or saved.probe_vector is None:
        raise AdapterMismatchError(
            "expected an adapter with a probe question and its vector, got none; train again and "
            "use the saved folder, which holds them"
        )
    return saved.record.probe_text, saved.probe_vector


def check_probe(vector: Sequence[float], expected: Vectors, *, model_name: str) -> None:
    """Check that the model's vector of the probe question equals the one in training.

    Args:
        vector: The model's vector, `(dim,)`.
        expected: The vector in training, `(dim,)`.
        model_name: The model's name, for the message.

    Raises:
        AdapterMismatchError: If it differs.
        DimensionMismatchError: If its length differs.
    """
    if len(vector) != len(expected):
        raise DimensionMismatchError(
            f"probe question's vector of {model_name}",
            expected=len(expected),
            actual=len(vector),
            remedy="use the embedding model that the adapter was trained on",
        )
    cosine = _cosine(np.asarray(vector), np.asarray(expected, dtype=np.float64))
    if not cosine >= PROBE_SIMILARITY:
        raise AdapterMismatchError(
            f"{model_name}: expected the probe question's vector of training (cosine at "
            f"least {PROBE_SIMILARITY}), got cosine {cosine:.4f}; use the embedding model, "
            "instruction included, that the adapter was trained on"
        )


def adapted_identity(base: Any, adapter: QueryAdapter | None) -> str:
    """Return the identifier of adapted vectors; the base's identity if nothing changes them."""
    if adapter is None or adapter.is_identity:
        return identity_of(base)
    return f"{identity_of(base)}+{adapter.fingerprint}"


def adapted(adapter: QueryAdapter | None, vector: list[float]) -> list[float]:
    """Return the adapted vector; the given list itself if nothing changes it.

    Raises:
        DimensionMismatchError: If the adapter maps vectors of another length.
        InvalidVectorsError: If it is no list of numbers.
    """
    if adapter is None:
        return vector
    if adapter.is_identity:
        adapter.check_dim(len(vector))
        return vector
    result: list[float] = adapter(_as_array(vector)).tolist()
    return result


def _as_array(vector: list[float]) -> Vectors:
    # three times as fast as numpy on a list; values beyond float32 become infinite here too
    try:
        return np.frombuffer(_floats(len(vector)).pack(*vector), dtype=np.float32)
    except (struct.error, TypeError, OverflowError) as exc:
        raise InvalidVectorsError(
            f"the base model's vector of a query: expected numbers, got others ({exc}); check the "
            "embedding model"
        ) from exc


@lru_cache(maxsize=8)
def _floats(n: int) -> struct.Struct:
    return struct.Struct(f"{n}f")


def _cosine(one: Vectors, other: Vectors) -> float:
    with np.errstate(invalid="ignore"):  # a zero vector has no cosine
        return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
