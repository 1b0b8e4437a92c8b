"""Save learned weights as a small JSON file, and load them for the same retrievers."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from query_adapters.errors import AdapterFileError
from query_adapters.files.atomic import replace_file
from query_adapters.files.json_reading import read_json_file
from query_adapters.files.json_types import is_count
from query_adapters.fusion.retrievers.weights import RetrieverWeights, names_of

WEIGHTS_FILE = "retriever_weights.json"
FORMAT = 1


def save_weights(
    weights: RetrieverWeights, folder: str | Path, *, record: Mapping[str, Any] | None = None
) -> Path:
    """Write `retriever_weights.json` to the folder, and return the folder.

    Args:
        weights: The weights.
        folder: The folder, which is made if it is missing.
        record: Further entries, such as the verdict.
    """
    written = {"format": FORMAT, "retrievers": weights.to_record(), **(record or {})}
    return write_json(written, Path(folder), WEIGHTS_FILE)


def write_json(record: Mapping[str, Any], folder: Path, name: str) -> Path:
    """Write the record to a file of this name, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=2, ensure_ascii=False)
    replace_file(folder / name, [f"{text}\n".encode(errors="backslashreplace")])
    return folder


def read_weights(folder: str | Path) -> RetrieverWeights:
    """Return the weights in the folder.

    Raises:
        FileNotFoundError: If the folder holds none.
        AdapterFileError: If the file is incomplete, altered or of a newer format.
    """
    path = Path(folder) / WEIGHTS_FILE
    if not os.path.lexists(path):
        raise FileNotFoundError(
            f"{folder}: expected {WEIGHTS_FILE}, got none; train the weights with a "
            "FusionFinetuneEngine, or name its model_output_path"
        )
    record = read_json_file(path, error=AdapterFileError, unique=True)
    try:
        if not is_count(record["format"]):
            raise ValueError(f"format {record['format']!r}")
        if record["format"] > FORMAT:
            raise AdapterFileError(
                f"{path}: expected format {FORMAT}, got {record['format']}; update "
                "llama-index-finetune-plugin"
            )
        return RetrieverWeights.from_record(record["retrievers"])
    except AdapterFileError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise AdapterFileError(
            f"{path}: the weights are incomplete ({type(error).__name__}: {error}); train again"
        ) from error


def read_weights_for(
    retrievers: Sequence[object], folder: str | Path, *, names: Sequence[str] | None = None
) -> RetrieverWeights:
    """Return the weights in the folder, if they were learned for retrievers of these names.

    Args:
        retrievers: The retrievers, the base first.
        folder: The folder.
        names: Their names, if they were given for training; else those of their classes.

    Raises:
        AdapterFileError: If they were learned for other retrievers, or as `read_weights`.
        FileNotFoundError: If the folder holds none.
    """
    weights = read_weights(folder)
    found = names_of(retrievers, names)
    if found != weights.names:
        raise AdapterFileError(
            f"{folder}: the weights were learned for the retrievers {_listed(weights.names)}, got "
            f"{_listed(found)}; pass the same ones in this order, with names= if they were named"
        )
    return weights


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
