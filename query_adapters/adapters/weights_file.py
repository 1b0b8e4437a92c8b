"""Read the weights file of an adapter, which may come from a stranger."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from query_adapters.adapters.base import QueryAdapter
from query_adapters.errors import AdapterFileError
from query_adapters.files.foreign import refusing
from query_adapters.files.json_reading import parse_json
from query_adapters.files.json_types import check_not_newer, is_count
from query_adapters.files.reading import STREAM_BYTES, check_file

Tensors = dict[str, NDArray[Any]]
TEXTS = {"base_model": (str, type(None)), "probe_text": (str, type(None)), "created": (str,)}


@dataclass(frozen=True)
class WeightsFile:
    """The content of a weights file, whose checksum is right.

    Attributes:
        description: Format, kind, dimensions and record.
        attachments: Records of what is saved with the adapter, by name.
        tensors: All arrays by name.
    """

    description: dict[str, Any]
    attachments: dict[str, Any]
    tensors: Tensors


def read_weights_file(path: Path) -> WeightsFile:
    """Return the content of a weights file.

    Raises:
        FileNotFoundError: If there is no such file.
        AdapterFileError: If it is truncated, altered or not of an adapter.
    """
    check_file(path, error=AdapterFileError, limit=STREAM_BYTES)
    with refusing(f"{path}: truncated, altered or not an adapter", "weights", error=restorable):
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        record, attached = header["record"], header.get("attachments", "")
        if header["sha256"] != digest(record + attached, tensors):
            raise ValueError("its content does not match its checksum")
        description = _object(record, path)
        attachments = _object(attached or "{}", path)
    return WeightsFile(description, attachments, tensors)


def digest(record: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the checksum of a record and its arrays."""
    found = hashlib.sha256(record.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name}{tensor.dtype.str}{tensor.shape}".encode() + tensor.tobytes())
    return found.hexdigest()


def checked_version(description: Mapping[str, Any], newest: int, path: Path) -> int:
    """Return the format version.

    Raises:
        AdapterFileError: If it is not a version, or a newer one.
    """
    version = description.get("format_version")
    if not is_count(version):
        raise restorable(f"{path}: expected a format version from 1, got {version!r}")
    check_not_newer(version, newest, path, error=AdapterFileError)
    return version


def checked_record(description: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the fields of the record.

    Raises:
        AdapterFileError: If one has another type than it is saved with.
    """
    record = description.get("record")
    if not isinstance(record, dict):
        raise restorable(f"{path}: expected a record, got {type(record).__name__}")
    for name, types in TEXTS.items():
        if name in record and not isinstance(record[name], types):
            raise restorable(
                f"{path}: expected a text as {name}, got {type(record[name]).__name__}"
            )
    training = record.get("training", {})
    if not isinstance(training, dict):
        raise restorable(f"{path}: expected an object as training, got {type(training).__name__}")
    if not isinstance(training.get("retriever", {}), dict):
        raise restorable(f"{path}: expected an object as the training of the retriever")
    return record


def check_tensors(
    adapter: QueryAdapter, tensors: Tensors, probe: NDArray[Any] | None, path: Path
) -> None:
    """Check that the arrays are those that the adapter would be saved with.

    Raises:
        AdapterFileError: If there are others, or of another type or shape.
    """
    expected, actual = _kinds(adapter.tensors()), _kinds(tensors)
    if expected != actual:
        raise restorable(f"{path}: expected the arrays {expected}, got {actual}")
    if probe is None:
        return
    if _kind(probe) != (np.dtype(np.float32), (adapter.dim_in,)) or not np.isfinite(probe).all():
        raise restorable(
            f"{path}: expected a probe vector of {adapter.dim_in} finite float32 numbers, as the "
            f"adapter maps, got {probe.dtype} of shape {probe.shape}"
        )


def restorable(message: str) -> AdapterFileError:
    """Return the error about a file that is to be restored."""
    return AdapterFileError(f"{message}; restore the file or train again")


def _kinds(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: _kind(tensors[name]) for name in sorted(tensors)}


def _kind(tensor: NDArray[Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    return tensor.dtype, tensor.shape


def _object(text: str, path: Path) -> dict[str, Any]:
    found = parse_json(text, str(path), error=AdapterFileError, unique=True)
    if not isinstance(found, dict):
        raise restorable(f"{path}: expected a JSON object, got {type(found).__name__}")
    return found
