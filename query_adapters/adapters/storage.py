"""Save adapters to a folder and load them; `adapter.safetensors` is authoritative.

    adapter.safetensors   weights, probe vector, and the whole record in its header
    adapter.json          the same record, readable by people and tools
    README.md             a model card

The weights file holds its own record, so a save takes effect when that one file is replaced.
A reader finds either the old adapter or the new one. No pickle is read or written.
"""

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from query_adapters.adapters import ADAPTER_KINDS, QueryAdapter
from query_adapters.adapters.legacy import is_old_folder, read_old_adapter
from query_adapters.adapters.model_card import may_write, model_card
from query_adapters.adapters.weights_file import (
    check_tensors,
    checked_record,
    checked_version,
    digest,
    read_weights_file,
    restorable,
)
from query_adapters.errors import AdapterFileError, AdapterFileWarning, QueryAdaptersError
from query_adapters.files.atomic import replace_file
from query_adapters.files.foreign import refusing
from query_adapters.files.json_reading import read_json_file
from query_adapters.processes.locks import reading, writing
from query_adapters.providers.redaction import redacted_value, without_credentials
from query_adapters.providers.secrets import without_known_secrets
from query_adapters.remote.locations import folder_to_write, local_folder
from query_adapters.typing import Vectors

FORMAT_VERSION = 3  # 2: the centre of a memory; 3: attachments
PLAIN_VERSION = 2  # what is written without attachments, so that older releases can read it
WEIGHTS, RECORD, CARD = "adapter.safetensors", "adapter.json", "README.md"
SEPARATOR = "/"  # between an attachment and its tensor
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib")


@dataclass(frozen=True, kw_only=True)
class AdapterRecord:
    """Origin of an adapter and the model it belongs to.

    Attributes:
        base_model: Name of the embedding model that it was trained on, None if unknown; of a
            local model its own name, without the folder.
        probe_text: A training question whose vector identifies the model.
        training: How it was trained: verdict, settings, counts, out-of-fold table, versions.
        created: Time of saving, ISO 8601, UTC.
    """

    base_model: str | None = None
    probe_text: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """Something that is saved with an adapter and belongs to it, such as a scoring head.

    Attributes:
        record: What JSON can hold of it.
        tensors: Its arrays, by name.
    """

    record: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class SavedAdapter:
    """An adapter with its record.

    Attributes:
        adapter: The map.
        record: Its origin and training.
        probe_vector: The base model's vector of `record.probe_text`, `(dim_in,)`, or None.
        attachments: What is saved with it, by name; without attachments the file is one that
            older releases read.
    """

    adapter: QueryAdapter
    record: AdapterRecord = field(default_factory=AdapterRecord)
    probe_vector: Vectors | None = None
    attachments: Mapping[str, Attachment] = field(default_factory=dict)


def save_adapter(adapter: QueryAdapter | SavedAdapter, folder: str | Path) -> Path:
    """Save the adapter and return its folder; other files in the folder are not touched.

    Each file is written to a temporary file and then renamed, the weights first: a process that
    dies in between leaves a complete adapter. Another one that saves here waits, up to 10 s.
    """
    saved = adapter if isinstance(adapter, SavedAdapter) else SavedAdapter(adapter=adapter)
    created = saved.record.created or datetime.now(UTC).isoformat(timespec="seconds")
    saved = _without_secrets(replace(saved, record=replace(saved.record, created=created)))
    target = folder_to_write(folder)
    if target is None:
        raise ValueError(f"expected a folder to save to, got {folder}; save, then push it there")
    folder = target
    folder.mkdir(parents=True, exist_ok=True)
    description = _describe(saved)
    with writing(folder, refusal=AdapterFileError):
        replace_file(folder / WEIGHTS, [_weights_bytes(saved, description)])
        replace_file(folder / RECORD, [(json.dumps(description, indent=2) + "\n").encode()])
        if may_write(folder / CARD):
            record = saved.record
            card = model_card(saved.adapter, record.base_model, record.created, record.training)
            replace_file(folder / CARD, [card.encode()])
    return folder


def load_adapter(folder: str | Path) -> QueryAdapter:
    """Return the adapter in the folder; errors as in `read_adapter`, which gives its record."""
    return read_adapter(folder).adapter


def read_adapter(folder: str | Path) -> SavedAdapter:
    """Return the adapter in the folder, with its record; a URI does as well.

    A URI starts with `registry://`, `hf://` or `mlflow:`. Folders saved by
    `llama-index-embeddings-adapter` (`config.json`, `pytorch_model.bin`) are read too; that needs
    torch.

    Raises:
        FileNotFoundError: If there is no such folder.
        AdapterFileError: If the folder does not hold a complete, unaltered adapter.
    """
    folder = local_folder(folder)
    if not os.path.isdir(folder):  # False, too, for a text that is no name of a folder
        raise FileNotFoundError(f"no adapter folder at {folder}; expected one with {WEIGHTS}")
    if os.path.lexists(folder / WEIGHTS):
        with reading(folder) as undisturbed:
            return _read_safetensors(folder, undisturbed=undisturbed)
    if is_old_folder(folder):
        return SavedAdapter(adapter=read_old_adapter(folder))
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
    reason = f"; {', '.join(pickles)} may be a pickle and is not read" if pickles else ""
    raise AdapterFileError(f"{folder}: expected {WEIGHTS}, found none{reason}; train again")


