"""What may be given as an adapter: read, and checked against the base that it goes on."""

from pathlib import Path
from types import EllipsisType

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding, similarity

from llama_index_finetune_plugin._identity import check_name, dim_of, model_name_of
from query_adapters.adapters import QueryAdapter
from query_adapters.errors import AdapterMismatchError, DimensionMismatchError
from query_adapters.storage import SavedAdapter, read_adapter
from query_adapters.typing import Vectors

AdapterLike = QueryAdapter | SavedAdapter | str | Path
PROBE_SIMILARITY = 0.999


def chosen(
    adapter: AdapterLike | EllipsisType | None, adapter_path: str | Path | None
) -> AdapterLike | None:
    """Return the one of the two that was given; `...` stands for an adapter left out.

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


def read(adapter: AdapterLike | None) -> SavedAdapter | None:
    """Return the adapter with its record, which is empty where it came without one.

    Raises:
        TypeError: If it is none of what stands for an adapter.
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


def check_fits(
    saved: SavedAdapter, base: BaseEmbedding, *, kind: str | None, check_model: bool
) -> None:
    """Return nothing if the adapter is of the kind and for the base, as far as both can tell.

    Raises:
        AdapterMismatchError: If it is of another kind, or for another model.
        DimensionMismatchError: If it is for vectors of another length.
    """
    if kind not in (None, saved.adapter.kind):
        raise AdapterMismatchError(
            f"expected a {kind} adapter, got a {saved.adapter.kind} one; use AdapterEmbedding, "
            "which takes every kind"
        )
    if check_model:
        check_name(base, saved.record.base_model)
    dim = dim_of(base)
    if dim is not None:
        saved.adapter.check_dim(dim)


def probe_of(saved: SavedAdapter | None) -> tuple[str, Vectors]:
    """Return the adapter's probe question and the vector that it had in training.

    Raises:
        AdapterMismatchError: If there is none, so that nothing vouches for the base.
    """
    if saved is None or saved.record.probe_text is None or saved.probe_vector is None:
        raise AdapterMismatchError(
            "expected an adapter with a probe question and its vector, got none; train again and "
            "use the saved folder, which holds them"
        )
    return saved.record.probe_text, saved.probe_vector


def check_probe(base: BaseEmbedding, vector: Embedding, expected: Vectors) -> None:
    """Return nothing if the base's vector of the probe question is that of the training.

    Raises:
        AdapterMismatchError: If it is another one.
        DimensionMismatchError: If it is of another length.
    """
    if len(vector) != len(expected):
        raise DimensionMismatchError(
            f"probe question's vector of {model_name_of(base)}",
            expected=len(expected),
            actual=len(vector),
            remedy="use the embedding model that the adapter was trained on",
        )
    cosine = similarity(vector, expected.tolist())
    if not cosine >= PROBE_SIMILARITY:
        raise AdapterMismatchError(
            f"{model_name_of(base)}: expected the probe question's vector of training (cosine at "
            f"least {PROBE_SIMILARITY}), got cosine {cosine:.4f}; use the embedding model, "
            "instruction included, that the adapter was trained on"
        )