def _read_safetensors(folder: Path, *, undisturbed: bool) -> SavedAdapter:
    path = folder / WEIGHTS
    content = read_weights_file(path)
    kind = _kind_of(content.description, path)
    fields, tensors = checked_record(content.description, path), content.tensors
    with refusing(f"{path}: truncated, altered or not an adapter", "an adapter", error=restorable):
        attachments = _attachments(content.attachments, tensors)
        probe_vector = tensors.pop("probe", None)
        try:
            adapter = kind.from_tensors(tensors)
        except QueryAdaptersError as exc:
            raise restorable(f"{path}: {exc}") from exc
        record = AdapterRecord(**fields)
    check_tensors(adapter, tensors, probe_vector, path)
    if undisturbed:
        _warn_if_copy_differs(folder / RECORD, content.description)
    return SavedAdapter(
        adapter=adapter, record=record, probe_vector=probe_vector, attachments=attachments
    )


def _attachments(
    records: Mapping[str, Any], tensors: dict[str, NDArray[Any]]
) -> dict[str, Attachment]:
    """Return the attachments; their tensors are taken out of `tensors`."""
    found: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in records}
    for key in [key for key in tensors if SEPARATOR in key]:
        name, _, plain = key.partition(SEPARATOR)
        found[name][plain] = tensors.pop(key)
    return {name: Attachment(record=records[name], tensors=own) for name, own in found.items()}


def _kind_of(description: Mapping[str, Any], path: Path) -> type[QueryAdapter]:
    """Return the class of the adapter that was saved.

    Raises:
        AdapterFileError: If it is in a newer format, or of a kind that is not registered.
    """
    checked_version(description, FORMAT_VERSION, path)
    kind = description.get("kind")
    if not isinstance(kind, str) or kind not in ADAPTER_KINDS:
        raise AdapterFileError(
            f"{path}: unknown kind {kind!r}, expected one of {sorted(ADAPTER_KINDS)}; import the "
            "module that adds its class to query_adapters.adapters.ADAPTER_KINDS"
        )
    return ADAPTER_KINDS[kind]


def _warn_if_copy_differs(path: Path, description: Mapping[str, Any]) -> None:
    try:
        same = read_json_file(path, error=AdapterFileError) == description
    except (OSError, AdapterFileError):
        same = False
    if not same:
        warnings.warn(
            f"{path} differs from the record in {WEIGHTS} (edited by hand, or a save was "
            "interrupted); the record in the weights file is used: save the adapter again",
            AdapterFileWarning,
            stacklevel=4,
        )


def _without_secrets(saved: SavedAdapter) -> SavedAdapter:
    """Return the adapter with a record that tells no secret; a probe is kept as it is or not."""
    probe = saved.record.probe_text
    fields = redacted_value(asdict(saved.record), without_credentials) | {"probe_text": probe}
    if probe is not None and without_known_secrets(probe) != probe:
        saved, fields["probe_text"] = replace(saved, probe_vector=None), None
    return replace(saved, record=AdapterRecord(**fields))


def _describe(saved: SavedAdapter) -> dict[str, Any]:
    adapter = saved.adapter
    described = {
        "format_version": FORMAT_VERSION if saved.attachments else PLAIN_VERSION,
        "kind": adapter.kind,
        "dim_in": adapter.dim_in,
        "dim_out": adapter.dim_out,
        "fingerprint": adapter.fingerprint,
        "record": asdict(saved.record),
    }
    return dict(json.loads(json.dumps(described)))


def _weights_bytes(saved: SavedAdapter, description: Mapping[str, Any]) -> bytes:
    tensors = {name: np.ascontiguousarray(t) for name, t in saved.adapter.tensors().items()}
    if saved.probe_vector is not None:
        tensors["probe"] = np.ascontiguousarray(saved.probe_vector, dtype=np.float32)
    metadata = {"record": json.dumps(description)}
    if saved.attachments:
        metadata["attachments"] = json.dumps({n: a.record for n, a in saved.attachments.items()})
    for name, attached in saved.attachments.items():
        arrays = {f"{name}{SEPARATOR}{key}": tensor for key, tensor in attached.tensors.items()}
        tensors |= {key: np.ascontiguousarray(tensor) for key, tensor in arrays.items()}
    metadata["sha256"] = digest("".join(metadata.values()), tensors)
    return save(tensors, metadata=metadata)
